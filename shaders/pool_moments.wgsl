// Partial sums of pooled values and their squares. Constants: N, C, PLANE, STATE, CHUNKS.
@group(0) @binding(0) var<storage, read_write> pools: array<V>;
@group(0) @binding(1) var<storage, read_write> partial: array<vec2<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let chunk = id.x % CHUNKS;
    let c = id.x / CHUNKS;
    if (c >= C) {
        return;
    }
    // id.y counts max and average of each state.
    let tensor = 3u * (STATE + id.y / 2u) + id.y % 2u;
    var sum = vec2<f32>(0.0);
    for (var q = chunk; q < N * PLANE; q += CHUNKS) {
        let v = pools[((tensor * N + q / PLANE) * C + c) * PLANE + q % PLANE];
        sum += vec2<f32>(total(v), total(v * v));
    }
    partial[(id.y * C + c) * CHUNKS + chunk] = sum;
}
