// Weights of TILE neighbouring outputs, four at a time: TILE and the rows are multiples of four.
@group(0) @binding(0) var<storage, read_write> matrices: array<vec4<f32>>;

fn load_rows(at: u32) -> array<f32, TILE> {
    var rows: array<f32, TILE>;
    // unroll
    for (var q = 0u; q < TILE / 4u; q++) {
        let four = matrices[at / 4u + q];
        rows[4u * q] = four.x;
        rows[4u * q + 1u] = four.y;
        rows[4u * q + 2u] = four.z;
        rows[4u * q + 3u] = four.w;
    }
    return rows;
}
