//! The relaxed cell, and convolutions with BatchNorm, as Burn ops.

use crate::kernels::wgsl::{
    cell::{CellMemory, CellPlan, Wanted},
    conv_norm::{ConvNormPlan, LayerMemory},
};
use burn::{
    backend::{
        Autodiff,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        tensor::FloatTensor,
        wgpu::{CubeBackend, CubeTensor, into_contiguous},
    },
    tensor::{DType, Shape, Tensor},
};
use cubecl::{prelude::Client, server::Handle};

pub(super) type Ad = Autodiff<CubeBackend, NoCheckpointing>;

/// A relaxed cell on the fused kernels: output [batch, 4 channels, height, width].
///
/// `inputs` are the outputs of the two cells before, `parameters` the cell's part of the flat weight vector, `mixing` the
/// ops' weights [14, 8] (rows of alphas after the softmax).
///
/// # Panics
/// When a tensor is neither on a wgpu device nor the processor's.
pub(crate) fn mixed_cell(
    plan: CellPlan,
    inputs: [Tensor<4>; 2],
    parameters: Tensor<1>,
    mixing: Tensor<2>,
) -> Tensor<4> {
    if crate::kernels::cpu::is_processor(&parameters.device()) {
        return crate::kernels::cpu::mixed_cell(plan, inputs, parameters, mixing);
    }
    let [s0, s1] = inputs.map(primitive);
    let (parameters, mixing) = (primitive(parameters), primitive(mixing));
    let nodes = [s0.node(), s1.node(), parameters.node(), mixing.node()];
    let [s0, s1, parameters, mixing] =
        [s0, s1, parameters, mixing].map(|tensor| into_contiguous(tensor.into_primitive()));
    let client = s0.client.clone();
    let (output, memory) = plan.forward(&client, [&s0.handle, &s1.handle], &parameters.handle, &mixing.handle);
    let output = wrap(&client, &s0, output, plan.output().into());
    let state = CellState { plan, inputs: [s0, s1], parameters, mixing, memory };
    let result = match MixedCell.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    Tensor::from_primitive::<Ad>(result)
}

/// Convolutions with BatchNorm on the fused kernels: an op of a derived cell, preprocessing or a stem. The output, and for
/// each BatchNorm the means and then the unbiased variances [2 channels] that it found.
///
/// `parameters` are the op's part of the flat weight vector. With `running` statistics, [2 channels] for each BatchNorm,
/// those are used, none are found and nothing is remembered for a backward pass.
///
/// # Panics
/// When a tensor is neither on a wgpu device nor the processor's.
pub(crate) fn conv_norm(
    plan: ConvNormPlan,
    input: Tensor<4>,
    parameters: Tensor<1>,
    running: Option<Vec<Tensor<1>>>,
) -> (Tensor<4>, Vec<Tensor<1>>) {
    if crate::kernels::cpu::is_processor(&parameters.device()) {
        return crate::kernels::cpu::conv_norm(plan, input, parameters, running);
    }
    let (input, parameters) = (primitive(input), primitive(parameters));
    let nodes = [input.node(), parameters.node()];
    let [input, parameters] = [input, parameters].map(|tensor| into_contiguous(tensor.into_primitive()));
    let client = parameters.client.clone();
    let running: Option<Vec<_>> = running.map(|running| {
        running.into_iter().map(|tensor| into_contiguous(primitive(tensor).into_primitive()).handle).collect()
    });
    let (output, memory, statistics) = plan.forward(&client, &input.handle, &parameters.handle, running.as_deref());
    let statistics = plan.statistics().zip(statistics).map(|(length, handle)| {
        Tensor::from_primitive::<CubeBackend>(wrap(&client, &parameters, handle, Shape::from([length])))
    });
    let statistics = statistics.collect();
    let output = wrap(&client, &parameters, output, plan.output().into());
    let state = ConvNormState { plan, input, parameters, memory };
    let result = match ConvNorm.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    (Tensor::from_primitive::<Ad>(result), statistics)
}

/// A tensor with its place in the graph of gradients.
pub(super) fn primitive<const D: usize>(tensor: Tensor<D>) -> FloatTensor<Ad> {
    tensor.autodiff().try_into_primitive::<Ad>().expect("a tensor on a wgpu device")
}

/// A tensor's numbers, one after the other, outside of any graph.
pub(super) fn buffer<const D: usize>(tensor: Tensor<D>) -> CubeTensor {
    into_contiguous(tensor.inner().try_into_primitive::<CubeBackend>().expect("a tensor on a wgpu device"))
}

/// A buffer as a contiguous float tensor on the device of `like`.
pub(super) fn wrap(client: &Client, like: &CubeTensor, handle: Handle, shape: Shape) -> CubeTensor {
    CubeTensor::new_contiguous(client.clone(), like.device.clone(), shape, handle, DType::F32)
}

#[derive(Clone, Debug)]
struct CellState {
    plan: CellPlan,
    inputs: [CubeTensor; 2],
    parameters: CubeTensor,
    mixing: CubeTensor,
    memory: CellMemory,
}

#[derive(Debug)]
struct MixedCell;

impl Backward<CubeBackend, 4> for MixedCell {
    type State = CellState;

    fn backward(self, ops: Ops<CellState, 4>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [s0_node, s1_node, parameter_node, mixing_node] = ops.parents;
        let output_gradient = into_contiguous(gradients.consume::<CubeBackend>(&ops.node));
        let CellState { plan, inputs: [s0, s1], parameters, mixing, memory } = ops.state;
        let client = s0.client.clone();
        let wanted = Wanted { inputs: [s0_node.is_some(), s1_node.is_some()], parameters: parameter_node.is_some() };
        let found = plan.backward(
            &client,
            wanted,
            [&s0.handle, &s1.handle],
            &parameters.handle,
            &mixing.handle,
            memory,
            &output_gradient.handle,
        );
        let [g0, g1] = found.inputs;
        for (node, handle, like) in [
            (s0_node, g0, &s0),
            (s1_node, g1, &s1),
            (parameter_node, found.parameters, &parameters),
            (mixing_node, Some(found.mixing), &mixing),
        ] {
            if let (Some(node), Some(handle)) = (node, handle) {
                let shape = like.meta.shape().clone();
                gradients.register::<CubeBackend>(node.id, wrap(&client, like, handle, shape));
            }
        }
    }
}

#[derive(Clone, Debug)]
struct ConvNormState {
    plan: ConvNormPlan,
    input: CubeTensor,
    parameters: CubeTensor,
    memory: Vec<LayerMemory>,
}

#[derive(Debug)]
struct ConvNorm;

impl Backward<CubeBackend, 2> for ConvNorm {
    type State = ConvNormState;

    fn backward(self, ops: Ops<ConvNormState, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [input_node, parameter_node] = ops.parents;
        let output_gradient = into_contiguous(gradients.consume::<CubeBackend>(&ops.node));
        let ConvNormState { plan, input, parameters, memory } = ops.state;
        let client = parameters.client.clone();
        let (of_input, of_parameters) =
            plan.backward(&client, &parameters.handle, memory, &output_gradient.handle, input_node.is_some());
        for (node, handle, like) in [(input_node, of_input, &input), (parameter_node, Some(of_parameters), &parameters)]
        {
            if let (Some(node), Some(handle)) = (node, handle) {
                let shape = like.meta.shape().clone();
                gradients.register::<CubeBackend>(node.id, wrap(&client, like, handle, shape));
            }
        }
    }
}
