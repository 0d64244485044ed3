// The gradient that a pointwise convolution passes to its input, at every pixel of each slot: the weights times the
// gradient g of its output, and what `blend_values` adds. A thread computes TILE rows of WIDE vectors of pixels; the tiles of
// a slot lie one after the other along y.
// Constants: N, ROWS (inputs of the convolution), INPUTS (its outputs, channels of g), TILE, PLANE (vectors a plane), WIDE,
// WEIGHTS_A (where slot 0's matrix lies), WEIGHTS_B (slot SPLIT's), SPLIT, MATRIX (from one slot's matrix to the next),
// GRADIENT (where g lies, in WIDE vectors), SLOT_CHANNELS, IMAGE_CHANNELS (from one slot and image of g to the next).
@group(0) @binding(1) var<storage, read_write> gradient: array<array<V, WIDE>>;
@group(0) @binding(2) var<storage, read_write> result: array<array<V, WIDE>>;

var<private> sums: array<V, TILE * WIDE>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= N * (PLANE / WIDE)) {
        return;
    }
    let first = id.y % (ROWS / TILE) * TILE;
    let slot = id.y / (ROWS / TILE);
    let n = id.x / (PLANE / WIDE);
    let p = id.x % (PLANE / WIDE);
    let block = select(WEIGHTS_A + slot * MATRIX, WEIGHTS_B + (slot - SPLIT) * MATRIX, slot >= SPLIT) + first;
    // unroll
    for (var i = 0u; i < TILE * WIDE; i++) {
        sums[i] = V(0.0);
    }
    let from_gradient = (slot * SLOT_CHANNELS + n * IMAGE_CHANNELS) * (PLANE / WIDE) + p;
    for (var c = 0u; c < INPUTS; c++) {
        let g = load_gradient(slot, c, from_gradient + c * (PLANE / WIDE));
        let w = load_rows(block + c * ROWS);
        // unroll
        for (var o = 0u; o < TILE; o++) {
            // unroll
            for (var q = 0u; q < WIDE; q++) {
                sums[o * WIDE + q] += w[o] * g[q];
            }
        }
    }
    add_values(slot, n, p, block);
    let to = ((slot * N + n) * ROWS + first) * (PLANE / WIDE) + p;
    // unroll
    for (var o = 0u; o < TILE; o++) {
        var row: array<V, WIDE>;
        // unroll
        for (var q = 0u; q < WIDE; q++) {
            row[q] = sums[o * WIDE + q];
        }
        result[to + o * (PLANE / WIDE)] = gated(to + o * (PLANE / WIDE), row);
    }
}
