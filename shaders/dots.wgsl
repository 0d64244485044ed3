// Partial sums that the alphas and the pools' BatchNorm need of a node's gradient g: of g, g * max pool, g * average pool
// and g * state, for each edge and channel.
// Constants: N, C, PLANE, CHUNKS, GRADIENT, SKIPPED (first edge whose skip connection is the identity).
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
    let edge = id.y;
    var sum = vec4<f32>(0.0);
    for (var q = chunk; q < N * PLANE; q += CHUNKS) {
        let at = ((q / PLANE) * C + c) * PLANE + q % PLANE;
        let g = state_gradients[GRADIENT + at];
        var skip = 0.0;
        if (edge >= SKIPPED) {
            skip = total(g * states[state_base(edge) + at]);
        }
        sum += vec4<f32>(
            total(g),
            total(g * pools[(3u * edge) * NODE + at]),
            total(g * pools[(3u * edge + 1u) * NODE + at]),
            skip,
        );
    }
    partial[(edge * C + c) * CHUNKS + chunk] = sum;
}
