// Gradients of the weights that `weights` spreads over four phases, a weight a thread, from partial sums [edges, 4, C,
// PARTS, 9].
// Constants: TOTAL (weights), C, K, PARTS, SOURCE (of the partial sums), WEIGHTS (of the first edge).
@group(0) @binding(0) var<storage, read_write> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> weight_gradients: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= TOTAL) {
        return;
    }
    let i = id.x / K % K + 2u - K / 2u;
    let j = id.x % K + 2u - K / 2u;
    let c = id.x / (K * K) % C;
    let edge = id.x / (K * K * C);
    let phase = i % 2u * 2u + j % 2u;
    let tap = i / 2u * 3u + j / 2u;
    let first = ((edge * 4u + phase) * C + c) * PARTS;
    var sum = 0.0;
    for (var t = 0u; t < PARTS; t++) {
        sum += partial[SOURCE + (first + t) * 9u + tap];
    }
    weight_gradients[WEIGHTS + id.x] = sum;
}
