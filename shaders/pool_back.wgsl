// Gradient of both pools of a state with respect to it, added to its gradient. A thread marches down a column of vectors,
// three rows of results in the making.
// Constants: N, C, H, W, COLUMNS, NODE, STATE, RESULT (where the state's gradient lies, in vectors).
@group(0) @binding(0) var<storage, read_write> gradient: array<V>;
@group(0) @binding(1) var<storage, read_write> pools: array<V>;
@group(0) @binding(2) var<storage, read_write> state_gradients: array<V>;

// 0 is which pixel was the largest, 1 the gradient of the largest, 2 that of the average over the pixels averaged.
fn fetch(which: u32, plane: u32, at: u32) -> V {
    let i = plane * (H * COLUMNS) + at;
    if (which == 0u) {
        return pools[(3u * STATE + 2u) * NODE + i];
    }
    if (which == 1u) {
        return gradient[i];
    }
    let x = positions(at % COLUMNS);
    let y = at / COLUMNS;
    let across = V(3.0) - select(V(0.0), V(1.0), x == V(0.0)) - select(V(0.0), V(1.0), x == V(f32(W) - 1.0));
    let down = 3.0 - select(0.0, 1.0, y == 0u) - select(0.0, 1.0, y == H - 1u);
    return gradient[NODE + i] / (across * down);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x % COLUMNS;
    let plane = id.x / COLUMNS;
    if (plane >= N * C) {
        return;
    }
    var sums: array<V, 3>;
    // unroll
    for (var i = 0u; i < 3u; i++) {
        sums[i] = V(0.0);
    }
    for (var t = 0u; t <= H; t++) {
        let winner = load_line(0u, plane, i32(t), column);
        let largest = load_line(1u, plane, i32(t), column);
        let average = load_line(2u, plane, i32(t), column);
        // The window around row t reaches rows t - 1 to t + 1.
        // unroll
        for (var j = 0u; j < 3u; j++) {
            let which = shifted(winner, 1 - i32(j));
            let to_largest = shifted(largest, 1 - i32(j));
            let to_average = shifted(average, 1 - i32(j));
            // unroll
            for (var i = 0u; i < 3u; i++) {
                sums[i] += to_average + select(V(0.0), to_largest, which == V(f32(i * 3u + j)));
            }
        }
        if (t > 0u) {
            state_gradients[RESULT + plane * (H * COLUMNS) + (t - 1u) * COLUMNS + column] += sums[0];
        }
        sums[0] = sums[1];
        sums[1] = sums[2];
        sums[2] = V(0.0);
    }
}
