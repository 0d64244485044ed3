// Splits the ReLU of both inputs of a reduction cell into quarters: the pixels of even rows and columns, of even rows and
// odd columns, of odd rows and even columns, of odd rows and columns. What a convolution of stride 2 reads lies side by
// side then. Constants: N, C, H, W (of a quarter), PLANE, COLUMNS, NODE, INPUT.
@group(0) @binding(0) var<storage, read_write> states: array<V>;
@group(0) @binding(1) var<storage, read_write> quarters: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= NODE) {
        return;
    }
    let from_state = id.y * INPUT + id.x / COLUMNS * 4u * COLUMNS + id.x % COLUMNS * 2u;
    let a = max(states[from_state], V(0.0));
    let b = max(states[from_state + 1u], V(0.0));
    let c = max(states[from_state + 2u * COLUMNS], V(0.0));
    let d = max(states[from_state + 2u * COLUMNS + 1u], V(0.0));
    let to = id.y * 4u * NODE + id.x;
    quarters[to] = evens(a, b);
    quarters[to + NODE] = odds(a, b);
    quarters[to + 2u * NODE] = evens(c, d);
    quarters[to + 3u * NODE] = odds(c, d);
}
