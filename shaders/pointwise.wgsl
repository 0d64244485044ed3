// Pointwise convolution over slots, with the sums that BatchNorm's statistics need. A thread computes TILE outputs of WIDE
// vectors of pixels. With HALVES = 2 the first half of the outputs reads the first CI inputs, the second half the next
// CI: the two convolutions of a factorised reduction. The weights lie input by input, as `pack` leaves them.
// Constants: N, CI (inputs of a weight row), CO, TILE, PLANE (vectors a plane), WIDE, HALVES, RELU (of the input),
// WEIGHTS_A (weights of slot 0), WEIGHTS_B (weights of slot SPLIT), SPLIT, and those of the file that keeps the sums.
@group(0) @binding(1) var<storage, read_write> source: array<array<V, WIDE>>;
@group(0) @binding(2) var<storage, read_write> result: array<array<V, WIDE>>;
@group(0) @binding(3) var<storage, read_write> sums_out: array<vec2<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let first = group.y * TILE;
    let slot = group.z;
    let n = id.x / (PLANE / WIDE);
    let p = id.x % (PLANE / WIDE);
    var sums: array<V, TILE * WIDE>;
    // unroll
    for (var i = 0u; i < TILE * WIDE; i++) {
        sums[i] = V(0.0);
    }
    if (id.x < N * (PLANE / WIDE)) {
        let half = first / (CO / HALVES);
        let origin = ((slot * N + n) * HALVES * CI + half * CI) * (PLANE / WIDE) + p;
        let block = select(WEIGHTS_A + slot * CO * CI, WEIGHTS_B + (slot - SPLIT) * CO * CI, slot >= SPLIT) + first;
        for (var i = 0u; i < CI; i++) {
            let x = source[origin + i * (PLANE / WIDE)];
            let w = load_rows(block + i * CO);
            // unroll
            for (var q = 0u; q < WIDE; q++) {
                let v = select(x[q], max(x[q], V(0.0)), RELU);
                // unroll
                for (var o = 0u; o < TILE; o++) {
                    sums[o * WIDE + q] += w[o] * v;
                }
            }
        }
        let to = ((slot * N + n) * CO + first) * (PLANE / WIDE) + p;
        // unroll
        for (var o = 0u; o < TILE; o++) {
            var row: array<V, WIDE>;
            // unroll
            for (var q = 0u; q < WIDE; q++) {
                row[q] = sums[o * WIDE + q];
            }
            result[to + o * (PLANE / WIDE)] = row;
        }
    }
    // unroll
    for (var o = 0u; o < TILE; o++) {
        var sum = vec2<f32>(0.0);
        // unroll
        for (var q = 0u; q < WIDE; q++) {
            sum += vec2<f32>(total(sums[o * WIDE + q]), total(sums[o * WIDE + q] * sums[o * WIDE + q]));
        }
        keep(o, sum, id.x, local);
    }
    finish(slot * CO + first, local, group.x);
}
