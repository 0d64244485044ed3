// Partial sums [C, CHUNKS] of a gradient and of its product with the normalised value; walked by `channel_walk`.
@group(0) @binding(0) var<storage, read_write> values: array<V>;
@group(0) @binding(1) var<storage, read_write> norm: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> gradient: array<V>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec2<f32>>;

var<private> scale_shift: vec2<f32>;
var<private> sum: vec2<f32>;

fn begin(c: u32) {
    scale_shift = norm[c];
    sum = vec2<f32>(0.0);
}

fn visit(picture: u32, at: u32) {
    let g = gradient[at];
    sum += vec2<f32>(total(g), total(g * (values[at] * scale_shift.x + V(scale_shift.y))));
}

fn finish(picture: u32, c: u32, chunk: u32) {
    partial[c * CHUNKS + chunk] = sum;
}
