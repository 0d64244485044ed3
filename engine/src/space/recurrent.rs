//! Recurrent cells for language models (paper, sections 2.1, 3.1.2 and A.1.2): one kind of cell, each node of which reads
//! one earlier state. State 0 is made of the word and the hidden state before; state `i` is node `i`, from 1.

use super::{CellSpec, Op, Output, PublishedCells, SpaceSpec};

/// Nodes of a cell that is searched, after its first state.
pub const RECURRENT_NODES: usize = 8;

/// Edges of a cell that is searched: node `i`, from 1, is reached from the first state and every earlier node.
pub const RECURRENT_EDGES: usize = 36;

/// Ops of a recurrent cell: what is done to the gated candidate of the next state.
impl Op {
    /// Hyperbolic tangent.
    pub const TANH: Self = Self::new("tanh");
    /// Positive part.
    pub const RELU: Self = Self::new("relu");
    /// Logistic function.
    pub const SIGMOID: Self = Self::new("sigmoid");
    /// The value itself.
    pub const IDENTITY: Self = Self::new("identity");
}

/// Candidates of an edge, in the order of a row of alphas.
pub const RECURRENT_CANDIDATES: [Op; 5] = [Op::NONE, Op::TANH, Op::RELU, Op::SIGMOID, Op::IDENTITY];

/// The space. The output is also the next hidden state.
pub(super) const SPEC: &SpaceSpec = &SpaceSpec {
    name: "recurrent",
    cells: &[CellSpec {
        name: "recurrent",
        title: "recurrent cell",
        inputs: &["first state"],
        sources: &[("x", "x_{t}"), ("h", "h_{t-1}")],
        output_label: "h_{t}",
        first_node: 1,
        nodes: RECURRENT_NODES,
        max_nodes: 35,
        candidates: &RECURRENT_CANDIDATES,
        other_ops: &[],
        kept_edges: 1,
        output: Output::Mean,
        input_in_output: true,
        identity: Op::IDENTITY,
    }],
    code: 'r',
    code_letters: &[('t', Op::TANH), ('r', Op::RELU), ('s', Op::SIGMOID), ('i', Op::IDENTITY)],
    published: PUBLISHED,
};

/// Parameters of a language model around a cell of `nodes` nodes: word vectors that are also the decoder's weights, the
/// decoder's bias, and two matrices, of gate and candidate, for the first state and each node.
pub fn recurrent_parameters(nodes: usize, vocabulary: usize, hidden: usize) -> u64 {
    let [nodes, vocabulary, hidden] = [nodes, vocabulary, hidden].map(|count| count as u64);
    vocabulary * (hidden + 1) + (2 + nodes) * 2 * hidden * hidden
}

/// Published cells.
///
/// - `DARTS_V1`, `DARTS_V2`: the paper's, of first and second order (figure 6 and the authors' implementation).
/// - `ENAS`: the recurrent cell of Pham et al. (2018), as the authors' implementation has it: eleven nodes, the output of
///   those that no other reads.
const PUBLISHED: &[PublishedCells] = &[
    PublishedCells {
        name: "DARTS_V1",
        cells: &[(
            &[
                (Op::RELU, 0),
                (Op::RELU, 1),
                (Op::TANH, 2),
                (Op::RELU, 3),
                (Op::RELU, 4),
                (Op::IDENTITY, 1),
                (Op::RELU, 5),
                (Op::RELU, 1),
            ],
            &[1, 2, 3, 4, 5, 6, 7, 8],
        )],
    },
    PublishedCells {
        name: "DARTS_V2",
        cells: &[(
            &[
                (Op::SIGMOID, 0),
                (Op::RELU, 1),
                (Op::RELU, 1),
                (Op::IDENTITY, 1),
                (Op::TANH, 2),
                (Op::SIGMOID, 5),
                (Op::TANH, 3),
                (Op::RELU, 5),
            ],
            &[1, 2, 3, 4, 5, 6, 7, 8],
        )],
    },
    PublishedCells {
        name: "ENAS",
        cells: &[(
            &[
                (Op::TANH, 0),
                (Op::TANH, 1),
                (Op::RELU, 1),
                (Op::TANH, 3),
                (Op::TANH, 3),
                (Op::RELU, 3),
                (Op::RELU, 4),
                (Op::RELU, 7),
                (Op::RELU, 8),
                (Op::RELU, 8),
                (Op::RELU, 8),
            ],
            &[2, 5, 6, 9, 10, 11],
        )],
    },
];
