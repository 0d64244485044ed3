use super::prelude::*;
use crate::device::Tuning;

/// The product [rows, columns] of `a` [rows, inner] and `b` [inner, columns].
pub(crate) fn matrix_product(tuning: Tuning, a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::matrix_product(tuning, a.into_dispatch(), b.into_dispatch()))
}

#[backend_extension(Autodiff, Cube, Flex)]
trait MatrixProductOp: Backend {
    fn matrix_product(tuning: Tuning, a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl<B: FusedKernels> MatrixProductOp for B {
    fn matrix_product(tuning: Tuning, a: FloatTensor<B>, b: FloatTensor<B>) -> FloatTensor<B> {
        B::matrix_product_forward(tuning, a, b).0
    }
}

impl<B: FusedKernels, C: CheckpointStrategy> MatrixProductOp for Autodiff<B, C> {
    fn matrix_product(tuning: Tuning, a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let inputs = [&a, &b].map(|tensor| tensor.node());
        let (product, saved) = B::matrix_product_forward(tuning, a.into_primitive(), b.into_primitive());
        record::<B, C, _, 2>(MatrixProduct, inputs, product, saved)
    }
}

#[derive(Debug)]
struct MatrixProduct;

impl<B: FusedKernels> Backward<B, 2> for MatrixProduct {
    type State = B::SavedMatrixProduct;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        run_backward::<B, _, 2>(ops, gradients, B::matrix_product_backward);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Compute, DeviceChoice, block_on};
    use crate::ops::tests::{assert_close, drawn, read};
    use burn::tensor::Device;

    const ROWS: usize = 70;
    const INNER: usize = 19;
    const COLUMNS: usize = 130;

    #[test]
    fn products_and_their_gradients_are_those_of_plain_ops() {
        let of = |device: &Device, product: fn(Tensor<2>, Tensor<2>) -> Tensor<2>| {
            let a = drawn(1, [ROWS, INNER], device).autodiff().require_grad();
            let b = drawn(2, [INNER, COLUMNS], device).autodiff().require_grad();
            let result = product(a.clone(), b.clone());
            let weighted = result.clone() * drawn(3, [ROWS, COLUMNS], device).autodiff();
            let mut gradients = weighted.sum_dim(0).sum_dim(1).backward();
            let [a, b] = [a, b].map(|leaf| read(leaf.grad_remove(&mut gradients).unwrap()));
            [read(result.inner()), a, b]
        };
        let expected = of(&Compute::cpu().device, Tensor::matmul);
        for device in [block_on(Compute::acquire(DeviceChoice::Auto)).unwrap().device, Compute::cpu().device] {
            let found = of(&device, |a, b| matrix_product(Tuning::Gpu, a, b));
            for (part, (found, expected)) in ["result", "a", "b"].iter().zip(found.iter().zip(&expected)) {
                assert_close(part, found, expected);
            }
        }
    }
}
