// What a node takes of its edges without a convolution: pools, identities, and the offsets of all other mixed ops.
// Constants: N, C, PLANE, EDGES, SLOTS, ROW, RESULT (where the node lies, in vectors), SKIPPED (first edge whose skip
// connection is the identity).
@group(0) @binding(0) var<storage, read_write> statistics: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> pools: array<V>;
@group(0) @binding(2) var<storage, read_write> pool_norm: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> mixing: array<f32>;
@group(0) @binding(4) var<storage, read_write> states: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= N * C * PLANE) {
        return;
    }
    let c = (id.x / PLANE) % C;
    var offset = 0.0;
    for (var slot = 0u; slot < SLOTS; slot++) {
        offset += statistics[slot * C + c].w;
    }
    var sum = V(offset);
    for (var e = 0u; e < EDGES; e++) {
        let weight = (ROW + e) * 8u;
        let largest = pool_norm[(2u * e) * C + c];
        let average = pool_norm[(2u * e + 1u) * C + c];
        sum += mixing[weight + 1u] * (pools[(3u * e) * NODE + id.x] * largest.x + V(largest.y));
        sum += mixing[weight + 2u] * (pools[(3u * e + 1u) * NODE + id.x] * average.x + V(average.y));
        if (e >= SKIPPED) {
            sum += mixing[weight + 3u] * states[state_base(e) + id.x];
        }
    }
    states[RESULT + id.x] = sum;
}
