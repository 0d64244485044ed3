//! A recurrent cell over a whole window, relaxed or derived.
//!
//! What a node gets of all states that it reads is one product. Backward the gates are computed again, those of several words
//! at once, and turn into their gradients where they are; then what the states get is one product, and what the node's matrix
//! gets one over all of those words.

use crate::kernels::{
    RecurrentGraph, RecurrentPlan, RecurrentWindow,
    cpu::{among_workers, exp, on_all_cores, product, put, sigmoid, values, vectors},
    plain::BATCH_NORM_EPSILON,
};
use crate::space::RecurrentOp;
use burn::backend::{Flex, flex::FlexTensor};
use std::ops::Range;

/// Ops that a node's weights are of; the zero op adds nothing.
const OPS: usize = RecurrentOp::CANDIDATES.len() - 1;
/// Rows that a core takes at a time.
const ROWS: usize = 16;
/// Values that are computed side by side: copied out of their rows, so that nothing keeps the compiler from it.
const LANES: usize = 16;
/// Rows whose gates are computed again at once: what they take stays in the CPU's caches.
const GATE_ROWS: usize = 128;

/// Outputs [length, batch, units] of a cell over a window, and where its states are normalised, which is by the minibatch
/// unless `running` means and variances are given, their means and biased variances [length, states, 2, units].
pub(super) fn forward(
    plan: RecurrentPlan,
    window: RecurrentWindow<Flex>,
    running: Option<FlexTensor>,
) -> (FlexTensor, Option<FlexTensor>, Memory) {
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
    (output.clone(), moments, Memory { window, output, kept })
}

/// Each edge's weights of the ops other than zero, out of those of all ops.
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
    /// The ops' weights of each edge.
    shares: Vec<[f32; OPS]>,
}

impl Plan {
    /// Floats of a state.
    fn state(&self) -> usize {
        self.batch * self.units
    }

    /// Floats of a matrix.
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

    /// States [rows, units] as the matrices get them.
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

    /// Gradients of the inputs [length, batch, 2 units], of the matrices [states * units, 2 units] where requested, and of the
    /// ops' weights [edges, 4].
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
        // Of each edge's ops by unit.
        let mut of_shares = vec![0f32; cell.edges() * OPS * units];
        let mut carried = vec![0f32; size];
        let words = (GATE_ROWS / batch).max(1);
        for first in (0..length).step_by(words).rev() {
            let rows = first..length.min(first + words);
            // What the matrices get of these words, and the gates that they make of it, which turn into their gradients.
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
                        vectors!(normalise_back(given, value, &moments[units..]));
                    }
                    if state == 0 {
                        let gates = first_gates.storage_mut::<f32>()[word * 2 * size..].chunks_mut(2 * units);
                        first_state_back(units, gates, self.before(row, output), given, &mut carried);
                        continue;
                    }
                    let (gates, [from, edges, edge]) = (&mut gates[state - 1], cell.reads(state));
                    let given = &*given;
                    let of_word = gates.storage_mut::<f32>()[word * edges * 2 * size..].chunks_mut(2 * size);
                    let parts = earlier[from..from + edges].iter_mut().zip(of_word);
                    let sums = of_shares[edge * OPS * units..].chunks_mut(OPS * units);
                    on_all_cores(edges * size, parts.zip(sums), |i, ((of_state, gates), sums)| {
                        let (source, shares) = (&states[plan.at(row, from + i)], shares[edge + i]);
                        vectors!(edge_back(units, gates, source, given, of_state, shares, sums));
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

    /// Adds what a matrix gives back for a state.
    fn add_masked(&self, sum: &mut [f32], found: &[f32]) {
        for ((sum, value), scale) in sum.iter_mut().zip(found).zip(values(&self.mask)) {
            *sum += value * scale;
        }
    }
}

/// What a node gets over an edge.
struct Edge<'a> {
    /// The state that it begins at [batch, units].
    state: &'a [f32],
    /// What the node's matrix makes of it [batch, 2 units].
    gates: &'a [f32],
    shares: [f32; OPS],
}

fn add_scaled(sums: &mut [f32], values: &[f32], scale: f32) {
    vectors!(sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += scale * value));
}

