// Depthwise K x K convolution of stride 1, or its transpose (FLIP), over edges [edges, N, C, H, W].
//
// A thread owns a column of vectors of a channel and walks down its rows: each input row is loaded once and added to
// the K output rows that it reaches, whose sums wait in registers. With dilation 2 the even rows go first, then the
// odd. `fetch`, `begin`, `store` and `finish` say where input comes from and output goes.
//
// With PHASES = 4 the input is the four phases of a space-to-depth, each with weights of its own: a convolution of
// stride 2.
//
// Constants: N, C, H, W, COLUMNS (vectors a row), K, DILATION, STRIPES (the dilation again, as a bound that no compiler
// knows), PHASES, FLIP, WEIGHTS (of the first edge).
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x % COLUMNS;
    let plane = id.x / COLUMNS;
    if (plane >= N * C) {
        return;
    }
    let edge = id.y;
    let c = plane % C;
    var taps: array<f32, PHASES * K * K>;
    // unroll
    for (var q = 0u; q < PHASES; q++) {
        let first = WEIGHTS + ((edge * PHASES + q) * C + c) * K * K;
        // unroll
        for (var t = 0u; t < K * K; t++) {
            taps[q * K * K + t] = weights[first + select(t, K * K - 1u - t, FLIP)];
        }
    }
    begin(edge, c);
    for (var stripe = 0u; stripe < STRIPES; stripe++) {
        let rows = (H - stripe + DILATION - 1u) / DILATION;
        var sums: array<V, K>;
        // unroll
        for (var i = 0u; i < K; i++) {
            sums[i] = V(0.0);
        }
        for (var t = 0u; t < rows + K / 2u; t++) {
            // unroll
            for (var q = 0u; q < PHASES; q++) {
                let halo = load_halo(edge * PHASES + q, plane, i32(stripe + t * DILATION), column);
                // unroll
                for (var i = 0u; i < K; i++) {
                    // unroll
                    for (var j = 0u; j < K; j++) {
                        sums[i] += taps[(q * K + K - 1u - i) * K + j]
                            * shifted(halo, (i32(j) - i32(K / 2u)) * i32(DILATION));
                    }
                }
            }
            if (t >= K / 2u) {
                store(edge, plane, (stripe + (t - K / 2u) * DILATION) * COLUMNS + column, sums[0]);
            }
            // unroll
            for (var i = 0u; i < K - 1u; i++) {
                sums[i] = sums[i + 1u];
            }
            sums[K - 1u] = V(0.0);
        }
    }
    finish(edge, plane, column);
}
