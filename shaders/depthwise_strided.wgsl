// Depthwise K x K convolution of stride 2 on the ReLU of a cell input, one output pixel a thread.
// Constants: N, C, H, W (of the output), K, DILATION, WEIGHTS, RESULT (first slot written). The input is 2H by 2W.
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> states: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= N * C * H * W) {
        return;
    }
    let edge = id.y;
    let plane = id.x / (H * W);
    let y = (id.x / W) % H;
    let x = id.x % W;
    let source = edge * N * C * 4u * H * W + plane * 4u * H * W;
    let first = WEIGHTS + (edge * C + plane % C) * K * K;
    let pad = i32(DILATION * (K / 2u));
    var sum = 0.0;
    for (var i = 0u; i < K; i++) {
        let row = i32(2u * y + i * DILATION) - pad;
        if (row < 0 || row >= i32(2u * H)) {
            continue;
        }
        for (var j = 0u; j < K; j++) {
            let column = i32(2u * x + j * DILATION) - pad;
            if (column >= 0 && column < i32(2u * W)) {
                sum += weights[first + i * K + j] * max(states[source + u32(row) * 2u * W + u32(column)], 0.0);
            }
        }
    }
    result[(RESULT + edge) * N * C * H * W + id.x] = sum;
}
