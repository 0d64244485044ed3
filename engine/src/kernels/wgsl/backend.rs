//! The fused ops on Burn's cube backend.

use crate::device::Tuning;
use crate::kernels::{
    CellPlan, ConvNormPlan, FusedKernels, InputGradients, LikelihoodPlan, RecurrentPlan, RecurrentWindow, SgdStep,
    WordPlaces,
    plan::Requested,
    wgsl::{
        cell::{Cell, SavedCell},
        conv_norm::SavedLayer,
        language, recurrent, sgd,
    },
};
use burn::{
    backend::{
        FloatDType,
        ops::IntTensorOps,
        wgpu::{CubeBackend, CubeTensor, into_contiguous},
    },
    tensor::{DType, Shape, Tensor},
};
use cubecl::server::Handle;

/// A buffer as a contiguous float tensor on the device of `like`.
pub(super) fn wrap(like: &CubeTensor, handle: Handle, shape: impl Into<Shape>) -> CubeTensor {
    CubeTensor::new_contiguous(like.client.clone(), like.device.clone(), shape.into(), handle, DType::F32)
}

/// Indices as floats, which the shaders read; exact up to 2^24.
pub(super) fn indices(tensor: CubeTensor) -> CubeTensor {
    into_contiguous(CubeBackend::int_into_float(tensor, FloatDType::F32))
}

#[derive(Clone, Debug)]
pub(crate) struct SavedRelaxedCell {
    plan: CellPlan,
    inputs: [CubeTensor; 2],
    parameters: CubeTensor,
    op_weights: CubeTensor,
    saved: SavedCell,
}

#[derive(Clone, Debug)]
pub(crate) struct SavedConvNorm {
    plan: ConvNormPlan,
    input: CubeTensor,
    parameters: CubeTensor,
    layers: Vec<SavedLayer>,
}

impl FusedKernels for CubeBackend {
    type SavedRelaxedCell = SavedRelaxedCell;
    type SavedConvNorm = SavedConvNorm;
    type SavedRecurrent = recurrent::Saved;
    type SavedLikelihood = language::Decoder;
    type SavedMatrixProduct = language::Factors;
    type SavedWordEmbedding = language::Words;

    fn relaxed_cell_forward(
        plan: CellPlan,
        inputs: [CubeTensor; 2],
        parameters: CubeTensor,
        op_weights: CubeTensor,
    ) -> (CubeTensor, SavedRelaxedCell) {
        let [s0, s1] = inputs.map(into_contiguous);
        let [parameters, op_weights] = [parameters, op_weights].map(into_contiguous);
        let cell = Cell::new(&plan, &s0.client, &parameters.handle, &op_weights.handle);
        let (output, saved) = cell.forward([&s0.handle, &s1.handle]);
        let output = wrap(&s0, output, plan.output());
        (output, SavedRelaxedCell { plan, inputs: [s0, s1], parameters, op_weights, saved })
    }

    fn relaxed_cell_backward(
        saved: SavedRelaxedCell,
        gradient: CubeTensor,
        [s0_requested, s1_requested, parameters_requested, _]: [bool; 4],
    ) -> InputGradients<Self, 4> {
        let gradient = into_contiguous(gradient);
        let SavedRelaxedCell { plan, inputs: [s0, s1], parameters, op_weights, saved } = saved;
        let requested = Requested { inputs: [s0_requested, s1_requested], parameters: parameters_requested };
        let cell = Cell::new(&plan, &gradient.client, &parameters.handle, &op_weights.handle);
        let found = cell.backward(requested, [&s0.handle, &s1.handle], saved, &gradient.handle);
        let [of_s0, of_s1] = found.inputs;
        [
            of_s0.map(|found| wrap(&s0, found, s0.meta.shape().clone())),
            of_s1.map(|found| wrap(&s1, found, s1.meta.shape().clone())),
            found.parameters.map(|found| wrap(&parameters, found, parameters.meta.shape().clone())),
            Some(wrap(&op_weights, found.op_weights, op_weights.meta.shape().clone())),
        ]
    }

    fn conv_norm_forward(
        plan: ConvNormPlan,
        input: CubeTensor,
        parameters: CubeTensor,
    ) -> (CubeTensor, Vec<CubeTensor>, SavedConvNorm) {
        let [input, parameters] = [input, parameters].map(into_contiguous);
        let (output, layers, found) = plan.forward(&parameters.client, &input.handle, &parameters.handle, None);
        let statistics = plan.statistics().zip(found).map(|(length, handle)| wrap(&parameters, handle, [length]));
        let statistics = statistics.collect();
        let output = wrap(&parameters, output, plan.output());
        (output, statistics, SavedConvNorm { plan, input, parameters, layers })
    }

