// The two pictures that a factorized reduce convolves: every second pixel of the ReLU, from 0 and from 1. A pixel of
// each a thread.
// Constants: N, CI, H, W (of the result), SOURCE (in floats), FIRST, SECOND (where both pictures of image 0 go, in
// floats), IMAGE (from one image to the next).
@group(0) @binding(0) var<storage, read_write> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= N * CI * H * W) {
        return;
    }
    let n = id.x / (CI * H * W);
    let inside = id.x % (CI * H * W);
    let y = (id.x / W) % H;
    let x = id.x % W;
    let origin = SOURCE + (id.x / (H * W)) * 4u * H * W + 2u * y * 2u * W + 2u * x;
    result[FIRST + n * IMAGE + inside] = max(source[origin], 0.0);
    result[SECOND + n * IMAGE + inside] = max(source[origin + 2u * W + 1u], 0.0);
}
