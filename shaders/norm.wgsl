// BatchNorm's scale and shift from partial sums of a value and its square: y = x * scale + shift.
// Constants: CHANNELS (all slots together), PARTS, COUNT (values of a channel), RESULT (first channel
// written).
@group(0) @binding(0) var<storage, read_write> partial: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read_write> norm: array<vec2<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= CHANNELS) {
        return;
    }
    var sum = vec2<f32>(0.0);
    for (var t = 0u; t < PARTS; t++) {
        sum += partial[id.x * PARTS + t];
    }
    let mean = sum.x / COUNT;
    let scale = inverseSqrt(max(sum.y / COUNT - mean * mean, 0.0) + EPSILON);
    norm[RESULT + id.x] = vec2<f32>(scale, -mean * scale);
}
