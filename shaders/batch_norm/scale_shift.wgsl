// BatchNorm as y = x * scale + shift, a channel a thread, from partial sums [CHANNELS, PARTS] of the values and their
// squares.
// Constants: CHANNELS (of all branches), PARTS, COUNT (values of a channel), RESULT (first channel written).
@group(0) @binding(1) var<storage, read_write> norm: array<vec2<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= CHANNELS) {
        return;
    }
    let sum = sum_parts(id.x);
    let mean = sum.x / COUNT;
    let scale = inverseSqrt(max(sum.y / COUNT - mean * mean, 0.0) + EPSILON);
    norm[RESULT + id.x] = vec2<f32>(scale, -mean * scale);
}
