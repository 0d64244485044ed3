use super::prelude::*;
use crate::{device::Tuning, kernels::LikelihoodPlan};
use burn::{
    backend::{AutodiffBackend, tensor::IntTensor},
    tensor::Int,
};

/// Mean negative log-likelihood [1] of the words `targets` [rows], in nats, where the score of a word is its bias and the
/// product of its vector with a row of `outputs` [rows, units].
///
/// Scores are computed in chunks, so those of all rows and words need not fit in memory.
pub(crate) fn likelihood(
    plan: LikelihoodPlan,
    outputs: Tensor<2>,
    word_vectors: Tensor<2>,
    bias: Tensor<1>,
    targets: Tensor<1, Int>,
) -> Tensor<1> {
    let [outputs, word_vectors] = [outputs, word_vectors].map(Tensor::into_dispatch);
    let (bias, targets) = (bias.into_dispatch(), targets.inner().into_dispatch());
    Tensor::from_dispatch(Dispatch::likelihood(plan, outputs, word_vectors, bias, targets))
}

/// Mean cross-entropy [1] of the classes `labels` [rows], and the scores [rows, classes] of a linear layer of `weight`
/// [classes, units] and `bias` on `rows` [rows, units]. The scores have no gradient.
pub(crate) fn classifier(
    tuning: Tuning,
    rows: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    labels: Tensor<1, Int>,
) -> (Tensor<1>, Tensor<2>) {
    let [rows, weight] = [rows, weight].map(Tensor::into_dispatch);
    let (bias, labels) = (bias.into_dispatch(), labels.inner().into_dispatch());
    let (loss, scores) = Dispatch::classifier(tuning, rows, weight, bias, labels);
    (Tensor::from_dispatch(loss), Tensor::from_dispatch(scores).inner())
}

#[backend_extension(Autodiff, Cube, Flex)]
trait LikelihoodOp: Backend {
    fn likelihood(
        plan: LikelihoodPlan,
        outputs: FloatTensor<Self>,
        word_vectors: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        targets: IntTensor<Self>,
    ) -> FloatTensor<Self>;

