// Partial sums of a node's gradient, for each channel. Constants: N, C, PLANE, CHUNKS, GRADIENT (where it lies, in
// vectors).
@group(0) @binding(0) var<storage, read_write> state_gradients: array<V>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let chunk = id.x % CHUNKS;
    let c = id.x / CHUNKS;
    if (c >= C) {
        return;
    }
    var sum = 0.0;
    for (var q = chunk; q < N * PLANE; q += CHUNKS) {
        sum += total(state_gradients[GRADIENT + ((q / PLANE) * C + c) * PLANE + q % PLANE]);
    }
    partial[c * CHUNKS + chunk] = sum;
}
