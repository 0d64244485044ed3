// Gradients of the states before any op has added to them: zero for the inputs, the output's for the nodes.
// Constants: C, PLANE, INPUT, NODE (vectors of a state).
@group(0) @binding(0) var<storage, read_write> output_gradient: array<V>;
@group(0) @binding(1) var<storage, read_write> state_gradients: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= 2u * INPUT + 4u * NODE) {
        return;
    }
    if (id.x < 2u * INPUT) {
        state_gradients[id.x] = V(0.0);
        return;
    }
    let i = id.x - 2u * INPUT;
    let node = i / NODE;
    let n = (i % NODE) / (C * PLANE);
    state_gradients[id.x] = output_gradient[(n * 4u + node) * C * PLANE + i % (C * PLANE)];
}
