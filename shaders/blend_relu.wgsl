// Only where the convolution's input was positive does the gradient pass.
@group(0) @binding(5) var<storage, read_write> gate: array<array<V, WIDE>>;

fn add_values(slot: u32, n: u32, p: u32, block: u32) {}

fn gated(at: u32, row: array<V, WIDE>) -> array<V, WIDE> {
    let open = gate[at];
    var passed: array<V, WIDE>;
    // unroll
    for (var q = 0u; q < WIDE; q++) {
        passed[q] = select(V(0.0), row[q], open[q] > V(0.0));
    }
    return passed;
}
