//! Device memory that a step needs, estimated from shapes.

use crate::space::{CellKind, EDGES, NODES};
use crate::{config::Kernels, model::Supernet};

/// An estimate in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Peak of a step on the fused kernels.
    pub peak: u64,
    /// The largest single buffer, which has to be within the device's limit of one.
    pub largest: u64,
}

impl Supernet {
    /// Device memory of a weight step on minibatches of `batch` images; none on the reference path, where it is not
    /// known.
    pub fn memory(&self, batch: usize, [height, width]: [usize; 2]) -> Option<MemoryEstimate> {
        if self.kernels != Kernels::Fused {
            return None;
        }
        let pixels = batch * height * width;
        let mut size = pixels;
        // The images, their neighbourhoods, and the stem's outputs.
        let stem = (3 + 27 + STEM * self.stem_channels) * pixels;
        // Weights, momentum, gradient, and the copies that clipping, decay and the step make.
        let mut kept = stem + WEIGHTS * self.layout.len();
        let (mut peak, mut largest) = (kept, 0);
        for cell in &self.cells {
            let reduction = cell.kind == CellKind::Reduce;
            let input = cell.channels * size;
            if reduction {
                size /= 4;
            }
            let node = cell.channels * size;
            let slots = |edges: usize| 4 * edges + if reduction { 4 } else { 0 };
            let states = 2 * input + NODES * node;
            let quarters = if reduction { 2 * input } else { 0 };
            let pools = 3 * (NODES + 1) * node;
            let all_slots: usize = (0..NODES).map(|i| slots(i + 2)).sum();
            // The forward pass keeps these, the values before and after the halves of separable ops, and the output.
            kept += states + quarters + pools + (all_slots + 2 * EDGES + NODES) * node;
            // The backward pass adds gradients of the states, of the output and of the last node's values.
            let values = slots(NODES + 1) * node;
            peak = peak.max(kept + states + quarters + values + NODES * node);
            let source = if cell.after_reduction { 2 * cell.channels_before_last * input / cell.channels } else { 0 };
            largest = largest.max(states).max(pools).max(values).max(source).max(NODES * node);
        }
        Some(MemoryEstimate { peak: 4 * peak as u64, largest: 4 * largest as u64 })
    }
}

/// Tensors of the stem's output's size that are alive at a time.
const STEM: usize = 4;
/// Vectors of all weights that are alive at a time.
const WEIGHTS: usize = 8;
