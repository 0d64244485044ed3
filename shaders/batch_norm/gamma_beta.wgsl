// BatchNorm with gamma and beta as y = x * scale + shift, a channel a thread, from its scale and shift without them;
// and its statistics as running ones are kept: the means, then the unbiased variances.
// Constants: C, GAMMA (where gamma lies among the weights; beta follows), COUNT (values of a channel).
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> norm: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> result: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> statistics: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= C) {
        return;
    }
    let gamma = weights[GAMMA + id.x];
    let beta = weights[GAMMA + C + id.x];
    let n = norm[id.x];
    result[id.x] = n * gamma + vec2<f32>(0.0, beta);
    statistics[id.x] = -n.y / n.x;
    statistics[C + id.x] = max(1.0 / (n.x * n.x) - EPSILON, 0.0) * (COUNT / (COUNT - 1.0));
}
