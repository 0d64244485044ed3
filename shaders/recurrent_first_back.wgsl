// The gradient of the first state, back through BatchNorm to the word's share of the gates and the state before, whose direct
// share is the slot of the gradients behind SHARED.
// Constants: UNITS, BATCH, BASE, TILES, MOMENTS, INPUT, BEFORE, GATES, HALF, ROW, SHARED, and those of what it pulls.
@group(0) @binding(4) var<storage, read_write> inputs: array<f32>;
@group(0) @binding(5) var<storage, read_write> before: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradients: array<f32>;
@group(0) @binding(7) var<storage, read_write> gates: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = 4u * group.x;
    var part = vec4<f32>(0.0);
    var part_along = vec4<f32>(0.0);
    for (var b = lane; b < BATCH; b += 64u) {
        let g = gradient4(0u, column, b) + pulled(0u, group.x, b);
        put_gradient(0u, column, b, g);
        part += g;
        part_along += g * state4(BASE, column, b);
    }
    let through_norm = norm_back(part, part_along, MOMENTS, column, lane);
    for (var b = lane; b < BATCH; b += 64u) {
        let raw = before_norm(through_norm, gradient4(0u, column, b), state4(BASE, column, b));
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
        let c = logistic(gate);
        let t = bend(candidate);
        put_gates(ROW, column, b, raw * (t - hidden) * c * (1.0 - c), raw * c * (1.0 - t * t));
        put_gradient(SHARED + 1u, column, b, raw * (1.0 - c));
    }
}