/// The first state: the state before, moved by a gate towards a candidate.
fn first_state(units: usize, fresh: &mut [f32], before: &[f32], gates: [&[f32]; 2]) {
    vectors!({
        let [words, states] = gates.map(|gates| gates.chunks(2 * units));
        for (((fresh, before), words), states) in
            fresh.chunks_mut(units).zip(before.chunks(units)).zip(words).zip(states)
        {
            for unit in 0..units {
                let gate = sigmoid(words[unit] + states[unit]);
                let [candidate, ..] = ops(words[units + unit] + states[units + unit]);
                fresh[unit] = before[unit] + gate * (candidate - before[unit]);
            }
        }
    });
}

/// The gradients of the first state's gates in their place, and of the state before in place of what is carried, but for
/// what goes by the gates.
fn first_state_back<'a>(
    units: usize,
    gates: impl Iterator<Item = &'a mut [f32]>,
    before: &[f32],
    given: &[f32],
    carried: &mut [f32],
) {
    vectors!({
        let rows = given.chunks(units).zip(before.chunks(units)).zip(carried.chunks_mut(units));
        for (gates, ((given, before), carried)) in gates.zip(rows) {
            let (gates, candidates) = gates.split_at_mut(units);
            for unit in 0..units {
                let gate = sigmoid(gates[unit]);
                let [candidate, ..] = ops(candidates[unit]);
                gates[unit] = given[unit] * (candidate - before[unit]) * gate * (1.0 - gate);
                candidates[unit] = given[unit] * gate * (1.0 - candidate * candidate);
                carried[unit] = given[unit] * (1.0 - gate);
            }
        }
    });
}

/// What the ops make of a candidate: tanh, ReLU, sigmoid, identity.
#[inline(always)]
fn ops(candidate: f32) -> [f32; OPS] {
    // Beyond it they are what they are here, in float32.
    let small = exp(-candidate.clamp(-40.0, 40.0));
    let square = small * small;
    [(1.0 - square) / (1.0 + square), candidate.max(0.0), 1.0 / (1.0 + small), candidate]
}

#[inline(always)]
fn weighted(ops: [f32; OPS], shares: [f32; OPS]) -> f32 {
    (ops[0] * shares[0] + ops[1] * shares[1]) + (ops[2] * shares[2] + ops[3] * shares[3])
}

/// A node of any number of edges: over all ops but zero, weighted, the sum of state + gate * (op(candidate) - state).
fn node(units: usize, fresh: &mut [f32], edges: &[Edge]) {
    let values = edges.len() * fresh.len();
    on_all_cores(values, fresh.chunks_mut(ROWS * units), |part, rows| {
        vectors!({
            for (row, sums) in rows.chunks_mut(units).enumerate().map(|(i, row)| (part * ROWS + i, row)) {
                for &Edge { state, gates, shares } in edges {
                    let state = &state[row * units..][..units];
                    let (gates, candidates) = gates[row * 2 * units..][..2 * units].split_at(units);
                    let all: f32 = shares.iter().sum();
                    for at in (0..units).step_by(LANES) {
                        let [state, gates, candidates] = [state, gates, candidates].map(|values| load(values, at));
                        let mut sum = load(sums, at);
                        for i in 0..LANES {
                            let kept = all * state[i];
                            sum[i] += kept + sigmoid(gates[i]) * (weighted(ops(candidates[i]), shares) - kept);
                        }
                        store(sums, at, sum);
                    }
                }
            }
        });
    });
}

/// From the gradient `given` of a node's sum those of an edge's gates, in their place, of the state that it begins at, added,
/// and of its ops' weights by unit, added.
#[inline(always)]
fn edge_back(
    units: usize,
    gates: &mut [f32],
    states: &[f32],
    given: &[f32],
    of_states: &mut [f32],
    shares: [f32; OPS],
    sums: &mut [f32],
) {
    let all: f32 = shares.iter().sum();
    for (row, gates) in gates.chunks_mut(2 * units).enumerate() {
        let row = row * units..(row + 1) * units;
        let (gates, candidates) = gates.split_at_mut(units);
        let (states, given, of_states) = (&states[row.clone()], &given[row.clone()], &mut of_states[row]);
        for at in (0..units).step_by(LANES) {
            let [state, given] = [states, given].map(|values| load(values, at));
            let (mut gate_lanes, mut candidate_lanes) = (load(gates, at), load(candidates, at));
            let mut of_state = load(of_states, at);
            let mut of_ops = [[0f32; LANES]; OPS];
            for i in 0..LANES {
                let gate = sigmoid(gate_lanes[i]);
                let candidate = candidate_lanes[i];
                let results = ops(candidate);
                let [tanh, _, sigmoid, _] = results;
                let slopes =
                    [1.0 - tanh * tanh, if candidate > 0.0 { 1.0 } else { 0.0 }, sigmoid * (1.0 - sigmoid), 1.0];
                gate_lanes[i] = given[i] * (weighted(results, shares) - all * state[i]) * gate * (1.0 - gate);
                candidate_lanes[i] = given[i] * gate * weighted(slopes, shares);
                of_state[i] += given[i] * all * (1.0 - gate);
                for (of_op, result) in of_ops.iter_mut().zip(results) {
                    of_op[i] = given[i] * (state[i] + gate * (result - state[i]));
                }
            }
            store(gates, at, gate_lanes);
            store(candidates, at, candidate_lanes);
            store(of_states, at, of_state);
            for (sums, of_op) in sums.chunks_mut(units).zip(of_ops) {
                let mut sum = load(sums, at);
                for i in 0..LANES {
                    sum[i] += of_op[i];
                }
                store(sums, at, sum);
            }
        }
    }
}

