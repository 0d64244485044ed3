//! The relaxed cell, and convolutions with BatchNorm, as Burn ops.

use crate::kernels::{
    cpu::{
        Ad, among_workers,
        conv_norm::{LayerMemory, Layers},
        mixed_cell::{Cell, CellMemory},
        plain, primitive, put, values,
    },
    wgsl::{
        cell::{CellPlan, Wanted},
        conv_norm::ConvNormPlan,
    },
};
use burn::{
    backend::{
        Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        flex::FlexTensor,
    },
    tensor::Tensor,
};

/// As the kernels' function of this name, for tensors of the processor.
pub(in crate::kernels) fn mixed_cell(
    plan: CellPlan,
    inputs: [Tensor<4>; 2],
    parameters: Tensor<1>,
    mixing: Tensor<2>,
) -> Tensor<4> {
    let shape = plan.output();
    let [s0, s1] = inputs.map(primitive);
    let (parameters, mixing) = (primitive(parameters), primitive(mixing));
    let nodes = [s0.node(), s1.node(), parameters.node(), mixing.node()];
    let [s0, s1, parameters, mixing] =
        [s0, s1, parameters, mixing].map(|tensor| tensor.into_primitive().to_contiguous());
    let (output, memory) =
        among_workers(|| Cell::new(&plan, values(&parameters), values(&mixing)).forward([values(&s0), values(&s1)]));
    let output = put(output, shape);
    let state = CellState { plan, inputs: [s0, s1], parameters, mixing, memory };
    let result = match MixedCell.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    Tensor::from_primitive::<Ad>(result)
}

#[derive(Clone, Debug)]
struct CellState {
    plan: CellPlan,
    inputs: [FlexTensor; 2],
    parameters: FlexTensor,
    mixing: FlexTensor,
    memory: CellMemory,
}

#[derive(Debug)]
struct MixedCell;

impl Backward<Flex, 4> for MixedCell {
    type State = CellState;

    fn backward(self, ops: Ops<CellState, 4>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [s0_node, s1_node, parameter_node, mixing_node] = ops.parents;
        let output_gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let CellState { plan, inputs: [s0, s1], parameters, mixing, memory } = ops.state;
        let wanted = Wanted { inputs: [s0_node.is_some(), s1_node.is_some()], parameters: parameter_node.is_some() };
        let found = among_workers(|| {
            Cell::new(&plan, values(&parameters), values(&mixing)).backward(
                wanted,
                [values(&s0), values(&s1)],
                memory,
                values(&output_gradient),
            )
        });
        let [g0, g1] = found.inputs;
        for (node, found, like) in [
            (s0_node, g0, &s0),
            (s1_node, g1, &s1),
            (parameter_node, found.parameters, &parameters),
            (mixing_node, Some(found.mixing), &mixing),
        ] {
            if let (Some(node), Some(found)) = (node, found) {
                gradients.register::<Flex>(node.id, put(found, like.layout().shape().clone()));
            }
        }
    }
}

/// As the kernels' function of this name, for tensors of the processor.
pub(in crate::kernels) fn conv_norm(
    plan: ConvNormPlan,
    input: Tensor<4>,
    parameters: Tensor<1>,
    running: Option<Vec<Tensor<1>>>,
) -> (Tensor<4>, Vec<Tensor<1>>) {
    let shape = plan.output();
    let (input, parameters) = (primitive(input), primitive(parameters));
    let nodes = [input.node(), parameters.node()];
    let [input, parameters] = [input, parameters].map(|tensor| tensor.into_primitive().to_contiguous());
    let running: Option<Vec<_>> = running.map(|running| running.into_iter().map(plain).collect());
    let running: Option<Vec<&[f32]>> = running.as_ref().map(|running| running.iter().map(values).collect());
    let (output, memory, statistics) =
        among_workers(|| Layers::new(&plan, values(&parameters)).forward(values(&input), running.as_deref()));
    let statistics = statistics.into_iter().map(|found| {
        let length = found.len();
        Tensor::from_primitive::<Flex>(put(found, [length]))
    });
    let output = put(output, shape);
    let state = ConvNormState { plan, input, parameters, memory };
    let result = match ConvNorm.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    (Tensor::from_primitive::<Ad>(result), statistics.collect())
}

#[derive(Clone, Debug)]
struct ConvNormState {
    plan: ConvNormPlan,
    input: FlexTensor,
    parameters: FlexTensor,
    memory: Vec<LayerMemory>,
}

#[derive(Debug)]
struct ConvNorm;

impl Backward<Flex, 2> for ConvNorm {
    type State = ConvNormState;

    fn backward(self, ops: Ops<ConvNormState, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [input_node, parameter_node] = ops.parents;
        let output_gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let ConvNormState { plan, input, parameters, memory } = ops.state;
        let (of_input, of_parameters) = among_workers(|| {
            let layers = Layers::new(&plan, values(&parameters));
            layers.backward(values(&input), memory, values(&output_gradient), input_node.is_some())
        });
        for (node, found, like) in [(input_node, of_input, &input), (parameter_node, Some(of_parameters), &parameters)]
        {
            if let (Some(node), Some(found)) = (node, found) {
                gradients.register::<Flex>(node.id, put(found, like.layout().shape().clone()));
            }
        }
    }
}
