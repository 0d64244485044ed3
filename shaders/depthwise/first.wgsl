// Reads and writes of an op's first convolution: from the ReLU of a state to a branch of its own.
// Constants: EDGE (first edge covered), RESULT (first branch written).
@group(0) @binding(1) var<storage, read_write> states: array<V>;
@group(0) @binding(2) var<storage, read_write> result: array<V>;

fn fetch(edge: u32, plane: u32, at: u32) -> V {
    return max(states[state_offset(EDGE + edge) + plane * PLANE + at], V(0.0));
}

fn begin(edge: u32, c: u32) {
    begin_sum();
}

fn store(edge: u32, plane: u32, at: u32, value: V) {
    result[((RESULT + edge) * N * C + plane) * PLANE + at] = value;
    add_to_sum(value);
}

fn finish(edge: u32, plane: u32, column: u32) {
    end_sum(RESULT + edge, plane, column);
}
