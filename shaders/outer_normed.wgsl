// a is the gradient of pointwise convolutions behind BatchNorm, a slot after the other: what `norm_back` found is applied to
// the gradient and the value. Constants: GRADIENT, VALUE (where slot 0 of both lies, in vectors).
@group(0) @binding(2) var<storage, read_write> gradient: array<array<V, WIDE>>;
@group(0) @binding(3) var<storage, read_write> value: array<array<V, WIDE>>;
@group(0) @binding(4) var<storage, read_write> affine: array<vec4<f32>>;

fn shift_b(slot: u32, c: u32) -> f32 {
    return 0.0;
}

fn factors_a(slot: u32, c: u32) -> vec4<f32> {
    return affine[slot * CA + c];
}

fn load_a(slot: u32, n: u32, c: u32, p: u32, factors: vec4<f32>) -> V {
    let at = ((slot * N + n) * CA + c) * PLANE + p;
    let g = gradient[(GRADIENT + at) / WIDE][(GRADIENT + at) % WIDE];
    let x = value[(VALUE + at) / WIDE][(VALUE + at) % WIDE];
    return g * factors.x + x * factors.y + V(factors.z);
}
