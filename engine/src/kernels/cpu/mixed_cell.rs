//! A relaxed convolutional cell.
//!
//! Work goes state by state: once a state is known, every image's ReLU is padded once for all convolutions that read it, and
//! backward once for all that its gradient gets from. What lies between two BatchNorms of an image stays in a core's own cache.
//! Kept are the values that BatchNorm normalises; what depthwise convolutions give is computed again.

use crate::kernels::{
    cpu::{
        blocks::{
            self, Factors, LANES, Lane, Taps, ZERO, add, affine, blend, dots, from_blocks, mask, moments,
            pad_affine_relu, pad_relu, padded, pools, pools_back, sums, to_blocks,
        },
        buffer::Buffer,
        convolution::{Convolution, Norm, Scratch, WeightGradient, add_up, chunks, total},
        groups, in_groups,
        reading::{Reading, ReadingKind},
    },
    plan::{CellPlan, DEPTHWISE},
    wgsl::cell::Wanted,
};
use crate::space::{CellKind, EDGES, NODES, Op};
use std::ops::Range;

/// States of a cell: both inputs and the nodes.
const STATES: usize = NODES + 2;
const OPS: usize = Op::CANDIDATES.len();
/// Where the ops are among the candidates.
const MAX_POOL: usize = 1;
const AVG_POOL: usize = 2;
const SKIP: usize = 3;
/// The first of the separable and dilated convolutions, in the order of [`DEPTHWISE`].
const CONVOLUTIONS: usize = 4;
/// How many of them are separable, so that a second one follows.
const SEPARABLE: usize = 2;
/// Where the factorised reduction is among the slots of an edge of stride 2, after the convolutions.
const REDUCTION: usize = DEPTHWISE.len();

/// What the backward pass needs of the forward pass; pictures are in blocks.
#[derive(Clone, Debug)]
pub(super) struct CellMemory {
    /// [state][image, blocks, pixels].
    states: Vec<Buffer>,
    inputs: Vec<Norm>,
    /// What leaves each state but the last.
    leaving: Vec<Leaving>,
}

/// What the ops that read a state make of it, before BatchNorm.
#[derive(Clone, Debug)]
struct Leaving {
    /// The first convolutions [image, edge, slot, blocks, pixels] and their BatchNorms.
    first: Buffer,
    first_norms: Vec<Norm>,
    /// The second ones of separable ops [image, edge, op, blocks, pixels]; backward the gradients of what they read.
    second: Buffer,
    second_norms: Vec<Norm>,
    /// Both pools [image, pool, blocks, pixels].
    pools: Buffer,
    pool_norms: Vec<Norm>,
}

/// The convolutions of an edge.
struct Edge {
    /// In the order of [`DEPTHWISE`], and the factorised reduction of an edge of stride 2.
    first: Vec<Convolution>,
    /// Those of the separable ops.
    second: Vec<Convolution>,
}

/// Something that a node adds up.
#[derive(Clone, Copy, Debug)]
struct Source {
    state: usize,
    op: usize,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    State,
    Pool(usize),
    First(usize),
    Second(usize),
}

/// A cell with its parameters.
pub(super) struct Cell<'a> {
    plan: &'a CellPlan,
    parameters: &'a [f32],
    /// [edges, ops].
    mixing: &'a [f32],
    edges: Vec<Edge>,
    inputs: [Convolution; 2],
}

/// Gradients of a cell, those that were wanted.
pub(super) struct Gradients {
    pub inputs: [Option<Vec<f32>>; 2],
    pub parameters: Option<Vec<f32>>,
    pub mixing: Vec<f32>,
}

/// The number of the edge from a state to a node.
fn edge(state: usize, node: usize) -> usize {
    node * (node + 3) / 2 + state
}

/// The nodes that read a state.
fn readers(state: usize) -> Range<usize> {
    state.saturating_sub(1)..NODES
}

impl<'a> Cell<'a> {
    pub fn new(plan: &'a CellPlan, parameters: &'a [f32], mixing: &'a [f32]) -> Self {
        let c = plan.shape.channels;
        let mut cell = Self {
            plan,
            parameters,
            mixing,
            edges: Vec::new(),
            inputs: [0, 1].map(|i| preprocess(plan, parameters, i)),
        };
        for node in 0..NODES {
            for state in 0..node + 2 {
                let stride = cell.stride(state);
                let pointwise = |i| cell.pointwise(node, state, i);
                let depthwise = |(k, dilation), stride, at: usize| {
                    let taps = Taps { k, dilation, stride };
                    let first = at + state * c * taps.count();
                    Some((taps, &parameters[first..first + c * taps.count()]))
                };
                let plan = &plan.nodes[node];
                let mut first: Vec<_> = DEPTHWISE
                    .into_iter()
                    .enumerate()
                    .map(|(i, kernel)| {
                        Convolution::new(
                            depthwise(kernel, stride, plan.depthwise[i]),
                            &parameters[pointwise(i)],
                            [c, c],
                        )
                    })
                    .collect();
                if stride == 2 {
                    let halves = cell.reduction(node, state).map(|range| &parameters[range]).concat();
                    first.push(Convolution::halves(&halves, [c, c]));
                }
                let second = (0..SEPARABLE)
                    .map(|i| {
                        let depthwise = depthwise(DEPTHWISE[i], 1, plan.second_depthwise[i]);
                        Convolution::new(depthwise, &parameters[cell.last(node, state, i)], [c, c])
                    })
                    .collect();
                cell.edges.push(Edge { first, second });
            }
        }
        cell
    }

