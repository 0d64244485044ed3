// Weight gradients of a depthwise convolution at stride 1, as partial sums [edges, C, parts, K, K]: a thread sums a
// column of vectors over some images. `fetch` and `begin` give the convolution's input.
// Constants: N, C, H, W, COLUMNS, K, DILATION, STRIPES (the dilation again, as a bound that no compiler knows), PARTS
// (image groups), SOURCE (first branch of the gradient), SHARE (edges to a branch), RESULT (where the sums go).
@group(0) @binding(0) var<storage, read_write> gradient: array<V>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x % COLUMNS;
    let part = (id.x / COLUMNS) % PARTS;
    let c = id.x / (COLUMNS * PARTS);
    if (c >= C) {
        return;
    }
    let edge = id.y;
    var sums: array<f32, K * K>;
    // unroll
    for (var t = 0u; t < K * K; t++) {
        sums[t] = 0.0;
    }
    begin(edge, c);
    for (var n = part; n < N; n += PARTS) {
        let plane = n * C + c;
        let base = ((SOURCE + edge / SHARE) * N * C + plane) * PLANE + column;
        for (var stripe = 0u; stripe < STRIPES; stripe++) {
            let rows = (H - stripe + DILATION - 1u) / DILATION;
            // Gradients of the K output rows that the input row in hand reaches, the lowest last.
            var reached: array<V, K>;
            // unroll
            for (var i = 0u; i < K; i++) {
                reached[i] = V(0.0);
            }
            // unroll
            for (var i = 0u; i < K / 2u; i++) {
                let row = stripe + i * DILATION;
                if (row < H) {
                    reached[i + 1u + K / 2u] = gradient[base + row * COLUMNS];
                }
            }
            for (var t = 0u; t < rows; t++) {
                // unroll
                for (var i = 0u; i < K - 1u; i++) {
                    reached[i] = reached[i + 1u];
                }
                reached[K - 1u] = V(0.0);
                let lowest = stripe + (t + K / 2u) * DILATION;
                if (lowest < H) {
                    reached[K - 1u] = gradient[base + lowest * COLUMNS];
                }
                let halo = load_halo(edge, plane, i32(stripe + t * DILATION), column);
                // unroll
                for (var i = 0u; i < K; i++) {
                    // unroll
                    for (var j = 0u; j < K; j++) {
                        sums[(K - 1u - i) * K + j] +=
                            total(reached[i] * shifted(halo, (i32(j) - i32(K / 2u)) * i32(DILATION)));
                    }
                }
            }
        }
    }
    let parts = COLUMNS * PARTS;
    let first = RESULT + ((edge * C + c) * parts + part * COLUMNS + column) * K * K;
    // unroll
    for (var t = 0u; t < K * K; t++) {
        partial[first + t] = sums[t];
    }
}
