//! The fused ops on Burn's CPU backend.

use crate::device::Tuning;
use crate::kernels::{
    FusedKernels, InputGradients, LikelihoodPlan, RecurrentPlan, RecurrentWindow, SgdStep, WordPlaces,
    cpu::{
        among_workers,
        conv_norm::{LayerMemory, Layers},
        likelihood,
        mixed_cell::{Cell, CellMemory},
        put, recurrent, values,
    },
    plain,
    wgsl::{
        cell::{CellPlan, Wanted},
        conv_norm::ConvNormPlan,
    },
};
use burn::{
    backend::{
        Flex, FloatDType,
        flex::FlexTensor,
        ops::FloatTensorOps,
        tensor::{IndexingUpdateOp, IntTensor},
    },
    tensor::{Shape, Tensor},
};

#[derive(Clone, Debug)]
pub(crate) struct RelaxedCellMemory {
    plan: CellPlan,
    inputs: [FlexTensor; 2],
    parameters: FlexTensor,
    op_weights: FlexTensor,
    memory: CellMemory,
}

#[derive(Clone, Debug)]
pub(crate) struct ConvNormMemory {
    plan: ConvNormPlan,
    input: FlexTensor,
    parameters: FlexTensor,
    layers: Vec<LayerMemory>,
}

/// Words whose vectors were taken, and the shape of all vectors.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    tokens: FlexTensor,
    shape: Shape,
}

/// Numbers shaped like another tensor.
fn put_like(like: &FlexTensor, values: Vec<f32>) -> FlexTensor {
    put(values, like.layout().shape().clone())
}

/// A tensor that Burn computes with, tracked where its gradient is requested.
fn leaf<const D: usize>(tensor: FlexTensor, requested: bool) -> Tensor<D> {
    let leaf = Tensor::from_primitive::<Flex>(tensor).autodiff();
    if requested { leaf.require_grad() } else { leaf }
}

fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    tensor.inner().try_into_primitive::<Flex>().expect("a tensor on the same backend")
}

impl FusedKernels for Flex {
    type RelaxedCellMemory = RelaxedCellMemory;
    type ConvNormMemory = ConvNormMemory;
    type RecurrentMemory = recurrent::Memory;
    /// The gradients of the loss, where requested: those of a number are known but for a factor.
    type LikelihoodMemory = [Option<FlexTensor>; 3];
    type MatrixProductMemory = [FlexTensor; 2];
    type WordEmbeddingMemory = Words;

    fn relaxed_cell_forward(
        plan: CellPlan,
        inputs: [FlexTensor; 2],
        parameters: FlexTensor,
        op_weights: FlexTensor,
    ) -> (FlexTensor, RelaxedCellMemory) {
        let inputs = inputs.map(|tensor| tensor.to_contiguous());
        let [parameters, op_weights] = [parameters, op_weights].map(|tensor| tensor.to_contiguous());
        let (output, memory) = among_workers(|| {
            Cell::new(&plan, values(&parameters), values(&op_weights)).forward(inputs.each_ref().map(values))
        });
        let output = put(output, plan.output());
        (output, RelaxedCellMemory { plan, inputs, parameters, op_weights, memory })
    }

    fn relaxed_cell_backward(
        memory: RelaxedCellMemory,
        gradient: FlexTensor,
        [s0_requested, s1_requested, parameters_requested, _]: [bool; 4],
    ) -> InputGradients<Self, 4> {
        let gradient = gradient.to_contiguous();
        let RelaxedCellMemory { plan, inputs, parameters, op_weights, memory } = memory;
        let requested = Wanted { inputs: [s0_requested, s1_requested], parameters: parameters_requested };
        let found = among_workers(|| {
            let cell = Cell::new(&plan, values(&parameters), values(&op_weights));
            cell.backward(requested, inputs.each_ref().map(values), memory, values(&gradient))
        });
        let [of_s0, of_s1] = found.inputs;
        [
            of_s0.map(|found| put_like(&inputs[0], found)),
            of_s1.map(|found| put_like(&inputs[1], found)),
            found.parameters.map(|found| put_like(&parameters, found)),
            Some(put_like(&op_weights, found.mixing)),
        ]
    }

    fn conv_norm_forward(
        plan: ConvNormPlan,
        input: FlexTensor,
        parameters: FlexTensor,
    ) -> (FlexTensor, Vec<FlexTensor>, ConvNormMemory) {
        let [input, parameters] = [input, parameters].map(|tensor| tensor.to_contiguous());
        let (output, layers, statistics) =
            among_workers(|| Layers::new(&plan, values(&parameters)).forward(values(&input), None));
        let statistics = statistics.into_iter().map(|found| {
            let length = found.len();
            put(found, [length])
        });
        let (output, statistics) = (put(output, plan.output()), statistics.collect());
        (output, statistics, ConvNormMemory { plan, input, parameters, layers })
    }

    fn conv_norm_backward(
        memory: ConvNormMemory,
        gradient: FlexTensor,
        [input_requested, _]: [bool; 2],
    ) -> InputGradients<Self, 2> {
        let gradient = gradient.to_contiguous();
        let ConvNormMemory { plan, input, parameters, layers } = memory;
        let (of_input, of_parameters) = among_workers(|| {
            let all = Layers::new(&plan, values(&parameters));
            all.backward(values(&input), layers, values(&gradient), input_requested)
        });
        [of_input.map(|found| put_like(&input, found)), Some(put_like(&parameters, of_parameters))]
    }