    fn conv_norm_backward(
        saved: SavedConvNorm,
        gradient: CubeTensor,
        [input_requested, _]: [bool; 2],
    ) -> InputGradients<Self, 2> {
        let gradient = into_contiguous(gradient);
        let SavedConvNorm { plan, input, parameters, layers } = saved;
        let (of_input, of_parameters) =
            plan.backward(&gradient.client, &parameters.handle, layers, &gradient.handle, input_requested);
        [
            of_input.map(|found| wrap(&input, found, input.meta.shape().clone())),
            Some(wrap(&parameters, of_parameters, parameters.meta.shape().clone())),
        ]
    }

    fn conv_norm_evaluate(
        plan: ConvNormPlan,
        input: CubeTensor,
        parameters: CubeTensor,
        running: Vec<CubeTensor>,
    ) -> CubeTensor {
        let [input, parameters] = [input, parameters].map(into_contiguous);
        let running: Vec<_> = running.into_iter().map(|tensor| into_contiguous(tensor).handle).collect();
        let (output, ..) = plan.forward(&parameters.client, &input.handle, &parameters.handle, Some(&running));
        wrap(&parameters, output, plan.output())
    }

    fn recurrent_forward(
        plan: RecurrentPlan,
        window: RecurrentWindow<Self>,
    ) -> (CubeTensor, Option<CubeTensor>, recurrent::Saved) {
        recurrent::forward(plan, window, None)
    }

    fn recurrent_backward(
        saved: recurrent::Saved,
        gradient: CubeTensor,
        requested: [bool; 3],
    ) -> InputGradients<Self, 3> {
        saved.backward(gradient, requested)
    }

    fn recurrent_evaluate(plan: RecurrentPlan, window: RecurrentWindow<Self>, running: CubeTensor) -> CubeTensor {
        recurrent::forward(plan, window, Some(running)).0
    }

    fn likelihood_forward(
        plan: LikelihoodPlan,
        outputs: CubeTensor,
        word_vectors: CubeTensor,
        bias: CubeTensor,
        targets: CubeTensor,
        requested: [bool; 3],
    ) -> (CubeTensor, language::Decoder) {
        let keep_scores = plan.keep_scores && requested.contains(&true);
        let targets = indices(targets);
        let decoder = [outputs, word_vectors, bias].map(into_contiguous);
        language::likelihood(LikelihoodPlan { keep_scores, ..plan }, decoder, targets)
    }

    fn classifier_forward(
        tuning: Tuning,
        rows: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
        labels: CubeTensor,
        _: [bool; 3],
    ) -> (CubeTensor, CubeTensor, language::Decoder) {
        // A class is to a classifier what a word is to a likelihood. All rows' scores are computed at once, as they are
        // returned.
        let labels = indices(labels);
        let classifier = [rows, weight, bias].map(into_contiguous);
        let (count, classes) = (classifier[0].meta.shape()[0], classifier[1].meta.shape()[0]);
        let plan = LikelihoodPlan { tuning, rows_at_once: Some(count), keep_scores: true };
        let bias = Tensor::<1>::from_primitive::<Self>(classifier[2].clone());
        let (loss, saved) = language::likelihood(plan, classifier, labels);
        let scores = Tensor::<2>::from_primitive::<Self>(saved.all_scores());
        let scores = scores + bias.reshape([1, classes]);
        (loss, scores.try_into_primitive::<Self>().expect("a tensor on the same backend"), saved)
    }

    fn likelihood_backward(
        saved: language::Decoder,
        gradient: CubeTensor,
        requested: [bool; 3],
    ) -> InputGradients<Self, 3> {
        saved.backward(gradient, requested)
    }

    fn matrix_product_forward(tuning: Tuning, a: CubeTensor, b: CubeTensor) -> (CubeTensor, language::Factors) {
        let factors = language::Factors::new(tuning, [a, b].map(into_contiguous));
        (factors.product(), factors)
    }

    fn matrix_product_backward(
        saved: language::Factors,
        gradient: CubeTensor,
        requested: [bool; 2],
    ) -> InputGradients<Self, 2> {
        saved.backward(gradient, requested)
    }

    fn word_embedding_forward(vectors: CubeTensor, words: WordPlaces<Self>) -> (CubeTensor, language::Words) {
        language::embedding(vectors, words)
    }

    fn word_embedding_backward(saved: language::Words, gradient: CubeTensor) -> CubeTensor {
        saved.backward(gradient)
    }

    fn sgd_step(
        step: SgdStep,
        weights: CubeTensor,
        momentum: CubeTensor,
        gradient: CubeTensor,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        sgd::sgd_step(step, [weights, momentum, gradient].map(into_contiguous))
    }
}
