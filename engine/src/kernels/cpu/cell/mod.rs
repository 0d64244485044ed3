//! A relaxed convolutional cell.
//!
//! Work goes state by state: once a state is known, each image's ReLU is padded once for all convolutions that read it;
//! backward, its gradient is likewise gathered once from all of them. Everything between two BatchNorms of an image
//! stays in a core's own cache. The values that BatchNorm normalises are saved; the outputs of depthwise convolutions
//! are computed again.

mod backward;
mod forward;
mod read_back;

use crate::kernels::{
    cpu::{
        batch_norm::{GradientMap, Norm},
        blocks::{self, Vector},
        buffer::Buffer,
        convolution::Convolution,
        depthwise::Taps,
        input::{Reader, Reads},
    },
    plan::{CellPlan, DEPTHWISE, SEPARABLE, first_edge},
};
use crate::space::{CANDIDATES, NODES};
use std::ops::Range;

/// States of a cell: both inputs and the nodes.
const STATES: usize = NODES + 2;
const OPS: usize = CANDIDATES.len();
/// Where the ops are among the candidates.
const MAX_POOL: usize = 1;
const AVG_POOL: usize = 2;
const SKIP: usize = 3;
/// The first of the separable and dilated convolutions, in the order of [`DEPTHWISE`].
const CONVOLUTIONS: usize = 4;
/// Where the factorized reduce is among the branches of an edge of stride 2, after the convolutions.
const FACTORIZED_REDUCE: usize = DEPTHWISE.len();

/// Results of the forward pass that the backward pass needs; pictures are in blocks.
#[derive(Clone, Debug)]
pub(super) struct SavedCell {
    /// [state][image, blocks, pixels].
    states: Vec<Buffer>,
    /// BatchNorms of both preprocessed inputs.
    inputs: Vec<Norm>,
    /// Of each state but the last.
    outgoing: Vec<Outgoing>,
}

/// Outputs of the ops on the edges out of a state, before BatchNorm.
#[derive(Clone, Debug)]
struct Outgoing {
    /// The first convolutions [image, edge, branch, blocks, pixels] and their BatchNorms.
    first: Buffer,
    first_norms: Vec<Norm>,
    /// The second ones of separable ops [image, edge, op, blocks, pixels]; backward the gradients of what they read.
    second: Buffer,
    second_norms: Vec<Norm>,
    /// Both pools [image, pool, blocks, pixels].
    pools: Buffer,
    pool_norms: Vec<Norm>,
}

/// The convolutions of an edge, each a branch.
struct Edge {
    /// In the order of [`DEPTHWISE`], and the factorized reduce of an edge of stride 2.
    first: Vec<Convolution>,
    /// Those of the separable ops.
    second: Vec<Convolution>,
}

/// A term of a node's sum: an op's output.
#[derive(Clone, Copy, Debug)]
struct Term {
    state: usize,
    op: usize,
    place: Place,
}

/// Where a term is among the outputs of a state's ops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    State,
    Pool(usize),
    First(usize),
    Second(usize),
}

/// How the gradients of an edge's values before BatchNorm follow from the node's.
#[derive(Clone, Debug, Default)]
struct EdgeMaps {
    first: Vec<GradientMap>,
    second: Vec<GradientMap>,
    pools: Vec<GradientMap>,
    /// The op weight of an identity.
    skip: f32,
}

/// A cell with its parameters.
pub(super) struct Cell<'a> {
    plan: &'a CellPlan,
    parameters: &'a [f32],
    /// [edges, ops].
    op_weights: &'a [f32],
    edges: Vec<Edge>,
    inputs: [Convolution; 2],
}

/// Gradients of a cell, those that were requested.
pub(super) struct Gradients {
    pub inputs: [Option<Vec<f32>>; 2],
    pub parameters: Option<Vec<f32>>,
    /// Of the op weights [edges, ops].
    pub op_weights: Vec<f32>,
}

/// The number of the edge from a state to a node.
fn edge(state: usize, node: usize) -> usize {
    first_edge(node) + state
}

/// The nodes that read a state.
fn readers(state: usize) -> Range<usize> {
    state.saturating_sub(1)..NODES
}

