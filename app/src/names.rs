//! Names of ops, states, edges and cells on the page.

use crate::cells::{AnyOp, Kind};
use darts_engine::space::{Edge, Op, RecurrentOp};

/// Label of an op in two parts: its operation and its window.
pub const fn op_label(op: AnyOp) -> (&'static str, &'static str) {
    match op {
        AnyOp::Recurrent(op) => (op.name(), ""),
        AnyOp::Convolutional(op) => match op {
            Op::None => ("none", ""),
            Op::MaxPool3x3 => ("max", "3\u{d7}3"),
            Op::AvgPool3x3 => ("avg", "3\u{d7}3"),
            Op::SkipConnect => ("skip", ""),
            Op::SepConv3x3 => ("sep", "3\u{d7}3"),
            Op::SepConv5x5 => ("sep", "5\u{d7}5"),
            Op::DilConv3x3 => ("dil", "3\u{d7}3"),
            Op::DilConv5x5 => ("dil", "5\u{d7}5"),
            Op::SepConv7x7 => ("sep", "7\u{d7}7"),
            Op::Conv7x1_1x7 => ("conv", "7\u{d7}1"),
        },
    }
}

/// Explanation of an op, in a clause.
pub const fn op_hint(op: AnyOp) -> &'static str {
    match op {
        AnyOp::Convolutional(op) => match op {
            Op::None => "none: the edge passes nothing on",
            Op::MaxPool3x3 => "max 3\u{d7}3: the largest value of a 3 by 3 window",
            Op::AvgPool3x3 => "avg 3\u{d7}3: the mean of a 3 by 3 window",
            Op::SkipConnect => "skip: the input as it is",
            Op::SepConv3x3 => "sep 3\u{d7}3: depthwise-separable convolution, applied twice",
            Op::SepConv5x5 => "sep 5\u{d7}5: depthwise-separable convolution with a larger window, applied twice",
            Op::DilConv3x3 => "dil 3\u{d7}3: depthwise-separable convolution that looks at every second pixel",
            Op::DilConv5x5 => "dil 5\u{d7}5: the same with a larger window",
            Op::SepConv7x7 => "sep 7\u{d7}7: depthwise-separable convolution, applied twice",
            Op::Conv7x1_1x7 => "conv 7\u{d7}1: a 1 by 7 then a 7 by 1 convolution",
        },
        AnyOp::Recurrent(op) => match op {
            RecurrentOp::None => "none: the edge passes nothing on",
            RecurrentOp::Tanh => "tanh: squashes what a matrix makes of the state to between \u{2212}1 and 1",
            RecurrentOp::Relu => "relu: its positive part",
            RecurrentOp::Sigmoid => "sigmoid: squashes it to between 0 and 1",
            RecurrentOp::Identity => "identity: as it is",
        },
    }
}

/// Label of an op in one piece.
pub fn op_name(op: AnyOp) -> String {
    match op_label(op) {
        (what, "") => what.to_owned(),
        (what, window) => format!("{what} {window}"),
    }
}

/// Name of a state in plain text, for assistive technology.
pub fn state_text(kind: Kind, state: usize) -> String {
    match (kind, state) {
        (Kind::Recurrent, 0) => "the first state".into(),
        (Kind::Recurrent, node) => format!("node {node}"),
        (_, 0) => "c k minus 2".into(),
        (_, 1) => "c k minus 1".into(),
        (_, node) => format!("node {}", node - 2),
    }
}

/// Name of a state as it is written.
pub fn state_name(kind: Kind, state: usize) -> String {
    match (kind, state) {
        (Kind::Recurrent, state) => state.to_string(),
        (_, 0) => "ck\u{2212}2".into(),
        (_, 1) => "ck\u{2212}1".into(),
        (_, node) => (node - 2).to_string(),
    }
}

/// Number of a node as it is written: those of a recurrent cell begin at 1, as its first state is 0.
pub const fn node_number(kind: Kind, node: usize) -> usize {
    match kind {
        Kind::Normal | Kind::Reduce => node,
        Kind::Recurrent => node + 1,
    }
}

/// Name of an edge as it is written.
pub fn edge_text(kind: Kind, state: usize, node: usize) -> String {
    format!("{} \u{2192} {}", state_name(kind, state), node_number(kind, node))
}

/// The edge of a row of the alphas.
pub fn edge_at(kind: Kind, row: usize) -> Edge {
    kind.edges().get(row).copied().unwrap_or(Edge { state: 0, node: kind.nodes() - 1 })
}

/// Name of the edge of a row of the alphas, as it is written.
pub fn row_text(kind: Kind, row: usize) -> String {
    let Edge { state, node } = edge_at(kind, row);
    edge_text(kind, state, node)
}

/// Title of a kind of cell, and what the cell does.
pub const fn cell_title(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Normal => ("Normal cell", "keeps height and width"),
        Kind::Reduce => ("Reduction cell", "halves height and width"),
        Kind::Recurrent => ("Recurrent cell", "reads a word, and what it knows of those before"),
    }
}

/// Name of a kind of cell where there is little room.
pub const fn short_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Normal => "normal",
        Kind::Reduce => "reduction",
        Kind::Recurrent => "recurrent",
    }
}
