// A workgroup adds up its threads' sums of TILE channels before it writes them.
// Constants: PARTS (workgroups along the pixels).
var<workgroup> shared_sums: array<vec2<f32>, 64u * TILE>;

fn keep(o: u32, sum: vec2<f32>, thread: u32, local: u32) {
    shared_sums[o * 64u + local] = sum;
}

fn finish(channel: u32, local: u32, group: u32) {
    workgroupBarrier();
    for (var o = local; o < TILE; o += 64u) {
        var sum = vec2<f32>(0.0);
        for (var t = 0u; t < 64u; t++) {
            sum += shared_sums[o * 64u + t];
        }
        sums_out[(channel + o) * PARTS + group] = sum;
    }
}
