// The gate and candidate of the first state before their activations, and the state before, for four columns.
// Constants: UNITS, BATCH, INPUT (the word's share of the gates), BEFORE (the state before).
@group(0) @binding(4) var<storage, read_write> inputs: array<f32>;
@group(0) @binding(5) var<storage, read_write> before: array<f32>;

struct FirstGates {
    gate: vec4<f32>,
    candidate: vec4<f32>,
    hidden: vec4<f32>,
}

fn first_gates(tile: u32, b: u32) -> FirstGates {
    let at = places(4u * tile, b);
    let to_gate = INPUT + at;
    let to_candidate = INPUT + UNITS * BATCH + at;
    var gate = vec4<f32>(inputs[to_gate.x], inputs[to_gate.y], inputs[to_gate.z], inputs[to_gate.w]);
    var candidate = vec4<f32>(
        inputs[to_candidate.x], inputs[to_candidate.y], inputs[to_candidate.z], inputs[to_candidate.w]);
    for (var k = 0u; k < UNITS; k++) {
        let x = mask[k * BATCH + b] * before[BEFORE + k * BATCH + b];
        let w = (tile * UNITS + k) * 2u;
        gate += x * weights[w];
        candidate += x * weights[w + 1u];
    }
    let held = BEFORE + at;
    return FirstGates(gate, candidate, vec4<f32>(before[held.x], before[held.y], before[held.z], before[held.w]));
}
