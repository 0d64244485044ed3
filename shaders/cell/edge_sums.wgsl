// Sums `edge_products`, an edge's channel a thread: of g * normalised max pool, g * normalised average pool and g *
// state for each edge that leaves a state.
// Constants: C, CHUNKS, STATE, FIRST_NODE, READERS.
@group(0) @binding(0) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> pool_norm: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> node_sums: array<f32>;
@group(0) @binding(3) var<storage, read_write> edge_sums: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= READERS * C) {
        return;
    }
    let node = FIRST_NODE + id.x / C;
    let c = id.x % C;
    var sum = vec4<f32>(0.0);
    for (var t = 0u; t < CHUNKS; t++) {
        sum += partial[id.x * CHUNKS + t];
    }
    let largest = pool_norm[2u * STATE * C + c];
    let average = pool_norm[(2u * STATE + 1u) * C + c];
    let gradient = node_sums[node * C + c];
    edge_sums[(node * (node + 3u) / 2u + STATE) * C + c] = vec4<f32>(
        sum.x * largest.x + gradient * largest.y,
        sum.y * average.x + gradient * average.y,
        sum.z,
        0.0,
    );
}
