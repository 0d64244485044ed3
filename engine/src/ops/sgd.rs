use crate::kernels::{FusedKernels, SgdStep};
use burn::{
    backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor},
    tensor::Tensor,
};

/// A step of stochastic gradient descent: the next weights and momentum, and the gradient's norm [1] before clipping. All
/// vectors are as long as the weights and outside of any autodiff graph.
pub(crate) fn sgd_step(
    step: SgdStep,
    weights: Tensor<1>,
    momentum: Tensor<1>,
    gradient: Tensor<1>,
) -> (Tensor<1>, Tensor<1>, Tensor<1>) {
    let [weights, momentum, gradient] = [weights, momentum, gradient].map(Tensor::into_dispatch);
    let (weights, momentum, norm) = Dispatch::sgd(step, weights, momentum, gradient);
    (Tensor::from_dispatch(weights), Tensor::from_dispatch(momentum), Tensor::from_dispatch(norm))
}

#[backend_extension(Cube, Flex)]
trait SgdOp: Backend {
    fn sgd(
        step: SgdStep,
        weights: FloatTensor<Self>,
        momentum: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl<B: FusedKernels> SgdOp for B {
    fn sgd(
        step: SgdStep,
        weights: FloatTensor<B>,
        momentum: FloatTensor<B>,
        gradient: FloatTensor<B>,
    ) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
        B::sgd_step(step, weights, momentum, gradient)
    }
}
