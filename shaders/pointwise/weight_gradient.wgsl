// Weight gradients of pointwise convolutions as partial sums [branches, CHUNKS, CA, CB]: products a_r * b_c over all
// pixels, a tile of rows and columns a thread. `load_a` loads a, with `factors_a` of its rows; `shift_b` is subtracted
// from b. With GROUPS = 2 the upper half of the rows goes with the first CB columns, the lower half with the next CB.
// Constants: CA, CB, TILE_A, TILE_B, VECTORS (vectors bound as one), GROUPS, RELU (of b), and those of `pixel_walk`.
@group(0) @binding(0) var<storage, read_write> b_values: array<array<V, VECTORS>>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let across = CB / TILE_B;
    let tiles = (CA / TILE_A) * across;
    if (id.x >= tiles * CHUNKS) {
        return;
    }
    let chunk = chunk_of(id.x, tiles);
    let tile = tile_of(id.x, tiles);
    let first_a = (tile / across) * TILE_A;
    let first_b = (tile % across) * TILE_B;
    let branch = id.y;
    let channel_group = first_a / (CA / GROUPS);
    var sums: array<f32, TILE_A * TILE_B>;
    // unroll
    for (var i = 0u; i < TILE_A * TILE_B; i++) {
        sums[i] = 0.0;
    }
    var shifts: array<f32, TILE_B>;
    // unroll
    for (var j = 0u; j < TILE_B; j++) {
        shifts[j] = shift_b(branch, first_b + j);
    }
    var factors: array<vec4<f32>, TILE_A>;
    // unroll
    for (var i = 0u; i < TILE_A; i++) {
        factors[i] = factors_a(branch, first_a + i);
    }
    for (var at = first_pixel(chunk); at.q < at.end; at = next_pixel(at)) {
        let base = ((branch * N + at.n) * GROUPS + channel_group) * CB * PLANE + at.p;
        var columns: array<V, TILE_B>;
        // unroll
        for (var j = 0u; j < TILE_B; j++) {
            let i = base + (first_b + j) * PLANE;
            columns[j] = b_values[i / VECTORS][i % VECTORS] - V(shifts[j]);
            if (RELU) {
                columns[j] = max(columns[j], V(0.0));
            }
        }
        // unroll
        for (var i = 0u; i < TILE_A; i++) {
            let row = load_a(branch, at.n, first_a + i, at.p, factors[i]);
            // unroll
            for (var j = 0u; j < TILE_B; j++) {
                sums[i * TILE_B + j] += total(row * columns[j]);
            }
        }
    }
    let first = (branch * CHUNKS + chunk) * CA * CB;
    // unroll
    for (var i = 0u; i < TILE_A; i++) {
        // unroll
        for (var j = 0u; j < TILE_B; j++) {
            partial[first + (first_a + i) * CB + first_b + j] = sums[i * TILE_B + j];
        }
    }
}