impl<'a> Cell<'a> {
    pub fn new(plan: &'a CellPlan, parameters: &'a [f32], op_weights: &'a [f32]) -> Self {
        let mut cell = Self {
            plan,
            parameters,
            op_weights,
            edges: Vec::new(),
            inputs: [0, 1].map(|which| preprocessing(plan, parameters, which)),
        };
        for node in 0..NODES {
            for state in 0..node + 2 {
                cell.edges.push(cell.edge_convolutions(node, state));
            }
        }
        cell
    }

    /// The convolutions of an edge with their weights.
    fn edge_convolutions(&self, node: usize, state: usize) -> Edge {
        let (c, parameters) = (self.plan.shape.channels, self.parameters);
        let offsets = &self.plan.nodes[node];
        let stride = self.plan.stride(state);
        let depthwise = |(k, dilation), stride, at: usize| {
            let taps = Taps { k, dilation, stride };
            let first = at + state * c * taps.count();
            Some((taps, &parameters[first..first + c * taps.count()]))
        };
        let mut first: Vec<_> = DEPTHWISE
            .into_iter()
            .enumerate()
            .map(|(kind, kernel)| {
                let weights = &parameters[self.first_pointwise(node, state, kind)];
                Convolution::new(depthwise(kernel, stride, offsets.depthwise[kind]), weights, [c, c])
            })
            .collect();
        if stride == 2 {
            let weights = self.factorized_reduce(node, state).map(|range| &parameters[range]).concat();
            first.push(Convolution::factorized_reduce(&weights, [c, c]));
        }
        let second = (0..SEPARABLE)
            .map(|kind| {
                let depthwise = depthwise(DEPTHWISE[kind], 1, offsets.second_depthwise[kind]);
                Convolution::new(depthwise, &parameters[self.last_pointwise(node, state, kind)], [c, c])
            })
            .collect();
        Edge { first, second }
    }

    /// Where the pointwise weights of an edge's first convolution lie among the parameters.
    fn first_pointwise(&self, node: usize, state: usize, kind: usize) -> Range<usize> {
        match kind {
            ..SEPARABLE => self.square(self.plan.nodes[node].inner_pointwise[kind], state),
            _ => self.last_pointwise(node, state, kind),
        }
    }

    /// Where those of an edge's last convolution lie.
    fn last_pointwise(&self, node: usize, state: usize, kind: usize) -> Range<usize> {
        self.square(self.plan.nodes[node].last_pointwise[kind], state)
    }

    /// Where [channels, channels] weights of an edge lie, given where those of the first edge begin.
    fn square(&self, at: usize, state: usize) -> Range<usize> {
        let size = self.plan.shape.channels * self.plan.shape.channels;
        at + state * size..at + (state + 1) * size
    }

    /// Where the weights of both convolutions of an edge's factorized reduce lie.
    fn factorized_reduce(&self, node: usize, state: usize) -> [Range<usize>; 2] {
        let c = self.plan.shape.channels;
        let [.., first, second] = self.plan.nodes[node].last_pointwise;
        let size = c / 2 * c;
        [first, second].map(|at| at + state * size..at + (state + 1) * size)
    }

    /// Branches of an edge out of a state: its first convolutions.
    fn branches(&self, state: usize) -> usize {
        DEPTHWISE.len() + self.plan.stride(state) - 1
    }

    /// How an input of the cell is read.
    fn reader(&self, which: usize) -> Reader {
        let (channels, groups) = self.plan.preprocess_channels(which);
        let reads = if groups == 2 { Reads::FactorizedReduce } else { Reads::Relu };
        Reader { channels, size: self.size(which).map(|length| groups * length), reads }
    }

    /// Images of the minibatch.
    fn images(&self) -> usize {
        self.plan.batch
    }

    /// Blocks of a state's channels.
    fn blocks(&self) -> usize {
        blocks::blocks(self.plan.shape.channels)
    }

    /// Height and width of a state.
    fn size(&self, state: usize) -> [usize; 2] {
        self.plan.size.map(|length| length * self.plan.stride(state))
    }

    /// Pixels of a node's channel.
    fn plane(&self) -> usize {
        self.plan.size[0] * self.plan.size[1]
    }

