// Gradient of one half of the factorised reductions of both cell inputs, through the ReLU, added to that of the quarter that
// the half reads. A thread marches down a column of vectors.
// Constants: N, C, PLANE, COLUMNS, NODE, SOURCE (slot of the first input's gradient), QUARTER.
@group(0) @binding(0) var<storage, read_write> gradient: array<V>;
@group(0) @binding(1) var<storage, read_write> quarters: array<V>;
@group(0) @binding(2) var<storage, read_write> quarter_gradients: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let plane = id.x / COLUMNS;
    if (plane >= N * C) {
        return;
    }
    for (var at = plane * PLANE + id.x % COLUMNS; at < (plane + 1u) * PLANE; at += COLUMNS) {
        let i = (4u * id.y + QUARTER) * NODE + at;
        quarter_gradients[i] += select(V(0.0), gradient[(SOURCE + id.y) * NODE + at], quarters[i] > V(0.0));
    }
}
