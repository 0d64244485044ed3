// The gradient of the first state, back through BatchNorm to the word's share of the gates and the state before, whose
// direct share is the slot of the gradients behind SHARED. A workgroup has four columns.
// Constants: BASE, MOMENTS, ROW, SHARED, and those of `first_gates` and `later_gradients`.
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
        let first = first_gates(group.x, b);
        let c = logistic(first.gate);
        let t = bend(first.candidate);
        put_gates(ROW, column, b, raw * (t - first.hidden) * c * (1.0 - c), raw * c * (1.0 - t * t));
        put_gradient(SHARED + 1u, column, b, raw * (1.0 - c));
    }
}
