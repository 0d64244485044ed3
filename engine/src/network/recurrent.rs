//! A language model around a recurrent cell (paper, section 2.1), laid out as the authors' implementation has it.

use crate::network::{Init, Layout};
use crate::{
    config::Kernels,
    space::{Genotype, RECURRENT_CANDIDATES, RECURRENT_EDGES, RECURRENT_NODES},
};

/// Weights start uniform within this distance of 0.
const INIT_RANGE: f32 = 0.04;

/// The cell of a language model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RecurrentCell {
    /// Every node mixes all candidate ops over all earlier states.
    Relaxed,
    Derived(Genotype),
}

/// A language model: word vectors, a recurrent cell, and a decoder whose weights are the word vectors.
#[derive(Clone, Debug)]
pub struct RecurrentNet {
    pub(crate) cell: RecurrentCell,
    pub(crate) vocabulary: usize,
    pub(crate) hidden: usize,
    pub(crate) layout: Layout,
    pub(crate) kernels: Kernels,
}

impl RecurrentNet {
    /// The relaxed network of a search, of `hidden` units.
    pub fn relaxed(vocabulary: usize, hidden: usize, kernels: Kernels) -> Self {
        Self::new(RecurrentCell::Relaxed, RECURRENT_NODES, vocabulary, hidden, kernels)
    }

    /// The network of a derived cell, of `hidden` units, on plain ops.
    ///
    /// # Panics
    /// The genotype is not well formed.
    pub fn derived(genotype: Genotype, vocabulary: usize, hidden: usize) -> Self {
        genotype.check().expect("a well-formed genotype");
        let nodes = genotype.cells()[0].ops.len();
        Self::new(RecurrentCell::Derived(genotype), nodes, vocabulary, hidden, Kernels::Reference)
    }

    fn new(cell: RecurrentCell, nodes: usize, vocabulary: usize, hidden: usize, kernels: Kernels) -> Self {
        let mut layout = Layout::default();
        let within = Init::Within { bound: INIT_RANGE };
        layout.push("encoder.weight".into(), &[vocabulary, hidden], within);
        layout.push("decoder.bias".into(), &[vocabulary], Init::Zeros);
        layout.push("rnns.0._W0".into(), &[2 * hidden, 2 * hidden], within);
        for node in 0..nodes {
            layout.push(format!("rnns.0._Ws.{node}"), &[hidden, 2 * hidden], within);
        }
        Self { cell, vocabulary, hidden, layout, kernels }
    }

    /// The same network computed by `kernels`.
    pub fn on(self, kernels: Kernels) -> Self {
        Self { kernels, ..self }
    }

    /// Where each weight lies in the flat vector.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Number of weights that are word vectors: the first of the flat vector.
    pub(crate) fn word_vectors(&self) -> usize {
        self.vocabulary * self.hidden
    }

    /// Size of the vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Hidden units.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// The path that computes the network.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Genotype of a derived cell; none where the cell is relaxed.
    pub fn genotype(&self) -> Option<&Genotype> {
        match &self.cell {
            RecurrentCell::Relaxed => None,
            RecurrentCell::Derived(genotype) => Some(genotype),
        }
    }

    /// Multiply-accumulates of the forward pass for one word, in its matrices and the decoder.
    pub fn multiply_accumulates(&self) -> u64 {
        let edges = self.genotype().map_or(RECURRENT_EDGES, |genotype| genotype.cells()[0].ops.len());
        let [edges, vocabulary, hidden] = [edges, self.vocabulary, self.hidden].map(|count| count as u64);
        (4 + 2 * edges) * hidden * hidden + vocabulary * hidden
    }

    /// The shape of its alphas: an edge a row, an op a column.
    pub fn alpha_shape(&self) -> [usize; 2] {
        [RECURRENT_EDGES, RECURRENT_CANDIDATES.len()]
    }
}
