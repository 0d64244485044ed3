// Pointwise convolution over slots, with the sums that BatchNorm's statistics need. A thread computes TILE outputs of one
// vector of pixels. With HALVES = 2 the first half of the outputs reads the first CI inputs, the second half the next
// CI: the two convolutions of a factorised reduction.
//
// Constants: N, CI (inputs of a weight row), CO, TILE, PLANE (vectors a plane), HALVES, GROUPS (workgroups along the
// pixels), RELU (of the input), WEIGHTS_A (weights of slot 0), WEIGHTS_B (weights of slot SPLIT), SPLIT.
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> source: array<V>;
@group(0) @binding(2) var<storage, read_write> result: array<V>;
@group(0) @binding(3) var<storage, read_write> sums_out: array<vec2<f32>>;

var<workgroup> shared_sums: array<vec2<f32>, 64u * TILE>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let first_output = group.y * TILE;
    let slot = group.z;
    let inside = id.x < N * PLANE;
    let n = id.x / PLANE;
    let p = id.x % PLANE;
    var sums: array<V, TILE>;
    // unroll
    for (var o = 0u; o < TILE; o++) {
        sums[o] = V(0.0);
    }
    if (inside) {
        let half = first_output / (CO / HALVES);
        let origin = ((slot * N + n) * HALVES * CI + half * CI) * PLANE + p;
        let row = select(WEIGHTS_A + slot * CO * CI, WEIGHTS_B + (slot - SPLIT) * CO * CI, slot >= SPLIT)
            + first_output * CI;
        for (var i = 0u; i < CI; i++) {
            var x = source[origin + i * PLANE];
            if (RELU) {
                x = max(x, V(0.0));
            }
            // unroll
            for (var o = 0u; o < TILE; o++) {
                sums[o] += weights[row + o * CI + i] * x;
            }
        }
        let to = ((slot * N + n) * CO + first_output) * PLANE + p;
        // unroll
        for (var o = 0u; o < TILE; o++) {
            result[to + o * PLANE] = sums[o];
        }
    }
    // unroll
    for (var o = 0u; o < TILE; o++) {
        shared_sums[o * 64u + local] = vec2<f32>(total(sums[o]), total(sums[o] * sums[o]));
    }
    workgroupBarrier();
    for (var o = local; o < TILE; o += 64u) {
        var sum = vec2<f32>(0.0);
        for (var t = 0u; t < 64u; t++) {
            sum += shared_sums[o * 64u + t];
        }
        sums_out[(slot * CO + first_output + o) * GROUPS + group.x] = sum;
    }
}
