// result = A g + B v + offset at every pixel of each slot: the gradient that a normalised pointwise convolution passes to
// its input. A thread computes TILE rows of one vector of pixels.
// The matrices lie input by input: first those on g, then those on v, then the offsets; `load_rows` reads them.
// Constants: N, ROWS, CG (channels of g and v), TILE, PLANE, SHARED (g is the same for all slots), GRADIENT, VALUE
// (where slot 0 of g and v lies, in vectors).
@group(0) @binding(1) var<storage, read_write> gradient: array<V>;
@group(0) @binding(2) var<storage, read_write> value: array<V>;
@group(0) @binding(3) var<storage, read_write> result: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
    if (id.x >= N * PLANE) {
        return;
    }
    let first = group.y * TILE;
    let slot = group.z;
    let n = id.x / PLANE;
    let p = id.x % PLANE;
    let block = slot * ROWS * (2u * CG + 1u) + first;
    let offsets = load_rows(block + 2u * CG * ROWS);
    var sums: array<V, TILE>;
    // unroll
    for (var o = 0u; o < TILE; o++) {
        sums[o] = V(offsets[o]);
    }
    let g_at = GRADIENT + (select(slot, 0u, SHARED) * N + n) * CG * PLANE + p;
    let v_at = VALUE + (slot * N + n) * CG * PLANE + p;
    for (var c = 0u; c < CG; c++) {
        let g = gradient[g_at + c * PLANE];
        let v = value[v_at + c * PLANE];
        let on_gradient = load_rows(block + c * ROWS);
        let on_value = load_rows(block + (CG + c) * ROWS);
        // unroll
        for (var o = 0u; o < TILE; o++) {
            sums[o] += on_gradient[o] * g + on_value[o] * v;
        }
    }
    let to = ((slot * N + n) * ROWS + first) * PLANE + p;
    // unroll
    for (var o = 0u; o < TILE; o++) {
        result[to + o * PLANE] = gated(to + o * PLANE, sums[o]);
    }
}
