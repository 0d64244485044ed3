use super::Op;
use serde::{Deserialize, Serialize};
use std::fmt;

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
    /// The output is empty.
    #[error("{cell} cell: its output is empty")]
    EmptyConcat {
        /// `normal` or `reduce`.
        cell: &'static str,
    },
}

impl Genotype {
    /// Checks that the cells are well formed: two ops a node, each reading an earlier state, none zero.
    ///
    /// # Errors
    /// The first thing found wrong, naming cell and node.
    pub fn check(&self) -> Result<(), GenotypeError> {
        for (cell, ops, concat) in
            [("normal", &self.normal, &self.normal_concat), ("reduce", &self.reduce, &self.reduce_concat)]
        {
            if ops.is_empty() || ops.len() % 2 != 0 {
                return Err(GenotypeError::OpCount { cell, found: ops.len() });
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
            if let Some(&state) = concat.iter().find(|&&state| state > last) {
                return Err(GenotypeError::Concat { cell, state, last });
            }
        }
        Ok(())
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
