// The gradient of a node: gathered from later nodes and the output, back through BatchNorm and ops. Gradients of gates
// and candidates are left for the matrices, the direct share of the states for theirs. Slot SHARED of the gradients is
// the output's share of every node that is part of it. RELAXED: there is BatchNorm, and the op weights have gradients.
// Constants: UNITS, BATCH, BLOCK, BASE, NODE, TILES, MOMENTS, EDGE, FIRST, EDGES, GATES, HALF, FRESH (1: the last
// word), SHARED, INCLUDED (float: whether the node is part of the output), HELD (1: slots of states hold something
// already), and those of `later_gradients`.
@group(0) @binding(4) var<storage, read_write> op_weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradients: array<f32>;
@group(0) @binding(6) var<storage, read_write> gates: array<f32>;
@group(0) @binding(7) var<storage, read_write> partial: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = 4u * group.x;
    let own = BASE + NODE * UNITS * BATCH;
    var part = vec4<f32>(0.0);
    var part_along = vec4<f32>(0.0);
    for (var b = lane; b < BATCH; b += 64u) {
        var g = INCLUDED * gradient4(SHARED, column, b);
        if (HELD == 1u) {
            g += gradient4(NODE, column, b) + pulled(NODE, group.x, b);
        }
        put_gradient(NODE, column, b, g);
        part += g;
        part_along += g * state4(own, column, b);
    }
    let through_norm = norm_back(part, part_along, MOMENTS, column, lane);
    for (var b = lane; b < BATCH; b += 64u) {
        let raw = before_norm(through_norm, gradient4(NODE, column, b), state4(own, column, b));
        for (var first = FIRST; first < FIRST + EDGES; first += BLOCK) {
            product(first, group.x, b);
            // unroll
            for (var e = 0u; e < BLOCK; e++) {
                let edge = EDGE + first - FIRST + e;
                let p = vec4<f32>(
                    op_weights[5u * edge + 1u], op_weights[5u * edge + 2u],
                    op_weights[5u * edge + 3u], op_weights[5u * edge + 4u]);
                let all = p.x + p.y + p.z + p.w;
                let state = state4(BASE + (first + e) * UNITS * BATCH, column, b);
                let c = logistic(gate[e]);
                let h = candidate[e];
                let positive = max(h, vec4<f32>(0.0));
                let t = bend(h);
                let s = logistic(h);
                let mixed = p.x * t + p.y * positive + p.z * s + p.w * h;
                let slope = p.x * (1.0 - t * t) + select(vec4<f32>(0.0), vec4<f32>(p.y), h > vec4<f32>(0.0))
                    + p.z * s * (1.0 - s) + p.w;
                let through = raw * c;
                let past = raw * (1.0 - c);
                put_gates(GATES + edge, column, b, through * (1.0 - c) * (mixed - all * state), through * slope);
                var direct = all * past;
                if (HELD == 1u) {
                    direct += gradient4(first + e, column, b);
                }
                put_gradient(first + e, column, b, direct);
                if (RELAXED) {
                    let found = vec4<f32>(dot(through, t), dot(through, positive), dot(through, s), dot(through, h))
                        + dot(past, state);
                    let keep = (group.x * 36u + edge) * BATCH + b;
                    partial[keep] = select(partial[keep], vec4<f32>(0.0), FRESH == 1u) + found;
                }
            }
        }
    }
}
