use super::prelude::*;
use crate::{
    device::Tuning,
    kernels::{RecurrentGraph, RecurrentPlan, RecurrentWindow},
    space::{Genotype, RECURRENT_CANDIDATES},
};
use burn::{
    backend::AutodiffBackend,
    tensor::{Device, TensorData},
};

/// The op weights [edges, 5] of a derived cell: one for the op of each edge, zero elsewhere.
pub(crate) fn derived_op_weights(genotype: &Genotype, device: &Device) -> Tensor<2> {
    let ops = RECURRENT_CANDIDATES;
    let weights = genotype.cells()[0].ops.iter().flat_map(|&(kept, _)| ops.map(|op| f32::from(u8::from(op == kept))));
    let weights: Vec<f32> = weights.collect();
    Tensor::from_data(TensorData::new(weights, [genotype.cells()[0].ops.len(), ops.len()]), &device.clone().inner())
}

/// Inputs of a window of a recurrent cell of `n` nodes.
#[derive(Clone, Debug)]
pub(crate) struct RecurrentInput {
    /// Words' share of the gates of the first state [length, batch, 2 units].
    pub inputs: Tensor<3>,
    /// The matrices of the first state and of the nodes, one below the other [(n + 1) units, 2 units].
    pub matrices: Tensor<2>,
    /// States that the cell's nodes read.
    pub cell: RecurrentGraph,
    /// Op weights [edges, 5].
    pub op_weights: Tensor<2>,
    /// The state before [batch, units].
    pub hidden: Tensor<2>,
    /// Dropout mask of the states [batch, units].
    pub mask: Tensor<2>,
}

impl RecurrentInput {
    fn plan(&self, tuning: Tuning) -> RecurrentPlan {
        let [length, batch, gates] = self.inputs.dims();
        RecurrentPlan { length, units: gates / 2, batch, cell: self.cell.clone(), tuning }
    }

    fn into_window(self) -> RecurrentWindow<Dispatch> {
        RecurrentWindow {
            inputs: self.inputs.into_dispatch(),
            matrices: self.matrices.into_dispatch(),
            op_weights: self.op_weights.into_dispatch(),
            hidden: self.hidden.inner().into_dispatch(),
            mask: self.mask.inner().into_dispatch(),
        }
    }

    /// The same outside of any autodiff graph.
    fn inner(self) -> Self {
        Self {
            inputs: self.inputs.inner(),
            matrices: self.matrices.inner(),
            op_weights: self.op_weights.inner(),
            ..self
        }
    }
}

/// Outputs [length, batch, units] of a recurrent cell over a window, and for a relaxed one, whose states are normalised by the
/// minibatch, their means and biased variances [length, 9, 2, units]. No gradient goes to the state before.
pub(crate) fn recurrent_cell(tuning: Tuning, input: RecurrentInput) -> (Tensor<3>, Option<Tensor<4>>) {
    let (outputs, moments) = Dispatch::recurrent_cell(input.plan(tuning), input.into_window());
    (Tensor::from_dispatch(outputs), moments.map(|moments| Tensor::from_dispatch(moments).inner()))
}

/// Outputs of a relaxed cell in evaluation mode, normalised by `running` means and variances [2 units]. They have no gradient.
pub(crate) fn recurrent_cell_evaluated(tuning: Tuning, input: RecurrentInput, running: Tensor<1>) -> Tensor<3> {
    let (plan, running) = (input.plan(tuning), running.inner().into_dispatch());
    Tensor::from_dispatch(Dispatch::recurrent_cell_evaluated(plan, input.inner().into_window(), running))
}

#[backend_extension(Autodiff, Cube, Flex)]
trait RecurrentCellOp: Backend {
    fn recurrent_cell(
        plan: RecurrentPlan,
        #[extension_type] window: RecurrentWindow<Self>,
    ) -> (FloatTensor<Self>, Option<FloatTensor<Self>>);
}

impl<B: FusedKernels> RecurrentCellOp for B {
    fn recurrent_cell(plan: RecurrentPlan, window: RecurrentWindow<B>) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
        let (outputs, moments, _) = B::recurrent_forward(plan, window);
        (outputs, moments)
    }
}

impl<B: FusedKernels, C: CheckpointStrategy> RecurrentCellOp for Autodiff<B, C> {
    fn recurrent_cell(
        plan: RecurrentPlan,
        window: RecurrentWindow<Self>,
    ) -> (FloatTensor<Self>, Option<FloatTensor<Self>>) {
        let RecurrentWindow { inputs, matrices, op_weights, hidden, mask } = window;
        let nodes = [&inputs, &matrices, &op_weights].map(|tensor| tensor.node());
        let window = RecurrentWindow {
            inputs: inputs.into_primitive(),
            matrices: matrices.into_primitive(),
            op_weights: op_weights.into_primitive(),
            hidden: hidden.into_primitive(),
            mask: mask.into_primitive(),
        };
        let (outputs, moments, saved) = B::recurrent_forward(plan, window);
        let outputs = record::<B, C, _, 3>(RecurrentCell, nodes, outputs, saved);
        (outputs, moments.map(<Self as AutodiffBackend>::from_inner))
    }
}

#[backend_extension(Cube, Flex)]
trait RecurrentCellEvaluation: Backend {
    fn recurrent_cell_evaluated(
        plan: RecurrentPlan,
        #[extension_type] window: RecurrentWindow<Self>,
        running: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

impl<B: FusedKernels> RecurrentCellEvaluation for B {
    fn recurrent_cell_evaluated(
        plan: RecurrentPlan,
        window: RecurrentWindow<B>,
        running: FloatTensor<B>,
    ) -> FloatTensor<B> {
        B::recurrent_evaluate(plan, window, running)
    }
}

#[derive(Debug)]
struct RecurrentCell;

impl<B: FusedKernels> Backward<B, 3> for RecurrentCell {
    type State = B::SavedRecurrent;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        run_backward::<B, _, 3>(ops, gradients, B::recurrent_backward);
    }
}
