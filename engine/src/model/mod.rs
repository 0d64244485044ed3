//! Passes through supernets, derived and recurrent networks (paper, sections 2 and 3), on the fused ops or in plain Burn ops.

mod derived;
mod fused;
mod memory;
mod params;
pub(crate) mod plain;
mod recurrent;
mod reference;

pub use derived::TrainPass;
pub(crate) use derived::follow;
pub use memory::MemoryEstimate;
pub(crate) use params::Leaves;
pub use recurrent::{Masks, Passage, RecurrentPass, RunningStatistics, TextBatch};
pub use reference::{candidate_layout, candidate_pass};

use crate::config::Kernels;
use crate::data::Batch;
use crate::device::Tuning;
use crate::model::plain::cross_entropy;
use crate::network::{CellShape, Init, Layout, op_parameters};
use crate::space::{CANDIDATES, CONVOLUTIONAL, CellKind, EDGES, Op, is_reduction};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::softmax};

/// Weights of the ops [edges, ops] of a relaxed cell: the softmax of each edge's alphas (equation 2).
fn op_weights(alphas: Tensor<2>) -> Tensor<2> {
    softmax(alphas, 1)
}

/// Gradients requested of a backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GradientTargets {
    /// Gradients of the weights.
    pub weights: bool,
    /// Gradients of the alphas.
    pub alphas: bool,
}

impl GradientTargets {
    /// Nothing: a forward pass.
    pub const NOTHING: Self = Self { weights: false, alphas: false };
    /// Weights only: a weight step.
    pub const WEIGHTS: Self = Self { weights: true, alphas: false };
    /// Alphas only: a first-order architecture step.
    pub const ALPHAS: Self = Self { weights: false, alphas: true };
    /// Both: the unrolled step of the second order.
    pub const BOTH: Self = Self { weights: true, alphas: true };
}

/// A minibatch on the device.
#[derive(Clone, Debug)]
pub struct Minibatch {
    /// Normalised images [batch, 3, height, width].
    pub images: Tensor<4>,
    /// Classes [batch].
    pub labels: Tensor<1, Int>,
}

impl Minibatch {
    /// Puts a minibatch on the device.
    pub fn upload(batch: &Batch, device: &Device) -> Self {
        let shape = [batch.batch_size, batch.channels, batch.height, batch.width];
        Self {
            images: Tensor::from_data(TensorData::new(batch.images.clone(), shape), device),
            labels: Tensor::from_data(TensorData::new(batch.labels.clone(), [batch.batch_size]), device),
        }
    }
}

/// The result of a forward and backward pass.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Mean cross-entropy [1].
    pub loss: Tensor<1>,
    /// Class scores [batch, classes].
    pub logits: Tensor<2>,
    /// Gradient of the flat weight vector, where requested.
    pub weight_gradient: Option<Tensor<1>>,
    /// Gradient of the alphas [28, 8], normal cells first, where requested.
    pub alpha_gradient: Option<Tensor<2>>,
}

/// The convolutional supernet: a stem, a stack of cells in which every edge mixes all candidate ops, a linear classifier.
#[derive(Clone, Debug)]
pub struct Supernet {
    /// The cells from the input to the output.
    pub cells: Vec<CellShape>,
    /// Channels of the stem's output.
    pub stem_channels: usize,
    /// Number of classes.
    pub classes: usize,
    layout: Layout,
    /// The same flat vector with all parameters of a cell as one.
    packed: Layout,
    kernels: Kernels,
    tuning: Option<Tuning>,
}

impl Supernet {
    /// Lays out a supernet of `layers` cells whose first has `init_channels` channels, reduction cells at one and two thirds.
    pub fn new(init_channels: usize, layers: usize, classes: usize, kernels: Kernels) -> Self {
        let kind = |layer| if is_reduction(layer, layers) { CellKind::Reduce } else { CellKind::Normal };
        Self::with_cells(init_channels, (0..layers).map(kind), classes, kernels)
    }

    /// Lays out a supernet of cells of the given kinds.
    pub fn with_cells(
        init_channels: usize,
        kinds: impl IntoIterator<Item = CellKind>,
        classes: usize,
        kernels: Kernels,
    ) -> Self {
        let stem_channels = 3 * init_channels;
        let mut layout = Layout::default();
        layout.push_conv("stem.0.weight".into(), [stem_channels, 3, 3, 3]);
        layout.push("stem.1.weight".into(), &[stem_channels], Init::Ones);
        layout.push("stem.1.bias".into(), &[stem_channels], Init::Zeros);
        let (mut before_last, mut last, mut channels, mut after_reduction) =
            (stem_channels, stem_channels, init_channels, false);
        let mut cells = Vec::new();
        for (layer, kind) in kinds.into_iter().enumerate() {
            if kind == CellKind::Reduce {
                channels *= 2;
            }
            let cell =
                CellShape { kind, after_reduction, channels_before_last: before_last, channels_last: last, channels };
            push_cell(&mut layout, layer, cell);
            cells.push(cell);
            after_reduction = kind == CellKind::Reduce;
            (before_last, last) = (last, 4 * channels);
        }
        layout.push("classifier.weight".into(), &[classes, last], Init::Uniform { fan_in: last });
        layout.push("classifier.bias".into(), &[classes], Init::Uniform { fan_in: last });
        // The stem is one parameter, and so is each cell.
        let packed = layout.packed(|name| match name.split('.').next() {
            Some("stem") => Some("stem"),
            Some("cells") => name.match_indices('.').nth(1).map(|(end, _)| &name[..end]),
            _ => None,
        });
        Self { cells, stem_channels, classes, layout, packed, kernels, tuning: None }
    }

