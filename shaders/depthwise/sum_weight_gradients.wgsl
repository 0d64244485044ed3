// Sums the partial weight gradients of a node's depthwise convolutions, a weight a thread: blocks [weights / taps,
// PARTS, taps] one after the other.
// Constants: TOTAL (weights), PARTS, START_0 to START_7 (twice the weight that a block starts with, and one more if its
// convolutions have 25 taps instead of 9), RESULT_0 to RESULT_7 (where its gradients go).
@group(0) @binding(0) var<storage, read_write> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> weight_gradients: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= TOTAL) {
        return;
    }
    let starts = array<u32, 8>(START_0, START_1, START_2, START_3, START_4, START_5, START_6, START_7);
    let results = array<u32, 8>(RESULT_0, RESULT_1, RESULT_2, RESULT_3, RESULT_4, RESULT_5, RESULT_6, RESULT_7);
    var start = 0u;
    var result = 0u;
    var taps = 9u;
    // unroll
    for (var i = 0u; i < 8u; i++) {
        if (id.x >= starts[i] / 2u) {
            start = starts[i] / 2u;
            result = results[i];
            taps = select(9u, 25u, starts[i] % 2u == 1u);
        }
    }
    let weight = id.x - start;
    let first = (start + weight / taps * taps) * PARTS + weight % taps;
    var sum = 0.0;
    for (var t = 0u; t < PARTS; t++) {
        sum += partial[first + t * taps];
    }
    weight_gradients[result + weight] = sum;
}
