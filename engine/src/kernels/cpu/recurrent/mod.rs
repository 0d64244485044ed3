//! A recurrent cell over a whole window, relaxed or derived.
//!
//! The gates of a node for all states that it reads are one product. The backward pass computes the gates again, those
//! of several words at once, and overwrites them with their gradients; the gradients of the states are then one
//! product, and the gradient of the node's matrix is one over all of those words.

mod batch_norm;
mod node;

use crate::kernels::{
    RecurrentGraph, RecurrentPlan, RecurrentWindow,
    cpu::{
        among_workers, on_all_cores, product, put,
        recurrent::{
            batch_norm::{normalise, normalise_gradient, statistics},
            node::{Edge, edge_gradient, first_state, first_state_gradient, node},
        },
        values, vectors,
    },
};
use crate::space::RECURRENT_CANDIDATES;
use burn::backend::{Flex, flex::FlexTensor};
use std::ops::Range;

/// Ops with a weight; the zero op adds nothing.
const OPS: usize = RECURRENT_CANDIDATES.len() - 1;
/// Rows whose gates are computed again at once: few enough to stay in the CPU's caches.
const GATE_ROWS: usize = 128;

/// Outputs [length, batch, units] of a cell over a window, and where its states are normalised, which is by the minibatch
/// unless `running` means and variances are given, their means and biased variances [length, states, 2, units].
pub(super) fn forward(
    plan: RecurrentPlan,
    window: RecurrentWindow<Flex>,
    running: Option<FlexTensor>,
) -> (FlexTensor, Option<FlexTensor>, Saved) {
    let RecurrentWindow { inputs, matrices, op_weights, hidden, mask } = window;
    let [inputs, matrices, op_weights] = [inputs, matrices, op_weights].map(|tensor| tensor.to_contiguous());
    let [hidden, mask] = [hidden, mask].map(|tensor| tensor.to_contiguous());
    let RecurrentPlan { length, batch, units, cell, .. } = plan;
    let plan = Plan { length, batch, units, shares: shares(values(&op_weights)), cell };
    let window = Window { inputs, matrices, hidden, mask, plan };
    let running = running.map(|tensor| tensor.to_contiguous());
    let (output, kept) = among_workers(|| window.forward(running.as_ref().map(values)));
    let moments = (window.plan.cell.is_relaxed() && running.is_none())
        .then(|| put(kept.moments.clone(), [length, window.plan.cell.states(), 2, units]));
    let output = put(output, [length, batch, units]);
    (output.clone(), moments, Saved { window, output, kept })
}

/// Weights of each edge's ops other than zero, out of those of all ops.
fn shares(op_weights: &[f32]) -> Vec<[f32; OPS]> {
    op_weights
        .as_chunks::<{ OPS + 1 }>()
        .0
        .iter()
        .map(|&[_, tanh, relu, sigmoid, identity]| [tanh, relu, sigmoid, identity])
        .collect()
}

#[derive(Clone, Debug)]
struct Plan {
    length: usize,
    batch: usize,
    units: usize,
    cell: RecurrentGraph,
    /// Op weights of each edge.
    shares: Vec<[f32; OPS]>,
}

impl Plan {
    /// Floats per state.
    fn state(&self) -> usize {
        self.batch * self.units
    }

    /// Floats per matrix.
    fn matrix(&self) -> usize {
        2 * self.units * self.units
    }

    /// Where a state lies among those of all words, [length, states, batch, units].
    fn at(&self, row: usize, state: usize) -> Range<usize> {
        let first = (row * self.cell.states() + state) * self.state();
        first..first + self.state()
    }

    /// Where a state's means lie among the statistics [length, states, 2, units]; its variances follow.
    fn moments(&self, row: usize, state: usize) -> Range<usize> {
        let first = (row * self.cell.states() + state) * 2 * self.units;
        first..first + 2 * self.units
    }

    /// The states that a node reads.
    fn read(&self, node: usize) -> Range<usize> {
        let [first, count, _] = self.cell.reads(node);
        first..first + count
    }
}

/// Values that the backward pass needs of the forward pass.
#[derive(Clone, Debug)]
struct Kept {
    /// [length, states, batch, units].
    states: Vec<f32>,
    /// Means and biased variances [length, states, 2, units] where states are normalised by them, or nothing.
    moments: Vec<f32>,
}

/// A window and the cell that goes over it.
#[derive(Clone, Debug)]
struct Window {
    plan: Plan,
    /// [length, batch, 2 units].
    inputs: FlexTensor,
    /// [states * units, 2 units].
    matrices: FlexTensor,
    /// [batch, units].
    hidden: FlexTensor,
    /// [batch, units].
    mask: FlexTensor,
}

