//! The forward pass of a cell.

use crate::kernels::cpu::{
    batch_norm::{GroupMoments, ImageMoments, Norm},
    blocks::{LANES, Vector, ZERO, add, from_blocks, map, pad_relu, pad_scale_shift_relu, padded, scale_shift},
    buffer::Buffer,
    cell::{Cell, FACTORIZED_REDUCE, Outgoing, STATES, SavedCell, Term, edge, readers},
    chunks,
    convolution::Scratch,
    factorized_reduce::reduce,
    groups, in_groups,
    pooling::pool,
};
use crate::kernels::plan::SEPARABLE;
use crate::space::NODES;

/// The terms of a node's sum with the scale of their blocks, and the constant added to them.
struct NodeSum {
    terms: Vec<(Term, Vec<Vector>)>,
    shift: Vec<Vector>,
}

impl Cell<'_> {
    /// The output [batch, 4 channels, height, width] and what the backward pass needs.
    pub fn forward(&self, inputs: [&[f32]; 2]) -> (Vec<f32>, SavedCell) {
        let mut saved = SavedCell { states: Vec::new(), inputs: Vec::new(), outgoing: Vec::new() };
        let mut output = vec![0.0; self.images() * NODES * self.node_floats()];
        for state in 0..STATES {
            let mut values = Buffer::new(self.images() * self.state(state));
            if let Some(input) = inputs.get(state) {
                saved.inputs.push(self.preprocess(state, input, &mut values));
            }
            let outgoing = self.finish_state(state, &saved, &mut values, &mut output);
            saved.states.push(values);
            if let Some(mut outgoing) = outgoing {
                self.second_convolutions(state, &mut outgoing);
                saved.outgoing.push(outgoing);
            }
        }
        (output, saved)
    }

    /// Writes an input of the cell, convolved but not normalised yet; its BatchNorm.
    fn preprocess(&self, which: usize, input: &[f32], values: &mut [Vector]) -> Norm {
        let (images, blocks, plane) = (self.images(), self.blocks(), self.plane_of(which));
        let reader = self.reader(which);
        let group = groups(images);
        let mut moments = ImageMoments::new(images, blocks);
        let items = input
            .chunks(group * reader.floats())
            .zip(values.chunks_mut(group * blocks * plane))
            .zip(moments.groups(group, images.div_ceil(group)));
        in_groups(images * blocks * plane, items, |_, ((input, values), mut moments)| {
            let mut read = reader.memory();
            let mut scratch = Scratch::new(0, [0, 0]);
            let pictures = input.chunks_exact(reader.floats()).zip(values.chunks_exact_mut(blocks * plane));
            for (i, (input, values)) in pictures.enumerate() {
                reader.read(input, &mut read);
                self.inputs[which].forward(&read.source, self.size(which), &mut scratch, values);
                moments.take(i, 0, values, plane);
            }
        });
        moments.norms(blocks, plane).remove(0)
    }

    /// Finishes a state's values, and computes the first convolutions and pools that read it; nothing for the last
    /// state.
    fn finish_state(
        &self,
        state: usize,
        saved: &SavedCell,
        values: &mut [Vector],
        output: &mut [f32],
    ) -> Option<Outgoing> {
        let (images, node) = (self.images(), self.node());
        let last = state + 1 == STATES;
        let (convolutions, pools) = if last { (0, 0) } else { (self.first_count(state), 2) };
        let mut outgoing = Outgoing {
            first: Buffer::new(images * convolutions * node),
            first_norms: Vec::new(),
            second: Buffer::new(0),
            second_norms: Vec::new(),
            pools: Buffer::new(images * pools * node),
            pool_norms: Vec::new(),
        };
        let mut moments = ImageMoments::new(images, (convolutions + pools) * self.blocks());
        let sum = state.checked_sub(2).map(|node| self.node_sum(node, saved));
        let group = groups(images);
        let count = images.div_ceil(group);
        let items = chunks(values, group * self.state(state), count)
            .zip(chunks(&mut outgoing.first, group * convolutions * node, count))
            .zip(chunks(&mut outgoing.pools, group * pools * node, count))
            .zip(moments.groups(group, count))
            .zip(output.chunks_mut(group * NODES * self.node_floats()));
        let vectors = images * self.state(state) * self.branches(state);
        in_groups(vectors, items, |g, ((((values, first), pools_of), mut moments), output)| {
            let mut reading = ReadState::new(self, state);
            let input = saved.inputs.get(state).map(|norm| norm.scale_shift(1.0)).unwrap_or_default();
            for (i, values) in values.chunks_exact_mut(self.state(state)).enumerate() {
                match &sum {
                    Some(sum) => {
                        self.add_up(sum, state - 2, saved, g * group + i, values);
                        let output = &mut output[(i * NODES + state - 2) * self.node_floats()..];
                        from_blocks(values, self.plane(), &mut output[..self.node_floats()]);
                    }
                    None => {
                        let [scale, shift] = &input;
                        let raw = values.to_vec();
                        scale_shift(&raw, [scale, shift], self.plane_of(state), values);
                    }
                }
                if !last {
                    let first = &mut first[i * convolutions * node..][..convolutions * node];
                    let pools = &mut pools_of[i * pools * node..][..pools * node];
                    reading.read(i, values, first, pools, &mut moments);
                }
            }
        });
        (!last).then(|| {
            let mut norms = moments.norms(self.blocks(), self.plane());
            outgoing.pool_norms = norms.split_off(convolutions);
            outgoing.first_norms = norms;
            outgoing
        })
    }

    /// Computes the second convolutions of the separable ops that read a state.
    fn second_convolutions(&self, state: usize, outgoing: &mut Outgoing) {
        let (images, blocks, plane, node) = (self.images(), self.blocks(), self.plane(), self.node());
        let (firsts, seconds) = (self.first_count(state), self.second_count(state));
        let group = groups(images);
        let mut moments = ImageMoments::new(images, seconds * blocks);
        outgoing.second = Buffer::new(images * seconds * node);
        let inner = self.inner_scale_shifts(state, &outgoing.first_norms);
        let items = outgoing
            .first
            .chunks(group * firsts * node)
            .zip(outgoing.second.chunks_mut(group * seconds * node))
            .zip(moments.groups(group, images.div_ceil(group)));
        in_groups(images * seconds * node, items, |_, ((first, second), mut moments)| {
            let mut x = vec![ZERO; blocks * padded(self.plan.size)];
            let mut scratch = Scratch::new(blocks, self.plan.size);
            let pictures = first.chunks_exact(firsts * node).zip(second.chunks_exact_mut(seconds * node));
            for (i, (first, second)) in pictures.enumerate() {
                for (e, reader) in readers(state).enumerate() {
                    for (op, convolution) in self.edges[edge(state, reader)].second.iter().enumerate() {
                        let which = e * SEPARABLE + op;
                        let [scale, shift] = &inner[which];
                        let read = &first[(e * self.branches(state) + op) * node..][..node];
                        pad_scale_shift_relu(read, [scale, shift], self.plan.size, &mut x);
                        let output = &mut second[which * node..][..node];
                        convolution.forward(&x, self.plan.size, &mut scratch, output);
                        moments.take(i, which, output, plane);
                    }
                }
            }
        });
        outgoing.second_norms = moments.norms(blocks, plane);
    }

    /// The scale of each term of a node, and the constant added to their sum.
    fn node_sum(&self, node: usize, saved: &SavedCell) -> NodeSum {
        let mut sum = NodeSum { terms: Vec::new(), shift: vec![ZERO; self.blocks()] };
        for term in self.terms(node) {
            let weight = self.weight(node, term);
            let scale = match saved.norm(self, node, term) {
                None => vec![[weight; LANES]; self.blocks()],
                Some(norm) => {
                    let [scale, shift] = norm.scale_shift(weight);
                    for (sum, shift) in sum.shift.iter_mut().zip(shift) {
                        *sum = map(|l| sum[l] + shift[l]);
                    }
                    scale
                }
            };
            sum.terms.push((term, scale));
        }
        sum
    }

    /// Computes a node's values of an image.
    fn add_up(&self, sum: &NodeSum, node: usize, saved: &SavedCell, image: usize, values: &mut [Vector]) {
        let plane = self.plane();
        for (block, values) in values.chunks_exact_mut(plane).enumerate() {
            values.fill(sum.shift[block]);
            for (term, scale) in &sum.terms {
                let at = self.place(node, *term, image).start + block * plane;
                add(&saved.values(*term)[at..at + plane], &scale[block..=block], plane, values);
            }
        }
    }
}

