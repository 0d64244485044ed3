//! Recurrent cells (paper, sections 2.1, 3.1.2 and A.1.2): one kind of cell, each node of which reads one earlier state.

use super::alphas::softmax;
use crate::finite::finite_rows;
use serde::{Deserialize, Serialize};
use std::{
    fmt::{self, Write},
    str::FromStr,
};

/// Nodes of a cell that is searched, after its first state.
pub const RECURRENT_NODES: usize = 8;

/// Edges of a cell that is searched: node `i`, from 1, is reached from the first state and every earlier node.
pub const RECURRENT_EDGES: usize = 36;

/// An operation on an edge of a recurrent cell: what is done to the gated candidate of the next state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum RecurrentOp {
    /// No connection: the output is zero.
    None,
    /// Hyperbolic tangent.
    Tanh,
    /// The positive part.
    Relu,
    /// The logistic function.
    Sigmoid,
    /// The value itself.
    Identity,
}

/// A name that is no recurrent op.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown recurrent op \"{0}\" (known: {list})", list = RecurrentOp::CANDIDATES.map(RecurrentOp::name).join(", "))]
pub struct UnknownRecurrentOp(pub String);

impl RecurrentOp {
    /// The candidates of an edge, in the order of an alpha row.
    pub const CANDIDATES: [Self; 5] = [Self::None, Self::Tanh, Self::Relu, Self::Sigmoid, Self::Identity];

    /// The name that the authors' implementation uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tanh => "tanh",
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
            Self::Identity => "identity",
        }
    }
}

impl fmt::Display for RecurrentOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for RecurrentOp {
    type Err = UnknownRecurrentOp;

    fn from_str(name: &str) -> Result<Self, UnknownRecurrentOp> {
        let known = Self::CANDIDATES.into_iter().find(|op| op.name() == name);
        known.ok_or_else(|| UnknownRecurrentOp(name.to_owned()))
    }
}

impl TryFrom<String> for RecurrentOp {
    type Error = UnknownRecurrentOp;

    fn try_from(name: String) -> Result<Self, UnknownRecurrentOp> {
        name.parse()
    }
}

impl From<RecurrentOp> for &'static str {
    fn from(op: RecurrentOp) -> Self {
        op.name()
    }
}

/// A derived recurrent cell: for each node the op kept and the state it reads. State 0 is made of the word and the hidden
/// state before; state `i` is node `i`, from 1.
///
/// Its JSON is that of the authors' implementation: `{"recurrent": [["sigmoid", 0], ...], "concat": [1, 2, ...]}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurrentGenotype {
    /// Op and state read of each node.
    pub recurrent: Vec<(RecurrentOp, usize)>,
    /// States whose mean is the cell's output and next hidden state.
    pub concat: Vec<usize>,
}

/// What is wrong with a recurrent genotype.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecurrentGenotypeError {
    /// No nodes, or more than any cell has.
    #[error("{0} nodes, a recurrent cell has from 1 to {most}", most = RecurrentGenotype::MAX_NODES)]
    Nodes(usize),
    /// A node reads a state that does not exist yet.
    #[error("node {node}: reads state {state}, which comes after it")]
    Future {
        /// The node, from 1.
        node: usize,
        /// The state it names.
        state: usize,
    },
    /// The zero op was kept.
    #[error("node {0}: the zero op cannot be part of a derived cell")]
    Zero(usize),
    /// The output is empty.
    #[error("the cell's output is empty")]
    EmptyConcat,
    /// The output names a state that the cell does not have.
    #[error("the cell's output names state {state}, the last is {last}")]
    Concat {
        /// The state named.
        state: usize,
        /// The last state of the cell.
        last: usize,
    },
    /// The output names a state twice.
    #[error("the cell's output names state {0} twice")]
    Twice(usize),
}

impl RecurrentGenotype {
    /// The most nodes that a cell may have, so that one digit of base 36 names any of its states.
    pub const MAX_NODES: usize = 35;

    /// Checks that the cell can be built: each node reads an earlier state, by an op other than zero; an output of states
    /// that the cell has, each once.
    ///
    /// # Errors
    /// The first thing found wrong, naming the node.
    pub fn check(&self) -> Result<(), RecurrentGenotypeError> {
        let last = self.recurrent.len();
        if !(1..=Self::MAX_NODES).contains(&last) {
            return Err(RecurrentGenotypeError::Nodes(last));
        }
        for (before, &(op, state)) in self.recurrent.iter().enumerate() {
            let node = before + 1;
            if state >= node {
                return Err(RecurrentGenotypeError::Future { node, state });
            }
            if op == RecurrentOp::None {
                return Err(RecurrentGenotypeError::Zero(node));
            }
        }
        if self.concat.is_empty() {
            return Err(RecurrentGenotypeError::EmptyConcat);
        }
        for (i, &state) in self.concat.iter().enumerate() {
            if state > last {
                return Err(RecurrentGenotypeError::Concat { state, last });
            }
            if self.concat[..i].contains(&state) {
                return Err(RecurrentGenotypeError::Twice(state));
            }
        }
        Ok(())
    }

