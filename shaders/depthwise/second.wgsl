// Reads and writes of a separable op's second convolution: from the ReLU of the normalised inner values to a branch.
// Constants: SOURCE (first branch of the inner values), RESULT (first branch written).
@group(0) @binding(1) var<storage, read_write> inner: array<V>;
@group(0) @binding(2) var<storage, read_write> result: array<V>;
@group(0) @binding(4) var<storage, read_write> norm: array<vec2<f32>>;

var<private> scale: f32;
var<private> shift: f32;

fn fetch(edge: u32, plane: u32, at: u32) -> V {
    return max(inner[((SOURCE + edge) * N * C + plane) * PLANE + at] * scale + V(shift), V(0.0));
}

fn begin(edge: u32, c: u32) {
    let n = norm[(SOURCE + edge) * C + c];
    scale = n.x;
    shift = n.y;
    begin_sum();
}

fn store(edge: u32, plane: u32, at: u32, value: V) {
    result[((RESULT + edge) * N * C + plane) * PLANE + at] = value;
    add_to_sum(value);
}

fn finish(edge: u32, plane: u32, column: u32) {
    end_sum(RESULT + edge, plane, column);
}
