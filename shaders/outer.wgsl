// Sums over all pixels of a_r * b_c for a tile of rows and columns of each slot: the gradient of pointwise weights.
// `load_a` says what a is, `shift_b` what is taken off b. With HALVES = 2 the upper half of the rows goes with the first CB columns, the lower half
// with the next CB.
// Constants: N, CA, CB, PLANE, TILE_A, TILE_B, CHUNKS (threads along the pixels), HALVES, RELU (of b).
@group(0) @binding(0) var<storage, read_write> b_values: array<V>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let chunk = id.x % CHUNKS;
    let tile = id.x / CHUNKS;
    let tiles = CB / TILE_B;
    let first_a = (tile / tiles) * TILE_A;
    let first_b = (tile % tiles) * TILE_B;
    if (first_a >= CA) {
        return;
    }
    let slot = id.y;
    let half = first_a / (CA / HALVES);
    var sums: array<f32, TILE_A * TILE_B>;
    // unroll
    for (var i = 0u; i < TILE_A * TILE_B; i++) {
        sums[i] = 0.0;
    }
    var shifts: array<f32, TILE_B>;
    // unroll
    for (var j = 0u; j < TILE_B; j++) {
        shifts[j] = shift_b(slot, first_b + j);
    }
    for (var q = chunk; q < N * PLANE; q += CHUNKS) {
        let n = q / PLANE;
        let p = q % PLANE;
        let base = ((slot * N + n) * HALVES + half) * CB * PLANE + p;
        var columns: array<V, TILE_B>;
        // unroll
        for (var j = 0u; j < TILE_B; j++) {
            columns[j] = b_values[base + (first_b + j) * PLANE] - V(shifts[j]);
            if (RELU) {
                columns[j] = max(columns[j], V(0.0));
            }
        }
        // unroll
        for (var i = 0u; i < TILE_A; i++) {
            let row = load_a(slot, n, first_a + i, p);
            // unroll
            for (var j = 0u; j < TILE_B; j++) {
                sums[i * TILE_B + j] += total(row * columns[j]);
            }
        }
    }
    let first = (slot * CHUNKS + chunk) * CA * CB;
    // unroll
    for (var i = 0u; i < TILE_A; i++) {
        // unroll
        for (var j = 0u; j < TILE_B; j++) {
            partial[first + (first_a + i) * CB + first_b + j] = sums[i * TILE_B + j];
        }
    }
}