impl Window {
    /// The matrix of the first state or of a node.
    fn matrix(&self, node: usize) -> FlexTensor {
        self.matrices.narrow(0, node * self.plan.units, self.plan.units)
    }

    /// States [rows, units] as the matrices read them.
    fn masked<'a>(&self, states: impl IntoIterator<Item = &'a [f32]>) -> FlexTensor {
        let mask = values(&self.mask);
        let mut masked = Vec::new();
        for state in states {
            masked.extend(state.iter().zip(mask).map(|(value, scale)| value * scale));
        }
        let rows = masked.len() / self.plan.units;
        put(masked, [rows, self.plan.units])
    }

    /// The state before a word.
    fn before<'a>(&'a self, row: usize, output: &'a [f32]) -> &'a [f32] {
        let size = self.plan.state();
        if row == 0 { values(&self.hidden) } else { &output[(row - 1) * size..row * size] }
    }

    /// Outputs [length, batch, units].
    fn forward(&self, running: Option<&[f32]>) -> (Vec<f32>, Kept) {
        let Plan { length, units, ref cell, ref shares, .. } = self.plan;
        let (plan, size) = (&self.plan, self.plan.state());
        let mut states = vec![0f32; length * cell.states() * size];
        let mut moments = vec![0f32; if cell.is_relaxed() { length * cell.states() * 2 * units } else { 0 }];
        let mut output = vec![0f32; length * size];
        for row in 0..length {
            for state in 0..cell.states() {
                let (known, rest) = states.split_at_mut(plan.at(row, state).start);
                let fresh = &mut rest[..size];
                if state == 0 {
                    let before = self.before(row, &output);
                    let of_before = product(&self.masked([before]), &self.matrix(0));
                    let words = &values(&self.inputs)[row * 2 * size..][..2 * size];
                    first_state(units, fresh, before, [words, values(&of_before)]);
                } else {
                    let read: Vec<_> = plan.read(state).map(|from| &known[plan.at(row, from)]).collect();
                    let gates = product(&self.masked(read.iter().copied()), &self.matrix(state));
                    let gates = values(&gates).chunks(2 * size);
                    let [_, _, edge] = cell.reads(state);
                    let edges = read.into_iter().zip(gates).zip(&shares[edge..]);
                    let edges: Vec<_> = edges.map(|((state, gates), &shares)| Edge { state, gates, shares }).collect();
                    node(units, fresh, &edges);
                }
                if let Some(running) = running {
                    normalise(fresh, running);
                } else if cell.is_relaxed() {
                    let found = &mut moments[plan.moments(row, state)];
                    vectors!(statistics(fresh, found));
                    normalise(fresh, found);
                }
            }
            let share = cell.share() as f32;
            let output = &mut output[row * size..(row + 1) * size];
            for node in (1..=cell.nodes()).filter(|&node| cell.includes(node)) {
                add_scaled(output, &states[plan.at(row, node)], share);
            }
        }
        (output, Kept { states, moments })
    }

    /// Gradients of the inputs [length, batch, 2 units], of the matrices [states * units, 2 units] where requested, and
    /// of the op weights [edges, 4].
    fn backward(
        &self,
        Kept { states, moments }: &Kept,
        output: &[f32],
        gradient: &[f32],
        matrices_requested: bool,
    ) -> (Vec<f32>, Option<Vec<f32>>, Vec<f32>) {
        let Plan { length, batch, units, ref cell, ref shares } = self.plan;
        let (plan, size) = (&self.plan, self.plan.state());
        let mut of_inputs = vec![0f32; 2 * length * size];
        let mut of_matrices = matrices_requested.then(|| vec![0f32; cell.states() * plan.matrix()]);
        // By edge, op and unit.
        let mut of_shares = vec![0f32; cell.edges() * OPS * units];
        let mut carried = vec![0f32; size];
        let words = (GATE_ROWS / batch).max(1);
        for first in (0..length).step_by(words).rev() {
            let rows = first..length.min(first + words);
            // The matrices' inputs for these words, and their gates, which are overwritten with their gradients.
            let befores = self.masked(rows.clone().map(|row| self.before(row, output)));
            let mut first_gates = product(&befores, &self.matrix(0));
            let of_words = rows.start * 2 * size..rows.end * 2 * size;
            add_scaled(first_gates.storage_mut(), &values(&self.inputs)[of_words.clone()], 1.0);
            let read = |node: usize| {
                let states =
                    rows.clone().flat_map(|row| plan.read(node).map(move |state| &states[plan.at(row, state)]));
                self.masked(states)
            };
            let read: Vec<_> = (1..=cell.nodes()).map(read).collect();
            let gates = read.iter().enumerate().map(|(i, states)| product(states, &self.matrix(i + 1)));
            let mut gates: Vec<_> = gates.collect();
            for (word, row) in rows.clone().enumerate().rev() {
                add_scaled(&mut carried, &gradient[row * size..(row + 1) * size], 1.0);
                let mut gradients = vec![vec![0f32; size]; cell.states()];
                for state in (0..cell.states()).rev() {
                    let (earlier, later) = gradients.split_at_mut(state);
                    let given = &mut later[0];
                    if state > 0 && cell.includes(state) {
                        add_scaled(given, &carried, cell.share() as f32);
                    }
                    if cell.is_relaxed() {
                        let (value, moments) = (&states[plan.at(row, state)], &moments[plan.moments(row, state)]);
                        vectors!(normalise_gradient(given, value, &moments[units..]));
                    }
                    if state == 0 {
                        let gates = first_gates.storage_mut::<f32>()[word * 2 * size..].chunks_mut(2 * units);
                        first_state_gradient(units, gates, self.before(row, output), given, &mut carried);
                        continue;
                    }
                    let (gates, [from, edges, edge]) = (&mut gates[state - 1], cell.reads(state));
                    let given = &*given;
                    let of_word = gates.storage_mut::<f32>()[word * edges * 2 * size..].chunks_mut(2 * size);
                    let parts = earlier[from..from + edges].iter_mut().zip(of_word);
                    let sums = of_shares[edge * OPS * units..].chunks_mut(OPS * units);
                    on_all_cores(edges * size, parts.zip(sums), |i, ((of_state, gates), sums)| {
                        let (source, shares) = (&states[plan.at(row, from + i)], shares[edge + i]);
                        vectors!(edge_gradient(units, gates, source, given, of_state, shares, sums));
                    });
                    let of_word = gates.narrow(0, word * edges * batch, edges * batch);
                    let found = product(&of_word, &self.matrix(state).transpose(0, 1));
                    for (of_state, found) in earlier[from..].iter_mut().zip(values(&found).chunks(size)) {
                        self.add_masked(of_state, found);
                    }
                }
                let found = product(&first_gates.narrow(0, word * batch, batch), &self.matrix(0).transpose(0, 1));
                self.add_masked(&mut carried, values(&found));
            }
            of_inputs[of_words].copy_from_slice(values(&first_gates));
            if let Some(of_matrices) = &mut of_matrices {
                let parts = [(&befores, &first_gates)].into_iter().chain(read.iter().zip(&gates));
                for ((states, gates), sum) in parts.zip(of_matrices.chunks_mut(plan.matrix())) {
                    add_scaled(sum, values(&product(&states.transpose(0, 1), gates)), 1.0);
                }
            }
        }
        let of_shares = of_shares.chunks(units).map(|units| units.iter().sum()).collect();
        (of_inputs, of_matrices, of_shares)
    }

    /// Adds a state's gradient through a matrix, dropout applied.
    fn add_masked(&self, sum: &mut [f32], found: &[f32]) {
        for ((sum, value), scale) in sum.iter_mut().zip(found).zip(values(&self.mask)) {
            *sum += value * scale;
        }
    }
}

/// Adds scaled values.
fn add_scaled(sums: &mut [f32], values: &[f32], scale: f32) {
    vectors!(sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += scale * value));
}

/// Window and results that its backward pass needs.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    window: Window,
    output: FlexTensor,
    kept: Kept,
}

impl Saved {
    /// Gradients of the inputs, the matrices and the op weights.
    pub fn backward(self, gradient: &FlexTensor, requested: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let Self { window, output, kept } = self;
        let Plan { length, batch, units, ref cell, .. } = window.plan;
        let [inputs_requested, matrices_requested, op_weights_requested] = requested;
        let (inputs, matrices, shares) =
            among_workers(|| window.backward(&kept, values(&output), values(gradient), matrices_requested));
        let op_weights = op_weights_requested.then(|| {
            let all = shares.chunks(OPS).flat_map(|edge| [0.0].into_iter().chain(edge.iter().copied()));
            put(all.collect(), [cell.edges(), OPS + 1])
        });
        [
            inputs_requested.then(|| put(inputs, [length, batch, 2 * units])),
            matrices.map(|matrices| put(matrices, [cell.states() * units, 2 * units])),
            op_weights,
        ]
    }
}
