// Adds to a node its mixed ops that end in a pointwise convolution: one matrix product over all branches, which is
// written to the node's place in the cell's output as well. A thread computes TILE channels of VECTORS vectors of
// pixels.
// Constants: N, C, PLANE (vectors a plane), VECTORS, TILE, INPUTS (channels of all branches), RESULT (where the node
// lies, in loads of VECTORS vectors), INDEX (which of the four it is).
@group(0) @binding(1) var<storage, read_write> values: array<array<V, VECTORS>>;
@group(0) @binding(2) var<storage, read_write> states: array<array<V, VECTORS>>;
@group(0) @binding(3) var<storage, read_write> output: array<array<V, VECTORS>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
    if (id.x >= N * (PLANE / VECTORS)) {
        return;
    }
    let first = group.y * TILE;
    let n = id.x / (PLANE / VECTORS);
    let p = id.x % (PLANE / VECTORS);
    var sums: array<V, TILE * VECTORS>;
    let at = RESULT + (n * C + first) * (PLANE / VECTORS) + p;
    // unroll
    for (var o = 0u; o < TILE; o++) {
        let held = states[at + o * (PLANE / VECTORS)];
        // unroll
        for (var q = 0u; q < VECTORS; q++) {
            sums[o * VECTORS + q] = held[q];
        }
    }
    var from_value = n * C * (PLANE / VECTORS) + p;
    var channel = 0u;
    for (var k = 0u; k < INPUTS; k++) {
        let x = values[from_value];
        let w = load_weights(k * C + first);
        // unroll
        for (var o = 0u; o < TILE; o++) {
            // unroll
            for (var q = 0u; q < VECTORS; q++) {
                sums[o * VECTORS + q] += w[o] * x[q];
            }
        }
        channel += 1u;
        let next_branch = channel == C;
        channel = select(channel, 0u, next_branch);
        from_value += (PLANE / VECTORS) * select(1u, (N - 1u) * C + 1u, next_branch);
    }
    // unroll
    for (var o = 0u; o < TILE; o++) {
        var result: array<V, VECTORS>;
        // unroll
        for (var q = 0u; q < VECTORS; q++) {
            result[q] = sums[o * VECTORS + q];
        }
        states[at + o * (PLANE / VECTORS)] = result;
        output[((n * 4u + INDEX) * C + first + o) * (PLANE / VECTORS) + p] = result;
    }
}
