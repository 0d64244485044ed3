// The gradient passes where the convolution's input was positive, and nothing is added.
@group(0) @binding(5) var<storage, read_write> gate: array<array<V, VECTORS>>;

fn add_values(branch: u32, n: u32, p: u32, block: u32) {}

fn gated(at: u32, row: array<V, VECTORS>) -> array<V, VECTORS> {
    let open = gate[at];
    var passed: array<V, VECTORS>;
    // unroll
    for (var q = 0u; q < VECTORS; q++) {
        passed[q] = select(V(0.0), row[q], open[q] > V(0.0));
    }
    return passed;
}
