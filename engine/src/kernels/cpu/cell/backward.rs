//! The backward pass of a cell.

use crate::kernels::{
    cpu::{
        batch_norm::{GradientMap, Norm, total},
        blocks::{LANES, Vector, ZERO, mask, pad_scale_shift_relu, padded, sums, sums_of_products, to_blocks},
        buffer::Buffer,
        cell::{
            Cell, EdgeMaps, Gradients, OPS, Outgoing, Place, STATES, SavedCell, Term, edge, read_back::ReadBack,
            readers,
        },
        chunks,
        convolution::{Convolution, Scratch, WeightGradient, add_up},
        groups, in_groups,
    },
    plan::{Requested, SEPARABLE},
};
use crate::space::{EDGES, NODES};

/// A backward pass under way.
pub(super) struct Backward<'a> {
    pub cell: &'a Cell<'a>,
    requested: Requested,
    output_gradient: &'a [f32],
    /// Gradients of the states, as far as they are known.
    pub states: Vec<Buffer>,
    /// How the values of each edge get their gradients, as far as that is known.
    pub maps: Vec<EdgeMaps>,
    parameters: Option<Vec<f32>>,
    op_weights: Vec<f32>,
}

impl Cell<'_> {
    /// Requested gradients, from that of the output [batch, 4 channels, height, width].
    pub fn backward(
        &self,
        requested: Requested,
        inputs: [&[f32]; 2],
        mut saved: SavedCell,
        output_gradient: &[f32],
    ) -> Gradients {
        let mut pass = Backward {
            cell: self,
            requested,
            output_gradient,
            states: (0..STATES).map(|_| Buffer::new(0)).collect(),
            maps: vec![EdgeMaps::default(); EDGES],
            parameters: requested.parameters.then(|| vec![0.0; self.parameters.len()]),
            op_weights: vec![0.0; EDGES * OPS],
        };
        let mut of_inputs = [None, None];
        for state in (0..STATES).rev().filter(|&state| is_needed(state, requested)) {
            let sums = pass.state(state, &saved);
            match state.checked_sub(2) {
                Some(node) => {
                    pass.node(node, &saved, &sums);
                    pass.second_convolutions(node, &mut saved);
                }
                None => of_inputs[state] = pass.preprocessing(state, inputs[state], &saved, &sums),
            }
        }
        Gradients { inputs: of_inputs, parameters: pass.parameters, op_weights: pass.op_weights }
    }
}

/// Whether the gradient of a state is needed.
fn is_needed(state: usize, requested: Requested) -> bool {
    state >= 2 || requested.parameters || requested.inputs[state]
}

