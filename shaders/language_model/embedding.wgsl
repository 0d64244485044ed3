// Word vectors [COUNT, UNITS] of tokens [COUNT], a float a thread.
// Constants: UNITS, COUNT (words).
@group(0) @binding(0) var<storage, read_write> vectors: array<f32>;
@group(0) @binding(1) var<storage, read_write> tokens: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < COUNT * UNITS) {
        result[id.x] = vectors[u32(tokens[id.x / UNITS]) * UNITS + id.x % UNITS];
    }
}
