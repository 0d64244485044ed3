// The square root of the sum of partial sums of squares, by one thread.
// Constants: PARTS.
@group(0) @binding(0) var<storage, read_write> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x > 0u) {
        return;
    }
    var sum = 0.0;
    for (var t = 0u; t < PARTS; t++) {
        sum += partial[t];
    }
    result[0] = sqrt(sum);
}
