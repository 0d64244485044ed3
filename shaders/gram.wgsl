// Second central moments of each slot: sums over all pixels of (d_r - mean_r) * (d_c - mean_c) for a tile of rows and
// columns. Taking the means off first keeps the digits of small variances. Neighbouring threads read neighbouring
// vectors. The matrix is symmetric: tiles above the diagonal are mirrored.
// Constants: N, C, PLANE, TILE, CHUNKS (threads along the pixels), COUNT.
@group(0) @binding(0) var<storage, read_write> values: array<V>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> totals: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let chunk = id.x % CHUNKS;
    let tile = id.x / CHUNKS;
    let tiles = C / TILE;
    let r = tile / tiles;
    let c = tile % tiles;
    if (r >= tiles || c > r) {
        return;
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
    for (var q = chunk; q < N * PLANE; q += CHUNKS) {
        let base = (slot * N + q / PLANE) * C * PLANE + q % PLANE;
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