    /// Where the pointwise weights of an edge's first convolution lie.
    fn pointwise(&self, node: usize, state: usize, kind: usize) -> Range<usize> {
        match kind {
            ..SEPARABLE => self.square(self.plan.nodes[node].inner_pointwise[kind], state),
            _ => self.last(node, state, kind),
        }
    }

    /// Where those of an edge's last convolution lie.
    fn last(&self, node: usize, state: usize, kind: usize) -> Range<usize> {
        self.square(self.plan.nodes[node].last_pointwise[kind], state)
    }

    fn square(&self, at: usize, state: usize) -> Range<usize> {
        let size = self.plan.shape.channels * self.plan.shape.channels;
        at + state * size..at + (state + 1) * size
    }

    /// Where the two halves of an edge's factorised reduction lie.
    fn reduction(&self, node: usize, state: usize) -> [Range<usize>; 2] {
        let c = self.plan.shape.channels;
        let [.., first, second] = self.plan.nodes[node].last_pointwise;
        let size = c / 2 * c;
        [first, second].map(|at| at + state * size..at + (state + 1) * size)
    }

    fn stride(&self, state: usize) -> usize {
        if self.plan.shape.kind == CellKind::Reduce && state < 2 { 2 } else { 1 }
    }

    /// Slots of the first convolutions of an edge out of a state.
    fn slots(&self, state: usize) -> usize {
        DEPTHWISE.len() + self.stride(state) - 1
    }

    /// How an input of the cell is read.
    fn reading(&self, which: usize) -> Reading {
        let shape = &self.plan.shape;
        match which {
            0 if shape.after_reduction => {
                let size = self.size(0).map(|length| 2 * length);
                Reading { channels: shape.channels_before_last, size, kind: ReadingKind::Halves }
            }
            0 => Reading { channels: shape.channels_before_last, size: self.size(0), kind: ReadingKind::All },
            _ => Reading { channels: shape.channels_last, size: self.size(1), kind: ReadingKind::All },
        }
    }

    fn images(&self) -> usize {
        self.plan.batch
    }

    fn blocks(&self) -> usize {
        blocks::blocks(self.plan.shape.channels)
    }

    fn size(&self, state: usize) -> [usize; 2] {
        self.plan.size.map(|length| length * self.stride(state))
    }

    /// Pixels of a node's channel.
    fn plane(&self) -> usize {
        self.plan.size[0] * self.plan.size[1]
    }

    /// Pixels of a state's channel.
    fn plane_of(&self, state: usize) -> usize {
        self.plane() * self.stride(state) * self.stride(state)
    }

    /// Vectors of a node.
    fn node(&self) -> usize {
        self.blocks() * self.plane()
    }

    /// Vectors of a state.
    fn state(&self, state: usize) -> usize {
        self.blocks() * self.plane_of(state)
    }

    /// Vectors of each image's first convolutions out of a state.
    fn first(&self, state: usize) -> usize {
        readers(state).len() * self.slots(state) * self.node()
    }

    /// Vectors of each image's second ones.
    fn second(&self, state: usize) -> usize {
        readers(state).len() * SEPARABLE * self.node()
    }

    /// Everything that a node adds up.
    fn sources(&self, node: usize) -> Vec<Source> {
        (0..node + 2)
            .flat_map(|state| {
                let skip = if self.stride(state) == 1 { Place::State } else { Place::First(REDUCTION) };
                let convolutions = (0..DEPTHWISE.len()).map(|kind| {
                    (CONVOLUTIONS + kind, if kind < SEPARABLE { Place::Second(kind) } else { Place::First(kind) })
                });
                [(MAX_POOL, Place::Pool(0)), (AVG_POOL, Place::Pool(1)), (SKIP, skip)]
                    .into_iter()
                    .chain(convolutions)
                    .map(move |(op, place)| Source { state, op, place })
            })
            .collect()
    }

    fn weight(&self, node: usize, source: Source) -> f32 {
        self.mixing[edge(source.state, node) * OPS + source.op]
    }

