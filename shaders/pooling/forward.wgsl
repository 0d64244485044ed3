// 3 x 3 max and average pooling of states, and which of the nine pixels was the largest (the first of equals), with
// partial sums of both pools and their squares. The average does not count padding. A thread walks down a column of
// vectors, three rows of results in the making.
// Constants: N, C, H, W, COLUMNS, NODE, STATE, SOURCE (where the first state lies, in vectors).
@group(0) @binding(0) var<storage, read_write> states: array<V>;
@group(0) @binding(1) var<storage, read_write> pools: array<V>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec2<f32>>;

fn fetch(edge: u32, plane: u32, at: u32) -> V {
    return states[SOURCE + edge * NODE + plane * (H * COLUMNS) + at];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x % COLUMNS;
    let plane = id.x / COLUMNS;
    if (plane >= N * C) {
        return;
    }
    let x = positions(column);
    let across = V(3.0) - select(V(0.0), V(1.0), x == V(0.0)) - select(V(0.0), V(1.0), x == V(f32(W) - 1.0));
    var largest: array<V, 3>;
    var argmax: array<V, 3>;
    var sums: array<V, 3>;
    // unroll
    for (var i = 0u; i < 3u; i++) {
        largest[i] = V(-3.4e38);
        argmax[i] = V(0.0);
        sums[i] = V(0.0);
    }
    var of_largest = vec2<f32>(0.0);
    var of_average = vec2<f32>(0.0);
    for (var t = 0u; t <= H; t++) {
        let halo = load_halo(id.y, plane, i32(t), column);
        // unroll
        for (var j = 0u; j < 3u; j++) {
            let value = shifted(halo, i32(j) - 1);
            let there = x + V(f32(j) - 1.0);
            let inside = (there >= V(0.0)) & (there < V(select(0.0, f32(W), t < H)));
            // unroll
            for (var i = 0u; i < 3u; i++) {
                let wins = inside & (value > largest[i]);
                largest[i] = select(largest[i], value, wins);
                argmax[i] = select(argmax[i], V(f32((2u - i) * 3u + j)), wins);
                sums[i] += value;
            }
        }
        if (t > 0u) {
            let down = select(3.0, 2.0, t == 1u) - select(0.0, 1.0, t == H);
            let to = 3u * (STATE + id.y) * NODE + plane * (H * COLUMNS) + (t - 1u) * COLUMNS + column;
            pools[to] = largest[0];
            let average = sums[0] / (across * down);
            pools[to + NODE] = average;
            pools[to + 2u * NODE] = argmax[0];
            of_largest += vec2<f32>(total(largest[0]), total(largest[0] * largest[0]));
            of_average += vec2<f32>(total(average), total(average * average));
        }
        // unroll
        for (var i = 0u; i < 2u; i++) {
            largest[i] = largest[i + 1u];
            argmax[i] = argmax[i + 1u];
            sums[i] = sums[i + 1u];
        }
        largest[2] = V(-3.4e38);
        argmax[2] = V(0.0);
        sums[2] = V(0.0);
    }
    let sum_at = ((2u * id.y * C + plane % C) * N + plane / C) * COLUMNS + column;
    partial[sum_at] = of_largest;
    partial[sum_at + C * N * COLUMNS] = of_average;
}
