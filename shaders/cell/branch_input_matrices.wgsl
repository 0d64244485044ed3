// The gradient of a branch's values as a matrix on the node's gradient, one on the values themselves, and an offset:
// [branches, 2 C + 1, C], a column a thread.
// Constants: C, EDGES, BRANCHES, COEFFICIENTS (where those of branch 0 lie), LAST_0 to LAST_5.
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> coefficients: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> matrices: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let branch = id.x / C;
    let k = id.x % C;
    if (branch >= BRANCHES) {
        return;
    }
    let first = branch * C * (2u * C + 1u) + k;
    var offset = 0.0;
    for (var c = 0u; c < C; c++) {
        var on_gradient = 0.0;
        if (branch_has_row(branch, c)) {
            let w = weights[branch_row(branch, c) + k];
            on_gradient = w * coefficients[COEFFICIENTS + branch * C + c].x;
            offset += w * coefficients[COEFFICIENTS + branch * C + c].z;
        }
        matrices[first + c * C] = on_gradient;
        var on_value = 0.0;
        for (var l = 0u; l < C; l++) {
            if (branch_has_row(branch, l)) {
                let row = branch_row(branch, l);
                on_value += weights[row + k] * coefficients[COEFFICIENTS + branch * C + l].y * weights[row + c];
            }
        }
        matrices[first + (C + c) * C] = on_value;
    }
    matrices[first + 2u * C * C] = offset;
}
