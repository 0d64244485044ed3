// Gradient of both pools of a state, through BatchNorm and over all edges that leave it, with that of its skip
// connections, added to the state's gradient. A thread walks down a column of vectors, three rows of results in the
// making.
// Constants: N, C, H, W, COLUMNS, INPUT, NODE, COUNT, STATE, FIRST_NODE (first node that reads it), READERS (how many
// do), RESULT (where the state's gradient lies, in vectors).
@group(0) @binding(0) var<storage, read_write> state_gradients: array<V>;
@group(0) @binding(1) var<storage, read_write> pools: array<V>;
@group(0) @binding(2) var<storage, read_write> pool_norm: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> edge_sums: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> node_sums: array<f32>;
@group(0) @binding(5) var<storage, read_write> op_weights: array<f32>;

// A pooled pixel: which of its nine was the largest, the gradients of the largest and, over the pixels averaged, of the
// average, and of the pixel itself.
struct Pooled {
    argmax: V,
    largest: V,
    average: V,
    skip: V,
}

// Gradients are maps of the nodes' gradients and of the pooled values: coefficients of each node's, of the value, and
// an offset.
var<private> of_nodes: array<vec3<f32>, READERS>;
var<private> of_largest: vec2<f32>;
var<private> of_average: vec2<f32>;

fn look(plane: u32, i: u32) -> Pooled {
    let at = plane * (H * COLUMNS) + i;
    var largest = pools[3u * STATE * NODE + at] * of_largest.x + V(of_largest.y);
    var average = pools[(3u * STATE + 1u) * NODE + at] * of_average.x + V(of_average.y);
    var skip = V(0.0);
    // unroll
    for (var r = 0u; r < READERS; r++) {
        let g = state_gradients[2u * INPUT + (FIRST_NODE + r) * NODE + at];
        largest += of_nodes[r].x * g;
        average += of_nodes[r].y * g;
        skip += of_nodes[r].z * g;
    }
    let x = positions(i % COLUMNS);
    let y = i / COLUMNS;
    let across = V(3.0) - select(V(0.0), V(1.0), x == V(0.0)) - select(V(0.0), V(1.0), x == V(f32(W) - 1.0));
    let down = 3.0 - select(0.0, 1.0, y == 0u) - select(0.0, 1.0, y == H - 1u);
    return Pooled(pools[(3u * STATE + 2u) * NODE + at], largest, average / (across * down), skip);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x % COLUMNS;
    let plane = id.x / COLUMNS;
    if (plane >= N * C) {
        return;
    }
    let c = plane % C;
    let norm_largest = pool_norm[2u * STATE * C + c];
    let norm_average = pool_norm[(2u * STATE + 1u) * C + c];
    var slopes = vec2<f32>(0.0);
    var means = vec2<f32>(0.0);
    // unroll
    for (var r = 0u; r < READERS; r++) {
        let node = FIRST_NODE + r;
        let row = node * (node + 3u) / 2u + STATE;
        let weight = vec2<f32>(op_weights[row * 8u + 1u], op_weights[row * 8u + 2u]);
        slopes += weight * edge_sums[row * C + c].xy / COUNT;
        means += weight * node_sums[node * C + c] / COUNT;
        of_nodes[r] = vec3<f32>(weight.x * norm_largest.x, weight.y * norm_average.x, op_weights[row * 8u + 3u]);
    }
    of_largest = -norm_largest.x * vec2<f32>(norm_largest.x * slopes.x, means.x + norm_largest.y * slopes.x);
    of_average = -norm_average.x * vec2<f32>(norm_average.x * slopes.y, means.y + norm_average.y * slopes.y);
    var sums: array<V, 3>;
    // unroll
    for (var i = 0u; i < 3u; i++) {
        sums[i] = V(0.0);
    }
    var skip = V(0.0);
    for (var t = 0u; t <= H; t++) {
        var left = Pooled(V(0.0), V(0.0), V(0.0), V(0.0));
        var middle = left;
        var right = left;
        if (t < H) {
            let at = t * COLUMNS + column;
            middle = look(plane, at);
            if (column > 0u) {
                left = look(plane, at - 1u);
            }
            if (column + 1u < COLUMNS) {
                right = look(plane, at + 1u);
            }
        }
        let argmax = halo_of(left.argmax, middle.argmax, right.argmax);
        let largest = halo_of(left.largest, middle.largest, right.largest);
        let average = halo_of(left.average, middle.average, right.average);
        // The window around row t reaches rows t - 1 to t + 1.
        // unroll
        for (var j = 0u; j < 3u; j++) {
            let which = shifted(argmax, 1 - i32(j));
            let to_largest = shifted(largest, 1 - i32(j));
            let to_average = shifted(average, 1 - i32(j));
            // unroll
            for (var i = 0u; i < 3u; i++) {
                sums[i] += to_average + select(V(0.0), to_largest, which == V(f32(i * 3u + j)));
            }
        }
        if (t > 0u) {
            state_gradients[RESULT + plane * (H * COLUMNS) + (t - 1u) * COLUMNS + column] += sums[0] + skip;
        }
        skip = middle.skip;
        sums[0] = sums[1];
        sums[1] = sums[2];
        sums[2] = V(0.0);
    }
}
