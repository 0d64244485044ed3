//! The part of a state's gradient that comes through the ops that read the state: first convolutions, pools and skip
//! connections.

use crate::kernels::cpu::{
    batch_norm::GradientMap,
    blocks::{LANES, Vector, ZERO, add, mask, pad_relu, padded},
    cell::{FACTORIZED_REDUCE, Outgoing, SavedCell, backward::Backward, edge, readers},
    convolution::{Scratch, WeightGradient},
    factorized_reduce::{reduce, reduce_gradient},
    pooling::pool_gradients,
};
use crate::kernels::plan::SEPARABLE;

/// The ops that read a state on the way back, with memory for one image at a time.
pub(super) struct ReadBack<'a> {
    pass: &'a Backward<'a>,
    state: usize,
    values: &'a [Vector],
    outgoing: &'a Outgoing,
    /// Scales of one.
    ones: Vec<Vector>,
    /// The state's ReLU with a margin, and what a factorized reduce reads of it; the gradients of both.
    x: Vec<Vector>,
    reduced: Vec<Vector>,
    of_relu: Vec<Vector>,
    of_reduced: Vec<Vector>,
    /// Gradients of both pools.
    of_pools: [Vec<Vector>; 2],
    /// The gradient of an op's output before BatchNorm.
    value: Vec<Vector>,
    scratch: Scratch,
}

impl<'a> ReadBack<'a> {
    pub fn new(pass: &'a Backward<'a>, state: usize, saved: &'a SavedCell) -> Self {
        let cell = pass.cell;
        let (blocks, size, node) = (cell.blocks(), cell.size(state), cell.node());
        let reduced = if cell.branches(state) > FACTORIZED_REDUCE { 2 * node } else { 0 };
        Self {
            pass,
            state,
            values: &saved.states[state],
            outgoing: &saved.outgoing[state],
            ones: vec![[1.0; LANES]; blocks],
            x: vec![ZERO; blocks * padded(size)],
            reduced: vec![ZERO; reduced],
            of_relu: vec![ZERO; cell.state(state)],
            of_reduced: vec![ZERO; reduced],
            of_pools: [vec![ZERO; node], vec![ZERO; node]],
            value: vec![ZERO; node],
            scratch: Scratch::new(blocks, size),
        }
    }

    /// Adds to the gradient of an image's state, and to those of the weights [edge, branch] where there are any.
    pub fn image(&mut self, image: usize, gradient: &mut [Vector], found: &mut [WeightGradient]) {
        let (cell, state) = (self.pass.cell, self.state);
        let (size, vectors) = (cell.size(state), cell.state(state));
        let own = &self.values[image * vectors..][..vectors];
        pad_relu(own, size, &mut self.x);
        if cell.branches(state) > FACTORIZED_REDUCE {
            reduce(&self.x, size, &mut self.reduced);
        }
        self.of_relu.fill(ZERO);
        self.of_pools.iter_mut().for_each(|pool| pool.fill(ZERO));
        for (e, reader) in readers(state).enumerate() {
            let node = cell.node();
            let of_reader = &self.pass.states[reader + 2][image * node..][..node];
            self.convolutions(image, [e, reader], of_reader, found);
            self.pools(image, reader, of_reader);
            if cell.plan.stride(state) == 1 {
                let skip = self.pass.maps[edge(state, reader)].skip;
                add(of_reader, &vec![[skip; LANES]; cell.blocks()], cell.plane(), gradient);
            }
        }
        mask(&mut self.of_relu, &self.x, size);
        add(&self.of_relu, &self.ones, cell.plane_of(state), gradient);
        let [largest, mean] = &self.of_pools;
        pool_gradients(own, size, cell.plan.stride(state), [largest, mean], gradient);
    }

    /// Goes back through the first convolutions on the state's edge number `e`, from the gradient of the node that reads it.
    fn convolutions(
        &mut self,
        image: usize,
        [e, reader]: [usize; 2],
        of_reader: &[Vector],
        found: &mut [WeightGradient],
    ) {
        let (cell, state) = (self.pass.cell, self.state);
        let (size, node, branches) = (cell.size(state), cell.node(), cell.branches(state));
        let number = edge(state, reader);
        let seconds = &self.outgoing.second[(image * cell.second_count(state) + e * SEPARABLE) * node..];
        for (branch, convolution) in cell.edges[number].first.iter().enumerate() {
            let of_output = if branch < SEPARABLE { &seconds[branch * node..][..node] } else { of_reader };
            let at = image * cell.first_count(state) + e * branches + branch;
            let values = &self.outgoing.first[at * node..][..node];
            let map: &GradientMap = &self.pass.maps[number].first[branch];
            map.apply(of_output, values, cell.plane(), &mut self.value);
            let of_weights = found.get_mut(e * branches + branch);
            if branch == FACTORIZED_REDUCE {
                let of_source = Some(&mut self.of_reduced[..]);
                let half = cell.plan.size;
                convolution.backward(&self.value, &self.reduced, half, &mut self.scratch, of_weights, of_source);
                reduce_gradient(&self.of_reduced, size, &mut self.of_relu);
            } else {
                let of_source = Some(&mut self.of_relu[..]);
                convolution.backward(&self.value, &self.x, size, &mut self.scratch, of_weights, of_source);
            }
        }
    }

    /// Adds the gradients of both pools, from that of a node that reads them.
    fn pools(&mut self, image: usize, reader: usize, of_reader: &[Vector]) {
        let (cell, state) = (self.pass.cell, self.state);
        let (node, plane) = (cell.node(), cell.plane());
        let maps = &self.pass.maps[edge(state, reader)].pools;
        for (pool, (sum, map)) in self.of_pools.iter_mut().zip(maps).enumerate() {
            let values = &self.outgoing.pools[(image * 2 + pool) * node..][..node];
            map.apply(of_reader, values, plane, &mut self.value);
            add(&self.value, &self.ones, plane, sum);
        }
    }
}
