use crate::kernels::wgsl::{gpu::Launch, op::wrap};
use crate::search::Sgd;
use burn::{
    backend::wgpu::{CubeBackend, into_contiguous},
    tensor::{Shape, Tensor},
};

/// Threads that share the sum of squares.
const CHUNKS: usize = 1024;
/// Threads that take the weights in turns.
const MOST_THREADS: usize = 1 << 20;

/// A step of stochastic gradient descent: the next weights and momentum, and the gradient's norm [1] before clipping. All
/// vectors are as long as the weights.
///
/// # Panics
/// When a tensor is not on a wgpu device.
pub(crate) fn sgd_step(
    sgd: &Sgd,
    learning_rate: f64,
    weights: &Tensor<1>,
    momentum: &Tensor<1>,
    gradient: Tensor<1>,
) -> (Tensor<1>, Tensor<1>, Tensor<1>) {
    let [weights, momentum, gradient] = [weights.clone(), momentum.clone(), gradient]
        .map(|tensor| into_contiguous(tensor.try_into_primitive::<CubeBackend>().expect("a tensor on a wgpu device")));
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
        .float("CLIP", sgd.grad_clip)
        .float("DECAY", sgd.weight_decay)
        .float("MOMENTUM", sgd.momentum)
        .float("RATE", learning_rate)
        .run(
            client,
            threads,
            [1, 1],
            &[&weights.handle, &momentum.handle, &gradient.handle, &norm, &next_weights, &next_momentum],
            5 * total + 1,
        );
    let [next_weights, next_momentum, norm] =
        [(next_weights, total), (next_momentum, total), (norm, 1)].map(|(handle, length)| {
            Tensor::from_primitive::<CubeBackend>(wrap(client, &weights, handle, Shape::from([length])))
        });
    (next_weights, next_momentum, norm)
}