    /// Where an image's part of a source lies.
    fn place(&self, node: usize, source: Source, image: usize) -> Range<usize> {
        let Source { state, place, .. } = source;
        let reader = node - readers(state).start;
        let at = match place {
            Place::State => image,
            Place::Pool(pool) => image * 2 + pool,
            Place::First(slot) => (image * readers(state).len() + reader) * self.slots(state) + slot,
            Place::Second(op) => (image * readers(state).len() + reader) * SEPARABLE + op,
        };
        at * self.node()..(at + 1) * self.node()
    }

    /// The output [batch, 4 channels, height, width] and what the backward pass needs.
    pub fn forward(&self, inputs: [&[f32]; 2]) -> (Vec<f32>, CellMemory) {
        let mut memory = CellMemory { states: Vec::new(), inputs: Vec::new(), leaving: Vec::new() };
        let node_floats = self.plan.shape.channels * self.plane();
        let mut output = vec![0.0; self.images() * NODES * node_floats];
        for state in 0..STATES {
            let mut values = Buffer::new(self.images() * self.state(state));
            if let Some(input) = inputs.get(state) {
                memory.inputs.push(self.preprocess(state, input, &mut values));
            }
            let leaving = self.leave(state, &memory, &mut values, &mut output);
            memory.states.push(values);
            if let Some(mut leaving) = leaving {
                self.convolve_again(state, &mut leaving);
                memory.leaving.push(leaving);
            }
        }
        (output, memory)
    }

    /// Writes a convolved input of the cell before BatchNorm.
    fn preprocess(&self, which: usize, input: &[f32], values: &mut [Lane]) -> Norm {
        let (blocks, plane) = (self.blocks(), self.plane_of(which));
        let reading = self.reading(which);
        let group = groups(self.images());
        let (mut means, mut squares) = (vec![ZERO; self.images() * blocks], vec![ZERO; self.images() * blocks]);
        let items = input
            .chunks(group * reading.floats())
            .zip(values.chunks_mut(group * blocks * plane))
            .zip(means.chunks_mut(group * blocks).zip(squares.chunks_mut(group * blocks)));
        in_groups(self.images() * blocks * plane, items, |_, ((input, values), (means, squares))| {
            let mut read = reading.memory();
            let mut scratch = Scratch::new(0, [0, 0]);
            let images = input.chunks_exact(reading.floats()).zip(values.chunks_exact_mut(blocks * plane));
            for (i, (input, values)) in images.enumerate() {
                reading.read(input, &mut read);
                self.inputs[which].forward(&read.source, self.size(which), &mut scratch, values);
                let part = i * blocks..(i + 1) * blocks;
                moments(values, plane, &mut means[part.clone()], &mut squares[part]);
            }
        });
        Norm::all(&means, &squares, 1, blocks, plane).remove(0)
    }

    /// Finishes a state's values, and writes what its readers make of it at first.
    fn leave(&self, state: usize, memory: &CellMemory, values: &mut [Lane], output: &mut [f32]) -> Option<Leaving> {
        let (images, blocks, plane, node) = (self.images(), self.blocks(), self.plane(), self.node());
        let last = state + 1 == STATES;
        let (slots, edges) = (self.slots(state), readers(state));
        let edges = if last { 0..0 } else { edges };
        let pictures = edges.len() * slots;
        let width = (pictures + if last { 0 } else { 2 }) * blocks;
        let mut leaving = Leaving {
            first: Buffer::new(images * pictures * node),
            first_norms: Vec::new(),
            second: Buffer::new(0),
            second_norms: Vec::new(),
            pools: Buffer::new(if last { 0 } else { images * 2 * node }),
            pool_norms: Vec::new(),
        };
        let group = groups(images);
        let (mut means, mut squares) = (vec![ZERO; images * width], vec![ZERO; images * width]);
        let (mixed, floats) =
            (state.checked_sub(2).map(|node| self.mixture(node, memory)), self.plan.shape.channels * plane);
        let count = images.div_ceil(group);
        let items = chunks(values, group * self.state(state), count)
            .zip(chunks(&mut leaving.first, group * pictures * node, count))
            .zip(chunks(&mut leaving.pools, group * 2 * node, count))
            .zip(chunks(&mut means, group * width, count))
            .zip(chunks(&mut squares, group * width, count))
            .zip(output.chunks_mut(group * NODES * floats));
        let vectors = images * self.state(state) * slots;
        in_groups(vectors, items, |g, (((((values, first), pools_of), means), squares), output)| {
            let size = self.size(state);
            let mut x = vec![ZERO; blocks * padded(size)];
            let mut halved = vec![ZERO; if slots > REDUCTION { 2 * node } else { 0 }];
            let mut scratch = Scratch::new(blocks, size);
            let affine_of_input = memory.inputs.get(state).map(|norm| norm.affine(1.0)).unwrap_or_default();
            let count = values.len() / self.state(state);
            for i in 0..count {
                let values = &mut values[i * self.state(state)..][..self.state(state)];
                match &mixed {
                    Some(mixture) => {
                        self.mix(mixture, state - 2, memory, g * group + i, values);
                        let output = &mut output[(i * NODES + state - 2) * floats..][..floats];
                        from_blocks(values, plane, output);
                    }
                    None => {
                        let [scale, shift] = &affine_of_input;
                        let raw = values.to_vec();
                        affine(&raw, [scale, shift], self.plane_of(state), values);
                    }
                }
                if last {
                    continue;
                }
                pad_relu(values, size, &mut x);
                if slots > REDUCTION {
                    blocks::halves(&x, size, &mut halved);
                }
                for (e, reader) in edges.clone().enumerate() {
                    for (slot, convolution) in self.edges[edge(state, reader)].first.iter().enumerate() {
                        let picture = e * slots + slot;
                        let output = &mut first[(i * pictures + picture) * node..][..node];
                        match slot {
                            REDUCTION => convolution.forward(&halved, self.plan.size, &mut scratch, output),
                            _ => convolution.forward(&x, size, &mut scratch, output),
                        }
                        let part = i * width + picture * blocks;
                        moments(output, plane, &mut means[part..][..blocks], &mut squares[part..][..blocks]);
                    }
                }
                let (greatest, mean) = pools_of[i * 2 * node..][..2 * node].split_at_mut(node);
                pools(values, size, self.stride(state), greatest, mean);
                for (pool, picture) in [greatest, mean].into_iter().enumerate() {
                    let part = i * width + (pictures + pool) * blocks;
                    moments(picture, plane, &mut means[part..][..blocks], &mut squares[part..][..blocks]);
                }
            }
        });
        (!last).then(|| {
            let mut norms = Norm::all(&means, &squares, pictures + 2, blocks, plane);
            leaving.pool_norms = norms.split_off(pictures);
            leaving.first_norms = norms;
            leaving
        })
    }

