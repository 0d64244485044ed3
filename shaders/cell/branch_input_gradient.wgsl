// g is the node's gradient; the terms of the BatchNorm behind the convolution are added: a matrix on the convolution's
// input v and an offset, which both follow the matrix on the gradient. The whole gradient passes. Branches of v lie one
// after the other.
@group(0) @binding(3) var<storage, read_write> value: array<array<V, VECTORS>>;

fn load_gradient(branch: u32, c: u32, at: u32) -> array<V, VECTORS> {
    return gradient[GRADIENT + at];
}

fn add_values(branch: u32, n: u32, p: u32, block: u32) {
    let on_values = block + CO * CI;
    let from_value = (branch * N + n) * CI * (PLANE / VECTORS) + p;
    for (var c = 0u; c < CI; c++) {
        let v = value[from_value + c * (PLANE / VECTORS)];
        let w = load_weights(on_values + c * CI);
        // unroll
        for (var o = 0u; o < TILE; o++) {
            // unroll
            for (var q = 0u; q < VECTORS; q++) {
                sums[o * VECTORS + q] += w[o] * v[q];
            }
        }
    }
    let offsets = load_weights(on_values + CI * CI);
    // unroll
    for (var o = 0u; o < TILE; o++) {
        // unroll
        for (var q = 0u; q < VECTORS; q++) {
            sums[o * VECTORS + q] += V(offsets[o]);
        }
    }
}

fn gated(at: u32, row: array<V, VECTORS>) -> array<V, VECTORS> {
    return row;
}