impl Backward<'_> {
    /// Computes the gradient of a state, the sums of its channels, and the sums of its products with all parts of the
    /// state: [1 + terms, blocks].
    fn state(&mut self, state: usize, saved: &SavedCell) -> Vec<[f64; LANES]> {
        let cell = self.cell;
        let (images, vectors) = (cell.images(), cell.state(state));
        let terms = state.checked_sub(2).map(|node| cell.terms(node)).unwrap_or_default();
        let width = (1 + terms.len().max(1)) * cell.blocks();
        let group = groups(images);
        let mut gradient = Buffer::new(images * vectors);
        let mut along = vec![ZERO; images * width];
        let is_read = state + 1 < STATES;
        let items = gradient.chunks_mut(group * vectors).zip(along.chunks_mut(group * width));
        let pass = &*self;
        let found = in_groups(images * vectors * cell.branches(state), items, |g, (gradient, along)| {
            let mut found = if is_read { pass.no_gradients(state) } else { Vec::new() };
            let mut read_back = is_read.then(|| ReadBack::new(pass, state, saved));
            let pictures = gradient.chunks_exact_mut(vectors).zip(along.chunks_exact_mut(width));
            for (i, (gradient, along)) in pictures.enumerate() {
                let image = g * group + i;
                pass.start(state, image, gradient);
                if let Some(read_back) = &mut read_back {
                    read_back.image(image, gradient, &mut found);
                }
                pass.sum_products(state, &terms, saved, image, gradient, along);
            }
            found
        });
        if self.requested.parameters && is_read {
            self.unpack_first(state, &add_up(found));
        }
        self.states[state] = gradient;
        total(&along, width)
    }

    /// Starts a state's gradient with its part of the output's.
    fn start(&self, state: usize, image: usize, gradient: &mut [Vector]) {
        match state.checked_sub(2) {
            Some(node) => {
                let floats = self.cell.node_floats();
                let picture = &self.output_gradient[(image * NODES + node) * floats..][..floats];
                to_blocks(picture, self.cell.plane(), gradient);
            }
            None => gradient.fill(ZERO),
        }
    }

    /// Sums the gradient of a state, and its products with all parts of the state: the terms of a node, or a raw input.
    fn sum_products(
        &self,
        state: usize,
        terms: &[Term],
        saved: &SavedCell,
        image: usize,
        gradient: &[Vector],
        along: &mut [Vector],
    ) {
        let (cell, plane) = (self.cell, self.cell.plane_of(state));
        let (of_gradient, of_products) = along.split_at_mut(cell.blocks());
        sums(gradient, plane, of_gradient);
        if state < 2 {
            let own = &saved.states[state][image * gradient.len()..][..gradient.len()];
            sums_of_products(gradient, own, plane, of_products);
        }
        for (term, of_products) in terms.iter().zip(of_products.chunks_exact_mut(cell.blocks())) {
            let place = cell.place(state - 2, *term, image);
            sums_of_products(gradient, &saved.values(*term)[place], plane, of_products);
        }
    }

    /// Zeroed gradients of the weights of the first convolutions on the edges out of a state, if they are requested.
    fn no_gradients(&self, state: usize) -> Vec<WeightGradient> {
        let edges = readers(state).map(|reader| &self.cell.edges[edge(state, reader)]);
        match self.requested.parameters {
            true => edges.flat_map(|edge| edge.first.iter().map(Convolution::no_gradient)).collect(),
            false => Vec::new(),
        }
    }

    /// Writes the gradients of the weights of the first convolutions [edge, branch].
    fn unpack_first(&mut self, state: usize, found: &[WeightGradient]) {
        let cell = self.cell;
        let Some(parameters) = &mut self.parameters else { return };
        for (found, reader) in found.chunks_exact(cell.branches(state)).zip(readers(state)) {
            for (branch, (found, convolution)) in found.iter().zip(&cell.edges[edge(state, reader)].first).enumerate() {
                let (depthwise, pointwise) = convolution.unpack(found);
                let Some(at) = cell.plan.nodes[reader].depthwise.get(branch) else {
                    let [first, second] = cell.factorized_reduce(reader, state);
                    let (of_first, of_second) = pointwise.split_at(first.len());
                    parameters[first].copy_from_slice(of_first);
                    parameters[second].copy_from_slice(of_second);
                    continue;
                };
                let at = at + state * depthwise.len();
                parameters[at..at + depthwise.len()].copy_from_slice(&depthwise);
                parameters[cell.first_pointwise(reader, state, branch)].copy_from_slice(&pointwise);
            }
        }
    }

    /// Computes the gradients of a node's op weights, and how its terms get their gradients, from the sums of its gradient and of
    /// its products with the terms.
    fn node(&mut self, node: usize, saved: &SavedCell, along: &[[f64; LANES]]) {
        let cell = self.cell;
        let count = cell.images() * cell.plane();
        let (sums, products) = along.split_at(cell.blocks());
        for (term, products) in cell.terms(node).into_iter().zip(products.chunks_exact(cell.blocks())) {
            let edge = edge(term.state, node);
            let weight = cell.weight(node, term);
            let of_weight = &mut self.op_weights[edge * OPS + term.op];
            let all = |values: &[[f64; LANES]]| values.iter().flatten().sum::<f64>() as f32;
            let Some(norm) = saved.norm(cell, node, term) else {
                *of_weight = all(products);
                self.maps[edge].skip = weight;
                continue;
            };
            let (normalised, map) = norm.backward(sums, products, count, |_, _| weight);
            *of_weight = all(&normalised);
            let EdgeMaps { first, second, pools, .. } = &mut self.maps[edge];
            let (list, at) = match term.place {
                Place::Pool(pool) => (pools, pool),
                Place::Second(op) => (second, op),
                Place::First(branch) => (first, branch),
                Place::State => unreachable!("a state has no BatchNorm here"),
            };
            if list.len() <= at {
                list.resize(at + 1, GradientMap::default());
            }
            list[at] = map;
        }
    }

    /// Goes back through the second convolutions of the separable ops into a node: overwrites their outputs with the
    /// gradients of the outputs of the first BatchNorm.
    fn second_convolutions(&mut self, node: usize, saved: &mut SavedCell) {
        let cell = self.cell;
        let (images, vectors) = (cell.images(), cell.node());
        let states: Vec<usize> = (0..node + 2).filter(|&state| is_needed(state, self.requested)).collect();
        if states.is_empty() {
            return;
        }
        let width = states.len() * SEPARABLE * 2 * cell.blocks();
        let group = groups(images);
        let mut along = vec![ZERO; images * width];
        let norms = states.iter().map(|&state| (state, &saved.outgoing[state].first_norms));
        let inner: Vec<_> = norms.map(|(state, norms)| cell.inner_scale_shifts(state, norms)).collect();
        let outgoing = saved.outgoing.iter_mut().enumerate().filter(|(state, _)| states.contains(state));
        let parts = second_parts(cell, node, outgoing.zip(&inner));
        let items = parts.into_iter().zip(along.chunks_mut(group * width));
        let pass = &*self;
        let found = in_groups(images * states.len() * SEPARABLE * vectors, items, |g, (mut parts, along)| {
            let mut found: Vec<WeightGradient> = match pass.requested.parameters {
                true => parts.iter().flat_map(|part| part.convolutions.iter().map(Convolution::no_gradient)).collect(),
                false => Vec::new(),
            };
            let mut scratch = SecondScratch::new(cell);
            for (i, along) in along.chunks_exact_mut(width).enumerate() {
                let of_node = &pass.states[node + 2][(g * group + i) * vectors..][..vectors];
                let mut along = along.chunks_exact_mut(2 * cell.blocks());
                for (s, part) in parts.iter_mut().enumerate() {
                    let maps = &pass.maps[edge(part.state, node)].second;
                    for (op, map) in maps.iter().enumerate() {
                        let of_weights = found.get_mut(s * SEPARABLE + op);
                        let along = along.next().expect("sums of each convolution");
                        part.convolution(cell, [i, op], (of_node, map), &mut scratch, of_weights, along);
                    }
                }
            }
            found
        });
        let totals = total(&along, width);
        for (index, along) in totals.chunks_exact(2 * cell.blocks()).enumerate() {
            let (state, op) = (states[index / SEPARABLE], index % SEPARABLE);
            let reader = node - readers(state).start;
            let norm = &saved.outgoing[state].first_norms[reader * cell.branches(state) + op];
            let (sums, products) = along.split_at(cell.blocks());
            let (_, map) = norm.backward(sums, products, images * cell.plane(), |_, _| 1.0);
            self.maps[edge(state, node)].first[op] = map;
        }
        if self.requested.parameters {
            self.unpack_second(node, &states, &add_up(found));
        }
    }

    /// Writes the gradients of the weights of the second convolutions [state, op].
    fn unpack_second(&mut self, node: usize, states: &[usize], found: &[WeightGradient]) {
        let cell = self.cell;
        let Some(parameters) = &mut self.parameters else { return };
        for (index, found) in found.iter().enumerate() {
            let (state, op) = (states[index / SEPARABLE], index % SEPARABLE);
            let (depthwise, pointwise) = cell.edges[edge(state, node)].second[op].unpack(found);
            let at = cell.plan.nodes[node].second_depthwise[op] + state * depthwise.len();
            parameters[at..at + depthwise.len()].copy_from_slice(&depthwise);
            parameters[cell.last_pointwise(node, state, op)].copy_from_slice(&pointwise);
        }
    }

    /// Goes back through the convolution that preprocesses an input of the cell, from the sums of the state's gradient and of its
    /// products with the state: the gradient of the input, where requested.
    fn preprocessing(
        &mut self,
        which: usize,
        input: &[f32],
        saved: &SavedCell,
        along: &[[f64; LANES]],
    ) -> Option<Vec<f32>> {
        let (cell, requested) = (self.cell, self.requested);
        let (images, blocks, plane) = (cell.images(), cell.blocks(), cell.plane_of(which));
        let (sums, products) = along.split_at(blocks);
        // The state is normalised already; the scale of its BatchNorm is the weight.
        let scale = &saved.inputs[which].scale;
        let (_, map) = Norm::identity(blocks).backward(sums, products, images * plane, |block, l| scale[block][l]);
        let reader = cell.reader(which);
        let convolution = &cell.inputs[which];
        let of_state = &self.states[which];
        let floats = reader.floats();
        let mut of_input = vec![0.0; if requested.inputs[which] { images * floats } else { 0 }];
        let group = groups(images);
        let items = chunks(&mut of_input, group * floats, images.div_ceil(group));
        let found = in_groups(images * blocks * plane, items, |g, of_input| {
            let mut found: Vec<_> = requested.parameters.then(|| convolution.no_gradient()).into_iter().collect();
            let (mut read, mut of_read) = (reader.memory(), reader.gradient());
            let mut value = vec![ZERO; blocks * plane];
            let mut scratch = Scratch::new(0, [0, 0]);
            let first = g * group;
            for image in first..(first + group).min(images) {
                let own = image * blocks * plane..(image + 1) * blocks * plane;
                map.apply(&of_state[own.clone()], &saved.states[which][own], plane, &mut value);
                reader.read(&input[image * floats..][..floats], &mut read);
                let of_source = requested.inputs[which].then_some(&mut of_read[..]);
                let of_weights = found.first_mut();
                convolution.backward(&value, &read.source, cell.size(which), &mut scratch, of_weights, of_source);
                if requested.inputs[which] {
                    let of_input = &mut of_input[(image - first) * floats..][..floats];
                    reader.write_gradient(&mut read, &of_read, of_input);
                }
            }
            found
        });
        if let Some(parameters) = &mut self.parameters {
            let (_, pointwise) = convolution.unpack(&add_up(found)[0]);
            let at = cell.plan.preprocess[which];
            parameters[at..at + pointwise.len()].copy_from_slice(&pointwise);
        }
        requested.inputs[which].then_some(of_input)
    }
}