    /// The second convolutions of the separable ops that read a state.
    fn convolve_again(&self, state: usize, leaving: &mut Leaving) {
        let (images, blocks, plane, node) = (self.images(), self.blocks(), self.plane(), self.node());
        let pictures = readers(state).len() * SEPARABLE;
        let width = pictures * blocks;
        let group = groups(images);
        let (mut means, mut squares) = (vec![ZERO; images * width], vec![ZERO; images * width]);
        leaving.second = Buffer::new(images * pictures * node);
        let affines = self.half_affines(state, &leaving.first_norms);
        let items = leaving
            .first
            .chunks(group * self.first(state))
            .zip(leaving.second.chunks_mut(group * self.second(state)))
            .zip(means.chunks_mut(group * width).zip(squares.chunks_mut(group * width)));
        in_groups(images * pictures * node, items, |_, ((first, second), (means, squares))| {
            let mut x = vec![ZERO; blocks * padded(self.plan.size)];
            let mut scratch = Scratch::new(blocks, self.plan.size);
            for i in 0..first.len() / self.first(state) {
                let first = &first[i * self.first(state)..];
                for (e, reader) in readers(state).enumerate() {
                    for (op, convolution) in self.edges[edge(state, reader)].second.iter().enumerate() {
                        let picture = e * SEPARABLE + op;
                        let [scale, shift] = &affines[picture];
                        let read = &first[(e * self.slots(state) + op) * node..][..node];
                        pad_affine_relu(read, [scale, shift], self.plan.size, &mut x);
                        let output = &mut second[(i * pictures + picture) * node..][..node];
                        convolution.forward(&x, self.plan.size, &mut scratch, output);
                        let part = i * width + picture * blocks;
                        moments(output, plane, &mut means[part..][..blocks], &mut squares[part..][..blocks]);
                    }
                }
            }
        });
        leaving.second_norms = Norm::all(&means, &squares, pictures, blocks, plane);
    }

    /// What normalises what the second convolutions read, [edge, op].
    fn half_affines(&self, state: usize, norms: &[Norm]) -> Vec<[Vec<Lane>; 2]> {
        let edges = norms.chunks_exact(self.slots(state));
        edges.flat_map(|edge| edge[..SEPARABLE].iter().map(|norm| norm.affine(1.0))).collect()
    }

    /// The factor of each source of a node, and what is added to their sum.
    fn mixture(&self, node: usize, memory: &CellMemory) -> Mixture {
        let mut mixture = Mixture { sources: Vec::new(), shift: vec![ZERO; self.blocks()] };
        for source in self.sources(node) {
            let weight = self.weight(node, source);
            let scale = match memory.norm(self, node, source) {
                None => vec![[weight; LANES]; self.blocks()],
                Some(norm) => {
                    let [scale, shift] = norm.affine(weight);
                    for (sum, shift) in mixture.shift.iter_mut().zip(shift) {
                        *sum = blocks::map(|l| sum[l] + shift[l]);
                    }
                    scale
                }
            };
            mixture.sources.push((source, scale));
        }
        mixture
    }

