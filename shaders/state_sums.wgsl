// Partial sums of a state's gradient and of its product with the state, for each channel.
// Constants: N, C, PLANE, CHUNKS, STATE_AT (where both lie, in vectors).
@group(0) @binding(0) var<storage, read_write> states: array<V>;
@group(0) @binding(1) var<storage, read_write> state_gradients: array<V>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec2<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let chunk = id.x % CHUNKS;
    let c = id.x / CHUNKS;
    if (c >= C) {
        return;
    }
    var sum = vec2<f32>(0.0);
    for (var q = chunk; q < N * PLANE; q += CHUNKS) {
        let at = STATE_AT + ((q / PLANE) * C + c) * PLANE + q % PLANE;
        let g = state_gradients[at];
        sum += vec2<f32>(total(g), total(g * states[at]));
    }
    partial[c * CHUNKS + chunk] = sum;
}
