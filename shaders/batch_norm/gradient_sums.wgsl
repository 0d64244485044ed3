// Partial sums [C, CHUNKS] of the gradient of a normalised state and of its product with the state; walked by
// `channel_walk`.
// Constants: STATE_AT (where both lie, in vectors).
@group(0) @binding(0) var<storage, read_write> states: array<V>;
@group(0) @binding(1) var<storage, read_write> state_gradients: array<V>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec2<f32>>;

var<private> sum: vec2<f32>;

fn begin(c: u32) {
    sum = vec2<f32>(0.0);
}

fn visit(picture: u32, at: u32) {
    let g = state_gradients[STATE_AT + at];
    sum += vec2<f32>(total(g), total(g * states[STATE_AT + at]));
}

fn finish(picture: u32, c: u32, chunk: u32) {
    partial[c * CHUNKS + chunk] = sum;
}
