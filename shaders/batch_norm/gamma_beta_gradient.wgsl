// Gradients of gamma and beta, a channel a thread, and BatchNorm's gradient as a map of the value x and the output's
// gradient g: a * x + b * g + c.
// Constants: C, PARTS, COUNT (values of a channel), GAMMA.
@group(0) @binding(1) var<storage, read_write> norm: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> weight_gradients: array<f32>;
@group(0) @binding(4) var<storage, read_write> affine: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= C) {
        return;
    }
    let sum = sum_parts(id.x);
    weight_gradients[GAMMA + id.x] = sum.y;
    weight_gradients[GAMMA + C + id.x] = sum.x;
    let n = norm[id.x];
    let scale = n.x * weights[GAMMA + id.x];
    let mean = sum / COUNT;
    affine[id.x] = vec4<f32>(-scale * mean.y * n.x, scale, -scale * (mean.x + mean.y * n.y), 0.0);
}
