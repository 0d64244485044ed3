// Takes the gradient through BatchNorm, in place: what `norm_back` found is applied to every value.
// Constants: TOTAL (vectors), C, PLANE, N, GRADIENT, VALUE (where both lie, in vectors).
@group(0) @binding(0) var<storage, read_write> gradient: array<V>;
@group(0) @binding(1) var<storage, read_write> value: array<V>;
@group(0) @binding(2) var<storage, read_write> affine: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= TOTAL) {
        return;
    }
    let plane = id.x / PLANE;
    let m = affine[plane / (C * N) * C + plane % C];
    let at = GRADIENT + id.x;
    gradient[at] = gradient[at] * m.x + value[VALUE + id.x] * m.y + V(m.z);
}
