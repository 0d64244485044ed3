// 3 x 3 max and average pooling of stride 2 of a cell input, and which of the nine pixels was the largest (the first of
// equals). The average does not count padding. An output pixel a thread.
// Constants: N, C, H, W (of the output), STRIDE, STATE, SOURCE (where the state lies, in floats).
@group(0) @binding(0) var<storage, read_write> states: array<f32>;
@group(0) @binding(1) var<storage, read_write> pools: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= N * C * H * W) {
        return;
    }
    let state = STATE + id.y;
    let plane = id.x / (H * W);
    let y = (id.x / W) % H;
    let x = id.x % W;
    let source = SOURCE + (id.y * N * C + plane) * STRIDE * STRIDE * H * W;
    var largest = -3.4e38;
    var argmax = 0u;
    var sum = 0.0;
    var count = 0.0;
    for (var t = 0u; t < 9u; t++) {
        let row = i32(STRIDE * y + t / 3u) - 1;
        let column = i32(STRIDE * x + t % 3u) - 1;
        if (row >= 0 && row < i32(STRIDE * H) && column >= 0 && column < i32(STRIDE * W)) {
            let value = states[source + u32(row) * STRIDE * W + u32(column)];
            if (value > largest) {
                largest = value;
                argmax = t;
            }
            sum += value;
            count += 1.0;
        }
    }
    let size = N * C * H * W;
    pools[(3u * state) * size + id.x] = largest;
    pools[(3u * state + 1u) * size + id.x] = sum / count;
    pools[(3u * state + 2u) * size + id.x] = f32(argmax);
}
