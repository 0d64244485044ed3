// Concatenates the four nodes along the channels. Constants: N, C, PLANE, INPUT, NODE (vectors of a state).
@group(0) @binding(0) var<storage, read_write> states: array<V>;
@group(0) @binding(1) var<storage, read_write> result: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= N * 4u * C * PLANE) {
        return;
    }
    let n = id.x / (4u * C * PLANE);
    let node = (id.x / (C * PLANE)) % 4u;
    result[id.x] = states[2u * INPUT + node * NODE + n * C * PLANE + id.x % (C * PLANE)];
}
