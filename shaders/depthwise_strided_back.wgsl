// Gradient of a strided depthwise convolution with respect to its cell input, through the ReLU, added to the input's
// gradient; one input pixel a thread.
// Constants: as depthwise_strided, SOURCE (first slot of the gradient).
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> states: array<f32>;
@group(0) @binding(3) var<storage, read_write> state_gradients: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= N * C * 4u * H * W) {
        return;
    }
    let edge = id.y;
    let plane = id.x / (4u * H * W);
    let y = (id.x / (2u * W)) % (2u * H);
    let x = id.x % (2u * W);
    let i = edge * N * C * 4u * H * W + id.x;
    if (states[i] <= 0.0) {
        return;
    }
    let source = ((SOURCE + edge) * N * C + plane) * H * W;
    let first = WEIGHTS + (edge * C + plane % C) * K * K;
    let pad = DILATION * (K / 2u);
    var sum = 0.0;
    for (var a = 0u; a < K; a++) {
        let row = i32(y + pad) - i32(a * DILATION);
        if (row < 0 || row % 2 != 0 || row >= i32(2u * H)) {
            continue;
        }
        for (var b = 0u; b < K; b++) {
            let column = i32(x + pad) - i32(b * DILATION);
            if (column >= 0 && column % 2 == 0 && column < i32(2u * W)) {
                sum += weights[first + a * K + b] * gradient[source + u32(row / 2) * W + u32(column / 2)];
            }
        }
    }
    state_gradients[i] += sum;
}
