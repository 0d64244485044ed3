// Sums partial results: result[base + outer * INNER + i] = sum over t of partial[(outer * PARTS + t) * INNER + i].
// Constants: OUTER, PARTS, INNER, BASE_A (where outer 0 goes), BASE_B (where outer SPLIT goes), SPLIT.
@group(0) @binding(0) var<storage, read_write> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= OUTER * INNER) {
        return;
    }
    let outer = id.x / INNER;
    let i = id.x % INNER;
    var sum = 0.0;
    for (var t = 0u; t < PARTS; t++) {
        sum += partial[(outer * PARTS + t) * INNER + i];
    }
    let base = select(BASE_A + outer * INNER, BASE_B + (outer - SPLIT) * INNER, outer >= SPLIT);
    result[base + i] = sum;
}
