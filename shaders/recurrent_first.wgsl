// The first state: the state before, moved by a gate towards a candidate, then BatchNorm if any.
// Constants: UNITS, BATCH, BASE, MOMENTS, INPUT (the word's share of the gates), BEFORE.
@group(0) @binding(4) var<storage, read_write> inputs: array<f32>;
@group(0) @binding(5) var<storage, read_write> before: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = 4u * group.x;
    var part = vec4<f32>(0.0);
    for (var b = lane; b < BATCH; b += 64u) {
        let at = places(column, b);
        let to_gate = INPUT + at;
        let to_candidate = INPUT + UNITS * BATCH + at;
        var gate = vec4<f32>(inputs[to_gate.x], inputs[to_gate.y], inputs[to_gate.z], inputs[to_gate.w]);
        var candidate = vec4<f32>(
            inputs[to_candidate.x], inputs[to_candidate.y], inputs[to_candidate.z], inputs[to_candidate.w]);
        for (var k = 0u; k < UNITS; k++) {
            let x = mask[k * BATCH + b] * before[BEFORE + k * BATCH + b];
            let w = (group.x * UNITS + k) * 2u;
            gate += x * weights[w];
            candidate += x * weights[w + 1u];
        }
        let held = BEFORE + at;
        let hidden = vec4<f32>(before[held.x], before[held.y], before[held.z], before[held.w]);
        let state = hidden + logistic(gate) * (bend(candidate) - hidden);
        put_state(BASE, column, b, state);
        part += state;
    }
    normalise(BASE, MOMENTS, column, lane, part);
}
