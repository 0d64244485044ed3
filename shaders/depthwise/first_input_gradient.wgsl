// Reads and writes of an op's first convolution backward: its input's gradient through the ReLU, added to the state's.
// Constants: EDGE (first edge covered), SOURCE (first branch of the gradient), SHARE (edges to a branch), FRESH (edges
// whose state's gradient holds nothing yet).
@group(0) @binding(1) var<storage, read_write> gradient: array<V>;
@group(0) @binding(2) var<storage, read_write> states: array<V>;
@group(0) @binding(3) var<storage, read_write> state_gradients: array<V>;

fn fetch(edge: u32, plane: u32, at: u32) -> V {
    return gradient[((SOURCE + edge / SHARE) * N * C + plane) * PLANE + at];
}

fn begin(edge: u32, c: u32) {}

fn store(edge: u32, plane: u32, at: u32, value: V) {
    let i = state_offset(EDGE + edge) + plane * PLANE + at;
    let passed = select(V(0.0), value, states[i] > V(0.0));
    if (edge < FRESH) {
        state_gradients[i] = passed;
    } else {
        state_gradients[i] += passed;
    }
}

fn finish(edge: u32, plane: u32, column: u32) {}
