// Gradient of both pools of stride 2 of a cell input, added to the input's gradient, an input pixel a thread.
// Constants: N, C, H, W (of the pooled values), STRIDE, STATE, RESULT (where the state's gradient lies, in floats).
@group(0) @binding(0) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> pools: array<f32>;
@group(0) @binding(2) var<storage, read_write> state_gradients: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let size = N * C * H * W;
    if (id.x >= size * STRIDE * STRIDE) {
        return;
    }
    let plane = id.x / (STRIDE * STRIDE * H * W);
    let y = (id.x / (STRIDE * W)) % (STRIDE * H);
    let x = id.x % (STRIDE * W);
    var sum = 0.0;
    for (var t = 0u; t < 9u; t++) {
        // The window in which this pixel is the t-th.
        let row = i32(y + 1u) - i32(t / 3u);
        let column = i32(x + 1u) - i32(t % 3u);
        if (row < 0 || column < 0 || u32(row) % STRIDE != 0u || u32(column) % STRIDE != 0u) {
            continue;
        }
        let v = u32(row) / STRIDE;
        let u = u32(column) / STRIDE;
        if (v >= H || u >= W) {
            continue;
        }
        let at = plane * H * W + v * W + u;
        if (u32(pools[(3u * STATE + 2u) * size + at]) == t) {
            sum += gradient[at];
        }
        let rows = min(STRIDE * v + 2u, STRIDE * H) - max(STRIDE * v, 1u) + 1u;
        let columns = min(STRIDE * u + 2u, STRIDE * W) - max(STRIDE * u, 1u) + 1u;
        sum += gradient[size + at] / f32(rows * columns);
    }
    state_gradients[RESULT + id.x] += sum;
}
