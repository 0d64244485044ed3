// Gradients of the nodes before any op has added to them: those of the output, [N, 4 C, pixels] taken apart. A vector a
// thread.
// Constants: C, PLANE, INPUT, NODE (vectors of a state).
@group(0) @binding(0) var<storage, read_write> output_gradient: array<V>;
@group(0) @binding(1) var<storage, read_write> state_gradients: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= 4u * NODE) {
        return;
    }
    let node = id.x / NODE;
    let n = (id.x % NODE) / (C * PLANE);
    state_gradients[2u * INPUT + id.x] = output_gradient[(n * 4u + node) * C * PLANE + id.x % (C * PLANE)];
}
