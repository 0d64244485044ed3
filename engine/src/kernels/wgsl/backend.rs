//! The fused ops on Burn's cube backend.

use crate::device::Tuning;
use crate::kernels::{
    FusedKernels, InputGradients, LikelihoodPlan, RecurrentPlan, RecurrentWindow, SgdStep, WordPlaces,
    wgsl::{
        cell::{CellMemory, CellPlan, Wanted},
        conv_norm::{ConvNormPlan, LayerMemory},
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
pub(crate) struct RelaxedCellMemory {
    plan: CellPlan,
    inputs: [CubeTensor; 2],
    parameters: CubeTensor,
    op_weights: CubeTensor,
    memory: CellMemory,
}

#[derive(Clone, Debug)]
pub(crate) struct ConvNormMemory {
    plan: ConvNormPlan,
    input: CubeTensor,
    parameters: CubeTensor,
    layers: Vec<LayerMemory>,
}

impl FusedKernels for CubeBackend {
    type RelaxedCellMemory = RelaxedCellMemory;
    type ConvNormMemory = ConvNormMemory;
    type RecurrentMemory = recurrent::Memory;
    type LikelihoodMemory = language::Decoder;
    type MatrixProductMemory = language::Factors;
    type WordEmbeddingMemory = language::Words;

    fn relaxed_cell_forward(
        plan: CellPlan,
        inputs: [CubeTensor; 2],
        parameters: CubeTensor,
        op_weights: CubeTensor,
    ) -> (CubeTensor, RelaxedCellMemory) {
        let [s0, s1] = inputs.map(into_contiguous);
        let [parameters, op_weights] = [parameters, op_weights].map(into_contiguous);
        let inputs = [&s0.handle, &s1.handle];
        let (output, memory) = plan.forward(&s0.client, inputs, &parameters.handle, &op_weights.handle);
        let output = wrap(&s0, output, plan.output());
        (output, RelaxedCellMemory { plan, inputs: [s0, s1], parameters, op_weights, memory })
    }

    fn relaxed_cell_backward(
        memory: RelaxedCellMemory,
        gradient: CubeTensor,
        [s0_requested, s1_requested, parameters_requested, _]: [bool; 4],
    ) -> InputGradients<Self, 4> {
        let gradient = into_contiguous(gradient);
        let RelaxedCellMemory { plan, inputs: [s0, s1], parameters, op_weights, memory } = memory;
        let found = plan.backward(
            &gradient.client,
            Wanted { inputs: [s0_requested, s1_requested], parameters: parameters_requested },
            [&s0.handle, &s1.handle],
            &parameters.handle,
            &op_weights.handle,
            memory,
            &gradient.handle,
        );
        let [of_s0, of_s1] = found.inputs;
        [
            of_s0.map(|found| wrap(&s0, found, s0.meta.shape().clone())),
            of_s1.map(|found| wrap(&s1, found, s1.meta.shape().clone())),
            found.parameters.map(|found| wrap(&parameters, found, parameters.meta.shape().clone())),
            Some(wrap(&op_weights, found.mixing, op_weights.meta.shape().clone())),
        ]
    }

    fn conv_norm_forward(
        plan: ConvNormPlan,
        input: CubeTensor,
        parameters: CubeTensor,
    ) -> (CubeTensor, Vec<CubeTensor>, ConvNormMemory) {
        let [input, parameters] = [input, parameters].map(into_contiguous);
        let (output, layers, found) = plan.forward(&parameters.client, &input.handle, &parameters.handle, None);
        let statistics = plan.statistics().zip(found).map(|(length, handle)| wrap(&parameters, handle, [length]));
        let statistics = statistics.collect();
        let output = wrap(&parameters, output, plan.output());
        (output, statistics, ConvNormMemory { plan, input, parameters, layers })
    }

    fn conv_norm_backward(
        memory: ConvNormMemory,
        gradient: CubeTensor,
        [input_requested, _]: [bool; 2],
    ) -> InputGradients<Self, 2> {
        let gradient = into_contiguous(gradient);
        let ConvNormMemory { plan, input, parameters, layers } = memory;
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
    ) -> (CubeTensor, Option<CubeTensor>, recurrent::Memory) {
        recurrent::forward(plan, window, None)
    }

    fn recurrent_backward(
        memory: recurrent::Memory,
        gradient: CubeTensor,
        requested: [bool; 3],
    ) -> InputGradients<Self, 3> {
        memory.backward(gradient, requested)
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
        // A class is what a word is to a likelihood. The scores of all rows are there at once, as they are returned.
        let labels = indices(labels);
        let classifier = [rows, weight, bias].map(into_contiguous);
        let (count, classes) = (classifier[0].meta.shape()[0], classifier[1].meta.shape()[0]);
        let plan = LikelihoodPlan { tuning, rows_at_once: Some(count), keep_scores: true };
        let bias = Tensor::<1>::from_primitive::<Self>(classifier[2].clone());
        let (loss, memory) = language::likelihood(plan, classifier, labels);
        let scores = Tensor::<2>::from_primitive::<Self>(memory.all_scores());
        let scores = scores + bias.reshape([1, classes]);
        (loss, scores.try_into_primitive::<Self>().expect("a tensor on the same backend"), memory)
    }

    fn likelihood_backward(
        memory: language::Decoder,
        gradient: CubeTensor,
        requested: [bool; 3],
    ) -> InputGradients<Self, 3> {
        memory.backward(gradient, requested)
    }

    fn matrix_product_forward(tuning: Tuning, a: CubeTensor, b: CubeTensor) -> (CubeTensor, language::Factors) {
        let factors = language::Factors::new(tuning, [a, b].map(into_contiguous));
        (factors.product(), factors)
    }

    fn matrix_product_backward(
        memory: language::Factors,
        gradient: CubeTensor,
        requested: [bool; 2],
    ) -> InputGradients<Self, 2> {
        memory.backward(gradient, requested)
    }

    fn word_embedding_forward(vectors: CubeTensor, words: WordPlaces<Self>) -> (CubeTensor, language::Words) {
        language::embedding(vectors, words)
    }

    fn word_embedding_backward(memory: language::Words, gradient: CubeTensor) -> CubeTensor {
        memory.backward(gradient)
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
