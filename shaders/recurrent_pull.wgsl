// The gradient of a state through the matrices of all later nodes, for four columns.
// Constants: UNITS, BATCH, NODE, TILES, HALF (where the transposed weights begin), GATES (the edges' first slot).
fn pulled(node: u32, tile: u32, b: u32) -> vec4<f32> {
    var sum = vec4<f32>(0.0);
    for (var later = node + 1u; later < 9u; later++) {
        var at = (GATES + later * (later - 1u) / 2u + node) * 2u * UNITS * BATCH + b;
        let w = HALF + (later * TILES + tile) * 2u * UNITS;
        for (var q = 0u; q < 2u * UNITS; q++) {
            sum += gates[at] * weights[w + q];
            at += BATCH;
        }
    }
    return sum * mask4(4u * tile, b);
}

fn gradient4(slot: u32, column: u32, b: u32) -> vec4<f32> {
    let at = slot * UNITS * BATCH + places(column, b);
    return vec4<f32>(gradients[at.x], gradients[at.y], gradients[at.z], gradients[at.w]);
}

fn put_gradient(slot: u32, column: u32, b: u32, value: vec4<f32>) {
    for (var i = 0u; i < 4u && column + i < UNITS; i++) {
        gradients[(slot * UNITS + column + i) * BATCH + b] = value[i];
    }
}

fn put_gates(slot: u32, column: u32, b: u32, to_gate: vec4<f32>, to_candidate: vec4<f32>) {
    for (var i = 0u; i < 4u && column + i < UNITS; i++) {
        let at = (slot * 2u * UNITS + column + i) * BATCH + b;
        gates[at] = to_gate[i];
        gates[at + UNITS * BATCH] = to_candidate[i];
    }
}