    fn conv_norm_evaluate(
        plan: ConvNormPlan,
        input: FlexTensor,
        parameters: FlexTensor,
        running: Vec<FlexTensor>,
    ) -> FlexTensor {
        let [input, parameters] = [input, parameters].map(|tensor| tensor.to_contiguous());
        let running: Vec<_> = running.into_iter().map(|tensor| tensor.to_contiguous()).collect();
        let running: Vec<&[f32]> = running.iter().map(values).collect();
        let (output, ..) =
            among_workers(|| Layers::new(&plan, values(&parameters)).forward(values(&input), Some(&running)));
        put(output, plan.output())
    }

    fn recurrent_forward(
        plan: RecurrentPlan,
        window: RecurrentWindow<Self>,
    ) -> (FlexTensor, Option<FlexTensor>, recurrent::Memory) {
        recurrent::forward(plan, window, None)
    }

    fn recurrent_backward(
        memory: recurrent::Memory,
        gradient: FlexTensor,
        requested: [bool; 3],
    ) -> InputGradients<Self, 3> {
        memory.backward(&gradient.to_contiguous(), requested)
    }

    fn recurrent_evaluate(plan: RecurrentPlan, window: RecurrentWindow<Self>, running: FlexTensor) -> FlexTensor {
        recurrent::forward(plan, window, Some(running)).0
    }

    fn likelihood_forward(
        plan: LikelihoodPlan,
        outputs: FlexTensor,
        word_vectors: FlexTensor,
        bias: FlexTensor,
        targets: IntTensor<Self>,
        requested: [bool; 3],
    ) -> (FlexTensor, [Option<FlexTensor>; 3]) {
        let decoder = [outputs, word_vectors, bias].map(|tensor| tensor.to_contiguous());
        likelihood::likelihood(plan, decoder, &targets.to_contiguous(), requested)
    }

    /// By Burn's own ops: a kernel would not pay for so few classes.
    fn classifier_forward(
        _: Tuning,
        rows: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        labels: IntTensor<Self>,
        requested: [bool; 3],
    ) -> (FlexTensor, FlexTensor, [Option<FlexTensor>; 3]) {
        let [rows_requested, weight_requested, bias_requested] = requested;
        let (rows, weight) = (leaf::<2>(rows, rows_requested), leaf::<2>(weight, weight_requested));
        let bias = leaf::<1>(bias, bias_requested);
        let scores = plain::linear(rows.clone(), weight.clone(), bias.clone().unsqueeze());
        let labels = Tensor::from_primitive::<Self>(labels).autodiff();
        let loss = plain::cross_entropy(scores.clone(), labels);
        let (found, scores) = (primitive(loss.clone()), primitive(scores));
        if !requested.contains(&true) {
            return (found, scores, [None, None, None]);
        }
        let mut gradients = loss.backward();
        let memory = [
            rows.grad_remove(&mut gradients).map(primitive),
            weight.grad_remove(&mut gradients).map(primitive),
            bias.grad_remove(&mut gradients).map(primitive),
        ];
        (found, scores, memory)
    }

    fn likelihood_backward(
        memory: [Option<FlexTensor>; 3],
        gradient: FlexTensor,
        _: [bool; 3],
    ) -> InputGradients<Self, 3> {
        memory.map(|found| {
            found.map(|found| {
                let factor = gradient.reshape(vec![1; found.layout().num_dims()].into());
                Self::float_mul(found, factor)
            })
        })
    }

    fn matrix_product_forward(_: Tuning, a: FlexTensor, b: FlexTensor) -> (FlexTensor, [FlexTensor; 2]) {
        (Self::float_matmul(a.clone(), b.clone()), [a, b])
    }

    fn matrix_product_backward(
        [a, b]: [FlexTensor; 2],
        gradient: FlexTensor,
        [a_requested, b_requested]: [bool; 2],
    ) -> InputGradients<Self, 2> {
        [
            a_requested.then(|| Self::float_matmul(gradient.clone(), Self::float_transpose(b))),
            b_requested.then(|| Self::float_matmul(Self::float_transpose(a), gradient)),
        ]
    }

    fn word_embedding_forward(vectors: FlexTensor, words: WordPlaces<Self>) -> (FlexTensor, Words) {
        let memory = Words { tokens: words.tokens.clone(), shape: vectors.layout().shape().clone() };
        (Self::float_select(vectors, 0, words.tokens), memory)
    }

    fn word_embedding_backward(Words { tokens, shape }: Words, gradient: FlexTensor) -> FlexTensor {
        let zeros = Self::float_zeros(shape, &Default::default(), FloatDType::F32);
        Self::float_select_assign(zeros, 0, tokens, gradient, IndexingUpdateOp::Add)
    }

    /// By Burn's own ops.
    fn sgd_step(
        step: SgdStep,
        weights: FlexTensor,
        momentum: FlexTensor,
        gradient: FlexTensor,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let [weights, momentum, gradient] = [weights, momentum, gradient].map(Tensor::from_primitive::<Self>);
        let (weights, momentum, norm) = plain::sgd_step(step, weights, momentum, gradient);
        (primitive(weights), primitive(momentum), primitive(norm))
    }
}
