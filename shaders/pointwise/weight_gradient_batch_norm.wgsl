// a is the gradient of convolutions that BatchNorm follows, a branch after the other: `batch_norm/gradient`'s map of
// the gradient and the value.
// Constants: GRADIENT, VALUE (where branch 0 of both lies, in vectors).
@group(0) @binding(2) var<storage, read_write> gradient: array<array<V, VECTORS>>;
@group(0) @binding(3) var<storage, read_write> value: array<array<V, VECTORS>>;
@group(0) @binding(4) var<storage, read_write> affine: array<vec4<f32>>;

fn shift_b(branch: u32, c: u32) -> f32 {
    return 0.0;
}

fn factors_a(branch: u32, c: u32) -> vec4<f32> {
    return affine[branch * CA + c];
}

fn load_a(branch: u32, n: u32, c: u32, p: u32, factors: vec4<f32>) -> V {
    let at = ((branch * N + n) * CA + c) * PLANE + p;
    let g = gradient[(GRADIENT + at) / VECTORS][(GRADIENT + at) % VECTORS];
    let x = value[(VALUE + at) / VECTORS][(VALUE + at) % VECTORS];
    return g * factors.x + x * factors.y + V(factors.z);
}
