// Second convolution of a separable op: from the ReLU of the normalised first half.
// Constants: SOURCE (first slot of the first half), RESULT (first slot written).
@group(0) @binding(1) var<storage, read_write> half: array<V>;
@group(0) @binding(2) var<storage, read_write> result: array<V>;
@group(0) @binding(4) var<storage, read_write> norm: array<vec2<f32>>;

var<private> scale: f32;
var<private> shift: f32;

fn fetch(edge: u32, plane: u32, at: u32) -> V {
    return max(half[((SOURCE + edge) * N * C + plane) * PLANE + at] * scale + V(shift), V(0.0));
}

fn begin(edge: u32, c: u32) {
    let n = norm[(SOURCE + edge) * C + c];
    scale = n.x;
    shift = n.y;
    begin_total();
}

fn store(edge: u32, plane: u32, at: u32, value: V) {
    result[((RESULT + edge) * N * C + plane) * PLANE + at] = value;
    add_total(value);
}

fn finish(edge: u32, plane: u32, column: u32) {
    end_total(RESULT + edge, plane, column);
}