    /// Pixels of a state's channel.
    fn plane_of(&self, state: usize) -> usize {
        let [height, width] = self.size(state);
        height * width
    }

    /// Floats of a node of an image.
    fn node_floats(&self) -> usize {
        self.plan.shape.channels * self.plane()
    }

    /// Vectors of a node of an image.
    fn node(&self) -> usize {
        self.blocks() * self.plane()
    }

    /// Vectors of a state of an image.
    fn state(&self, state: usize) -> usize {
        self.blocks() * self.plane_of(state)
    }

    /// First convolutions on all edges out of a state.
    fn first_count(&self, state: usize) -> usize {
        readers(state).len() * self.branches(state)
    }

    /// Second ones.
    fn second_count(&self, state: usize) -> usize {
        readers(state).len() * SEPARABLE
    }

    /// The terms of a node's sum.
    fn terms(&self, node: usize) -> Vec<Term> {
        (0..node + 2)
            .flat_map(|state| {
                let skip = if self.plan.stride(state) == 1 { Place::State } else { Place::First(FACTORIZED_REDUCE) };
                let convolutions = (0..DEPTHWISE.len()).map(|kind| {
                    (CONVOLUTIONS + kind, if kind < SEPARABLE { Place::Second(kind) } else { Place::First(kind) })
                });
                [(MAX_POOL, Place::Pool(0)), (AVG_POOL, Place::Pool(1)), (SKIP, skip)]
                    .into_iter()
                    .chain(convolutions)
                    .map(move |(op, place)| Term { state, op, place })
            })
            .collect()
    }

    /// The op weight of a node's term.
    fn weight(&self, node: usize, term: Term) -> f32 {
        self.op_weights[edge(term.state, node) * OPS + term.op]
    }

    /// Where an image's part of a node's term lies.
    fn place(&self, node: usize, term: Term, image: usize) -> Range<usize> {
        let Term { state, place, .. } = term;
        let reader = node - readers(state).start;
        let at = match place {
            Place::State => image,
            Place::Pool(pool) => image * 2 + pool,
            Place::First(branch) => image * self.first_count(state) + reader * self.branches(state) + branch,
            Place::Second(op) => image * self.second_count(state) + reader * SEPARABLE + op,
        };
        at * self.node()..(at + 1) * self.node()
    }

    /// Scale and shift of what the second convolutions out of a state read, [edge, op].
    fn inner_scale_shifts(&self, state: usize, first_norms: &[Norm]) -> Vec<[Vec<Vector>; 2]> {
        let edges = first_norms.chunks_exact(self.branches(state));
        edges.flat_map(|edge| edge[..SEPARABLE].iter().map(|norm| norm.scale_shift(1.0))).collect()
    }
}

impl SavedCell {
    /// The values that a term is a part of.
    fn values(&self, term: Term) -> &[Vector] {
        match term.place {
            Place::State => &self.states[term.state],
            Place::Pool(_) => &self.outgoing[term.state].pools,
            Place::First(_) => &self.outgoing[term.state].first,
            Place::Second(_) => &self.outgoing[term.state].second,
        }
    }

    /// The BatchNorm of a node's term, if it has one.
    fn norm(&self, cell: &Cell, node: usize, term: Term) -> Option<&Norm> {
        let Term { state, place, .. } = term;
        let reader = node - readers(state).start;
        let outgoing = || self.outgoing.get(state).expect("what a state gives that is read");
        Some(match place {
            Place::State => return None,
            Place::Pool(pool) => &outgoing().pool_norms[pool],
            Place::First(branch) => &outgoing().first_norms[reader * cell.branches(state) + branch],
            Place::Second(op) => &outgoing().second_norms[reader * SEPARABLE + op],
        })
    }
}

/// The convolution that preprocesses an input of a cell.
fn preprocessing(plan: &CellPlan, parameters: &[f32], which: usize) -> Convolution {
    let (inputs, groups) = plan.preprocess_channels(which);
    let channels = [inputs, plan.shape.channels];
    let at = plan.preprocess[which];
    let weights = &parameters[at..at + inputs * plan.shape.channels];
    match groups {
        2 => Convolution::factorized_reduce(weights, channels),
        _ => Convolution::new(None, weights, channels),
    }
}
