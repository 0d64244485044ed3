// Partial sums of a gradient and of its product with the normalised value, for each channel.
// Constants: N, C, PLANE, CHUNKS.
@group(0) @binding(0) var<storage, read_write> values: array<V>;
@group(0) @binding(1) var<storage, read_write> norm: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> gradient: array<V>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec2<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let chunk = id.x % CHUNKS;
    let c = id.x / CHUNKS;
    if (c >= C) {
        return;
    }
    let n = norm[c];
    var sum = vec2<f32>(0.0);
    for (var q = chunk; q < N * PLANE; q += CHUNKS) {
        let at = ((q / PLANE) * C + c) * PLANE + q % PLANE;
        let g = gradient[at];
        sum += vec2<f32>(total(g), total(g * (values[at] * n.x + V(n.y))));
    }
    partial[c * CHUNKS + chunk] = sum;
}
