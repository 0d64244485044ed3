// a is the gradient of a pointwise convolution, a slot after the other. Constants: GRADIENT (where slot 0 lies, in vectors).
@group(0) @binding(2) var<storage, read_write> gradient: array<V>;

fn shift_b(slot: u32, c: u32) -> f32 {
    return 0.0;
}

fn load_a(slot: u32, n: u32, c: u32, p: u32) -> V {
    return gradient[GRADIENT + ((slot * N + n) * CA + c) * PLANE + p];
}