/// Some values of a row, and zeros beyond its end.
#[inline(always)]
fn load(row: &[f32], at: usize) -> [f32; LANES] {
    match row[at..].first_chunk() {
        Some(lanes) => *lanes,
        None => {
            let mut lanes = [0.0; LANES];
            lanes[..row.len() - at].copy_from_slice(&row[at..]);
            lanes
        }
    }
}

/// Puts values where they are loaded from.
#[inline(always)]
fn store(row: &mut [f32], at: usize, lanes: [f32; LANES]) {
    match row[at..].first_chunk_mut() {
        Some(place) => *place = lanes,
        None => {
            let count = row.len() - at;
            row[at..].copy_from_slice(&lanes[..count]);
        }
    }
}

/// Means and biased variances [2, units] of a state over the minibatch.
#[inline(always)]
fn statistics(state: &[f32], found: &mut [f32]) {
    let units = found.len() / 2;
    let share = units as f32 / state.len() as f32;
    let (means, variances) = found.split_at_mut(units);
    for row in state.chunks(units) {
        means.iter_mut().zip(row).for_each(|(mean, value)| *mean += value);
    }
    means.iter_mut().for_each(|mean| *mean *= share);
    for row in state.chunks(units) {
        for ((variance, value), mean) in variances.iter_mut().zip(row).zip(&*means) {
            *variance += (value - mean) * (value - mean);
        }
    }
    variances.iter_mut().for_each(|variance| *variance *= share);
}

/// BatchNorm without factors and offsets, by means and variances [2, units].
fn normalise(state: &mut [f32], moments: &[f32]) {
    let units = moments.len() / 2;
    let (means, variances) = moments.split_at(units);
    let scales: Vec<f32> = variances.iter().map(|&variance| scale(variance)).collect();
    vectors!({
        for row in state.chunks_mut(units) {
            for ((value, mean), scale) in row.iter_mut().zip(means).zip(&scales) {
                *value = (*value - mean) * scale;
            }
        }
    });
}

fn scale(variance: f32) -> f32 {
    1.0 / (variance + BATCH_NORM_EPSILON as f32).sqrt()
}

/// The gradient by a state before BatchNorm, in place of that by the state `value` after it.
#[inline(always)]
fn normalise_back(gradient: &mut [f32], value: &[f32], variances: &[f32]) {
    let units = variances.len();
    let share = units as f32 / value.len() as f32;
    let (mut means, mut products) = (vec![0f32; units], vec![0f32; units]);
    for (gradient, value) in gradient.chunks(units).zip(value.chunks(units)) {
        for (((mean, product), gradient), value) in means.iter_mut().zip(&mut products).zip(gradient).zip(value) {
            *mean += gradient;
            *product += gradient * value;
        }
    }
    let scales: Vec<f32> = variances.iter().map(|&variance| scale(variance)).collect();
    for (gradient, value) in gradient.chunks_mut(units).zip(value.chunks(units)) {
        for ((((gradient, value), mean), product), scale) in
            gradient.iter_mut().zip(value).zip(&means).zip(&products).zip(&scales)
        {
            *gradient = scale * (*gradient - share * mean - value * (share * product));
        }
    }
}

/// What the backward pass needs of the forward pass.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    window: Window,
    output: FlexTensor,
    kept: Kept,
}

impl Memory {
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
