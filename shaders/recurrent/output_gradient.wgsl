// The share of every node in a word's output gradient, which includes that of the next word's first state. A workgroup
// has four columns.
// Constants: UNITS, BATCH, TILES, ROW, HALF, FRESH (1: the last word), SHARED (the share's slot), SHARE (float), NODES,
// RELAXED (otherwise the slots of the states are cleared too).
@group(0) @binding(0) var<storage, read_write> gradients: array<f32>;
@group(0) @binding(1) var<storage, read_write> gates: array<f32>;
@group(0) @binding(2) var<storage, read_write> weights: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> mask: array<f32>;
@group(0) @binding(4) var<storage, read_write> output_gradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = 4u * group.x;
    for (var b = lane; b < BATCH; b += 64u) {
        var sum = vec4<f32>(0.0);
        if (FRESH == 0u) {
            var at = (ROW + 1u) * 2u * UNITS * BATCH + b;
            for (var q = 0u; q < 2u * UNITS; q++) {
                sum += gates[at] * weights[HALF + group.x * 2u * UNITS + q];
                at += BATCH;
            }
        }
        for (var i = 0u; i < 4u && column + i < UNITS; i++) {
            let at = (column + i) * BATCH + b;
            var g = output_gradient[ROW * UNITS * BATCH + at];
            if (FRESH == 0u) {
                g += gradients[(SHARED + 1u) * UNITS * BATCH + at] + mask[at] * sum[i];
            }
            gradients[SHARED * UNITS * BATCH + at] = SHARE * g;
            if (!RELAXED) {
                for (var slot = 0u; slot <= NODES; slot++) {
                    gradients[slot * UNITS * BATCH + at] = 0.0;
                }
            }
        }
    }
}
