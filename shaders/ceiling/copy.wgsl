// Memory bandwidth of the device: copies an array, a vector a thread.
// Constants: COUNT, in vectors.
@group(0) @binding(0) var<storage, read_write> source: array<V>;
@group(0) @binding(1) var<storage, read_write> result: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if (i < COUNT) {
        result[i] = source[i];
    }
}
