// The gradient of a slot's values as a matrix on the node's gradient, one on the values themselves, and an offset.
// One thread a row. Constants: C, EDGES, SLOTS, SLOPES (where those of slot 0 lie), LAST_0 to LAST_5.
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> slopes: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> matrices: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let slot = id.x / C;
    let k = id.x % C;
    if (slot >= SLOTS) {
        return;
    }
    let first = slot * C * (2u * C + 1u) + k;
    var offset = 0.0;
    for (var c = 0u; c < C; c++) {
        var on_gradient = 0.0;
        if (slot_has_row(slot, c)) {
            let w = weights[slot_row(slot, c) + k];
            on_gradient = w * slopes[SLOPES + slot * C + c].x;
            offset += w * slopes[SLOPES + slot * C + c].z;
        }
        matrices[first + c * C] = on_gradient;
        var on_value = 0.0;
        for (var l = 0u; l < C; l++) {
            if (slot_has_row(slot, l)) {
                let row = slot_row(slot, l);
                on_value += weights[row + k] * slopes[SLOPES + slot * C + l].y * weights[row + c];
            }
        }
        matrices[first + (C + c) * C] = on_value;
    }
    matrices[first + 2u * C * C] = offset;
}
