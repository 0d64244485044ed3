//! The fused ops: functions on tensors, recorded in Burn's autodiff graph and computed by the
//! [`FusedKernels`](crate::kernels::FusedKernels) of the backend that the tensors are on.
//!
//! Each op family has a file: the function that models call, a trait by which Burn's dispatch finds the backend, and
//! the op's node in the autodiff graph. A new fused op takes such a file, a forward and a backward pass in
//! `FusedKernels`, and both passes in `kernels/wgsl` and `kernels/cpu`.
//!
//! Dispatch carries tensors, and structs and enums of them by `ExtensionType`, but no options, arrays or vectors of tensors as
//! inputs. So passes with and without running statistics are separate traits; those with them have no gradient.

mod conv_norm;
mod embedding;
mod likelihood;
mod matrix_product;
mod recurrent_cell;
mod relaxed_cell;
mod sgd;

pub(crate) use conv_norm::{conv_norm, conv_norm_evaluated};
pub(crate) use embedding::embedding;
pub(crate) use likelihood::{classifier, likelihood};
pub(crate) use matrix_product::matrix_product;
pub(crate) use recurrent_cell::{RecurrentInput, derived_op_weights, recurrent_cell, recurrent_cell_evaluated};
pub(crate) use relaxed_cell::relaxed_cell;
pub(crate) use sgd::sgd_step;

use crate::kernels::InputGradients;
use burn::backend::{
    Autodiff, Backend,
    autodiff::{
        checkpoint::strategy::CheckpointStrategy,
        grads::Gradients,
        ops::{Backward, NodeGuard, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

/// Names that every op's file needs.
mod prelude {
    pub(super) use super::{record, run_backward};
    pub(super) use crate::kernels::FusedKernels;
    pub(super) use burn::{
        backend::{
            Autodiff, Backend, Dispatch,
            autodiff::{
                checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
                grads::Gradients,
                ops::{Backward, Ops},
            },
            backend_extension,
            tensor::FloatTensor,
        },
        tensor::Tensor,
    };
}

/// An op's output in the autodiff graph: with `node` behind it, which has what is `saved` for its backward pass, where
/// one of the `inputs` needs a gradient.
fn record<B: Backend, C: CheckpointStrategy, Op: Backward<B, N>, const N: usize>(
    node: Op,
    inputs: [NodeGuard; N],
    output: FloatTensor<B>,
    saved: Op::State,
) -> FloatTensor<Autodiff<B, C>> {
    match node.prepare::<C>(inputs).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(saved, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// Runs the backward pass of a node by `kernel`, which takes what is saved, the gradient of the output and the requested
/// gradients of the inputs.
fn run_backward<B: Backend, M, const N: usize>(
    ops: Ops<M, N>,
    gradients: &mut Gradients,
    kernel: impl FnOnce(M, FloatTensor<B>, [bool; N]) -> InputGradients<B, N>,
) {
    let gradient = gradients.consume::<B>(&ops.node);
    let requested = ops.parents.each_ref().map(Option::is_some);
    let found = kernel(ops.state, gradient, requested);
    for (input, gradient) in ops.parents.into_iter().zip(found) {
        if let (Some(input), Some(gradient)) = (input, gradient) {
            gradients.register::<B>(input.id, gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};

    pub fn drawn(seed: usize, shape: [usize; 2], device: &Device) -> Tensor<2> {
        let value = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 2003.0 - 0.5;
        let values: Vec<f32> = (0..shape[0] * shape[1]).map(value).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    pub fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    pub fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len(), "{what}");
        let largest = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((found - expected).abs() <= 2e-5 * largest, "{what} {i}: {found} for {expected}");
        }
    }
}
