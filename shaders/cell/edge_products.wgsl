// Partial sums [readers, C, CHUNKS] that the alphas and the pools' BatchNorm need of a state: for each node that reads
// it, of the node's gradient times the max pool, times the average pool and times the state; walked by `channel_walk`.
// Constants: INPUT, NODE, STATE, FIRST_NODE (first node that reads it), READERS (how many do), SKIP (its skip
// connections are identities).
@group(0) @binding(0) var<storage, read_write> state_gradients: array<V>;
@group(0) @binding(1) var<storage, read_write> pools: array<V>;
@group(0) @binding(2) var<storage, read_write> states: array<V>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>;

var<private> sums: array<vec4<f32>, READERS>;

fn begin(c: u32) {
    // unroll
    for (var r = 0u; r < READERS; r++) {
        sums[r] = vec4<f32>(0.0);
    }
}

fn visit(picture: u32, at: u32) {
    let largest = pools[3u * STATE * NODE + at];
    let average = pools[(3u * STATE + 1u) * NODE + at];
    var skip = V(0.0);
    if (SKIP) {
        skip = states[state_offset(STATE) + at];
    }
    // unroll
    for (var r = 0u; r < READERS; r++) {
        let g = state_gradients[2u * INPUT + (FIRST_NODE + r) * NODE + at];
        sums[r] += vec4<f32>(total(g * largest), total(g * average), total(g * skip), 0.0);
    }
}

fn finish(picture: u32, c: u32, chunk: u32) {
    // unroll
    for (var r = 0u; r < READERS; r++) {
        partial[(r * C + c) * CHUNKS + chunk] = sums[r];
    }
}
