// Gradient of one of the two pictures of the factorized reduces of both cell inputs, through the ReLU, added to that of
// the phase that it is. A thread walks down a column of vectors.
// Constants: N, C, PLANE, COLUMNS, NODE, SOURCE (branch of the first input's gradient), PHASE.
@group(0) @binding(0) var<storage, read_write> gradient: array<V>;
@group(0) @binding(1) var<storage, read_write> phases: array<V>;
@group(0) @binding(2) var<storage, read_write> phase_gradients: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let plane = id.x / COLUMNS;
    if (plane >= N * C) {
        return;
    }
    for (var at = plane * PLANE + id.x % COLUMNS; at < (plane + 1u) * PLANE; at += COLUMNS) {
        let i = (4u * id.y + PHASE) * NODE + at;
        phase_gradients[i] += select(V(0.0), gradient[(SOURCE + id.y) * NODE + at], phases[i] > V(0.0));
    }
}
