use serde::{Deserialize, Serialize};

/// Intermediate nodes of a cell: with its two inputs and its output, the paper's seven nodes.
pub const NODES: usize = 4;

/// Edges of a cell: node `i` is reached from the two inputs and every earlier node.
pub const EDGES: usize = 14;

/// The two kinds of convolutional cell; cells of a kind share their alphas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellKind {
    /// Keeps height and width.
    Normal,
    /// Halves height and width: ops that leave a cell input have stride 2.
    Reduce,
}

impl CellKind {
    /// `normal` or `reduce`, as genotypes have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Reduce => "reduce",
        }
    }
}

/// One edge of the cell: from a state to an intermediate node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Edge {
    /// The source state: 0 and 1 are the cell's inputs, `2 + i` is node `i`.
    pub state: usize,
    /// The intermediate node reached, from 0.
    pub node: usize,
}

/// The edges of a cell in the order of the rows of an alpha matrix.
pub fn edges() -> impl Iterator<Item = Edge> {
    (0..NODES).flat_map(|node| (0..node + 2).map(move |state| Edge { state, node }))
}

/// Whether the cell at `layer` of `layers` is a reduction cell: those at one and two thirds of the depth (section 3.1.1).
pub fn is_reduction(layer: usize, layers: usize) -> bool {
    layer == layers / 3 || layer == 2 * layers / 3
}
