// BatchNorm by running statistics, with its learned factor and offset, as one scale and shift.
// Constants: C, FACTORS (where the factors lie among the weights; the offsets follow).
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<vec2<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= C) {
        return;
    }
    let scale = weights[FACTORS + id.x] * inverseSqrt(statistics[C + id.x] + EPSILON);
    result[id.x] = vec2<f32>(scale, weights[FACTORS + C + id.x] - statistics[id.x] * scale);
}
