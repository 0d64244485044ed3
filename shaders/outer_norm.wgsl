// a is the gradient of a pointwise convolution that BatchNorm follows: an affine map of BatchNorm's gradient and value.
// Constants: GRADIENT, VALUE (where slot 0 of both lies, in vectors).
@group(0) @binding(2) var<storage, read_write> gradient: array<V>;
@group(0) @binding(3) var<storage, read_write> value: array<V>;
@group(0) @binding(4) var<storage, read_write> affine: array<vec4<f32>>;

fn shift_b(slot: u32, c: u32) -> f32 {
    return 0.0;
}

fn load_a(slot: u32, n: u32, c: u32, p: u32) -> V {
    let i = ((slot * N + n) * CA + c) * PLANE + p;
    let m = affine[slot * CA + c];
    return gradient[GRADIENT + i] * m.x + value[VALUE + i] * m.y + V(m.z);
}
