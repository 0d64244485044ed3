// The mixed ops of a node that end in a pointwise convolution: one matrix product over all slots, added to what the node
// holds already, and written to its place in the cell's output as well. A thread computes TILE channels of WIDE vectors of
// pixels. Constants: N, C, PLANE (vectors a plane), WIDE, TILE, INPUTS (channels of all slots), RESULT (where the node
// lies, in WIDE vectors), INDEX (which of the four it is).
@group(0) @binding(1) var<storage, read_write> values: array<array<V, WIDE>>;
@group(0) @binding(2) var<storage, read_write> states: array<array<V, WIDE>>;
@group(0) @binding(3) var<storage, read_write> output: array<array<V, WIDE>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
    if (id.x >= N * (PLANE / WIDE)) {
        return;
    }
    let first = group.y * TILE;
    let n = id.x / (PLANE / WIDE);
    let p = id.x % (PLANE / WIDE);
    var sums: array<V, TILE * WIDE>;
    let at = RESULT + (n * C + first) * (PLANE / WIDE) + p;
    // unroll
    for (var o = 0u; o < TILE; o++) {
        let held = states[at + o * (PLANE / WIDE)];
        // unroll
        for (var q = 0u; q < WIDE; q++) {
            sums[o * WIDE + q] = held[q];
        }
    }
    var from_value = n * C * (PLANE / WIDE) + p;
    var channel = 0u;
    for (var k = 0u; k < INPUTS; k++) {
        let x = values[from_value];
        let w = load_rows(k * C + first);
        // unroll
        for (var o = 0u; o < TILE; o++) {
            // unroll
            for (var q = 0u; q < WIDE; q++) {
                sums[o * WIDE + q] += w[o] * x[q];
            }
        }
        channel += 1u;
        let next_slot = channel == C;
        channel = select(channel, 0u, next_slot);
        from_value += (PLANE / WIDE) * select(1u, (N - 1u) * C + 1u, next_slot);
    }
    // unroll
    for (var o = 0u; o < TILE; o++) {
        var result: array<V, WIDE>;
        // unroll
        for (var q = 0u; q < WIDE; q++) {
            result[q] = sums[o * WIDE + q];
        }
        states[at + o * (PLANE / WIDE)] = result;
        output[((n * 4u + INDEX) * C + first + o) * (PLANE / WIDE) + p] = result;
    }
}
