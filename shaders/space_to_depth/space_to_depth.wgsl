// Space-to-depth of the ReLU of both inputs of a reduction cell: four phases, the pixels of even rows and columns, of
// even rows and odd columns, of odd rows and even columns, of odd rows and columns. What a convolution of stride 2
// reads lies side by side then. Four vectors a thread.
// Constants: H, W (of a phase), COLUMNS, NODE, INPUT.
@group(0) @binding(0) var<storage, read_write> states: array<V>;
@group(0) @binding(1) var<storage, read_write> phases: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= NODE) {
        return;
    }
    let source = id.y * INPUT + id.x / COLUMNS * 4u * COLUMNS + id.x % COLUMNS * 2u;
    let a = max(states[source], V(0.0));
    let b = max(states[source + 1u], V(0.0));
    let c = max(states[source + 2u * COLUMNS], V(0.0));
    let d = max(states[source + 2u * COLUMNS + 1u], V(0.0));
    let to = id.y * 4u * NODE + id.x;
    phases[to] = evens(a, b);
    phases[to + NODE] = odds(a, b);
    phases[to + 2u * NODE] = evens(c, d);
    phases[to + 3u * NODE] = odds(c, d);
}
