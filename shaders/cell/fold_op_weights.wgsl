// Folds BatchNorm and the op's weight into the last pointwise convolution of each branch, an output channel a thread.
// Mean and variance follow from those of the convolution's input, so the mixed op is a scaled matrix and an offset.
// Constants: C, EDGES, BRANCHES, COUNT, ROW (row of op weights of the node's first edge), LAST_0 to LAST_5.
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> op_weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> moments: array<f32>;
@group(0) @binding(3) var<storage, read_write> folded: array<f32>;
@group(0) @binding(4) var<storage, read_write> statistics: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> branch_sums: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let branch = id.x / C;
    let c = id.x % C;
    if (branch >= BRANCHES) {
        return;
    }
    let moment = branch * C * C;
    let row = branch_row(branch, c);
    let has = branch_has_row(branch, c);
    var mean = 0.0;
    var variance = 0.0;
    if (has) {
        for (var k = 0u; k < C; k++) {
            mean += weights[row + k] * (branch_sums[branch * C + k] / COUNT);
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
    let scale = op_weights[(ROW + branch_edge(branch)) * 8u + branch_op(branch)] * inverse;
    // x mean, y inverse deviation, z weight times inverse deviation, w offset.
    statistics[branch * C + c] = vec4<f32>(mean, inverse, scale, -scale * mean);
    for (var k = 0u; k < C; k++) {
        var w = 0.0;
        if (has) {
            w = weights[row + k];
        }
        folded[(branch * C + k) * C + c] = scale * w;
    }
}