/// First convolutions and pools of a state, with memory for one image at a time.
struct ReadState<'a> {
    cell: &'a Cell<'a>,
    state: usize,
    /// The state's ReLU with a margin, and what a factorized reduce reads of it.
    x: Vec<Vector>,
    reduced: Vec<Vector>,
    scratch: Scratch,
}

impl<'a> ReadState<'a> {
    fn new(cell: &'a Cell<'a>, state: usize) -> Self {
        let (blocks, size) = (cell.blocks(), cell.size(state));
        let reduced = if cell.branches(state) > FACTORIZED_REDUCE { 2 * cell.node() } else { 0 };
        Self {
            cell,
            state,
            x: vec![ZERO; blocks * padded(size)],
            reduced: vec![ZERO; reduced],
            scratch: Scratch::new(blocks, size),
        }
    }

    /// Computes all first convolutions and both pools of an image of a group, and takes their moments.
    fn read(
        &mut self,
        image: usize,
        values: &[Vector],
        first: &mut [Vector],
        pools: &mut [Vector],
        moments: &mut GroupMoments,
    ) {
        let Self { cell, state, ref mut x, ref mut reduced, ref mut scratch } = *self;
        let (size, node, plane) = (cell.size(state), cell.node(), cell.plane());
        pad_relu(values, size, x);
        if cell.branches(state) > FACTORIZED_REDUCE {
            reduce(x, size, reduced);
        }
        let convolutions = readers(state).flat_map(|reader| cell.edges[edge(state, reader)].first.iter().enumerate());
        for (which, ((branch, convolution), output)) in convolutions.zip(first.chunks_exact_mut(node)).enumerate() {
            match branch {
                FACTORIZED_REDUCE => convolution.forward(reduced, cell.plan.size, scratch, output),
                _ => convolution.forward(x, size, scratch, output),
            }
            moments.take(image, which, output, plane);
        }
        let (largest, mean) = pools.split_at_mut(node);
        pool(values, size, cell.plan.stride(state), largest, mean);
        for (which, picture) in [largest, mean].into_iter().enumerate() {
            moments.take(image, cell.first_count(state) + which, picture, plane);
        }
    }
}
