// Pointwise convolutions [branches, N, CI, pixels] to [branches, N, CO, pixels], with sums of values and squares for
// BatchNorm. A thread computes TILE outputs of VECTORS vectors of pixels. With GROUPS = 2 the first half of the outputs
// reads the first CI inputs, the second half the next CI, as in a factorized reduce. The weights lie [CI, CO], as
// `transpose_weights` leaves them.
// Constants: N, CI, CO, TILE, PLANE (vectors a plane), VECTORS, GROUPS, RELU (of the input), WEIGHTS_A (weights of
// branch 0), WEIGHTS_B (of branch SPLIT), SPLIT, and those of the file that keeps the sums.
@group(0) @binding(1) var<storage, read_write> source: array<array<V, VECTORS>>;
@group(0) @binding(2) var<storage, read_write> result: array<array<V, VECTORS>>;
@group(0) @binding(3) var<storage, read_write> sums_out: array<vec2<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let first = group.y * TILE;
    let branch = group.z;
    let n = id.x / (PLANE / VECTORS);
    let p = id.x % (PLANE / VECTORS);
    var sums: array<V, TILE * VECTORS>;
    // unroll
    for (var i = 0u; i < TILE * VECTORS; i++) {
        sums[i] = V(0.0);
    }
    if (id.x < N * (PLANE / VECTORS)) {
        let channel_group = first / (CO / GROUPS);
        let origin = ((branch * N + n) * GROUPS * CI + channel_group * CI) * (PLANE / VECTORS) + p;
        let matrix = select(WEIGHTS_A + branch * CO * CI, WEIGHTS_B + (branch - SPLIT) * CO * CI, branch >= SPLIT);
        let block = matrix + first;
        for (var i = 0u; i < CI; i++) {
            let x = source[origin + i * (PLANE / VECTORS)];
            let w = load_weights(block + i * CO);
            // unroll
            for (var q = 0u; q < VECTORS; q++) {
                let v = select(x[q], max(x[q], V(0.0)), RELU);
                // unroll
                for (var o = 0u; o < TILE; o++) {
                    sums[o * VECTORS + q] += w[o] * v;
                }
            }
        }
        let to = ((branch * N + n) * CO + first) * (PLANE / VECTORS) + p;
        // unroll
        for (var o = 0u; o < TILE; o++) {
            var row: array<V, VECTORS>;
            // unroll
            for (var q = 0u; q < VECTORS; q++) {
                row[q] = sums[o * VECTORS + q];
            }
            result[to + o * (PLANE / VECTORS)] = row;
        }
    }
    // unroll
    for (var o = 0u; o < TILE; o++) {
        var sum = vec2<f32>(0.0);
        // unroll
        for (var q = 0u; q < VECTORS; q++) {
            sum += vec2<f32>(total(sums[o * VECTORS + q]), total(sums[o * VECTORS + q] * sums[o * VECTORS + q]));
        }
        keep(o, sum, id.x, local);
    }
    finish(branch * CO + first, local, group.x);
}
