// Scales and shifts a picture [N, C, pixels], a vector a thread.
// Constants: N, C, PLANE, RESULT (where it goes, in vectors).
@group(0) @binding(0) var<storage, read_write> values: array<V>;
@group(0) @binding(1) var<storage, read_write> norm: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> result: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= N * C * PLANE) {
        return;
    }
    let n = norm[(id.x / PLANE) % C];
    result[RESULT + id.x] = values[id.x] * n.x + V(n.y);
}
