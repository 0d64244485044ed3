//! Ops composed of Burn's own: the reference of kernels, and what the CPU computes where a kernel would not pay.

use crate::kernels::plan::SgdStep;
use burn::tensor::{Int, Tensor, activation::log_softmax};

/// Added to the variance before the square root.
pub(crate) const BATCH_NORM_EPSILON: f64 = 1e-5;

/// A linear layer of `weight` [out, in] and `bias` [1, out] on rows [batch, in].
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<2>) -> Tensor<2> {
    x.matmul(weight.transpose()) + bias
}

/// Mean over the minibatch of the cross-entropy of `logits` [batch, classes] against `labels` [batch].
pub(crate) fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let [batch, _] = logits.dims();
    log_softmax(logits, 1).gather(1, labels.reshape([batch, 1])).mean_dim(0).reshape([1]).neg()
}

/// A step of stochastic gradient descent: the next weights and momentum, and the gradient's norm [1] before clipping.
pub(crate) fn sgd_step(
    step: SgdStep,
    weights: Tensor<1>,
    momentum: Tensor<1>,
    gradient: Tensor<1>,
) -> (Tensor<1>, Tensor<1>, Tensor<1>) {
    let norm = norm(&gradient);
    let coefficient = (norm.clone() + 1e-6).recip().mul_scalar(step.grad_clip).clamp_max(1.0);
    let decayed = gradient * coefficient + weights.clone() * step.weight_decay;
    let momentum = momentum * step.momentum + decayed;
    let weights = weights - momentum.clone() * step.learning_rate;
    (weights, momentum, norm)
}

/// Euclidean norm [1].
pub(crate) fn norm(vector: &Tensor<1>) -> Tensor<1> {
    // Over a dimension, as the sum of all elements adds up in whatever order the device finishes them.
    (vector.clone() * vector.clone()).sum_dim(0).sqrt()
}