    /// The cell as a Graphviz document: states as boxes, ops as labels of the edges.
    pub fn dot(&self) -> String {
        let mut text = "digraph genotype {\n  rankdir=LR\n  node [shape=box, style=rounded]\n".to_owned();
        text.push_str("  x [label=\"x_{t}\"]\n  h [label=\"h_{t-1}\"]\n  output [label=\"h_{t}\"]\n");
        for state in 0..=self.recurrent.len() {
            let _ = writeln!(text, "  state_{state} [label=\"{}\"]", state_name(state));
        }
        text.push_str("  x -> state_0\n  h -> state_0\n");
        for (before, (op, state)) in self.recurrent.iter().enumerate() {
            let _ = writeln!(text, "  state_{state} -> state_{} [label=\"{op}\"]", before + 1);
        }
        for state in &self.concat {
            let _ = writeln!(text, "  state_{state} -> output");
        }
        text.push_str("}\n");
        text
    }

    /// Cells drawn at random (section 3.2): each node reads an earlier state, every one as likely, by a candidate op other
    /// than zero, every one as likely; all nodes make the output.
    ///
    /// The same seed gives the same sequence: the first of many is the one of one.
    pub fn random(seed: u64, count: usize) -> impl Iterator<Item = Self> {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(move |_| {
            let mut node = |before: usize| {
                let state = rng.random_range(0..=before);
                (RecurrentOp::CANDIDATES[rng.random_range(1..RecurrentOp::CANDIDATES.len())], state)
            };
            Self { recurrent: (0..RECURRENT_NODES).map(&mut node).collect(), concat: (1..=RECURRENT_NODES).collect() }
        })
    }
}

/// Parameters of a language model around a cell of `nodes` nodes: word vectors that are also the decoder's weights, the
/// decoder's offsets, and two matrices, of gate and candidate, for the first state and each node.
pub fn recurrent_parameters(nodes: usize, vocabulary: usize, hidden: usize) -> u64 {
    let [nodes, vocabulary, hidden] = [nodes, vocabulary, hidden].map(|count| count as u64);
    vocabulary * (hidden + 1) + (2 + nodes) * 2 * hidden * hidden
}

/// The name of a state: `first state`, then the nodes from 1.
fn state_name(state: usize) -> String {
    match state {
        0 => "first state".to_owned(),
        node => format!("node {node}"),
    }
}

impl fmt::Display for RecurrentGenotype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "recurrent cell")?;
        for (before, (op, state)) in self.recurrent.iter().enumerate() {
            writeln!(f, "  {:<7} = {op:<8} of {}", state_name(before + 1), state_name(*state))?;
        }
        let parts: Vec<_> = self.concat.iter().map(|&s| state_name(s)).collect();
        writeln!(f, "  output  = mean of {}", parts.join(", "))
    }
}

/// The architecture parameters of a recurrent search: one row an edge, one entry an op ([`RecurrentOp::CANDIDATES`]). Edges
/// are ordered by node, then by the state read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecurrentAlphas {
    /// The matrix, 36 by 5.
    #[serde(deserialize_with = "finite_rows")]
    pub rows: Vec<Vec<f32>>,
}

impl RecurrentAlphas {
    /// The matrix from its values, row-major.
    pub fn from_flat(values: &[f32]) -> Self {
        Self { rows: values.chunks(RecurrentOp::CANDIDATES.len()).map(<[f32]>::to_vec).collect() }
    }

    /// The inverse of [`RecurrentAlphas::from_flat`].
    pub fn to_flat(&self) -> Vec<f32> {
        self.rows.iter().flatten().copied().collect()
    }

    /// The softmax over the ops of each edge (equation 2).
    pub fn softmax(&self) -> Self {
        Self { rows: self.rows.iter().map(|row| softmax(row)).collect() }
    }

    /// The derived cell (section 2.4): for each node the one strongest edge among all earlier states, an edge's strength
    /// being the softmax weight of its strongest op other than zero.
    ///
    /// Among equal strengths the earlier edge and the earlier op win.
    pub fn genotype(&self) -> RecurrentGenotype {
        let weights = self.softmax().rows;
        let node = |before: usize| {
            let first = before * (before + 1) / 2;
            let edges = (0..=before).flat_map(|state| (1..RecurrentOp::CANDIDATES.len()).map(move |op| (state, op)));
            let weight = |&(state, op): &(usize, usize)| weights[first + state][op];
            let strongest = edges.reduce(|best, next| if weight(&next) > weight(&best) { next } else { best });
            let (state, op) = strongest.expect("a node has an edge");
            (RecurrentOp::CANDIDATES[op], state)
        };
        RecurrentGenotype {
            recurrent: (0..RECURRENT_NODES).map(node).collect(),
            concat: (1..=RECURRENT_NODES).collect(),
        }
    }
}

