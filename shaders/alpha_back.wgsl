// Gradients of the weights of a node's mixed ops. One thread an edge and op. Constants: C, EDGES, SLOTS, ROW, REDUCTION.
@group(0) @binding(0) var<storage, read_write> edge_sums: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> slopes: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> mixing_gradients: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let e = id.x / 8u;
    let op = id.x % 8u;
    if (e >= EDGES) {
        return;
    }
    var sum = 0.0;
    for (var c = 0u; c < C; c++) {
        let edge = edge_sums[(ROW + e) * C + c];
        if (op == 1u) {
            sum += edge.y;
        } else if (op == 2u) {
            sum += edge.z;
        } else if (op == 3u && REDUCTION && e < 2u) {
            sum += slopes[(4u * EDGES + e) * C + c].w + slopes[(4u * EDGES + 2u + e) * C + c].w;
        } else if (op == 3u) {
            sum += edge.w;
        } else if (op >= 4u) {
            sum += slopes[((op - 4u) * EDGES + e) * C + c].w;
        }
    }
    mixing_gradients[(ROW + e) * 8u + op] = sum;
}
