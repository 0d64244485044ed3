// What BatchNorm behind the convolution takes off: a matrix on the convolution's input v, and an offset. Both follow the
// matrix on the gradient. The whole gradient passes. Slots of v lie one after the other.
@group(0) @binding(3) var<storage, read_write> value: array<array<V, WIDE>>;

fn load_gradient(slot: u32, c: u32, at: u32) -> array<V, WIDE> {
    return gradient[GRADIENT + at];
}

fn add_values(slot: u32, n: u32, p: u32, block: u32) {
    let on_values = block + INPUTS * ROWS;
    let from_value = (slot * N + n) * ROWS * (PLANE / WIDE) + p;
    for (var c = 0u; c < ROWS; c++) {
        let v = value[from_value + c * (PLANE / WIDE)];
        let w = load_rows(on_values + c * ROWS);
        // unroll
        for (var o = 0u; o < TILE; o++) {
            // unroll
            for (var q = 0u; q < WIDE; q++) {
                sums[o * WIDE + q] += w[o] * v[q];
            }
        }
    }
    let offsets = load_rows(on_values + ROWS * ROWS);
    // unroll
    for (var o = 0u; o < TILE; o++) {
        // unroll
        for (var q = 0u; q < WIDE; q++) {
            sums[o * WIDE + q] += V(offsets[o]);
        }
    }
}

fn gated(at: u32, row: array<V, WIDE>) -> array<V, WIDE> {
    return row;
}
