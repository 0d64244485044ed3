// The mixed ops of a node that end in a pointwise convolution: one matrix product over all slots, added to what the node
// holds already. A thread computes TILE channels of one vector of pixels.
// Constants: N, C, PLANE, TILE, SLOTS, RESULT (where the node lies, in vectors).
@group(0) @binding(1) var<storage, read_write> values: array<V>;
@group(0) @binding(2) var<storage, read_write> states: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
    if (id.x >= N * PLANE) {
        return;
    }
    let first = group.y * TILE;
    let n = id.x / PLANE;
    let p = id.x % PLANE;
    var sums: array<V, TILE>;
    let at = RESULT + (n * C + first) * PLANE + p;
    // unroll
    for (var o = 0u; o < TILE; o++) {
        sums[o] = states[at + o * PLANE];
    }
    for (var slot = 0u; slot < SLOTS; slot++) {
        let origin = (slot * N + n) * C * PLANE + p;
        let block = slot * C * C + first;
        for (var k = 0u; k < C; k++) {
            let x = values[origin + k * PLANE];
            let w = load_rows(block + k * C);
            // unroll
            for (var o = 0u; o < TILE; o++) {
                sums[o] += w[o] * x;
            }
        }
    }
    // unroll
    for (var o = 0u; o < TILE; o++) {
        states[at + o * PLANE] = sums[o];
    }
}
