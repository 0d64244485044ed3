// Folds BatchNorm and the op's weight into the last pointwise convolution of each slot: its mean and variance follow from
// the means and central moments of its input, so the mixed op is a scaled matrix and an offset. One thread an output channel of a slot.
// Constants: C, EDGES, SLOTS, COUNT, ROW (row of alphas of the node's first edge), LAST_0 to LAST_5.
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> mixing: array<f32>;
@group(0) @binding(2) var<storage, read_write> moments: array<f32>;
@group(0) @binding(3) var<storage, read_write> blended: array<f32>;
@group(0) @binding(4) var<storage, read_write> statistics: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> totals: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let slot = id.x / C;
    let c = id.x % C;
    if (slot >= SLOTS) {
        return;
    }
    let moment = slot * C * C;
    let row = slot_row(slot, c);
    let has = slot_has_row(slot, c);
    var mean = 0.0;
    var variance = 0.0;
    if (has) {
        for (var k = 0u; k < C; k++) {
            mean += weights[row + k] * (totals[slot * C + k] / COUNT);
        }
        for (var k = 0u; k < C; k++) {
            var sum = 0.0;
            for (var l = 0u; l < C; l++) {
                sum += weights[row + l] * (moments[moment + k * C + l] / COUNT);
            }
            variance += weights[row + k] * sum;
        }
    }
    let inverse = inverseSqrt(max(variance, 0.0) + EPSILON);
    let scale = mixing[(ROW + slot_edge(slot)) * 8u + slot_op(slot)] * inverse;
    // x mean, y inverse deviation, z weight times inverse deviation, w offset.
    statistics[slot * C + c] = vec4<f32>(mean, inverse, scale, -scale * mean);
    for (var k = 0u; k < C; k++) {
        var w = 0.0;
        if (has) {
            w = weights[row + k];
        }
        blended[(slot * C + k) * C + c] = scale * w;
    }
}
