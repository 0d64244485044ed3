// Second central moments of each slot: sums over all pixels of (d_r - mean_r) * (d_c - mean_c) for a tile of rows and
// columns. Taking the means off first keeps the digits of small variances. The matrix is symmetric: tiles above the
// diagonal are mirrored.
// Constants: N, C, PLANE, TILE, CHUNKS (threads along the pixels), COUNT, RUNS (neighbouring threads compute neighbouring
// tiles over a run of pixels, instead of one tile over neighbouring pixels).
@group(0) @binding(0) var<storage, read_write> values: array<V>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> totals: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let tiles = (C / TILE) * (C / TILE + 1u) / 2u;
    if (id.x >= tiles * CHUNKS) {
        return;
    }
    let chunk = select(id.x % CHUNKS, id.x / tiles, RUNS);
    // The tiles up to the diagonal, row by row: row r has r + 1 of them.
    var r = 0u;
    var c = select(id.x / CHUNKS, id.x % tiles, RUNS);
    while (c > r) {
        c -= r + 1u;
        r += 1u;
    }
    let slot = id.y;
    var sums: array<f32, TILE * TILE>;
    var row_means: array<f32, TILE>;
    var column_means: array<f32, TILE>;
    // unroll
    for (var i = 0u; i < TILE * TILE; i++) {
        sums[i] = 0.0;
    }
    // unroll
    for (var i = 0u; i < TILE; i++) {
        row_means[i] = totals[slot * C + r * TILE + i] / COUNT;
        column_means[i] = totals[slot * C + c * TILE + i] / COUNT;
    }
    let pixels = N * PLANE;
    let run = (pixels + CHUNKS - 1u) / CHUNKS;
    let end = select(pixels, min(pixels, (chunk + 1u) * run), RUNS);
    let step = select(CHUNKS, 1u, RUNS);
    let start = select(chunk, chunk * run, RUNS);
    var n = start / PLANE;
    var p = start % PLANE;
    let images = step / PLANE;
    let vectors = step % PLANE;
    for (var q = start; q < end; q += step) {
        let base = (slot * N + n) * C * PLANE + p;
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
        n += images;
        p += vectors;
        let over = p >= PLANE;
        n += select(0u, 1u, over);
        p -= select(0u, PLANE, over);
    }
    let first = (slot * CHUNKS + chunk) * C * C;
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
