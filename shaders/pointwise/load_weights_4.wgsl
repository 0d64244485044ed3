// Loads the weights of TILE neighbouring outputs as vectors in one go: TILE and all rows begin at multiples of four.
@group(0) @binding(0) var<storage, read_write> weights: array<array<vec4<f32>, TILE / 4u>>;

fn load_weights(at: u32) -> array<f32, TILE> {
    let read = weights[at / TILE];
    var rows: array<f32, TILE>;
    // unroll
    for (var q = 0u; q < TILE / 4u; q++) {
        rows[4u * q] = read[q].x;
        rows[4u * q + 1u] = read[q].y;
        rows[4u * q + 2u] = read[q].z;
        rows[4u * q + 3u] = read[q].w;
    }
    return rows;
}
