// Weights of a K x K convolution of stride 2 as four 3 x 3 convolutions of stride 1, one for each phase, a weight a
// thread; zero where the convolution has none.
// Constants: TOTAL (weights written), C, K, WEIGHTS (of the first edge), RESULT (where they go).
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> expanded: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= TOTAL) {
        return;
    }
    let tap = id.x % 9u;
    let c = id.x / 9u % C;
    let phase = id.x / (9u * C) % 4u;
    let edge = id.x / (36u * C);
    // Row 2 (y + tap / 3 - 1) + phase / 2 of the picture is row 2 y + i - K / 2.
    let i = 2u * (tap / 3u) + phase / 2u + K / 2u;
    let j = 2u * (tap % 3u) + phase % 2u + K / 2u;
    var weight = 0.0;
    if (i >= 2u && i < K + 2u && j >= 2u && j < K + 2u) {
        weight = weights[WEIGHTS + (edge * C + c) * K * K + (i - 2u) * K + j - 2u];
    }
    expanded[RESULT + id.x] = weight;
}
