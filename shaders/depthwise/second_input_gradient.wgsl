// Reads and writes of a separable op's second convolution backward: its input's gradient through the ReLU, with the two
// sums that BatchNorm's gradient needs: of that gradient, and of its product with the normalised value.
// Constants: SOURCE (first branch of the gradient), RESULT (first branch of the inner values).
@group(0) @binding(1) var<storage, read_write> gradient: array<V>;
@group(0) @binding(2) var<storage, read_write> inner: array<V>;
@group(0) @binding(3) var<storage, read_write> norm: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> result: array<V>;
@group(0) @binding(5) var<storage, read_write> sums_out: array<vec2<f32>>;

var<private> scale: f32;
var<private> shift: f32;
var<private> sum_gradient: f32;
var<private> sum_product: f32;

fn fetch(edge: u32, plane: u32, at: u32) -> V {
    return gradient[((SOURCE + edge) * N * C + plane) * PLANE + at];
}

fn begin(edge: u32, c: u32) {
    let n = norm[(RESULT + edge) * C + c];
    scale = n.x;
    shift = n.y;
    sum_gradient = 0.0;
    sum_product = 0.0;
}

fn store(edge: u32, plane: u32, at: u32, value: V) {
    let i = ((RESULT + edge) * N * C + plane) * PLANE + at;
    let normal = inner[i] * scale + V(shift);
    let passed = select(V(0.0), value, normal > V(0.0));
    result[i] = passed;
    sum_gradient += total(passed);
    sum_product += total(passed * normal);
}

fn finish(edge: u32, plane: u32, column: u32) {
    let c = plane % C;
    let n = plane / C;
    sums_out[(((RESULT + edge) * C + c) * N + n) * COLUMNS + column] = vec2<f32>(sum_gradient, sum_product);
}
