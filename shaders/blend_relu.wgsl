// Only where the convolution's input was positive does the gradient pass.
@group(0) @binding(4) var<storage, read_write> gate: array<V>;

fn gated(at: u32, v: V) -> V {
    return select(V(0.0), v, gate[at] > V(0.0));
}