    /// A node's values of an image.
    fn mix(&self, mixture: &Mixture, node: usize, memory: &CellMemory, image: usize, values: &mut [Lane]) {
        let plane = self.plane();
        for (block, values) in values.chunks_exact_mut(plane).enumerate() {
            values.fill(mixture.shift[block]);
            for (source, scale) in &mixture.sources {
                let at = self.place(node, *source, image).start + block * plane;
                add(&memory.values(*source)[at..at + plane], &scale[block..=block], plane, values);
            }
        }
    }

    /// Gradients of what was wanted, from that of the output [batch, 4 channels, height, width].
    pub fn backward(
        &self,
        wanted: Wanted,
        inputs: [&[f32]; 2],
        mut memory: CellMemory,
        output_gradient: &[f32],
    ) -> Gradients {
        let mut gradients = Gradients { inputs: [None, None], parameters: None, mixing: vec![0.0; EDGES * OPS] };
        gradients.parameters = wanted.parameters.then(|| vec![0.0; self.parameters.len()]);
        // Gradients of the states, and how the values that BatchNorm normalises get theirs.
        let mut states: Vec<Buffer> = (0..STATES).map(|_| Buffer::new(0)).collect();
        let mut factors: Vec<EdgeFactors> = vec![EdgeFactors::default(); EDGES];
        for state in (0..STATES).rev() {
            if !needed(state, wanted) {
                continue;
            }
            let (values, along) = self.gather(
                state,
                wanted,
                &memory,
                &states,
                &factors,
                output_gradient,
                gradients.parameters.as_deref_mut(),
            );
            states[state] = values;
            match state.checked_sub(2) {
                Some(node) => {
                    self.spread(node, &memory, &along, &mut factors, &mut gradients.mixing);
                    let of_weights = gradients.parameters.as_deref_mut();
                    self.convolve_again_back(node, wanted, &mut memory, &states[state], &mut factors, of_weights);
                }
                None => {
                    let of_input = self.preprocess_back(
                        state,
                        inputs[state],
                        &memory,
                        &states[state],
                        &along,
                        wanted.inputs[state],
                        gradients.parameters.as_deref_mut(),
                    );
                    gradients.inputs[state] = of_input;
                }
            }
        }
        gradients
    }

