// Gradients of a cell input's pooled values, through BatchNorm and over all edges that leave it, a vector a thread.
// Constants: N, C, PLANE, INPUT, NODE, COUNT, STATE.
@group(0) @binding(0) var<storage, read_write> state_gradients: array<V>;
@group(0) @binding(1) var<storage, read_write> pools: array<V>;
@group(0) @binding(2) var<storage, read_write> pool_norm: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> edge_sums: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> node_sums: array<f32>;
@group(0) @binding(5) var<storage, read_write> op_weights: array<f32>;
@group(0) @binding(6) var<storage, read_write> result: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= N * C * PLANE) {
        return;
    }
    let c = (id.x / PLANE) % C;
    let largest = pool_norm[(2u * STATE) * C + c];
    let average = pool_norm[(2u * STATE + 1u) * C + c];
    let normal_largest = pools[(3u * STATE) * NODE + id.x] * largest.x + V(largest.y);
    let normal_average = pools[(3u * STATE + 1u) * NODE + id.x] * average.x + V(average.y);
    var to_largest = V(0.0);
    var to_average = V(0.0);
    for (var node = 0u; node < 4u; node++) {
        let row = node * (node + 3u) / 2u + STATE;
        let sums = edge_sums[row * C + c] / COUNT;
        let mean = node_sums[node * C + c] / COUNT;
        let g = state_gradients[2u * INPUT + node * NODE + id.x];
        to_largest += op_weights[row * 8u + 1u] * (g - V(mean) - normal_largest * sums.x);
        to_average += op_weights[row * 8u + 2u] * (g - V(mean) - normal_average * sums.y);
    }
    result[id.x] = to_largest * largest.x;
    result[NODE + id.x] = to_average * average.x;
}
