// Arithmetic throughput of the device: twelve sums in registers, none of which waits for another.
// Constants: ROUNDS, of 8 times 12 multiply-adds a thread.
@group(0) @binding(0) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    // No constants, which a compiler might calculate with, and nothing that grows or vanishes.
    let scale = V(1.0 / f32(2u + id.x % 7u));
    let shift = V(f32(1u + id.x % 5u));
    var a = shift;
    var b = shift + V(1.0);
    var c = shift + V(2.0);
    for (var round = 0u; round < ROUNDS; round++) {
        // unroll
        for (var i = 0u; i < 8u; i++) {
            a = a * scale + shift;
            b = b * scale + shift;
            c = c * scale + shift;
        }
    }
    result[id.x] = total(a) + total(b) + total(c);
}
