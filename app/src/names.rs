//! Names of ops, states, edges and cells on the page: from the engine's specifications and from tables by name, with a
//! fallback for what is not in them.

use crate::{
    cells::{AnyOp, Kind},
    describe::capitalised,
};
use darts_engine::space::{Edge, Op};

/// Label of each op in two parts, its operation and its window, and an explanation in a clause.
const OPS: [(Op, (&str, &str), &str); 14] = [
    (Op::NONE, ("none", ""), "none: the edge passes nothing on"),
    (Op::MAX_POOL_3X3, ("max", "3\u{d7}3"), "max 3\u{d7}3: the largest value of a 3 by 3 window"),
    (Op::AVG_POOL_3X3, ("avg", "3\u{d7}3"), "avg 3\u{d7}3: the mean of a 3 by 3 window"),
    (Op::SKIP_CONNECT, ("skip", ""), "skip: the unchanged input"),
    (Op::SEP_CONV_3X3, ("sep", "3\u{d7}3"), "sep 3\u{d7}3: depthwise-separable convolution, applied twice"),
    (
        Op::SEP_CONV_5X5,
        ("sep", "5\u{d7}5"),
        "sep 5\u{d7}5: depthwise-separable convolution with a larger window, applied twice",
    ),
    (
        Op::DIL_CONV_3X3,
        ("dil", "3\u{d7}3"),
        "dil 3\u{d7}3: depthwise-separable convolution that looks at every second pixel",
    ),
    (Op::DIL_CONV_5X5, ("dil", "5\u{d7}5"), "dil 5\u{d7}5: dil 3\u{d7}3 with a larger window"),
    (Op::SEP_CONV_7X7, ("sep", "7\u{d7}7"), "sep 7\u{d7}7: depthwise-separable convolution, applied twice"),
    (Op::CONV_7X1_1X7, ("conv", "7\u{d7}1"), "conv 7\u{d7}1: a 1 by 7 then a 7 by 1 convolution"),
    (Op::TANH, ("tanh", ""), "tanh: a linear map of the state, squashed to between \u{2212}1 and 1"),
    (Op::RELU, ("relu", ""), "relu: the positive part of the linear map"),
    (Op::SIGMOID, ("sigmoid", ""), "sigmoid: the linear map, squashed to between 0 and 1"),
    (Op::IDENTITY, ("identity", ""), "identity: the linear map as it is"),
];

/// Effect of each kind of cell.
const CELLS: [(&str, &str); 3] = [
    ("normal", "keeps height and width"),
    ("reduce", "halves height and width"),
    ("recurrent", "reads a word and the state left by those before"),
];

/// Label of an op in two parts: its operation and its window.
pub fn op_label(op: AnyOp) -> (&'static str, &'static str) {
    OPS.iter().find(|(known, ..)| *known == op.op).map_or((op.name(), ""), |(_, label, _)| *label)
}

/// Explanation of an op, in a clause.
pub fn op_hint(op: AnyOp) -> &'static str {
    OPS.iter().find(|(known, ..)| *known == op.op).map_or(op.name(), |(.., hint)| hint)
}

/// Label of an op in one piece.
pub fn op_name(op: AnyOp) -> String {
    match op_label(op) {
        (what, "") => what.to_owned(),
        (what, window) => format!("{what} {window}"),
    }
}

/// Letter and index of a label such as `c_{k-2}`; the label without an index where it has none.
fn symbol(label: &'static str) -> (&'static str, String) {
    match label.strip_suffix('}').and_then(|label| label.split_once("_{")) {
        Some((letter, index)) => (letter, index.replace('-', "\u{2212}")),
        None => (label, String::new()),
    }
}

/// Letter and index of an input that has an index.
pub fn input_symbol(kind: Kind, state: usize) -> Option<(&'static str, String)> {
    let (letter, index) = symbol(kind.spec().inputs.get(state)?);
    (!index.is_empty()).then_some((letter, index))
}

/// Letter and index of an input of a drawing; of the output at any other place.
pub fn terminal_symbol(kind: Kind, place: usize) -> (&'static str, String) {
    let spec = kind.spec();
    let label = match spec.sources.is_empty() {
        true => spec.inputs.get(place),
        false => spec.sources.get(place).map(|(_, label)| label),
    };
    symbol(label.unwrap_or(&spec.output_label))
}

