// Weight gradient of the last pointwise convolution of each branch, through BatchNorm and the op's weight, from the
// products of the node's gradient with the branch's values less their means. An output channel of a branch a thread.
//
// With s the op's weight over the deviation, q the sum of g times the normalised output and r = s q / (deviation
// COUNT), the gradient of the convolution's output y is s g - r y + k: the weight gradient is written here, r and k go
// on to `branch_input_matrices`.
// Constants: C, EDGES, BRANCHES, COUNT, SUMS (where those of the node's gradient lie), COEFFICIENTS (where those of
// branch 0 lie), LAST_0 to LAST_5.
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> statistics: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> moments: array<f32>;
@group(0) @binding(3) var<storage, read_write> products: array<f32>;
@group(0) @binding(4) var<storage, read_write> node_sums: array<f32>;
@group(0) @binding(5) var<storage, read_write> weight_gradients: array<f32>;
@group(0) @binding(6) var<storage, read_write> coefficients: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let branch = id.x / C;
    let c = id.x % C;
    if (branch >= BRANCHES) {
        return;
    }
    if (!branch_has_row(branch, c)) {
        coefficients[COEFFICIENTS + branch * C + c] = vec4<f32>(0.0);
        return;
    }
    let s = statistics[branch * C + c];
    let row = branch_row(branch, c);
    let product = (branch * C + c) * C;
    let moment = branch * C * C;
    let sum_gradient = node_sums[SUMS + c];
    var q = 0.0;
    for (var k = 0u; k < C; k++) {
        q += weights[row + k] * products[product + k];
    }
    q *= s.y;
    let r = s.z * q * s.y / COUNT;
    let k0 = -s.z * sum_gradient / COUNT + r * s.x;
    for (var k = 0u; k < C; k++) {
        var correlated = 0.0;
        for (var l = 0u; l < C; l++) {
            correlated += weights[row + l] * moments[moment + k * C + l];
        }
        // The gradient of y sums to zero, so subtracting the means changes nothing.
        weight_gradients[row + k] = s.z * products[product + k] - r * correlated;
    }
    // x coefficient of g, y of y, z constant, w gradient of the op's weight.
    coefficients[COEFFICIENTS + branch * C + c] = vec4<f32>(s.z, -r, k0, q);
}
