// Second central moments of each branch as partial sums [branches, CHUNKS, C, C]: (d_r - mean_r) * (d_c - mean_c) over
// all pixels, a tile of rows and columns a thread. Subtracting the means first keeps the digits of small variances. The
// matrix is symmetric: tiles above the diagonal are mirrored.
// Constants: C, TILE, COUNT, and those of `pixel_walk`.
@group(0) @binding(0) var<storage, read_write> values: array<V>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> branch_sums: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let tiles = (C / TILE) * (C / TILE + 1u) / 2u;
    if (id.x >= tiles * CHUNKS) {
        return;
    }
    let chunk = chunk_of(id.x, tiles);
    // The tiles up to the diagonal, row by row: row r has r + 1 of them.
    var r = 0u;
    var c = tile_of(id.x, tiles);
    while (c > r) {
        c -= r + 1u;
        r += 1u;
    }
    let branch = id.y;
    var sums: array<f32, TILE * TILE>;
    var row_means: array<f32, TILE>;
    var column_means: array<f32, TILE>;
    // unroll
    for (var i = 0u; i < TILE * TILE; i++) {
        sums[i] = 0.0;
    }
    // unroll
    for (var i = 0u; i < TILE; i++) {
        row_means[i] = branch_sums[branch * C + r * TILE + i] / COUNT;
        column_means[i] = branch_sums[branch * C + c * TILE + i] / COUNT;
    }
    for (var at = first_pixel(chunk); at.q < at.end; at = next_pixel(at)) {
        let base = (branch * N + at.n) * C * PLANE + at.p;
        var columns: array<V, TILE>;
        // unroll
        for (var j = 0u; j < TILE; j++) {
            columns[j] = values[base + (c * TILE + j) * PLANE] - V(column_means[j]);
        }
        // unroll
        for (var i = 0u; i < TILE; i++) {
            let row = values[base + (r * TILE + i) * PLANE] - V(row_means[i]);
            // unroll
            for (var j = 0u; j < TILE; j++) {
                sums[i * TILE + j] += total(row * columns[j]);
            }
        }
    }
    let first = (branch * CHUNKS + chunk) * C * C;
    // unroll
    for (var i = 0u; i < TILE; i++) {
        // unroll
        for (var j = 0u; j < TILE; j++) {
            let a = r * TILE + i;
            let b = c * TILE + j;
            partial[first + a * C + b] = sums[i * TILE + j];
            partial[first + b * C + a] = sums[i * TILE + j];
        }
    }
}
