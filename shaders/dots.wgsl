// Partial sums that the alphas and the pools' BatchNorm need of a state: for each node that reads it and each channel, of
// the node's gradient times the max pool, times the average pool and times the state.
// Constants: N, C, PLANE, INPUT, NODE, CHUNKS, STATE, FIRST_NODE (first node that reads it), READERS (how many do), SKIP
// (its skip connections are identities).
@group(0) @binding(0) var<storage, read_write> state_gradients: array<V>;
@group(0) @binding(1) var<storage, read_write> pools: array<V>;
@group(0) @binding(2) var<storage, read_write> states: array<V>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let chunk = id.x % CHUNKS;
    let c = id.x / CHUNKS;
    if (c >= C) {
        return;
    }
    var sums: array<vec4<f32>, READERS>;
    // unroll
    for (var r = 0u; r < READERS; r++) {
        sums[r] = vec4<f32>(0.0);
    }
    for (var q = chunk; q < N * PLANE; q += CHUNKS) {
        let at = ((q / PLANE) * C + c) * PLANE + q % PLANE;
        let largest = pools[3u * STATE * NODE + at];
        let average = pools[(3u * STATE + 1u) * NODE + at];
        var own = V(0.0);
        if (SKIP) {
            own = states[state_base(STATE) + at];
        }
        // unroll
        for (var r = 0u; r < READERS; r++) {
            let g = state_gradients[2u * INPUT + (FIRST_NODE + r) * NODE + at];
            sums[r] += vec4<f32>(total(g * largest), total(g * average), total(g * own), 0.0);
        }
    }
    // unroll
    for (var r = 0u; r < READERS; r++) {
        partial[(r * C + c) * CHUNKS + chunk] = sums[r];
    }
}