    /// The gradient of a state, and its sums and products with all that the state is made of, [images, 1 + sources, blocks].
    #[allow(clippy::too_many_arguments)]
    fn gather(
        &self,
        state: usize,
        wanted: Wanted,
        memory: &CellMemory,
        states: &[Buffer],
        factors: &[EdgeFactors],
        output_gradient: &[f32],
        parameters: Option<&mut [f32]>,
    ) -> (Buffer, Vec<[f64; LANES]>) {
        let (images, blocks, node, plane) = (self.images(), self.blocks(), self.node(), self.plane());
        let (size, slots) = (self.size(state), self.slots(state));
        let floats = self.plan.shape.channels * plane;
        let sources = state.checked_sub(2).map(|node| self.sources(node)).unwrap_or_default();
        let width = (1 + sources.len().max(1)) * blocks;
        let group = groups(images);
        let mut gradient = Buffer::new(images * self.state(state));
        let mut along = vec![ZERO; images * width];
        let readers = if state + 1 == STATES { 0..0 } else { readers(state) };
        let items = gradient.chunks_mut(group * self.state(state)).zip(along.chunks_mut(group * width));
        let vectors = images * self.state(state) * slots;
        let found = in_groups(vectors, items, |g, (gradient, along)| {
            let mut found: Vec<WeightGradient> = match wanted.parameters {
                true => readers
                    .clone()
                    .flat_map(|reader| self.edges[edge(state, reader)].first.iter().map(Convolution::no_gradient))
                    .collect(),
                false => Vec::new(),
            };
            let reads = !readers.is_empty();
            let mut x = vec![ZERO; if reads { blocks * padded(size) } else { 0 }];
            let mut halved = vec![ZERO; if slots > REDUCTION { 2 * node } else { 0 }];
            let mut of_halves = halved.clone();
            let mut of_relu = vec![ZERO; if reads { self.state(state) } else { 0 }];
            let ones = vec![[1.0; LANES]; blocks];
            let mut value = vec![ZERO; node];
            let mut of_pools = [value.clone(), value.clone()];
            let mut scratch = Scratch::new(if reads { blocks } else { 0 }, size);
            for (i, gradient) in gradient.chunks_exact_mut(self.state(state)).enumerate() {
                let image = g * group + i;
                match state.checked_sub(2) {
                    Some(node) => {
                        to_blocks(&output_gradient[(image * NODES + node) * floats..][..floats], plane, gradient);
                    }
                    None => gradient.fill(ZERO),
                }
                if reads {
                    let own = &memory.states[state][image * self.state(state)..][..self.state(state)];
                    let leaving = &memory.leaving[state];
                    pad_relu(own, size, &mut x);
                    if slots > REDUCTION {
                        blocks::halves(&x, size, &mut halved);
                    }
                    of_relu.fill(ZERO);
                    of_pools.iter_mut().for_each(|pool| pool.fill(ZERO));
                    for (e, reader) in readers.clone().enumerate() {
                        let of_reader = &states[reader + 2][image * node..][..node];
                        let (factors, edge) = (&factors[edge(state, reader)], &self.edges[edge(state, reader)]);
                        let seconds = &leaving.second[(image * readers.len() + e) * SEPARABLE * node..];
                        for (slot, convolution) in edge.first.iter().enumerate() {
                            let at = (image * readers.len() + e) * slots + slot;
                            let of_output = if slot < SEPARABLE { &seconds[slot * node..][..node] } else { of_reader };
                            blend(
                                of_output,
                                &leaving.first[at * node..][..node],
                                &factors.first[slot],
                                plane,
                                &mut value,
                            );
                            let of_weights = found.get_mut(e * slots + slot);
                            if slot == REDUCTION {
                                let half = self.plan.size;
                                convolution.backward(
                                    &value,
                                    &halved,
                                    half,
                                    &mut scratch,
                                    of_weights,
                                    Some(&mut of_halves),
                                );
                                blocks::halves_back(&of_halves, size, &mut of_relu);
                            } else {
                                convolution.backward(&value, &x, size, &mut scratch, of_weights, Some(&mut of_relu));
                            }
                        }
                        for (pool, sum) in of_pools.iter_mut().enumerate() {
                            let values = &leaving.pools[(image * 2 + pool) * node..][..node];
                            blend(of_reader, values, &factors.pools[pool], plane, &mut value);
                            add(&value, &ones, plane, sum);
                        }
                        if slots == REDUCTION {
                            add(of_reader, &vec![[factors.skip; LANES]; blocks], plane, gradient);
                        }
                    }
                    mask(&mut of_relu, &x, size);
                    add(&of_relu, &ones, self.plane_of(state), gradient);
                    let [greatest, mean] = &of_pools;
                    pools_back(own, size, self.stride(state), [greatest, mean], gradient);
                }
                let along = &mut along[i * width..][..width];
                let plane = self.plane_of(state);
                sums(gradient, plane, &mut along[..blocks]);
                if state < 2 {
                    let own = &memory.states[state][image * self.state(state)..][..self.state(state)];
                    dots(gradient, own, plane, &mut along[blocks..]);
                }
                for (source, along) in sources.iter().zip(along[blocks..].chunks_exact_mut(blocks)) {
                    let place = self.place(state - 2, *source, image);
                    dots(gradient, &memory.values(*source)[place], plane, along);
                }
            }
            found
        });
        if let Some(parameters) = parameters {
            let found = add_up(found);
            for (e, reader) in readers.enumerate() {
                for slot in 0..slots {
                    let convolution = &self.edges[edge(state, reader)].first[slot];
                    let (depthwise, pointwise) = convolution.unpack(&found[e * slots + slot]);
                    if slot == REDUCTION {
                        let [first, second] = self.reduction(reader, state);
                        let (of_first, of_second) = pointwise.split_at(first.len());
                        parameters[first].copy_from_slice(of_first);
                        parameters[second].copy_from_slice(of_second);
                    } else {
                        let at = self.plan.nodes[reader].depthwise[slot] + state * depthwise.len();
                        parameters[at..at + depthwise.len()].copy_from_slice(&depthwise);
                        parameters[self.pointwise(reader, state, slot)].copy_from_slice(&pointwise);
                    }
                }
            }
        }
        (gradient, total(&along, width))
    }

    /// The gradient of a node's mixing weights, and how what it adds up gets its gradient.
    fn spread(
        &self,
        node: usize,
        memory: &CellMemory,
        along: &[[f64; LANES]],
        factors: &mut [EdgeFactors],
        mixing: &mut [f32],
    ) {
        let blocks = self.blocks();
        let count = self.images() * self.plane();
        let (sums, dots) = along.split_at(blocks);
        for (source, dots) in self.sources(node).into_iter().zip(dots.chunks_exact(blocks)) {
            let edge = edge(source.state, node);
            let weight = self.weight(node, source);
            let of_weight = &mut mixing[edge * OPS + source.op];
            let all = |values: &[[f64; LANES]]| values.iter().flatten().sum::<f64>() as f32;
            let Some(norm) = memory.norm(self, node, source) else {
                *of_weight = all(dots);
                factors[edge].skip = weight;
                continue;
            };
            let (normalised, found) = norm.backward(sums, dots, count, |_, _| weight);
            *of_weight = all(&normalised);
            let EdgeFactors { first, second, pools, .. } = &mut factors[edge];
            let (list, at) = match source.place {
                Place::Pool(pool) => (pools, pool),
                Place::Second(op) => (second, op),
                Place::First(slot) => (first, slot),
                Place::State => unreachable!("a state has no BatchNorm here"),
            };
            if list.len() <= at {
                let nothing = Factors { a: Vec::new(), b: Vec::new(), shift: Vec::new() };
                list.resize(at + 1, nothing);
            }
            list[at] = found;
        }
    }

