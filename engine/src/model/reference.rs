//! The supernet in plain Burn ops, layer by layer as the authors' implementation has it: slow, and the reference for
//! every faster path.

use crate::space::{CANDIDATES, CONVOLUTIONAL, CellKind, EDGES, Op};
use crate::{
    model::{
        Supernet, op_weights,
        params::Leaves,
        plain::{BATCH_NORM_EPSILON, Module, apply, factorized_reduce, global_pool, linear, moments, relu_conv_bn},
    },
    network::{CellShape, Layout, op_parameters},
};
use burn::tensor::{Tensor, module::conv2d, ops::ConvOptions};

impl Supernet {
    pub(super) fn forward_reference(&self, leaves: &Leaves, alphas: Tensor<2>, images: Tensor<4>) -> Tensor<2> {
        let weights = op_weights(alphas);
        let stem = stem(self, leaves, images);
        let (mut s0, mut s1) = (stem.clone(), stem);
        for (layer, cell) in self.cells.iter().enumerate() {
            let rows = match cell.kind {
                CellKind::Normal => 0..EDGES,
                CellKind::Reduce => EDGES..2 * EDGES,
            };
            let output = cell_forward(leaves, layer, *cell, s0, s1.clone(), weights.clone().slice([rows]));
            (s0, s1) = (s1, output);
        }
        head(self, leaves, s1)
    }
}

/// The first convolution, with BatchNorm: [batch, stem channels, height, width].
pub(super) fn stem(net: &Supernet, leaves: &Leaves, images: Tensor<4>) -> Tensor<4> {
    let stem = conv2d(images, leaves.get("stem.0.weight"), None, ConvOptions::new([1, 1], [1, 1], [1, 1], 1));
    let scale = leaves.get::<1>("stem.1.weight").reshape([1, net.stem_channels, 1, 1]);
    let shift = leaves.get::<1>("stem.1.bias").reshape([1, net.stem_channels, 1, 1]);
    batch_norm(stem) * scale + shift
}

/// Global average pooling and the linear classifier: [batch, classes].
pub(super) fn head(net: &Supernet, leaves: &Leaves, s1: Tensor<4>) -> Tensor<2> {
    let bias = leaves.get::<1>("classifier.bias").reshape([1, net.classes]);
    linear(global_pool(s1), leaves.get("classifier.weight"), bias)
}

/// A cell: both inputs preprocessed to its width, four nodes that each sum the mixed ops of their edges, concatenated.
fn cell_forward(
    leaves: &Leaves,
    layer: usize,
    cell: CellShape,
    s0: Tensor<4>,
    s1: Tensor<4>,
    weights: Tensor<2>,
) -> Tensor<4> {
    let module = |name: &str| Relaxed { leaves, prefix: format!("cells.{layer}.{name}.") };
    let first = module("preprocess0");
    let s0 = if cell.after_reduction { factorized_reduce(s0, &first) } else { relu_conv_bn(s0, &first) };
    let s1 = relu_conv_bn(s1, &module("preprocess1"));
    let mut states = vec![s0, s1];
    let mut sum: Option<Tensor<4>> = None;
    for (row, edge) in CONVOLUTIONAL.cells[0].edges().enumerate() {
        let stride = if cell.kind == CellKind::Reduce && edge.state < 2 { 2 } else { 1 };
        for (column, op) in CANDIDATES.into_iter().enumerate() {
            let module = module(&format!("_ops.{row}._ops.{column}"));
            let Some(output) = candidate(op, stride, states[edge.state].clone(), &module) else { continue };
            let weight = weights.clone().slice([row..row + 1, column..column + 1]).reshape([1, 1, 1, 1]);
            let weighted = output * weight;
            sum = Some(match sum {
                None => weighted,
                Some(sum) => sum + weighted,
            });
        }
        if edge.state == edge.node + 1 {
            states.push(sum.take().expect("an op on every edge"));
        }
    }
    Tensor::cat(states.split_off(2), 1)
}

/// A module of the supernet: its BatchNorms have neither affine parameters nor running statistics.
struct Relaxed<'a, 'l> {
    leaves: &'a Leaves<'l>,
    /// Path of the module in the network, with a trailing dot where it has one.
    prefix: String,
}

impl Module for Relaxed<'_, '_> {
    fn weight(&self, name: &str) -> Tensor<4> {
        self.leaves.get(&format!("{}{name}.weight", self.prefix))
    }

    fn norm(&self, _: &str, x: Tensor<4>) -> Tensor<4> {
        batch_norm(x)
    }
}

/// One candidate op, a pool with BatchNorm behind it; `None` for zero, whose output is zero whatever its input.
fn candidate(op: Op, stride: usize, x: Tensor<4>, module: &Relaxed) -> Option<Tensor<4>> {
    let output = apply(op, stride, x, module)?;
    Some(if matches!(op, Op::MAX_POOL_3X3 | Op::AVG_POOL_3X3) { batch_norm(output) } else { output })
}

/// BatchNorm in training mode without affine parameters: the minibatch's mean and (biased) variance of each channel.
fn batch_norm(x: Tensor<4>) -> Tensor<4> {
    let (centred, _, variance) = moments(x);
    centred / (variance + BATCH_NORM_EPSILON).sqrt()
}

/// The parameters of one candidate op on `channels` channels, alone: what [`candidate_pass`] expects.
pub fn candidate_layout(op: Op, channels: usize, stride: usize) -> Layout {
    let mut layout = Layout::default();
    for (name, shape) in op_parameters(op, channels, stride) {
        layout.push_conv(name.to_owned(), shape);
    }
    layout
}

/// One candidate op alone, forward and backward: its output for `input` [batch, channels, height, width], then the
/// gradients of the input and of its flat weights for `grad_output`, which has the output's shape.
pub fn candidate_pass(
    op: Op,
    stride: usize,
    input: Tensor<4>,
    weights: &Tensor<1>,
    grad_output: Tensor<4>,
) -> (Tensor<4>, Tensor<4>, Tensor<1>) {
    let layout = candidate_layout(op, input.dims()[1], stride);
    let leaves = layout.leaves(weights, true);
    let x = input.clone().inner().autodiff().require_grad();
    let Some(output) = candidate(op, stride, x.clone(), &Relaxed { leaves: &leaves, prefix: String::new() }) else {
        return (grad_output.zeros_like(), input.zeros_like(), weights.zeros_like());
    };
    let mut gradients = (output.clone() * grad_output.inner().autodiff()).sum().backward();
    let grad_input = x.grad_remove(&mut gradients).unwrap_or_else(|| input.zeros_like());
    let grad_weights = if layout.is_empty() { weights.clone() } else { leaves.gradient(&mut gradients) };
    (output.inner(), grad_input, grad_weights)
}