/// Name of a state in plain text, for assistive technology.
pub fn state_text(kind: Kind, state: usize) -> String {
    match (input_symbol(kind, state), kind.spec().inputs.get(state)) {
        (Some((letter, index)), _) => format!("{letter} {}", index.replace('\u{2212}', " minus ")),
        (None, Some(input)) => format!("the {input}"),
        (None, None) => format!("node {}", node_number(kind, state - kind.inputs())),
    }
}

/// Name of a state as it is written: an input's symbol, or a number.
pub fn state_name(kind: Kind, state: usize) -> String {
    match (input_symbol(kind, state), state.checked_sub(kind.inputs())) {
        (Some((letter, index)), _) => letter.to_owned() + &index,
        (None, Some(node)) => node_number(kind, node).to_string(),
        (None, None) => state.to_string(),
    }
}

/// Number of a node as it is written: those of a recurrent cell begin at 1, as its first state is 0.
pub const fn node_number(kind: Kind, node: usize) -> usize {
    kind.spec().node_number(node)
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

/// Title of a kind of cell, for example `Reduction cell`.
pub fn cell_title(kind: Kind) -> String {
    capitalised(kind.spec().title)
}

/// Effect of a kind of cell, in a few words.
pub fn cell_effect(kind: Kind) -> &'static str {
    CELLS.iter().find(|(name, _)| *name == kind.name()).map_or("", |(_, effect)| effect)
}

/// Name of a kind of cell where there is little room, for example `reduction`.
pub fn short_name(kind: Kind) -> &'static str {
    kind.spec().title.trim_end_matches(" cell")
}

#[cfg(test)]
mod tests {
    use super::*;
    use darts_engine::space::SPACES;

    fn kinds() -> [Kind; 3] {
        ["normal", "reduce", "recurrent"].map(|name| Kind::named(name).unwrap())
    }

    #[test]
    fn all_ops_have_labels_and_others_fall_back_to_their_name() {
        let [normal, ..] = kinds();
        for op in SPACES.iter().flat_map(|space| space.ops()) {
            assert!(OPS.iter().any(|(known, ..)| *known == op), "{op}");
        }
        let unknown = AnyOp { op: Op::new("gelu"), kind: normal };
        assert_eq!((op_label(unknown), op_hint(unknown), unknown.colour()), (("gelu", ""), "gelu", 8));
        assert_eq!(op_name(AnyOp { op: Op::CONV_7X1_1X7, kind: normal }), "conv 7\u{d7}1");
    }

    #[test]
    fn states_and_cells_are_called_as_in_the_paper() {
        let [normal, reduce, recurrent] = kinds();
        assert_eq!([0, 1, 3].map(|state| state_name(normal, state)), ["ck\u{2212}2", "ck\u{2212}1", "1"]);
        assert_eq!([1, 2].map(|state| state_text(normal, state)), ["c k minus 1", "node 0"]);
        assert_eq!([0, 3].map(|state| state_name(recurrent, state)), ["0", "3"]);
        assert_eq!([0, 3].map(|state| state_text(recurrent, state)), ["the first state", "node 3"]);
        assert_eq!([0, 1, 6].map(|place| terminal_symbol(normal, place).1), ["k\u{2212}2", "k\u{2212}1", "k"]);
        let (letters, indices): (Vec<_>, Vec<_>) =
            [0, 1, 11].map(|place| terminal_symbol(recurrent, place)).into_iter().unzip();
        assert_eq!((letters, indices), (vec!["x", "h", "h"], vec!["t".to_owned(), "t\u{2212}1".into(), "t".into()]));
        assert_eq!((cell_title(reduce).as_str(), short_name(reduce)), ("Reduction cell", "reduction"));
        assert_eq!((cell_title(recurrent).as_str(), short_name(recurrent)), ("Recurrent cell", "recurrent"));
        assert!(kinds().into_iter().all(|kind| !cell_effect(kind).is_empty()));
    }
}
