use super::{CellKind, NODES, Op};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// A derived architecture: for each kind of cell the ops kept, two a node, each with the state it reads.
///
/// Its JSON is that of the authors' implementation: `{"normal": [["sep_conv_3x3", 1], ...], "normal_concat": [2, 3, 4, 5],
/// "reduce": ..., "reduce_concat": ...}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genotype {
    /// Ops of the normal cell; entries `2 i` and `2 i + 1` belong to node `i`.
    pub normal: Vec<(Op, usize)>,
    /// States whose concatenation is the normal cell's output.
    pub normal_concat: Vec<usize>,
    /// Ops of the reduction cell.
    pub reduce: Vec<(Op, usize)>,
    /// States whose concatenation is the reduction cell's output.
    pub reduce_concat: Vec<usize>,
}

/// What is wrong with a genotype.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenotypeError {
    /// Not two ops a node.
    #[error("{cell} cell: {found} ops, expected two for each node")]
    OpCount {
        /// `normal` or `reduce`.
        cell: &'static str,
        /// Entries found.
        found: usize,
    },
    /// More nodes than any cell has.
    #[error("{cell} cell: {found} nodes, the most is {most}", most = Genotype::MAX_NODES)]
    Nodes {
        /// `normal` or `reduce`.
        cell: &'static str,
        /// Nodes found.
        found: usize,
    },
    /// A node reads a state that does not exist yet.
    #[error("{cell} cell, node {node}: reads state {state}, which comes after it")]
    Future {
        /// `normal` or `reduce`.
        cell: &'static str,
        /// The node, from 0.
        node: usize,
        /// The state it names.
        state: usize,
    },
    /// The zero op was kept.
    #[error("{cell} cell, node {node}: the zero op cannot be part of a derived cell")]
    Zero {
        /// `normal` or `reduce`.
        cell: &'static str,
        /// The node, from 0.
        node: usize,
    },
    /// The output names a state that the cell does not have.
    #[error("{cell} cell: its output names state {state}, the last is {last}")]
    Concat {
        /// `normal` or `reduce`.
        cell: &'static str,
        /// The state named.
        state: usize,
        /// The last state of the cell.
        last: usize,
    },
    /// The output names a state twice.
    #[error("{cell} cell: its output names state {state} twice")]
    Twice {
        /// `normal` or `reduce`.
        cell: &'static str,
        /// The state named.
        state: usize,
    },
    /// The output of a reduction cell names one of its inputs.
    #[error("reduce cell: its output names state {state}, an input, which is larger than the nodes")]
    Input {
        /// The state named.
        state: usize,
    },
    /// The output is empty.
    #[error("{cell} cell: its output is empty")]
    EmptyConcat {
        /// `normal` or `reduce`.
        cell: &'static str,
    },
    /// A cell that no search here derives: another number of nodes.
    #[error("{cell} cell: {found} nodes, a search derives {NODES}")]
    SearchNodes {
        /// `normal` or `reduce`.
        cell: &'static str,
        /// Nodes found.
        found: usize,
    },
    /// A cell that no search here derives: an op that is no candidate.
    #[error("{cell} cell, node {node}: {op} is no candidate of a search")]
    SearchOp {
        /// `normal` or `reduce`.
        cell: &'static str,
        /// The node, from 0.
        node: usize,
        /// The op.
        op: Op,
    },
    /// A cell that no search here derives: a node that reads one state by both ops.
    #[error("{cell} cell, node {node}: both ops read state {state}, a search derives two states")]
    SearchState {
        /// `normal` or `reduce`.
        cell: &'static str,
        /// The node, from 0.
        node: usize,
        /// The state.
        state: usize,
    },
    /// A cell that no search here derives: its output is not that of all nodes.
    #[error("{cell} cell: its output leaves out nodes, a search derives one that has all of them in order")]
    SearchConcat {
        /// `normal` or `reduce`.
        cell: &'static str,
    },
}

impl Genotype {
    /// The most nodes that a cell may have, so that one digit of base 36 names any of its states.
    pub const MAX_NODES: usize = 34;

