use crate::config::Kernels;
use crate::kernels::{is_processor, sgd_step};
use burn::tensor::Tensor;

/// Stochastic gradient descent on a flat weight vector, with momentum, weight decay and clipping of the gradient's norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sgd {
    /// Share of the buffer kept at each step.
    pub momentum: f64,
    /// Added to the gradient, times the weights.
    pub weight_decay: f64,
    /// Largest norm of the gradient, before weight decay.
    pub grad_clip: f64,
}

impl Sgd {
    /// Moves `weights` and their momentum `buffer` by one step; the gradient's norm before clipping [1].
    pub fn step(
        &self,
        kernels: Kernels,
        learning_rate: f64,
        weights: &mut Tensor<1>,
        buffer: &mut Tensor<1>,
        gradient: Tensor<1>,
    ) -> Tensor<1> {
        if kernels == Kernels::Fused && !is_processor(&weights.device()) {
            let norm;
            (*weights, *buffer, norm) = sgd_step(self, learning_rate, weights, buffer, gradient);
            return norm;
        }
        let norm = norm(&gradient);
        let coefficient = (norm.clone() + 1e-6).recip().mul_scalar(self.grad_clip).clamp_max(1.0);
        let decayed = gradient * coefficient + weights.clone() * self.weight_decay;
        *buffer = buffer.clone() * self.momentum + decayed;
        *weights = weights.clone() - buffer.clone() * learning_rate;
        norm
    }
}

/// Euclidean norm [1].
pub(crate) fn norm(vector: &Tensor<1>) -> Tensor<1> {
    // Over a dimension, as the sum of all elements adds up in whatever order the device finishes them.
    (vector.clone() * vector.clone()).sum_dim(0).sqrt()
}
