//! A relaxed convolutional cell.
//!
//! The states of a cell are its two preprocessed inputs and then its nodes; they lie in one buffer. A branch of a node is an
//! edge's op that ends in a pointwise convolution and BatchNorm: separable and dilated convolutions of all edges, kind by kind,
//! and in a reduction cell the two convolutions of the factorized reduces of both inputs. All branches of a node are one matrix
//! product over their stored values, see [`crate::kernels`].

mod backward;
mod first_convolutions;
mod forward;
mod pooling;
mod preprocess;

use crate::kernels::{
    plan::{CellPlan, DEPTHWISE, first_edge},
    wgsl::{
        launch::Launch,
        pictures::Pictures,
        space_to_depth::{PhaseConvolution, Phases, StridedWeights},
    },
};
use crate::space::{EDGES, NODES};
use cubecl::{prelude::Client, server::Handle};

/// Results of a cell that its backward pass needs.
#[derive(Clone, Debug)]
pub(super) struct SavedCell {
    phases: Option<Phases>,
    states: Handle,
    pools: Pools,
    /// Scale and shift of the BatchNorm of both preprocessed inputs.
    input_norms: [Handle; 2],
    nodes: Vec<SavedNode>,
}

/// Both pools of all states but the last, and which pixel was the largest [states, 3, batch, channels, height, width]; and scale
/// and shift of their BatchNorms [states, 2, channels, 2].
#[derive(Clone, Debug)]
struct Pools {
    values: Handle,
    norms: Handle,
}

/// Results of a node that its backward pass needs.
#[derive(Clone, Debug)]
struct SavedNode {
    /// Inputs of the last pointwise convolutions [branches, batch, channels, height, width].
    values: Handle,
    /// Outputs of the inner pointwise convolutions of separable ops, before BatchNorm, [2 edges, batch, channels, height, width];
    /// and scale and shift of that.
    inner: Handle,
    inner_norm: Handle,
    /// Sums of the values of each branch's channels, and their second central moments [branches, channels, channels].
    sums: Handle,
    moments: Handle,
    /// Mean, inverse deviation, that times the op weight, and offset [branches, channels, 4].
    statistics: Handle,
}

/// Gradients of a cell, those that were requested.
pub(super) struct CellGradients {
    pub inputs: [Option<Handle>; 2],
    pub parameters: Option<Handle>,
    /// Of the op weights [14, 8].
    pub op_weights: Handle,
}

/// A cell with its parameters on a device.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a> {
    client: &'a Client,
    plan: &'a CellPlan,
    /// The pictures of a node.
    pictures: Pictures,
    parameters: &'a Handle,
    /// [14, 8].
    op_weights: &'a Handle,
}

impl<'a> Cell<'a> {
    pub fn new(plan: &'a CellPlan, client: &'a Client, parameters: &'a Handle, op_weights: &'a Handle) -> Self {
        let pictures = Pictures {
            batch: plan.batch,
            channels: plan.shape.channels,
            size: plan.size,
            stride: plan.stride(0),
            tuning: plan.tuning,
        };
        Self { client, plan, pictures, parameters, op_weights }
    }

    /// A buffer of so many floats.
    fn empty(&self, floats: usize) -> Handle {
        self.client.empty(4 * floats)
    }

    /// Channels of a node.
    fn channels(&self) -> usize {
        self.pictures.channels
    }

    /// Floats of a node.
    fn node(&self) -> usize {
        self.pictures.floats()
    }

    /// Floats of a preprocessed input.
    fn input(&self) -> usize {
        self.pictures.input_floats()
    }

    /// Floats of all states.
    fn states(&self) -> usize {
        2 * self.input() + NODES * self.node()
    }

    /// Offset of a state, in floats.
    fn state_at(&self, state: usize) -> usize {
        if state < 2 { state * self.input() } else { 2 * self.input() + (state - 2) * self.node() }
    }

    /// Branches of a node with so many edges.
    fn branches(&self, edges: usize) -> usize {
        4 * edges + if self.plan.is_reduction() { 4 } else { 0 }
    }

    /// Branches of all nodes before `node`.
    fn branches_before(&self, node: usize) -> usize {
        (0..node).map(|node| self.branches(node + 2)).sum()
    }

    /// Whether the skip connections of a state are identities.
    fn skips_are_identities(&self, state: usize) -> bool {
        self.plan.stride(state) == 1
    }

    /// A launch over a node's branches, with where their last pointwise weights lie.
    fn branch_launch(&self, node: usize, file: &'static str) -> Launch {
        let edges = node + 2;
        let last = self.plan.nodes[node].last_pointwise;
        Launch::new(1, &["cell/branches", file]).set(&[
            ("C", self.channels()),
            ("EDGES", edges),
            ("BRANCHES", self.branches(edges)),
            ("ROW", first_edge(node)),
            ("LAST_0", last[0]),
            ("LAST_1", last[1]),
            ("LAST_2", last[2]),
            ("LAST_3", last[3]),
            ("LAST_4", last[4]),
            ("LAST_5", last[5]),
        ])
    }

    /// Offset of the first depthwise weights of a kind on a node's edge.
    fn depthwise_at(&self, node: usize, kind: usize, edge: usize) -> usize {
        let (k, _) = DEPTHWISE[kind];
        self.plan.nodes[node].depthwise[kind] + edge * self.channels() * k * k
    }

    /// The first depthwise weights of a kind on `edges` edges from a node's first on, of stride 2.
    fn strided_weights(&self, node: usize, kind: usize, edges: usize) -> StridedWeights {
        StridedWeights { edges, channels: self.channels(), k: DEPTHWISE[kind].0, at: self.depthwise_at(node, kind, 0) }
    }

    /// The first convolutions of a kind on a node's edges from the inputs of a reduction cell, with weights in `parameters`.
    fn phase_convolution<'b>(
        &self,
        node: usize,
        kind: usize,
        phases: &'b Phases,
        parameters: &'b Handle,
    ) -> PhaseConvolution<'b> {
        let of_kind = self.strided_weights(0, kind, EDGES).spread_floats();
        let spread_at = kind * of_kind + self.strided_weights(0, kind, first_edge(node)).spread_floats();
        phases.convolution(DEPTHWISE[kind], (parameters, self.depthwise_at(node, kind, 0)), spread_at)
    }
}
