// Every thread writes its own sums of TILE channels: on a software adapter a barrier costs more than the extra sums.
// Constants: PARTS (threads along the pixels).
var<private> kept: array<vec2<f32>, TILE>;

fn keep(o: u32, sum: vec2<f32>, thread: u32, local: u32) {
    kept[o] = sum;
}

fn finish(channel: u32, local: u32, group: u32) {
    let thread = group * 64u + local;
    if (thread >= PARTS) {
        return;
    }
    // unroll
    for (var o = 0u; o < TILE; o++) {
        sums_out[(channel + o) * PARTS + thread] = kept[o];
    }
}
