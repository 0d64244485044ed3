// Partial sums [branches, C, CHUNKS] of every channel of branches that lie one after the other; walked by
// `channel_walk`.
// Constants: SOURCE (where the first lies, in vectors), RESULT (the branch that its sums are of).
@group(0) @binding(0) var<storage, read_write> values: array<V>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;

var<private> sum: f32;

fn begin(c: u32) {
    sum = 0.0;
}

fn visit(picture: u32, at: u32) {
    sum += total(values[SOURCE + picture * N * C * PLANE + at]);
}

fn finish(picture: u32, c: u32, chunk: u32) {
    partial[((RESULT + picture) * C + c) * CHUNKS + chunk] = sum;
}
