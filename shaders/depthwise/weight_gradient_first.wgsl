// Input of an op's first convolution: the ReLU of a state.
// Constants: EDGE (first edge covered).
@group(0) @binding(2) var<storage, read_write> states: array<V>;

fn fetch(edge: u32, plane: u32, at: u32) -> V {
    return max(states[state_offset(EDGE + edge) + plane * PLANE + at], V(0.0));
}

fn begin(edge: u32, c: u32) {}
