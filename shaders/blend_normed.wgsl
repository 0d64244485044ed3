// g is behind BatchNorm: what `norm_back` found is applied to the gradient and the value. Constants: VALUE (where slot 0's
// values lie, in WIDE vectors).
@group(0) @binding(3) var<storage, read_write> value: array<array<V, WIDE>>;
@group(0) @binding(4) var<storage, read_write> affine: array<vec4<f32>>;

fn load_gradient(slot: u32, c: u32, at: u32) -> array<V, WIDE> {
    let m = affine[slot * INPUTS + c];
    let g = gradient[GRADIENT + at];
    let x = value[VALUE + at];
    var behind: array<V, WIDE>;
    // unroll
    for (var q = 0u; q < WIDE; q++) {
        behind[q] = g[q] * m.x + x[q] * m.y + V(m.z);
    }
    return behind;
}
