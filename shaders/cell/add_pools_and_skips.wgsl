// Adds to the nodes their inputs without a convolution: both pools, normalised, and the states themselves. Goes to all
// nodes from FIRST_NODE on, which gets the offsets of its mixed ops too. A vector a thread.
// Constants: N, C, PLANE, INPUT, NODE, BRANCHES (of FIRST_NODE), FIRST_NODE, STATE (first state given), STATES (how
// many; the first time nodes hold nothing yet), SKIP (skip connections of these states are identities).
@group(0) @binding(0) var<storage, read_write> statistics: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> pools: array<V>;
@group(0) @binding(2) var<storage, read_write> pool_norm: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> op_weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> states: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= N * C * PLANE) {
        return;
    }
    let c = (id.x / PLANE) % C;
    var largest: array<V, STATES>;
    var average: array<V, STATES>;
    var skip: array<V, STATES>;
    // unroll
    for (var i = 0u; i < STATES; i++) {
        let of_largest = pool_norm[2u * (STATE + i) * C + c];
        let of_average = pool_norm[(2u * (STATE + i) + 1u) * C + c];
        largest[i] = pools[3u * (STATE + i) * NODE + id.x] * of_largest.x + V(of_largest.y);
        average[i] = pools[(3u * (STATE + i) + 1u) * NODE + id.x] * of_average.x + V(of_average.y);
        skip[i] = V(0.0);
        if (SKIP) {
            skip[i] = states[state_offset(STATE + i) + id.x];
        }
    }
    var offset = 0.0;
    for (var branch = 0u; branch < BRANCHES; branch++) {
        offset += statistics[branch * C + c].w;
    }
    for (var node = FIRST_NODE; node < 4u; node++) {
        let at = 2u * INPUT + node * NODE + id.x;
        var sum = V(offset);
        offset = 0.0;
        if (STATE > 0u) {
            sum += states[at];
        }
        // unroll
        for (var i = 0u; i < STATES; i++) {
            let weight = (node * (node + 3u) / 2u + STATE + i) * 8u;
            sum += op_weights[weight + 1u] * largest[i] + op_weights[weight + 2u] * average[i]
                + op_weights[weight + 3u] * skip[i];
        }
        states[at] = sum;
    }
}
