//! Gates, candidates and ops of a node, and their gradients.

use crate::kernels::cpu::{exp, on_all_cores, recurrent::OPS, sigmoid, vectors};

/// Rows that a core takes at a time.
const ROWS: usize = 16;
/// Values computed side by side: copied out of their rows, so that nothing keeps the compiler from vectorising.
const LANES: usize = 16;

/// An edge of a node.
pub(super) struct Edge<'a> {
    /// The state that it begins at [batch, units].
    pub state: &'a [f32],
    /// The state times the node's matrix [batch, 2 units].
    pub gates: &'a [f32],
    pub shares: [f32; OPS],
}

/// The first state: the previous state, moved by a gate towards a candidate.
pub(super) fn first_state(units: usize, fresh: &mut [f32], before: &[f32], gates: [&[f32]; 2]) {
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

/// Replaces the first state's gates by their gradients, and the carried gradient by that of the previous state, without
/// the part that comes through the gates.
pub(super) fn first_state_gradient<'a>(
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

/// The ops of a candidate: tanh, ReLU, sigmoid, identity.
#[inline(always)]
fn ops(candidate: f32) -> [f32; OPS] {
    // Beyond these bounds the results do not change in float32.
    let small = exp(-candidate.clamp(-40.0, 40.0));
    let square = small * small;
    [(1.0 - square) / (1.0 + square), candidate.max(0.0), 1.0 / (1.0 + small), candidate]
}

/// The weighted sum of the ops.
#[inline(always)]
fn weighted(ops: [f32; OPS], shares: [f32; OPS]) -> f32 {
    (ops[0] * shares[0] + ops[1] * shares[1]) + (ops[2] * shares[2] + ops[3] * shares[3])
}

/// A node of any number of edges: over all ops but zero, weighted, the sum of state + gate * (op(candidate) - state).
pub(super) fn node(units: usize, fresh: &mut [f32], edges: &[Edge]) {
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

/// From the gradient `given` of a node's sum, the gradients of an edge's gates, written in their place, and those of
/// the edge's source state and of its op weights by unit, both added.
#[inline(always)]
pub(super) fn edge_gradient(
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
