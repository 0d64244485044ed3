// BatchNorm by running statistics, with gamma and beta, as y = x * scale + shift, a channel a thread.
// Constants: C, GAMMA (where gamma lies among the weights; beta follows).
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<vec2<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= C) {
        return;
    }
    let scale = weights[GAMMA + id.x] * inverseSqrt(statistics[C + id.x] + EPSILON);
    result[id.x] = vec2<f32>(scale, weights[GAMMA + C + id.x] - statistics[id.x] * scale);
}