    /// Back through the second convolutions of the separable ops into a node: leaves the gradient of what the first BatchNorm
    /// gives where their outputs were.
    fn convolve_again_back(
        &self,
        node: usize,
        wanted: Wanted,
        memory: &mut CellMemory,
        of_node: &[Lane],
        factors: &mut [EdgeFactors],
        parameters: Option<&mut [f32]>,
    ) {
        let (images, blocks, plane, vectors) = (self.images(), self.blocks(), self.plane(), self.node());
        let states: Vec<usize> = (0..node + 2).filter(|&state| needed(state, wanted)).collect();
        if states.is_empty() {
            return;
        }
        let group = groups(images);
        let count = images.div_ceil(group);
        let width = states.len() * SEPARABLE * 2 * blocks;
        let mut along = vec![ZERO; images * width];
        // Each group's part of what leaves all the states.
        let mut parts: Vec<Vec<(&[Lane], &mut [Lane])>> = (0..count).map(|_| Vec::new()).collect();
        let mut affines = Vec::new();
        for (state, leaving) in memory.leaving.iter_mut().enumerate().filter(|(state, _)| states.contains(state)) {
            affines.push(self.half_affines(state, &leaving.first_norms));
            let first = leaving.first.chunks(group * self.first(state));
            let second = leaving.second.chunks_mut(group * self.second(state));
            for (part, pair) in parts.iter_mut().zip(first.zip(second)) {
                part.push(pair);
            }
        }
        let items = parts.into_iter().zip(along.chunks_mut(group * width));
        let all = images * states.len() * SEPARABLE * vectors;
        let shared = &*factors;
        let found = in_groups(all, items, |g, (mut parts, along)| {
            let convolutions = states.iter().flat_map(|&state| &self.edges[edge(state, node)].second);
            let mut found: Vec<WeightGradient> = match wanted.parameters {
                true => convolutions.map(Convolution::no_gradient).collect(),
                false => Vec::new(),
            };
            let size = self.plan.size;
            let mut x = vec![ZERO; blocks * padded(size)];
            let mut value = vec![ZERO; vectors];
            let mut scratch = Scratch::new(blocks, size);
            for (i, along) in along.chunks_exact_mut(width).enumerate() {
                let of_node = &of_node[(g * group + i) * vectors..][..vectors];
                for (s, &state) in states.iter().enumerate() {
                    let reader = node - readers(state).start;
                    for op in 0..SEPARABLE {
                        let (first, second) = &mut parts[s];
                        let at = (i * readers(state).len() + reader) * self.slots(state) + op;
                        let read = &first[at * vectors..][..vectors];
                        let at = (i * readers(state).len() + reader) * SEPARABLE + op;
                        let second = &mut second[at * vectors..][..vectors];
                        blend(of_node, second, &shared[edge(state, node)].second[op], plane, &mut value);
                        let [scale, shift] = &affines[s][reader * SEPARABLE + op];
                        pad_affine_relu(read, [scale, shift], size, &mut x);
                        let index = s * SEPARABLE + op;
                        second.fill(ZERO);
                        let convolution = &self.edges[edge(state, node)].second[op];
                        convolution.backward(&value, &x, size, &mut scratch, found.get_mut(index), Some(second));
                        mask(second, &x, size);
                        let along = &mut along[index * 2 * blocks..][..2 * blocks];
                        sums(second, plane, &mut along[..blocks]);
                        dots(second, read, plane, &mut along[blocks..]);
                    }
                }
            }
            found
        });
        let along = total(&along, width);
        for (index, along) in along.chunks_exact(2 * blocks).enumerate() {
            let (state, op) = (states[index / SEPARABLE], index % SEPARABLE);
            let reader = node - readers(state).start;
            let norm = &memory.leaving[state].first_norms[reader * self.slots(state) + op];
            let (sums, dots) = along.split_at(blocks);
            factors[edge(state, node)].first[op] = norm.backward(sums, dots, images * plane, |_, _| 1.0).1;
        }
        if let Some(parameters) = parameters {
            for (index, found) in add_up(found).iter().enumerate() {
                let (state, op) = (states[index / SEPARABLE], index % SEPARABLE);
                let (depthwise, pointwise) = self.edges[edge(state, node)].second[op].unpack(found);
                let at = self.plan.nodes[node].second_depthwise[op] + state * depthwise.len();
                parameters[at..at + depthwise.len()].copy_from_slice(&depthwise);
                parameters[self.last(node, state, op)].copy_from_slice(&pointwise);
            }
        }
    }

