use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// An operation on an edge of a convolutional cell.
///
/// The first eight are the candidates of the search (paper, section 3.1.1); the others appear in published cells only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Op {
    /// No connection: the output is zero.
    None,
    /// 3x3 max pooling.
    MaxPool3x3,
    /// 3x3 average pooling, padding not counted.
    AvgPool3x3,
    /// Identity, or a factorised reduction at stride 2.
    SkipConnect,
    /// 3x3 depthwise-separable convolution, applied twice.
    SepConv3x3,
    /// 5x5 depthwise-separable convolution, applied twice.
    SepConv5x5,
    /// 3x3 depthwise-separable convolution with dilation 2.
    DilConv3x3,
    /// 5x5 depthwise-separable convolution with dilation 2.
    DilConv5x5,
    /// 7x7 depthwise-separable convolution, applied twice (NASNet-A, AmoebaNet-A, PNAS).
    SepConv7x7,
    /// 1x7 then 7x1 convolution (AmoebaNet-A).
    Conv7x1_1x7,
}

/// A name that is no op.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown op \"{0}\" (known: {list})", list = Op::ALL.map(Op::name).join(", "))]
pub struct UnknownOp(pub String);

impl Op {
    /// The candidates of an edge, in the order of an alpha row.
    pub const CANDIDATES: [Op; 8] = [
        Op::None,
        Op::MaxPool3x3,
        Op::AvgPool3x3,
        Op::SkipConnect,
        Op::SepConv3x3,
        Op::SepConv5x5,
        Op::DilConv3x3,
        Op::DilConv5x5,
    ];

    /// Every op that a convolutional genotype may name.
    pub const ALL: [Op; 10] = [
        Op::None,
        Op::MaxPool3x3,
        Op::AvgPool3x3,
        Op::SkipConnect,
        Op::SepConv3x3,
        Op::SepConv5x5,
        Op::DilConv3x3,
        Op::DilConv5x5,
        Op::SepConv7x7,
        Op::Conv7x1_1x7,
    ];

    /// The name that the authors' implementation uses, for example `sep_conv_3x3`.
    pub const fn name(self) -> &'static str {
        match self {
            Op::None => "none",
            Op::MaxPool3x3 => "max_pool_3x3",
            Op::AvgPool3x3 => "avg_pool_3x3",
            Op::SkipConnect => "skip_connect",
            Op::SepConv3x3 => "sep_conv_3x3",
            Op::SepConv5x5 => "sep_conv_5x5",
            Op::DilConv3x3 => "dil_conv_3x3",
            Op::DilConv5x5 => "dil_conv_5x5",
            Op::SepConv7x7 => "sep_conv_7x7",
            Op::Conv7x1_1x7 => "conv_7x1_1x7",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Op {
    type Err = UnknownOp;

    fn from_str(name: &str) -> Result<Self, UnknownOp> {
        Op::ALL.into_iter().find(|op| op.name() == name).ok_or_else(|| UnknownOp(name.to_owned()))
    }
}

impl TryFrom<String> for Op {
    type Error = UnknownOp;

    fn try_from(name: String) -> Result<Self, UnknownOp> {
        name.parse()
    }
}

impl From<Op> for &'static str {
    fn from(op: Op) -> Self {
        op.name()
    }
}
