// BatchNorm's gradient as a map of the output's gradient g and the value x, a * g + b * x + c, a channel a thread. x is
// the normalised value with NORMALISED, otherwise the raw one. The partial sums are of g and of g times the normalised
// value.
// Constants: CHANNELS (of all branches), PARTS, COUNT (values of a channel), NORMALISED.
@group(0) @binding(1) var<storage, read_write> norm: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> affine: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= CHANNELS) {
        return;
    }
    let sum = sum_parts(id.x);
    let n = norm[id.x];
    let mean = sum / COUNT;
    if (NORMALISED) {
        affine[id.x] = vec4<f32>(n.x, -n.x * mean.y, -n.x * mean.x, 0.0);
        return;
    }
    affine[id.x] = vec4<f32>(n.x, -n.x * mean.y * n.x, -n.x * (mean.x + mean.y * n.y), 0.0);
}