    /// The same network on kernels shaped for `tuning`, whatever the device.
    pub fn tuned(self, tuning: Tuning) -> Self {
        Self { tuning: Some(tuning), ..self }
    }

    /// Where each weight lies in the flat vector.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Forward and backward pass in training mode: BatchNorm uses the minibatch's own statistics.
    ///
    /// `weights` is the flat vector, `alphas` is [28, 8], normal cells first; neither needs to be on an autodiff device.
    pub fn pass(&self, weights: &Tensor<1>, alphas: &Tensor<2>, batch: &Minibatch, wrt: GradientTargets) -> Pass {
        let leaves = match self.kernels {
            Kernels::Reference => self.layout.leaves(weights, wrt.weights),
            Kernels::Fused => self.packed.leaves(weights, wrt.weights),
        };
        let alpha_leaf = alphas.clone().inner().autodiff();
        let alpha_leaf = if wrt.alphas { alpha_leaf.require_grad() } else { alpha_leaf };
        let images = batch.images.clone().inner().autodiff();
        let labels = batch.labels.clone().inner();
        let (loss, logits) = match self.kernels {
            Kernels::Reference => {
                let logits = self.forward_reference(&leaves, alpha_leaf.clone(), images);
                (cross_entropy(logits.clone(), labels.autodiff()), logits.inner())
            }
            Kernels::Fused => self.forward_fused(&leaves, alpha_leaf.clone(), images, labels),
        };
        let mut pass = Pass { loss: loss.clone().inner(), logits, weight_gradient: None, alpha_gradient: None };
        if wrt.weights || wrt.alphas {
            let mut gradients = loss.backward();
            pass.weight_gradient = wrt.weights.then(|| leaves.gradient(&mut gradients));
            pass.alpha_gradient = wrt
                .alphas
                .then(|| alpha_leaf.grad_remove(&mut gradients).unwrap_or_else(|| alphas.clone().inner().zeros_like()));
        }
        pass
    }

    /// The shape of its alphas: an edge of each kind of cell a row, an op a column.
    pub fn alpha_shape(&self) -> [usize; 2] {
        [2 * EDGES, CANDIDATES.len()]
    }

    /// Multiply-accumulates of the forward pass on one image, in convolutions and the classifier.
    pub fn multiply_accumulates(&self, height: usize, width: usize) -> u64 {
        let sizes: Vec<usize> = self
            .cells
            .iter()
            .scan(height * width, |pixels, cell| {
                if cell.kind == CellKind::Reduce {
                    *pixels /= 4;
                }
                Some(*pixels)
            })
            .collect();
        let pixels = |name: &str| match name.strip_prefix("cells.").and_then(|rest| rest.split_once('.')) {
            None if name.starts_with("stem.0.") => height * width,
            None => usize::from(name == "classifier.weight"),
            Some((layer, part)) => {
                let layer: usize = layer.parse().expect("a layer");
                let enlarged = part.starts_with("preprocess") && self.cells[layer].kind == CellKind::Reduce;
                sizes[layer] * if enlarged { 4 } else { 1 }
            }
        };
        let weights = self.layout.parameters().iter();
        weights.map(|parameter| (parameter.range().len() * pixels(&parameter.name)) as u64).sum()
    }

    /// The path that computes the network.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }
}

fn push_cell(layout: &mut Layout, layer: usize, cell: CellShape) {
    let c = cell.channels;
    let prefix = format!("cells.{layer}");
    // All edges of one kind of parameter lie together: a kernel reads them as one array indexed by edge.
    for (candidate, op) in CANDIDATES.into_iter().enumerate() {
        for part in op_parameters(op, c, 1) {
            for edge in 0..EDGES {
                layout.push_conv(format!("{prefix}._ops.{edge}._ops.{candidate}.{}", part.0), part.1);
            }
        }
    }
    if cell.kind == CellKind::Reduce {
        let skip = CANDIDATES.iter().position(|&op| op == Op::SKIP_CONNECT).expect("a candidate");
        for part in op_parameters(Op::SKIP_CONNECT, c, 2) {
            for (edge, _) in CONVOLUTIONAL.cells[0].edges().enumerate().filter(|(_, e)| e.state < 2) {
                layout.push_conv(format!("{prefix}._ops.{edge}._ops.{skip}.{}", part.0), part.1);
            }
        }
    }
    // Last, so that what lies before is where it is in every cell of the same width.
    if cell.after_reduction {
        for half in ["conv_1", "conv_2"] {
            layout.push_conv(format!("{prefix}.preprocess0.{half}.weight"), [c / 2, cell.channels_before_last, 1, 1]);
        }
    } else {
        layout.push_conv(format!("{prefix}.preprocess0.op.1.weight"), [c, cell.channels_before_last, 1, 1]);
    }
    layout.push_conv(format!("{prefix}.preprocess1.op.1.weight"), [c, cell.channels_last, 1, 1]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_one_kind_lie_together() {
        let net = Supernet::new(4, 3, 10, Kernels::Reference);
        let at = |edge: usize| net.layout().get(&format!("cells.1._ops.{edge}._ops.5.op.1.weight")).unwrap().offset;
        for edge in 0..EDGES {
            assert_eq!(at(edge), at(0) + edge * 8 * 25);
        }
        assert_eq!(net.layout().parameters().last().unwrap().range().end, net.layout().len());
    }
}
