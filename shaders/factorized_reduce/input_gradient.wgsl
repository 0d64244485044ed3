// Gradient of the picture that `inputs` reads, four pixels a thread.
// Constants: as of `inputs`.
@group(0) @binding(0) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= N * CI * H * W) {
        return;
    }
    let n = id.x / (CI * H * W);
    let inside = id.x % (CI * H * W);
    let y = (id.x / W) % H;
    let x = id.x % W;
    let at = SOURCE + (id.x / (H * W)) * 4u * H * W + 2u * y * 2u * W + 2u * x;
    let other = at + 2u * W + 1u;
    result[at] = select(0.0, gradient[FIRST + n * IMAGE + inside], source[at] > 0.0);
    result[at + 1u] = 0.0;
    result[at + 2u * W] = 0.0;
    result[other] = select(0.0, gradient[SECOND + n * IMAGE + inside], source[other] > 0.0);
}
