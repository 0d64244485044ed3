// a is the gradient of a node, the same for every slot. Constants: GRADIENT (where it lies, in vectors).
@group(0) @binding(2) var<storage, read_write> state_gradients: array<V>;

fn load_a(slot: u32, n: u32, c: u32, p: u32) -> V {
    return state_gradients[GRADIENT + (n * CA + c) * PLANE + p];
}