/// The second convolutions on the edge from a state to a node, for a group of images.
struct SecondPart<'a> {
    state: usize,
    /// Number of the node among the state's readers.
    reader: usize,
    convolutions: &'a [Convolution],
    /// First convolutions of all readers of the state [image, edge, branch, blocks, pixels], and second ones.
    first: &'a [Vector],
    second: &'a mut [Vector],
    /// Scale and shift of what the second ones read [op].
    scale_shifts: &'a [[Vec<Vector>; 2]],
}

/// Memory for going back through second convolutions, one at a time.
struct SecondScratch {
    /// Input of the convolution, with a margin.
    x: Vec<Vector>,
    /// The gradient of its output before BatchNorm.
    value: Vec<Vector>,
    scratch: Scratch,
}

/// Each group's share of the states for a node; given are the states with the scales and shifts of all their readers.
fn second_parts<'a>(
    cell: &'a Cell,
    node: usize,
    states: impl Iterator<Item = ((usize, &'a mut Outgoing), &'a Vec<[Vec<Vector>; 2]>)>,
) -> Vec<Vec<SecondPart<'a>>> {
    let group = groups(cell.images());
    let mut parts: Vec<Vec<SecondPart>> = (0..cell.images().div_ceil(group)).map(|_| Vec::new()).collect();
    for ((state, outgoing), scale_shifts) in states {
        let reader = node - readers(state).start;
        let convolutions = &cell.edges[edge(state, node)].second[..];
        let scale_shifts = &scale_shifts[reader * SEPARABLE..][..SEPARABLE];
        let first = outgoing.first.chunks(group * cell.first_count(state) * cell.node());
        let second = outgoing.second.chunks_mut(group * cell.second_count(state) * cell.node());
        for (part, (first, second)) in parts.iter_mut().zip(first.zip(second)) {
            part.push(SecondPart { state, reader, convolutions, first, second, scale_shifts });
        }
    }
    parts
}

