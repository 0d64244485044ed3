// Partial sums of every channel of some slots. Constants: N, C, PLANE, CHUNKS, SOURCE (where the first lies, in vectors),
// RESULT (the slot that its sums are of).
@group(0) @binding(0) var<storage, read_write> values: array<V>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let chunk = id.x % CHUNKS;
    let c = id.x / CHUNKS;
    if (c >= C) {
        return;
    }
    var sum = 0.0;
    for (var q = chunk; q < N * PLANE; q += CHUNKS) {
        sum += total(values[SOURCE + ((id.y * N + q / PLANE) * C + c) * PLANE + q % PLANE]);
    }
    partial[((RESULT + id.y) * C + c) * CHUNKS + chunk] = sum;
}