    /// The ops of one kind of cell, and the states whose concatenation is its output.
    pub fn of(&self, kind: CellKind) -> (&[(Op, usize)], &[usize]) {
        match kind {
            CellKind::Normal => (&self.normal, &self.normal_concat),
            CellKind::Reduce => (&self.reduce, &self.reduce_concat),
        }
    }

    /// Checks that the cells can be built: two ops a node, each reading an earlier state, none zero; an output of states
    /// that the cell has, each once. A node may read one state by both ops, as nodes of NASNet and AmoebaNet do.
    ///
    /// # Errors
    /// The first thing found wrong, naming cell and node.
    pub fn check(&self) -> Result<(), GenotypeError> {
        for kind in [CellKind::Normal, CellKind::Reduce] {
            let (cell, (ops, concat)) = (kind.name(), self.of(kind));
            if ops.is_empty() || ops.len() % 2 != 0 {
                return Err(GenotypeError::OpCount { cell, found: ops.len() });
            }
            if ops.len() / 2 > Self::MAX_NODES {
                return Err(GenotypeError::Nodes { cell, found: ops.len() / 2 });
            }
            for (i, &(op, state)) in ops.iter().enumerate() {
                let node = i / 2;
                if state >= node + 2 {
                    return Err(GenotypeError::Future { cell, node, state });
                }
                if op == Op::None {
                    return Err(GenotypeError::Zero { cell, node });
                }
            }
            if concat.is_empty() {
                return Err(GenotypeError::EmptyConcat { cell });
            }
            let last = ops.len() / 2 + 1;
            for (i, &state) in concat.iter().enumerate() {
                if state > last {
                    return Err(GenotypeError::Concat { cell, state, last });
                }
                if concat[..i].contains(&state) {
                    return Err(GenotypeError::Twice { cell, state });
                }
                if kind == CellKind::Reduce && state < 2 {
                    return Err(GenotypeError::Input { state });
                }
            }
        }
        Ok(())
    }

    /// Checks that a search could have derived the cells (section 2.4): beyond [`Genotype::check`], four nodes, candidates
    /// only, two distinct states a node, all nodes in the output.
    ///
    /// # Errors
    /// The first thing found wrong, naming cell and node.
    pub fn check_derived(&self) -> Result<(), GenotypeError> {
        self.check()?;
        for kind in [CellKind::Normal, CellKind::Reduce] {
            let (cell, (ops, concat)) = (kind.name(), self.of(kind));
            if ops.len() != 2 * NODES {
                return Err(GenotypeError::SearchNodes { cell, found: ops.len() / 2 });
            }
            for (node, pair) in ops.chunks(2).enumerate() {
                if let Some(&(op, _)) = pair.iter().find(|(op, _)| !Op::CANDIDATES.contains(op)) {
                    return Err(GenotypeError::SearchOp { cell, node, op });
                }
                if pair[0].1 == pair[1].1 {
                    return Err(GenotypeError::SearchState { cell, node, state: pair[0].1 });
                }
            }
            if !concat.iter().copied().eq(2..NODES + 2) {
                return Err(GenotypeError::SearchConcat { cell });
            }
        }
        Ok(())
    }

    /// The cells as a Graphviz document: both as clusters of one graph, states as boxes, ops as labels of the edges.
    pub fn dot(&self) -> String {
        let mut text = "digraph genotype {\n  rankdir=LR\n  node [shape=box, style=rounded]\n".to_owned();
        for (kind, title) in [(CellKind::Normal, "normal cell"), (CellKind::Reduce, "reduction cell")] {
            let (ops, concat) = self.of(kind);
            let prefix = kind.name();
            let _ = writeln!(text, "  subgraph cluster_{prefix} {{\n    label=\"{title}\"");
            for state in 0..ops.len() / 2 + 2 {
                let _ = writeln!(text, "    {prefix}_{state} [label=\"{}\"]", state_name(state));
            }
            let _ = writeln!(text, "    {prefix}_output [label=\"c_{{k}}\"]");
            for (i, (op, state)) in ops.iter().enumerate() {
                let _ = writeln!(text, "    {prefix}_{state} -> {prefix}_{} [label=\"{op}\"]", i / 2 + 2);
            }
            for state in concat {
                let _ = writeln!(text, "    {prefix}_{state} -> {prefix}_output");
            }
            text.push_str("  }\n");
        }
        text.push_str("}\n");
        text
    }
}

