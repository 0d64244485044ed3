// Input gradients of pointwise convolutions, [branches, N, CI, pixels]: the weights times the output's gradient g, plus
// `add_values`. A thread computes TILE inputs of VECTORS vectors of pixels; the tiles of a branch lie one after the
// other along y.
// Constants: N, CI, CO (channels of g), TILE, PLANE (vectors a plane), VECTORS, WEIGHTS_A (where branch 0's matrix
// lies), WEIGHTS_B (branch SPLIT's), SPLIT, MATRIX (from one branch's matrix to the next), GRADIENT (where g lies, in
// loads of VECTORS vectors), BRANCH_CHANNELS, IMAGE_CHANNELS (from one branch and image of g to the next).
@group(0) @binding(1) var<storage, read_write> gradient: array<array<V, VECTORS>>;
@group(0) @binding(2) var<storage, read_write> result: array<array<V, VECTORS>>;

var<private> sums: array<V, TILE * VECTORS>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= N * (PLANE / VECTORS)) {
        return;
    }
    let first = id.y % (CI / TILE) * TILE;
    let branch = id.y / (CI / TILE);
    let n = id.x / (PLANE / VECTORS);
    let p = id.x % (PLANE / VECTORS);
    let block = select(WEIGHTS_A + branch * MATRIX, WEIGHTS_B + (branch - SPLIT) * MATRIX, branch >= SPLIT) + first;
    // unroll
    for (var i = 0u; i < TILE * VECTORS; i++) {
        sums[i] = V(0.0);
    }
    let from_gradient = (branch * BRANCH_CHANNELS + n * IMAGE_CHANNELS) * (PLANE / VECTORS) + p;
    for (var c = 0u; c < CO; c++) {
        let g = load_gradient(branch, c, from_gradient + c * (PLANE / VECTORS));
        let w = load_weights(block + c * CI);
        // unroll
        for (var o = 0u; o < TILE; o++) {
            // unroll
            for (var q = 0u; q < VECTORS; q++) {
                sums[o * VECTORS + q] += w[o] * g[q];
            }
        }
    }
    add_values(branch, n, p, block);
    let to = ((branch * N + n) * CI + first) * (PLANE / VECTORS) + p;
    // unroll
    for (var o = 0u; o < TILE; o++) {
        var row: array<V, VECTORS>;
        // unroll
        for (var q = 0u; q < VECTORS; q++) {
            row[q] = sums[o * VECTORS + q];
        }
        result[to + o * (PLANE / VECTORS)] = gated(to + o * (PLANE / VECTORS), row);
    }
}
