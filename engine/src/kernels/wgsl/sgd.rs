use crate::kernels::{
    SgdStep,
    wgsl::{backend::wrap, gpu::Launch},
};
use burn::backend::wgpu::CubeTensor;

/// Threads that share the sum of squares.
const CHUNKS: usize = 1024;
/// Threads that take the weights in turns.
const MOST_THREADS: usize = 1 << 20;

/// The next weights and momentum, and the norm [1] of the gradient before clipping, from contiguous weights, momentum and
/// gradient.
pub(super) fn sgd_step(
    step: SgdStep,
    [weights, momentum, gradient]: [CubeTensor; 3],
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let client = &weights.client;
    let total = weights.meta.shape().num_elements();
    let empty = |floats: usize| client.empty(4 * floats);
    let chunks = CHUNKS.min(total);
    let (partial, norm) = (empty(chunks), empty(1));
    Launch::new(1, &["squares"]).all(&[("TOTAL", total), ("CHUNKS", chunks)]).run(
        client,
        chunks,
        [1, 1],
        &[&gradient.handle, &partial],
        total + chunks,
    );
    Launch::new(1, &["norm_of_sums"]).all(&[("PARTS", chunks)]).run(client, 1, [1, 1], &[&partial, &norm], chunks + 1);
    let (next_weights, next_momentum) = (empty(total), empty(total));
    let threads = total.min(MOST_THREADS);
    Launch::new(1, &["sgd"])
        .all(&[("TOTAL", total), ("THREADS", threads)])
        .float("CLIP", step.grad_clip)
        .float("DECAY", step.weight_decay)
        .float("MOMENTUM", step.momentum)
        .float("RATE", step.learning_rate)
        .run(
            client,
            threads,
            [1, 1],
            &[&weights.handle, &momentum.handle, &gradient.handle, &norm, &next_weights, &next_momentum],
            5 * total + 1,
        );
    let vector = |handle, length: usize| wrap(&weights, handle, [length]);
    (vector(next_weights, total), vector(next_momentum, total), vector(norm, 1))
}
