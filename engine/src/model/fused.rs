//! The supernet on the fused kernels.

use crate::device::Tuning;
use crate::model::{Supernet, op_weights, params::Leaves, plain::global_pool};
use crate::{
    kernels::{CellPlan, ConvNormPlan},
    ops::{classifier, conv_norm, relaxed_cell},
    space::{CellKind, EDGES},
};
use burn::tensor::{Int, Tensor};

impl Supernet {
    /// Mean cross-entropy [1] and class scores [batch, classes].
    pub(super) fn forward_fused(
        &self,
        leaves: &Leaves,
        alphas: Tensor<2>,
        images: Tensor<4>,
        labels: Tensor<1, Int>,
    ) -> (Tensor<1>, Tensor<2>) {
        let weights = op_weights(alphas);
        let tuning = self.tuning.unwrap_or_else(|| Tuning::of(&images.device()));
        let [batch, _, mut height, mut width] = images.dims();
        let plan = ConvNormPlan::stem(self.stem_channels, batch, [height, width], tuning);
        let (stem, _) = conv_norm(plan, images, leaves.get("stem"));
        let (mut s0, mut s1) = (stem.clone(), stem);
        for (layer, &shape) in self.cells.iter().enumerate() {
            let rows = match shape.kind {
                CellKind::Normal => 0..EDGES,
                CellKind::Reduce => {
                    (height, width) = (height / 2, width / 2);
                    EDGES..2 * EDGES
                }
            };
            let name = format!("cells.{layer}");
            let range = self.packed.get(&name).expect("a cell has parameters").range();
            let plan = CellPlan::new(&self.layout, layer, shape, range, batch, [height, width], tuning);
            let op_weights = weights.clone().slice([rows]);
            let output = relaxed_cell(plan, [s0, s1.clone()], leaves.get(&name), op_weights);
            (s0, s1) = (s1, output);
        }
        let (weight, bias) = (leaves.get("classifier.weight"), leaves.get("classifier.bias"));
        classifier(tuning, global_pool(s1), weight, bias, labels)
    }
}