/// The name of a state as the paper's figures have it: `c_{k-2}`, `c_{k-1}`, then the nodes from 0.
fn state_name(state: usize) -> String {
    match state {
        0 => "c_{k-2}".to_owned(),
        1 => "c_{k-1}".to_owned(),
        node => format!("node {}", node - 2),
    }
}

impl fmt::Display for Genotype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, ops, concat) in
            [("normal cell", &self.normal, &self.normal_concat), ("reduction cell", &self.reduce, &self.reduce_concat)]
        {
            writeln!(f, "{title}")?;
            for (node, pair) in ops.chunks(2).enumerate() {
                for (i, (op, state)) in pair.iter().enumerate() {
                    let name = if i == 0 { format!("node {node}") } else { String::new() };
                    writeln!(f, "  {name:<7} {} {op:<13} of {}", if i == 0 { "=" } else { "+" }, state_name(*state))?;
                }
            }
            let parts: Vec<_> = concat.iter().map(|&s| state_name(s)).collect();
            writeln!(f, "  output  = {}", parts.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::published;

    /// A change to a genotype, and what is told of it.
    type Case<'a> = (&'a dyn Fn(&mut Genotype), &'a str);

    fn told(change: impl Fn(&mut Genotype)) -> (String, String) {
        let mut genotype = published("DARTS_V2").unwrap();
        change(&mut genotype);
        let text =
            |result: Result<(), GenotypeError>| result.map_or_else(|error| error.to_string(), |()| String::new());
        (text(genotype.check()), text(genotype.check_derived()))
    }

    #[test]
    fn cells_that_cannot_be_built_are_told_by_cell_and_node() {
        let cases: [Case; 9] = [
            (&|g| g.normal.truncate(7), "normal cell: 7 ops, expected two for each node"),
            (&|g| g.reduce.clear(), "reduce cell: 0 ops, expected two for each node"),
            (&|g| g.normal.resize(70, (Op::SkipConnect, 0)), "normal cell: 35 nodes, the most is 34"),
            (&|g| g.normal[5].1 = 4, "normal cell, node 2: reads state 4, which comes after it"),
            (&|g| g.reduce[2].0 = Op::None, "reduce cell, node 1: the zero op cannot be part of a derived cell"),
            (&|g| g.normal_concat.clear(), "normal cell: its output is empty"),
            (&|g| g.reduce_concat[3] = 6, "reduce cell: its output names state 6, the last is 5"),
            (&|g| g.normal_concat[0] = 5, "normal cell: its output names state 5 twice"),
            (
                &|g| g.reduce_concat[0] = 1,
                "reduce cell: its output names state 1, an input, which is larger than the nodes",
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(told(change), (expected.to_owned(), expected.to_owned()));
        }
    }

    #[test]
    fn cells_that_a_search_does_not_derive_are_cells() {
        let cases: [Case; 3] = [
            (&|g| g.reduce[2].0 = Op::SepConv7x7, "reduce cell, node 1: sep_conv_7x7 is no candidate of a search"),
            (&|g| g.normal[7].1 = 0, "normal cell, node 3: both ops read state 0, a search derives two states"),
            (
                &|g| g.reduce_concat.truncate(3),
                "reduce cell: its output leaves out nodes, a search derives one that has all of them in order",
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(told(change), (String::new(), expected.to_owned()));
        }
        let nodes = published("NASNet").unwrap().check_derived().unwrap_err().to_string();
        assert_eq!(nodes, "normal cell: 5 nodes, a search derives 4");
    }

    #[test]
    fn dot_has_every_state_and_edge_once() {
        let genotype = published("AmoebaNet").unwrap();
        let dot = genotype.dot();
        assert_eq!(dot.matches(" -> ").count(), 20 + 3 + 3);
        assert_eq!(dot.matches("[label=").count(), 2 * (7 + 1) + 20);
        assert!(dot.contains("reduce_0 -> reduce_6 [label=\"conv_7x1_1x7\"]"), "{dot}");
        assert_eq!(dot.matches('{').count(), dot.matches('}').count());
    }
}
