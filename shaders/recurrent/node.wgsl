// A node [UNITS, BATCH] of a word: ops over EDGES earlier states from FIRST on, weighted and summed, then BatchNorm if
// any; its share of the output is added up. A workgroup has four columns.
// Constants: UNITS, BATCH, BLOCK, BASE, NODE, TILES, MOMENTS, EDGE (the node's first), FIRST, EDGES, OUTPUT, SHARE
// (float).
@group(0) @binding(4) var<storage, read_write> op_weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = 4u * group.x;
    let own = BASE + NODE * UNITS * BATCH;
    var part = vec4<f32>(0.0);
    for (var b = lane; b < BATCH; b += 64u) {
        var sum = vec4<f32>(0.0);
        for (var first = FIRST; first < FIRST + EDGES; first += BLOCK) {
            product(first, group.x, b);
            // unroll
            for (var e = 0u; e < BLOCK; e++) {
                let row = 5u * (EDGE + first - FIRST + e);
                let p = vec4<f32>(
                    op_weights[row + 1u], op_weights[row + 2u], op_weights[row + 3u], op_weights[row + 4u]);
                let h = candidate[e];
                let mixed = p.x * bend(h) + p.y * max(h, vec4<f32>(0.0)) + p.z * logistic(h) + p.w * h;
                let kept = (p.x + p.y + p.z + p.w) * state4(BASE + (first + e) * UNITS * BATCH, column, b);
                sum += kept + logistic(gate[e]) * (mixed - kept);
            }
        }
        put_state(own, column, b, sum);
        part += sum;
    }
    normalise(own, MOMENTS, column, lane, part);
    for (var b = lane; b < BATCH; b += 64u) {
        for (var i = 0u; i < 4u && column + i < UNITS; i++) {
            let at = (column + i) * BATCH + b;
            let share = SHARE * states[own + at];
            output[OUTPUT + at] = select(output[OUTPUT + at], 0.0, NODE == 1u) + share;
        }
    }
}