/// Names of the published recurrent cells. Convolutional cells have the same names.
pub const PUBLISHED_RECURRENT: [&str; 3] = ["DARTS_V1", "DARTS_V2", "ENAS"];

/// A published recurrent cell by name, whatever the case.
///
/// - `DARTS_V1`, `DARTS_V2`: the paper's, of first and second order (figure 6 and the authors' implementation).
/// - `ENAS`: the recurrent cell of Pham et al. (2018), as the authors' implementation has it: eleven nodes, the output of
///   those that no other reads.
pub fn published_recurrent(name: &str) -> Option<RecurrentGenotype> {
    use RecurrentOp::{Identity, Relu, Sigmoid, Tanh};
    let name = PUBLISHED_RECURRENT.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
    let (recurrent, concat): (&[_], &[_]) = match name {
        "DARTS_V1" => (
            &[(Relu, 0), (Relu, 1), (Tanh, 2), (Relu, 3), (Relu, 4), (Identity, 1), (Relu, 5), (Relu, 1)],
            &[1, 2, 3, 4, 5, 6, 7, 8],
        ),
        "DARTS_V2" => (
            &[(Sigmoid, 0), (Relu, 1), (Relu, 1), (Identity, 1), (Tanh, 2), (Sigmoid, 5), (Tanh, 3), (Relu, 5)],
            &[1, 2, 3, 4, 5, 6, 7, 8],
        ),
        "ENAS" => (
            &[
                (Tanh, 0),
                (Tanh, 1),
                (Relu, 1),
                (Tanh, 3),
                (Tanh, 3),
                (Relu, 3),
                (Relu, 4),
                (Relu, 7),
                (Relu, 8),
                (Relu, 8),
                (Relu, 8),
            ],
            &[2, 5, 6, 9, 10, 11],
        ),
        _ => return None,
    };
    Some(RecurrentGenotype { recurrent: recurrent.to_vec(), concat: concat.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_cells_are_well_formed_and_survive_json() {
        for name in PUBLISHED_RECURRENT {
            let genotype = published_recurrent(&name.to_lowercase()).unwrap();
            genotype.check().unwrap();
            let json = serde_json::to_string(&genotype).unwrap();
            assert_eq!(serde_json::from_str::<RecurrentGenotype>(&json).unwrap(), genotype);
            assert_eq!(genotype.dot().matches(" -> ").count(), 2 + genotype.recurrent.len() + genotype.concat.len());
        }
    }

    #[test]
    fn one_edge_a_node_is_derived_and_never_zero() {
        let mut alphas = RecurrentAlphas::from_flat(&[0.0; RECURRENT_EDGES * 5]);
        for row in &mut alphas.rows {
            row[0] = 9.0;
        }
        // Edge 4 is node 3 from state 1.
        alphas.rows[4] = vec![0.0, 0.0, 0.0, 1.0, 0.5];
        let genotype = alphas.genotype();
        genotype.check().unwrap();
        assert_eq!(genotype.recurrent[2], (RecurrentOp::Sigmoid, 1));
        assert_eq!(genotype.recurrent[7], (RecurrentOp::Tanh, 0));
        assert_eq!(RecurrentAlphas::from_flat(&alphas.to_flat()), alphas);
    }

    #[test]
    fn cells_that_cannot_be_built_are_told() {
        let told = |change: &dyn Fn(&mut RecurrentGenotype)| {
            let mut genotype = published_recurrent("DARTS_V2").unwrap();
            change(&mut genotype);
            genotype.check().unwrap_err().to_string()
        };
        assert_eq!(told(&|g| g.recurrent.clear()), "0 nodes, a recurrent cell has from 1 to 35");
        assert_eq!(told(&|g| g.recurrent[3].1 = 4), "node 4: reads state 4, which comes after it");
        assert_eq!(
            told(&|g| g.recurrent[0].0 = RecurrentOp::None),
            "node 1: the zero op cannot be part of a derived cell"
        );
        assert_eq!(told(&|g| g.concat.clear()), "the cell's output is empty");
        assert_eq!(told(&|g| g.concat[0] = 9), "the cell's output names state 9, the last is 8");
        assert_eq!(told(&|g| g.concat[0] = 2), "the cell's output names state 2 twice");
    }

    #[cfg(feature = "compute")]
    #[test]
    fn a_seed_is_a_sequence_of_cells() {
        let many: Vec<_> = RecurrentGenotype::random(7, 300).collect();
        assert_eq!(RecurrentGenotype::random(7, 2).collect::<Vec<_>>(), many[..2]);
        many.iter().for_each(|genotype| genotype.check().unwrap());
        for op in &RecurrentOp::CANDIDATES[1..] {
            let share = many.iter().filter(|genotype| genotype.recurrent[7].0 == *op).count();
            assert!((45..=105).contains(&share), "{op}: {share} of 300");
        }
        for state in 0..8 {
            assert!(many.iter().any(|genotype| genotype.recurrent[7].1 == state));
        }
    }
}
