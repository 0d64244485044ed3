// Gradient of strided depthwise weights: a thread sums one output column over some images.
// Constants: as depthwise_strided, PARTS (image groups), SOURCE (first slot of the gradient).
@group(0) @binding(0) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> states: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = id.x % W;
    let part = (id.x / W) % PARTS;
    let c = id.x / (W * PARTS);
    if (c >= C) {
        return;
    }
    let edge = id.y;
    let pad = i32(DILATION * (K / 2u));
    var sums: array<f32, K * K>;
    // unroll
    for (var t = 0u; t < K * K; t++) {
        sums[t] = 0.0;
    }
    for (var n = part; n < N; n += PARTS) {
        let plane = n * C + c;
        let source = (edge * N * C + plane) * 4u * H * W;
        for (var y = 0u; y < H; y++) {
            let g = gradient[((SOURCE + edge) * N * C + plane) * H * W + y * W + x];
            // unroll
            for (var i = 0u; i < K; i++) {
                let row = i32(2u * y + i * DILATION) - pad;
                // unroll
                for (var j = 0u; j < K; j++) {
                    let column = i32(2u * x + j * DILATION) - pad;
                    // Branches in a loop written out are more than some compilers can bear.
                    let inside = (row >= 0) & (row < i32(2u * H)) & (column >= 0) & (column < i32(2u * W));
                    let y_in = u32(clamp(row, 0, i32(2u * H) - 1));
                    let x_in = u32(clamp(column, 0, i32(2u * W) - 1));
                    sums[i * K + j] += select(0.0, g, inside) * max(states[source + y_in * 2u * W + x_in], 0.0);
                }
            }
        }
    }
    let first = ((edge * C + c) * W * PARTS + part * W + x) * K * K;
    // unroll
    for (var t = 0u; t < K * K; t++) {
        partial[first + t] = sums[t];
    }
}
