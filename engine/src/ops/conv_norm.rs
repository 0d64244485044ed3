use super::prelude::*;
use crate::kernels::ConvNormPlan;
use burn::backend::{AutodiffBackend, ExtensionType};

/// Convolutions with BatchNorm in training mode: an op of a derived cell, preprocessing or a stem. The output, and the means
/// and then the unbiased variances [2 channels] that each BatchNorm found.
///
/// `parameters` are the op's part of the flat weight vector.
pub(crate) fn conv_norm(plan: ConvNormPlan, input: Tensor<4>, parameters: Tensor<1>) -> (Tensor<4>, Vec<Tensor<1>>) {
    let (output, statistics) = Dispatch::conv_norm(plan, input.into_dispatch(), parameters.into_dispatch());
    let statistics = statistics.into_iter().map(|found| Tensor::from_dispatch(found).inner());
    (Tensor::from_dispatch(output), statistics.collect())
}

/// The same in evaluation mode: the output, by `running` means and variances [2 channels] of each BatchNorm. It has no
/// gradient.
pub(crate) fn conv_norm_evaluated(
    plan: ConvNormPlan,
    input: Tensor<4>,
    parameters: Tensor<1>,
    running: Vec<Tensor<1>>,
) -> Tensor<4> {
    let mut running = running.into_iter().map(|statistics| statistics.inner().into_dispatch());
    let running = match (running.next(), running.next()) {
        (Some(first), Some(second)) => Running::Two(first, second),
        (Some(first), None) => Running::One(first),
        (None, _) => panic!("running statistics of each BatchNorm"),
    };
    let (input, parameters) = (input.inner().into_dispatch(), parameters.inner().into_dispatch());
    Tensor::from_dispatch(Dispatch::conv_norm_evaluated(plan, input, parameters, running))
}

/// Running statistics of an op's BatchNorms.
#[derive(ExtensionType)]
enum Running<B: Backend> {
    One(FloatTensor<B>),
    Two(FloatTensor<B>, FloatTensor<B>),
}

#[backend_extension(Autodiff, Cube, Flex)]
trait ConvNormOp: Backend {
    fn conv_norm(
        plan: ConvNormPlan,
        input: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, Vec<FloatTensor<Self>>);
}

impl<B: FusedKernels> ConvNormOp for B {
    fn conv_norm(
        plan: ConvNormPlan,
        input: FloatTensor<B>,
        parameters: FloatTensor<B>,
    ) -> (FloatTensor<B>, Vec<FloatTensor<B>>) {
        let (output, statistics, _) = B::conv_norm_forward(plan, input, parameters);
        (output, statistics)
    }
}

impl<B: FusedKernels, C: CheckpointStrategy> ConvNormOp for Autodiff<B, C> {
    fn conv_norm(
        plan: ConvNormPlan,
        input: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, Vec<FloatTensor<Self>>) {
        let inputs = [&input, &parameters].map(|tensor| tensor.node());
        let (output, statistics, saved) =
            B::conv_norm_forward(plan, input.into_primitive(), parameters.into_primitive());
        let output = record::<B, C, _, 2>(ConvNorm, inputs, output, saved);
        (output, statistics.into_iter().map(<Self as AutodiffBackend>::from_inner).collect())
    }
}

#[backend_extension(Cube, Flex)]
trait ConvNormEvaluation: Backend {
    fn conv_norm_evaluated(
        plan: ConvNormPlan,
        input: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        #[extension_type] running: Running<Self>,
    ) -> FloatTensor<Self>;
}

impl<B: FusedKernels> ConvNormEvaluation for B {
    fn conv_norm_evaluated(
        plan: ConvNormPlan,
        input: FloatTensor<B>,
        parameters: FloatTensor<B>,
        running: Running<B>,
    ) -> FloatTensor<B> {
        let running = match running {
            Running::One(statistics) => vec![statistics],
            Running::Two(first, second) => vec![first, second],
        };
        B::conv_norm_evaluate(plan, input, parameters, running)
    }
}

#[derive(Debug)]
struct ConvNorm;

impl<B: FusedKernels> Backward<B, 2> for ConvNorm {
    type State = B::SavedConvNorm;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        run_backward::<B, _, 2>(ops, gradients, B::conv_norm_backward);
    }
}