    /// Back through the convolution of one of the cell's inputs.
    #[allow(clippy::too_many_arguments)]
    fn preprocess_back(
        &self,
        which: usize,
        input: &[f32],
        memory: &CellMemory,
        of_state: &[Lane],
        along: &[[f64; LANES]],
        wants_input: bool,
        parameters: Option<&mut [f32]>,
    ) -> Option<Vec<f32>> {
        let (images, blocks, plane) = (self.images(), self.blocks(), self.plane_of(which));
        let (sums, dots) = along.split_at(blocks);
        // The state is normalised already; its BatchNorm's own scale is what weighs it.
        let scale = &memory.inputs[which].scale;
        let (_, factors) = Norm::identity(blocks).backward(sums, dots, images * plane, |block, l| scale[block][l]);
        let reading = self.reading(which);
        let mut of_input = vec![0.0; if wants_input { images * reading.floats() } else { 0 }];
        let group = groups(images);
        let items = chunks(&mut of_input, group * reading.floats(), images.div_ceil(group));
        let wants_weights = parameters.is_some();
        let convolution = &self.inputs[which];
        let found = in_groups(images * blocks * plane, items, |g, of_input| {
            let mut found: Vec<_> = wants_weights.then(|| convolution.no_gradient()).into_iter().collect();
            let mut read = reading.memory();
            let mut of_read = reading.gradient();
            let mut value = vec![ZERO; blocks * plane];
            let mut scratch = Scratch::new(0, [0, 0]);
            let first = g * group;
            for image in first..(first + group).min(images) {
                let own = image * blocks * plane..(image + 1) * blocks * plane;
                blend(&of_state[own.clone()], &memory.states[which][own], &factors, plane, &mut value);
                reading.read(&input[image * reading.floats()..][..reading.floats()], &mut read);
                let size = self.size(which);
                let wanted = wants_input.then_some(&mut of_read[..]);
                convolution.backward(&value, &read.source, size, &mut scratch, found.first_mut(), wanted);
                if wants_input {
                    let at = (image - first) * reading.floats();
                    reading.write(&mut read, &of_read, &mut of_input[at..][..reading.floats()]);
                }
            }
            found
        });
        if let Some(parameters) = parameters {
            let (_, pointwise) = convolution.unpack(&add_up(found)[0]);
            let at = self.plan.preprocess[which];
            parameters[at..at + pointwise.len()].copy_from_slice(&pointwise);
        }
        wants_input.then_some(of_input)
    }
}

/// Whether the gradient of a state is of use.
fn needed(state: usize, wanted: Wanted) -> bool {
    state >= 2 || wanted.parameters || wanted.inputs[state]
}

/// How the values of an edge that BatchNorm normalises get their gradients.
#[derive(Clone, Debug, Default)]
struct EdgeFactors {
    first: Vec<Factors>,
    second: Vec<Factors>,
    pools: Vec<Factors>,
    skip: f32,
}

/// The sources of a node with the factors of their blocks, and what is added.
struct Mixture {
    sources: Vec<(Source, Vec<Lane>)>,
    shift: Vec<Lane>,
}

impl CellMemory {
    fn values(&self, source: Source) -> &[Lane] {
        match source.place {
            Place::State => &self.states[source.state],
            Place::Pool(_) => &self.leaving[source.state].pools,
            Place::First(_) => &self.leaving[source.state].first,
            Place::Second(_) => &self.leaving[source.state].second,
        }
    }

    /// The BatchNorm of a source, where it has one.
    fn norm(&self, cell: &Cell, node: usize, source: Source) -> Option<&Norm> {
        let Source { state, place, .. } = source;
        let reader = node - readers(state).start;
        let leaving = self.leaving.get(state);
        let leaving = || leaving.expect("what leaves a state that is read");
        Some(match place {
            Place::State => return None,
            Place::Pool(pool) => &leaving().pool_norms[pool],
            Place::First(slot) => &leaving().first_norms[reader * cell.slots(state) + slot],
            Place::Second(op) => &leaving().second_norms[reader * SEPARABLE + op],
        })
    }
}

/// The convolution of one of a cell's inputs.
fn preprocess(plan: &CellPlan, parameters: &[f32], which: usize) -> Convolution {
    let shape = &plan.shape;
    let (inputs, halves) = match which {
        0 => (shape.channels_before_last, shape.after_reduction),
        _ => (shape.channels_last, false),
    };
    let at = plan.preprocess[which];
    let weights = &parameters[at..at + inputs * shape.channels];
    match halves {
        true => Convolution::halves(weights, [inputs, shape.channels]),
        false => Convolution::new(None, weights, [inputs, shape.channels]),
    }
}
