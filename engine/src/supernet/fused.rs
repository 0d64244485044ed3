//! The supernet on the fused kernels.

use super::{Supernet, params::Leaves, reference};
use crate::{
    device::Compute,
    kernels::{CellPlan, StemPlan, Tuning, mixed_cell, stem},
    space::{CellKind, EDGES},
};
use burn::tensor::{Tensor, activation::softmax};

impl Supernet {
    pub(super) fn forward_fused(&self, leaves: &Leaves, alphas: Tensor<2>, images: Tensor<4>) -> Tensor<2> {
        let weights = softmax(alphas, 1);
        let software = Compute::is_software(&images.device().inner());
        let tuning = self.tuning.unwrap_or(if software { Tuning::Processor } else { Tuning::Gpu });
        let [batch, _, mut height, mut width] = images.dims();
        let plan = StemPlan::new(self.stem_channels, batch, [height, width], tuning);
        let stem = stem(plan, images, leaves.get("stem"));
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
            let mixing = weights.clone().slice([rows]);
            let output = mixed_cell(plan, [s0, s1.clone()], leaves.get(&name), mixing);
            (s0, s1) = (s1, output);
        }
        reference::head(self, leaves, s1)
    }
}
