// g of a convolution that BatchNorm follows: `batch_norm/gradient`'s map of the gradient and the value.
// Constants: VALUE (where branch 0's values lie, in loads of VECTORS vectors).
@group(0) @binding(3) var<storage, read_write> value: array<array<V, VECTORS>>;
@group(0) @binding(4) var<storage, read_write> affine: array<vec4<f32>>;

fn load_gradient(branch: u32, c: u32, at: u32) -> array<V, VECTORS> {
    let m = affine[branch * CO + c];
    let g = gradient[GRADIENT + at];
    let x = value[VALUE + at];
    var behind: array<V, VECTORS>;
    // unroll
    for (var q = 0u; q < VECTORS; q++) {
        behind[q] = g[q] * m.x + x[q] * m.y + V(m.z);
    }
    return behind;
}
