// Gradients of a cell's op weights [14, 8], an edge and op a thread; the branches of all nodes lie one after the other.
// Constants: C, ROWS (edges of a cell), REDUCTION.
@group(0) @binding(0) var<storage, read_write> edge_sums: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> coefficients: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> op_weight_gradients: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x / 8u;
    let op = id.x % 8u;
    if (row >= ROWS) {
        return;
    }
    let node = u32(row >= 2u) + u32(row >= 5u) + u32(row >= 9u);
    let before = node * (node + 3u) / 2u;
    let edges = node + 2u;
    let e = row - before;
    let first = 4u * before + select(0u, 4u * node, REDUCTION);
    var sum = 0.0;
    for (var c = 0u; c < C; c++) {
        let edge = edge_sums[row * C + c];
        if (op == 1u) {
            sum += edge.x;
        } else if (op == 2u) {
            sum += edge.y;
        } else if (op == 3u && REDUCTION && e < 2u) {
            sum += coefficients[(first + 4u * edges + e) * C + c].w
                + coefficients[(first + 4u * edges + 2u + e) * C + c].w;
        } else if (op == 3u) {
            sum += edge.z;
        } else if (op >= 4u) {
            sum += coefficients[(first + (op - 4u) * edges + e) * C + c].w;
        }
    }
    op_weight_gradients[id.x] = sum;
}
