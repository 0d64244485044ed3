// Partial sums [2 states, C, CHUNKS] of pooled values and their squares, max and then average of each state; walked by
// `channel_walk`.
// Constants: STATE.
@group(0) @binding(0) var<storage, read_write> pools: array<V>;
@group(0) @binding(1) var<storage, read_write> partial: array<vec2<f32>>;

var<private> sum: vec2<f32>;

fn begin(c: u32) {
    sum = vec2<f32>(0.0);
}

fn visit(picture: u32, at: u32) {
    let pool = 3u * (STATE + picture / 2u) + picture % 2u;
    let v = pools[pool * N * C * PLANE + at];
    sum += vec2<f32>(total(v), total(v * v));
}

fn finish(picture: u32, c: u32, chunk: u32) {
    partial[(picture * C + c) * CHUNKS + chunk] = sum;
}
