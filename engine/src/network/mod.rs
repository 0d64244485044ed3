//! Layouts of the networks: the shape of their cells, and where each parameter lies in the one flat vector of all
//! weights. Nothing here computes.

mod derived;
mod recurrent;

pub use derived::Network;
pub(crate) use derived::{AUXILIARY_CHANNELS, AUXILIARY_HEAD, auxiliary_layer, is_identity, of, op_norms, stride};
pub(crate) use recurrent::RecurrentCell;
pub use recurrent::RecurrentNet;

use crate::space::{CellKind, Op};
use std::{collections::HashMap, ops::Range};

/// One cell of a supernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CellShape {
    /// Normal or reduction.
    pub kind: CellKind,
    /// The cell before this one was a reduction: its first input is twice as large and is halved in preprocessing.
    pub after_reduction: bool,
    /// Channels of the first input, the cell before the last.
    pub channels_before_last: usize,
    /// Channels of the second input, the last cell.
    pub channels_last: usize,
    /// Channels of every node; the output has four times as many.
    pub channels: usize,
}

/// Initial values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Uniform in ± 1/sqrt(fan in), PyTorch's default for convolutions and linear layers.
    Uniform {
        /// Inputs that one output sums over.
        fan_in: usize,
    },
    /// Uniform within a distance of 0.
    Within {
        /// That distance.
        bound: f32,
    },
    /// All ones.
    Ones,
    /// All zeros.
    Zeros,
}

/// One named parameter inside the flat weight vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Name in the authors' module tree, for example `cells.0._ops.3._ops.4.op.1.weight`.
    pub name: String,
    /// Its shape; convolutions are [out, in / groups, height, width].
    pub shape: Vec<usize>,
    /// First element in the flat vector.
    pub offset: usize,
    /// Initial values.
    pub init: Init,
}

impl Parameter {
    /// Its range in the flat vector.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.shape.iter().product::<usize>()
    }
}

/// Where each parameter of a network lies in its one flat weight vector.
///
/// All weights of a network are one tensor, so that the optimiser, clipping and the perturbations of the second order are
/// a few launches whatever the depth, and a checkpoint is one read.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) by_name: HashMap<String, usize>,
    pub(crate) len: usize,
}

impl Layout {
    /// Appends a parameter.
    pub(crate) fn push(&mut self, name: String, shape: &[usize], init: Init) {
        let parameter = Parameter { name: name.clone(), shape: shape.to_vec(), offset: self.len, init };
        self.len = parameter.range().end;
        self.by_name.insert(name, self.parameters.len());
        self.parameters.push(parameter);
    }

    /// Appends a convolution's weight [out, in / groups, height, width].
    pub(crate) fn push_conv(&mut self, name: String, shape: [usize; 4]) {
        let fan_in = shape[1] * shape[2] * shape[3];
        self.push(name, &shape, Init::Uniform { fan_in });
    }

    /// The same flat vector with neighbouring parameters of one group merged into one of its name.
    pub(crate) fn packed(&self, group: impl Fn(&str) -> Option<&str>) -> Self {
        let mut packed = Self::default();
        for parameter in &self.parameters {
            let Some(name) = group(&parameter.name) else {
                packed.push(parameter.name.clone(), &parameter.shape, parameter.init);
                continue;
            };
            let count = parameter.range().len();
            match packed.parameters.last_mut() {
                Some(last) if last.name == name => {
                    last.shape[0] += count;
                    packed.len += count;
                }
                _ => packed.push(name.to_owned(), &[count], parameter.init),
            }
        }
        packed
    }

    /// Elements of the flat vector.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The parameters in the order of the flat vector.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The parameter of that name.
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.by_name.get(name).map(|&i| &self.parameters[i])
    }

    /// The flat vector from named values, as a safetensors file has them.
    ///
    /// # Errors
    /// `lookup` has no value for a parameter, or one of another length.
    pub fn pack(&self, mut lookup: impl FnMut(&str) -> Option<Vec<f32>>) -> Result<Vec<f32>, PackError> {
        let mut values = Vec::with_capacity(self.len);
        for parameter in &self.parameters {
            let found = lookup(&parameter.name).ok_or_else(|| PackError::Missing(parameter.name.clone()))?;
            if found.len() != parameter.range().len() {
                return Err(PackError::Length {
                    name: parameter.name.clone(),
                    found: found.len(),
                    expected: parameter.range().len(),
                });
            }
            values.extend(found);
        }
        Ok(values)
    }
}

/// Named values do not fit a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A parameter has no value.
    #[error("weights lack {0}")]
    Missing(String),
    /// A parameter has a value of another length.
    #[error("weights of {name} have {found} elements, the network expects {expected}")]
    Length {
        /// The parameter.
        name: String,
        /// Elements given.
        found: usize,
        /// Elements expected.
        expected: usize,
    },
}

/// The convolutions of an op on `c` channels, by their names inside the op's module.
pub(crate) fn op_parameters(op: Op, c: usize, stride: usize) -> Vec<(&'static str, [usize; 4])> {
    let separable = |k| {
        vec![
            ("op.1.weight", [c, 1, k, k]),
            ("op.2.weight", [c, c, 1, 1]),
            ("op.5.weight", [c, 1, k, k]),
            ("op.6.weight", [c, c, 1, 1]),
        ]
    };
    let dilated = |k| vec![("op.1.weight", [c, 1, k, k]), ("op.2.weight", [c, c, 1, 1])];
    match op {
        Op::SEP_CONV_3X3 => separable(3),
        Op::SEP_CONV_5X5 => separable(5),
        Op::SEP_CONV_7X7 => separable(7),
        Op::DIL_CONV_3X3 => dilated(3),
        Op::DIL_CONV_5X5 => dilated(5),
        Op::SKIP_CONNECT if stride == 2 => {
            vec![("conv_1.weight", [c / 2, c, 1, 1]), ("conv_2.weight", [c - c / 2, c, 1, 1])]
        }
        Op::CONV_7X1_1X7 => vec![("1.weight", [c, c, 1, 7]), ("2.weight", [c, c, 7, 1])],
        _ => Vec::new(),
    }
}
