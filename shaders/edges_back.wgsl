// Finishes `dots`: for each edge and channel the sums of g, g * normalised max pool, g * normalised average pool, g * state.
// Constants: C, EDGES, CHUNKS, ROW.
@group(0) @binding(0) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> pool_norm: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> edge_sums: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= EDGES * C) {
        return;
    }
    let e = id.x / C;
    let c = id.x % C;
    var sum = vec4<f32>(0.0);
    for (var t = 0u; t < CHUNKS; t++) {
        sum += partial[id.x * CHUNKS + t];
    }
    let largest = pool_norm[(2u * e) * C + c];
    let average = pool_norm[(2u * e + 1u) * C + c];
    edge_sums[(ROW + e) * C + c] = vec4<f32>(
        sum.x,
        sum.y * largest.x + sum.x * largest.y,
        sum.z * average.x + sum.x * average.y,
        sum.w,
    );
}
