use crate::device::Tuning;
use crate::space::{RECURRENT_EDGES, RECURRENT_NODES, RecurrentGenotype};

/// Nodes that a derived cell may have: shaders get the states that nodes read in 64 bits.
const MAX_NODES: usize = 16;

/// States that the nodes of a recurrent cell read, and nodes that its output is the mean of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RecurrentGraph {
    /// Every node mixes all ops over all earlier states; states are normalised.
    Relaxed,
    /// Every node reads one state; nothing is normalised.
    Derived { sources: Vec<usize>, included: Vec<bool> },
}

impl RecurrentGraph {
    /// Whether the kernels support a derived cell: those of up to 16 nodes whose first state is no part of the output.
    pub fn supports(genotype: &RecurrentGenotype) -> bool {
        genotype.recurrent.len() <= MAX_NODES && !genotype.concat.contains(&0)
    }

    /// The graph of a derived cell.
    ///
    /// # Panics
    /// The kernels do not support the cell.
    pub fn derived(genotype: &RecurrentGenotype) -> Self {
        assert!(Self::supports(genotype), "a cell that the kernels do not support");
        Self::Derived {
            sources: genotype.recurrent.iter().map(|&(_, state)| state).collect(),
            included: (1..=genotype.recurrent.len()).map(|node| genotype.concat.contains(&node)).collect(),
        }
    }

    pub fn nodes(&self) -> usize {
        match self {
            Self::Relaxed => RECURRENT_NODES,
            Self::Derived { sources, .. } => sources.len(),
        }
    }

    /// States, and matrices: the first and a node's each.
    pub fn states(&self) -> usize {
        self.nodes() + 1
    }

    pub fn edges(&self) -> usize {
        match self {
            Self::Relaxed => RECURRENT_EDGES,
            Self::Derived { sources, .. } => sources.len(),
        }
    }

    /// The first state that a node reads, how many, and the first of its edges.
    pub fn reads(&self, node: usize) -> [usize; 3] {
        match self {
            Self::Relaxed => [0, node, node * (node - 1) / 2],
            Self::Derived { sources, .. } => [sources[node - 1], 1, node - 1],
        }
    }

    /// Whether a node is part of the output.
    pub fn includes(&self, node: usize) -> bool {
        match self {
            Self::Relaxed => true,
            Self::Derived { included, .. } => included[node - 1],
        }
    }

    /// The share of a node in the output, if it is part of it.
    pub fn share(&self) -> f64 {
        1.0 / (1..=self.nodes()).filter(|&node| self.includes(node)).count() as f64
    }

    /// Whether a later node reads a state.
    pub fn read_by(&self, state: usize, later: usize) -> bool {
        let [first, edges, _] = self.reads(later);
        (first..first + edges).contains(&state)
    }

    pub fn is_relaxed(&self) -> bool {
        matches!(self, Self::Relaxed)
    }
}

/// A recurrent cell over a window of words.
#[derive(Clone, Debug)]
pub(crate) struct RecurrentPlan {
    /// Words of a column.
    pub length: usize,
    pub units: usize,
    /// Columns.
    pub batch: usize,
    pub cell: RecurrentGraph,
    pub tuning: Tuning,
}

impl RecurrentPlan {
    /// Floats of a state.
    pub fn state(&self) -> usize {
        self.units * self.batch
    }
}
