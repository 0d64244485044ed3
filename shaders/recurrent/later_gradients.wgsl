// The gradient of a state through the matrices of all later nodes that read it, for four columns; and a state's
// gradient back through BatchNorm, if there is any.
// Constants: UNITS, BATCH, NODE, NODES, TILES, HALF (where the transposed weights begin), GATES (the edges' first
// slot), RELAXED (a node reads all earlier states, otherwise what `source_of` says).
fn pulled(node: u32, tile: u32, b: u32) -> vec4<f32> {
    var sum = vec4<f32>(0.0);
    for (var later = node + 1u; later <= NODES; later++) {
        var edge = later * (later - 1u) / 2u + node;
        if (!RELAXED) {
            edge = later - 1u;
            if (source_of(later) != node) {
                continue;
            }
        }
        var at = (GATES + edge) * 2u * UNITS * BATCH + b;
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

// The share of the minibatch's statistics in the gradients of its columns.
struct ThroughNorm {
    mean: vec4<f32>,
    along: vec4<f32>,
    factor: vec4<f32>,
}

fn norm_back(part: vec4<f32>, part_along: vec4<f32>, moments_at: u32, column: u32, lane: u32) -> ThroughNorm {
    if (!RELAXED) {
        return ThroughNorm();
    }
    let mean = workgroup_sum(part, lane) / f32(BATCH);
    let along = workgroup_sum(part_along, lane) / f32(BATCH);
    let at = moments_at + UNITS + min(column + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(UNITS - 1u));
    let variance = vec4<f32>(moments[at.x], moments[at.y], moments[at.z], moments[at.w]);
    return ThroughNorm(mean, along, is_column(column) * inverseSqrt(variance + EPSILON));
}

fn before_norm(through: ThroughNorm, gradient: vec4<f32>, state: vec4<f32>) -> vec4<f32> {
    if (!RELAXED) {
        return gradient;
    }
    return through.factor * (gradient - through.mean - through.along * state);
}
