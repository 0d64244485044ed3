// im2col of a 3 x 3 convolution, which becomes a pointwise one of nine channels a channel: for channel c, row i and
// column j of the kernel, channel 9 c + 3 i + j. A vector a thread.
// Constants: N, C, H, W, COLUMNS (vectors a row), PLANE.
@group(0) @binding(0) var<storage, read_write> images: array<V>;
@group(0) @binding(1) var<storage, read_write> result: array<V>;

fn fetch(edge: u32, plane: u32, at: u32) -> V {
    return images[plane * PLANE + at];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let plane = id.x / PLANE;
    if (plane >= N * C) {
        return;
    }
    let p = id.x % PLANE;
    let column = p % COLUMNS;
    let y = i32(p / COLUMNS);
    // unroll
    for (var i = 0u; i < 3u; i++) {
        let halo = load_halo(0u, plane, y + i32(i) - 1, column);
        // unroll
        for (var j = 0u; j < 3u; j++) {
            result[(9u * plane + 3u * i + j) * PLANE + p] = shifted(halo, i32(j) - 1);
        }
    }
}
