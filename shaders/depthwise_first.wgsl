// First convolution of an op: from the ReLU of a state to a slot of its own.
// Constants: EDGE (first edge covered), RESULT (first slot written).
@group(0) @binding(1) var<storage, read_write> states: array<V>;
@group(0) @binding(2) var<storage, read_write> result: array<V>;

fn fetch(edge: u32, plane: u32, at: u32) -> V {
    return max(states[state_base(EDGE + edge) + plane * PLANE + at], V(0.0));
}

fn begin(edge: u32, c: u32) {
    begin_total();
}

fn store(edge: u32, plane: u32, at: u32, value: V) {
    result[((RESULT + edge) * N * C + plane) * PLANE + at] = value;
    add_total(value);
}

fn finish(edge: u32, plane: u32, column: u32) {
    end_total(RESULT + edge, plane, column);
}
