// Weights of TILE neighbouring outputs, one at a time.
@group(0) @binding(0) var<storage, read_write> matrices: array<f32>;

fn load_rows(at: u32) -> array<f32, TILE> {
    var rows: array<f32, TILE>;
    // unroll
    for (var q = 0u; q < TILE; q++) {
        rows[q] = matrices[at + q];
    }
    return rows;
}
