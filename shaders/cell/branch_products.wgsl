// a is the gradient of a node, the same for every branch; b is taken less its mean.
// Constants: GRADIENT (where a lies, in vectors), COUNT.
@group(0) @binding(2) var<storage, read_write> state_gradients: array<V>;

@group(0) @binding(3) var<storage, read_write> branch_sums: array<f32>;

fn shift_b(branch: u32, c: u32) -> f32 {
    return branch_sums[branch * CB + c] / COUNT;
}

fn factors_a(branch: u32, c: u32) -> vec4<f32> {
    return vec4<f32>(1.0);
}

fn load_a(branch: u32, n: u32, c: u32, p: u32, factors: vec4<f32>) -> V {
    return state_gradients[GRADIENT + (n * CA + c) * PLANE + p];
}
