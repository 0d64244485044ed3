// Stochastic gradient descent with momentum: the gradient clipped to a norm, weight decay added, then the step. A
// thread takes every THREADS-th weight.
// Constants: TOTAL, CLIP, DECAY, MOMENTUM, RATE, THREADS.
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> momentum: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> norm: array<f32>;
@group(0) @binding(4) var<storage, read_write> next_weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> next_momentum: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let coefficient = min(CLIP / (norm[0] + 1e-6), 1.0);
    for (var i = id.x; i < TOTAL; i += THREADS) {
        let w = weights[i];
        let m = MOMENTUM * momentum[i] + gradient[i] * coefficient + w * DECAY;
        next_momentum[i] = m;
        next_weights[i] = w - RATE * m;
    }
}
