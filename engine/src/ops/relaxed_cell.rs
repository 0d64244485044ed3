use super::prelude::*;
use crate::kernels::CellPlan;

/// A relaxed cell: output [batch, 4 channels, height, width].
///
/// `inputs` are the outputs of the two cells before, `parameters` the cell's part of the flat weight vector, `op_weights` the
/// softmax of its alphas [14, 8].
pub(crate) fn relaxed_cell(
    plan: CellPlan,
    inputs: [Tensor<4>; 2],
    parameters: Tensor<1>,
    op_weights: Tensor<2>,
) -> Tensor<4> {
    let [s0, s1] = inputs.map(Tensor::into_dispatch);
    let (parameters, op_weights) = (parameters.into_dispatch(), op_weights.into_dispatch());
    Tensor::from_dispatch(Dispatch::relaxed_cell(plan, s0, s1, parameters, op_weights))
}

#[backend_extension(Autodiff, Cube, Flex)]
trait RelaxedCellOp: Backend {
    fn relaxed_cell(
        plan: CellPlan,
        s0: FloatTensor<Self>,
        s1: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        op_weights: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

impl<B: FusedKernels> RelaxedCellOp for B {
    fn relaxed_cell(
        plan: CellPlan,
        s0: FloatTensor<B>,
        s1: FloatTensor<B>,
        parameters: FloatTensor<B>,
        op_weights: FloatTensor<B>,
    ) -> FloatTensor<B> {
        B::relaxed_cell_forward(plan, [s0, s1], parameters, op_weights).0
    }
}

impl<B: FusedKernels, C: CheckpointStrategy> RelaxedCellOp for Autodiff<B, C> {
    fn relaxed_cell(
        plan: CellPlan,
        s0: FloatTensor<Self>,
        s1: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        op_weights: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let inputs = [&s0, &s1, &parameters, &op_weights].map(|tensor| tensor.node());
        let [s0, s1, parameters, op_weights] = [s0, s1, parameters, op_weights].map(|tensor| tensor.into_primitive());
        let (output, saved) = B::relaxed_cell_forward(plan, [s0, s1], parameters, op_weights);
        record::<B, C, _, 4>(RelaxedCell, inputs, output, saved)
    }
}

#[derive(Debug)]
struct RelaxedCell;

impl<B: FusedKernels> Backward<B, 4> for RelaxedCell {
    type State = B::SavedRelaxedCell;

    fn backward(self, ops: Ops<Self::State, 4>, gradients: &mut Gradients, _: &mut Checkpointer) {
        run_backward::<B, _, 4>(ops, gradients, B::relaxed_cell_backward);
    }
}
