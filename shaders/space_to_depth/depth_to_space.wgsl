// Gradients of the cell inputs from those of their four phases: the inverse of `space_to_depth`. Four vectors a thread.
// Constants: H, W (of a phase), COLUMNS, NODE, INPUT.
@group(0) @binding(0) var<storage, read_write> phase_gradients: array<V>;
@group(0) @binding(1) var<storage, read_write> state_gradients: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= NODE) {
        return;
    }
    let to = id.y * INPUT + id.x / COLUMNS * 4u * COLUMNS + id.x % COLUMNS * 2u;
    let q = id.y * 4u * NODE + id.x;
    let a = phase_gradients[q];
    let b = phase_gradients[q + NODE];
    let c = phase_gradients[q + 2u * NODE];
    let d = phase_gradients[q + 3u * NODE];
    state_gradients[to] = first_half(a, b);
    state_gradients[to + 1u] = second_half(a, b);
    state_gradients[to + 2u * COLUMNS] = first_half(c, d);
    state_gradients[to + 2u * COLUMNS + 1u] = second_half(c, d);
}
