// Input of a separable op's second convolution: the ReLU of the normalised inner values.
// Constants: INNER (their first branch).
@group(0) @binding(2) var<storage, read_write> inner: array<V>;
@group(0) @binding(3) var<storage, read_write> norm: array<vec2<f32>>;

var<private> scale: f32;
var<private> shift: f32;

fn fetch(edge: u32, plane: u32, at: u32) -> V {
    return max(inner[((INNER + edge) * N * C + plane) * PLANE + at] * scale + V(shift), V(0.0));
}

fn begin(edge: u32, c: u32) {
    let n = norm[(INNER + edge) * C + c];
    scale = n.x;
    shift = n.y;
}
