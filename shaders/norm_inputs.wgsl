// The gradient of a pointwise convolution's input as matrices on BatchNorm's gradient and value, and an offset: what
// `blend` applies. With HALVES = 2 the first CI inputs depend on the first half of the outputs only, the next CI on the
// second. One thread a row. Constants: CI, CO, SLOTS, HALVES, WEIGHTS_A, WEIGHTS_B, SPLIT.
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> affine: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> matrices: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let slot = id.x / (HALVES * CI);
    let k = id.x % (HALVES * CI);
    if (slot >= SLOTS) {
        return;
    }
    let rows = select(WEIGHTS_A + slot * CO * CI, WEIGHTS_B + (slot - SPLIT) * CO * CI, slot >= SPLIT);
    let inputs = HALVES * CI;
    let first = slot * inputs * (2u * CO + 1u) + k;
    var offset = 0.0;
    for (var c = 0u; c < CO; c++) {
        var w = 0.0;
        if (c / (CO / HALVES) == k / CI) {
            w = weights[rows + c * CI + k % CI];
        }
        let m = affine[slot * CO + c];
        matrices[first + c * inputs] = w * m.x;
        matrices[first + (CO + c) * inputs] = w * m.y;
        offset += w * m.z;
    }
    matrices[first + 2u * CO * inputs] = offset;
}
