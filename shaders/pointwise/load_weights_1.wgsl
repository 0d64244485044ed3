// Loads the weights of TILE neighbouring outputs one at a time.
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;

fn load_weights(at: u32) -> array<f32, TILE> {
    var rows: array<f32, TILE>;
    // unroll
    for (var q = 0u; q < TILE; q++) {
        rows[q] = weights[at + q];
    }
    return rows;
}