    fn classifier(
        tuning: Tuning,
        rows: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        labels: IntTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

/// No gradients.
const NONE: [bool; 3] = [false; 3];

impl<B: FusedKernels> LikelihoodOp for B {
    fn likelihood(
        plan: LikelihoodPlan,
        outputs: FloatTensor<B>,
        word_vectors: FloatTensor<B>,
        bias: FloatTensor<B>,
        targets: IntTensor<B>,
    ) -> FloatTensor<B> {
        B::likelihood_forward(plan, outputs, word_vectors, bias, targets, NONE).0
    }

    fn classifier(
        tuning: Tuning,
        rows: FloatTensor<B>,
        weight: FloatTensor<B>,
        bias: FloatTensor<B>,
        labels: IntTensor<B>,
    ) -> (FloatTensor<B>, FloatTensor<B>) {
        let (loss, scores, _) = B::classifier_forward(tuning, rows, weight, bias, labels, NONE);
        (loss, scores)
    }
}

impl<B: FusedKernels, C: CheckpointStrategy> LikelihoodOp for Autodiff<B, C> {
    fn likelihood(
        plan: LikelihoodPlan,
        outputs: FloatTensor<Self>,
        word_vectors: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        targets: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let inputs = [outputs, word_vectors, bias];
        let requested = inputs.each_ref().map(|tensor| tensor.is_tracked());
        let nodes = inputs.each_ref().map(|tensor| tensor.node());
        let [outputs, word_vectors, bias] = inputs.map(|tensor| tensor.into_primitive());
        let (loss, saved) = B::likelihood_forward(plan, outputs, word_vectors, bias, targets, requested);
        record::<B, C, _, 3>(Likelihood, nodes, loss, saved)
    }

    fn classifier(
        tuning: Tuning,
        rows: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        labels: IntTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let inputs = [rows, weight, bias];
        let requested = inputs.each_ref().map(|tensor| tensor.is_tracked());
        let nodes = inputs.each_ref().map(|tensor| tensor.node());
        let [rows, weight, bias] = inputs.map(|tensor| tensor.into_primitive());
        let (loss, scores, saved) = B::classifier_forward(tuning, rows, weight, bias, labels, requested);
        let loss = record::<B, C, _, 3>(Likelihood, nodes, loss, saved);
        (loss, <Self as AutodiffBackend>::from_inner(scores))
    }
}

#[derive(Debug)]
struct Likelihood;

impl<B: FusedKernels> Backward<B, 3> for Likelihood {
    type State = B::SavedLikelihood;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        run_backward::<B, _, 3>(ops, gradients, B::likelihood_backward);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Compute, DeviceChoice, block_on};
    use crate::ops::tests::{assert_close, drawn, read};
    use burn::tensor::{Device, TensorData, activation::log_softmax};

    const ROWS: usize = 70;
    const UNITS: usize = 19;
    const VOCABULARY: usize = 130;

    fn words() -> Vec<i32> {
        (0..ROWS as i32).map(|row| row * row * 31 % VOCABULARY as i32).collect()
    }

    /// The loss and its gradients by the outputs, vectors and biases, three times as large.
    fn gradients(device: &Device, loss: impl Fn([Tensor<2>; 3]) -> Tensor<1>) -> [Vec<f32>; 4] {
        let shapes = [[ROWS, UNITS], [VOCABULARY, UNITS], [1, VOCABULARY]];
        let leaves = [0, 1, 2].map(|i| (drawn(i, shapes[i], device) * 6.0).autodiff().require_grad());
        let loss = loss(leaves.clone());
        let mut gradients = (loss.clone() * 3.0).backward();
        let [outputs, vectors, bias] = leaves.map(|leaf| read(leaf.grad_remove(&mut gradients).unwrap()));
        [read(loss.inner()), outputs, vectors, bias]
    }

    #[test]
    fn the_likelihood_and_its_gradients_are_those_of_plain_ops_in_chunks_of_any_size() {
        let flat = Compute::cpu().device;
        let expected = gradients(&flat, |[outputs, vectors, bias]| {
            let targets = Tensor::<1, Int>::from_data(TensorData::new(words(), [ROWS]), &flat).autodiff();
            let scores = log_softmax(outputs.matmul(vectors.transpose()) + bias, 1);
            scores.gather(1, targets.reshape([ROWS, 1])).mean_dim(0).reshape([1]).neg()
        });
        let same = |what: &str, device: &Device, plan: LikelihoodPlan| {
            let found = gradients(device, |[outputs, vectors, bias]| {
                let targets = Tensor::from_data(TensorData::new(words(), [ROWS]), device);
                likelihood(plan, outputs, vectors, bias.reshape([VOCABULARY]), targets)
            });
            for (part, (found, expected)) in
                ["loss", "outputs", "vectors", "bias"].iter().zip(found.iter().zip(&expected))
            {
                assert_close(&format!("{what}, {plan:?}: {part}"), found, expected);
            }
        };
        for rows in [usize::MAX, 32, 1] {
            let plan = LikelihoodPlan { tuning: Tuning::Gpu, rows_at_once: Some(rows), keep_scores: true };
            same("CPU", &flat, plan);
        }
        let device = block_on(Compute::acquire(DeviceChoice::Auto)).unwrap().device;
        for (tuning, rows, keep_scores) in [
            (Tuning::Gpu, usize::MAX, true),
            (Tuning::Gpu, 32, true),
            (Tuning::Gpu, 32, false),
            (Tuning::Gpu, 1, false),
            (Tuning::Browser, 32, true),
        ] {
            same("shaders", &device, LikelihoodPlan { tuning, rows_at_once: Some(rows), keep_scores });
        }
    }
}
