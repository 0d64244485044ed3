// Partial sums of squares, a thread every CHUNKS-th value.
// Constants: TOTAL, CHUNKS.
@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= CHUNKS) {
        return;
    }
    var sum = 0.0;
    for (var q = id.x; q < TOTAL; q += CHUNKS) {
        sum += values[q] * values[q];
    }
    partial[id.x] = sum;
}
