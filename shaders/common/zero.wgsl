// Fills a buffer with zeros, a vector a thread.
// Constants: TOTAL (vectors).
@group(0) @binding(0) var<storage, read_write> cleared: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < TOTAL) {
        cleared[id.x] = V(0.0);
    }
}
