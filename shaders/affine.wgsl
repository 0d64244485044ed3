// Normalises a preprocessed input into its place among the states. Constants: N, C, PLANE, RESULT (in vectors).
@group(0) @binding(0) var<storage, read_write> values: array<V>;
@group(0) @binding(1) var<storage, read_write> norm: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> states: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= N * C * PLANE) {
        return;
    }
    let n = norm[(id.x / PLANE) % C];
    states[RESULT + id.x] = values[id.x] * n.x + V(n.y);
}
