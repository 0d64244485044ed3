// Sums over all pixels of a_r * b_c for a tile of rows and columns of each slot: the gradient of pointwise weights.
// `load_a` says what a is, with `factors_a` of its rows, and `shift_b` what is taken off b. With HALVES = 2 the upper half
// of the rows goes with the first CB columns, the lower half with the next CB.
// Constants: N, CA, CB, PLANE, TILE_A, TILE_B, WIDE (vectors bound as one), CHUNKS (threads along the pixels), HALVES, RELU (of b), RUNS (neighbouring
// threads compute neighbouring tiles over a run of pixels, instead of one tile over neighbouring pixels).
@group(0) @binding(0) var<storage, read_write> b_values: array<array<V, WIDE>>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let across = CB / TILE_B;
    let tiles = (CA / TILE_A) * across;
    if (id.x >= tiles * CHUNKS) {
        return;
    }
    let chunk = select(id.x % CHUNKS, id.x / tiles, RUNS);
    let tile = select(id.x / CHUNKS, id.x % tiles, RUNS);
    let first_a = (tile / across) * TILE_A;
    let first_b = (tile % across) * TILE_B;
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
    var factors: array<vec4<f32>, TILE_A>;
    // unroll
    for (var i = 0u; i < TILE_A; i++) {
        factors[i] = factors_a(slot, first_a + i);
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
        let base = ((slot * N + n) * HALVES + half) * CB * PLANE + p;
        var columns: array<V, TILE_B>;
        // unroll
        for (var j = 0u; j < TILE_B; j++) {
            let at = base + (first_b + j) * PLANE;
            columns[j] = b_values[at / WIDE][at % WIDE] - V(shifts[j]);
            if (RELU) {
                columns[j] = max(columns[j], V(0.0));
            }
        }
        // unroll
        for (var i = 0u; i < TILE_A; i++) {
            let row = load_a(slot, n, first_a + i, p, factors[i]);
            // unroll
            for (var j = 0u; j < TILE_B; j++) {
                sums[i * TILE_B + j] += total(row * columns[j]);
            }
        }
        n += images;
        p += vectors;
        let over = p >= PLANE;
        n += select(0u, 1u, over);
        p -= select(0u, PLANE, over);
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
