// Sums partial results [OUTER, PARTS, INNER] over the parts, a sum a thread: result[base + i] for base BASE_A + outer *
// INNER, or from outer SPLIT on BASE_B + (outer - SPLIT) * INNER.
// Constants: OUTER, PARTS, INNER, BASE_A, BASE_B, SPLIT.
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
