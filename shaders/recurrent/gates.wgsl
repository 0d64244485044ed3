// Gates and candidates of a node, from BLOCK of the states that it reads, for four columns.
// Constants: UNITS, BATCH, BLOCK, BASE (the states), NODE, TILES.
var<private> gate: array<vec4<f32>, BLOCK>;
var<private> candidate: array<vec4<f32>, BLOCK>;

fn product(first: u32, tile: u32, b: u32) {
    // unroll
    for (var e = 0u; e < BLOCK; e++) {
        gate[e] = vec4<f32>(0.0);
        candidate[e] = vec4<f32>(0.0);
    }
    var at = BASE + first * UNITS * BATCH + b;
    var w = (NODE * TILES + tile) * UNITS * 2u;
    for (var k = 0u; k < UNITS; k++) {
        let kept = mask[k * BATCH + b];
        let to_gate = weights[w];
        let to_candidate = weights[w + 1u];
        // unroll
        for (var e = 0u; e < BLOCK; e++) {
            let x = kept * states[at + e * UNITS * BATCH];
            gate[e] += x * to_gate;
            candidate[e] += x * to_candidate;
        }
        at += BATCH;
        w += 2u;
    }
}