impl SecondScratch {
    fn new(cell: &Cell) -> Self {
        let (blocks, size) = (cell.blocks(), cell.plan.size);
        Self {
            x: vec![ZERO; blocks * padded(size)],
            value: vec![ZERO; cell.node()],
            scratch: Scratch::new(blocks, size),
        }
    }
}

impl SecondPart<'_> {
    /// Goes back through the convolution of an op of a group's image, from the node's gradient and the map that takes it through
    /// BatchNorm. The gradient of the normalised values that it reads is left where its output was; sums of that and of its
    /// products with the values before BatchNorm go to `along` [2, blocks].
    fn convolution(
        &mut self,
        cell: &Cell,
        [image, op]: [usize; 2],
        (of_node, map): (&[Vector], &GradientMap),
        SecondScratch { x, value, scratch }: &mut SecondScratch,
        of_weights: Option<&mut WeightGradient>,
        along: &mut [Vector],
    ) {
        let (vectors, plane, size) = (cell.node(), cell.plane(), cell.plan.size);
        let at = image * cell.first_count(self.state) + self.reader * cell.branches(self.state) + op;
        let read = &self.first[at * vectors..][..vectors];
        let at = image * cell.second_count(self.state) + self.reader * SEPARABLE + op;
        let second = &mut self.second[at * vectors..][..vectors];
        map.apply(of_node, second, plane, value);
        let [scale, shift] = &self.scale_shifts[op];
        pad_scale_shift_relu(read, [scale, shift], size, x);
        second.fill(ZERO);
        self.convolutions[op].backward(value, x, size, scratch, of_weights, Some(second));
        mask(second, x, size);
        let (of_gradient, of_products) = along.split_at_mut(cell.blocks());
        sums(second, plane, of_gradient);
        sums_of_products(second, read, plane, of_products);
    }
}
