use crate::config::Kernels;
pub(crate) use crate::kernels::plain::norm;
use crate::kernels::{SgdStep, plain};
use crate::ops::sgd_step;
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
        let &Self { momentum, weight_decay, grad_clip } = self;
        let step = SgdStep { learning_rate, momentum, weight_decay, grad_clip };
        let compute = match kernels {
            Kernels::Fused => sgd_step,
            Kernels::Reference => plain::sgd_step,
        };
        let norm;
        (*weights, *buffer, norm) = compute(step, weights.clone(), buffer.clone(), gradient);
        norm
    }
}
