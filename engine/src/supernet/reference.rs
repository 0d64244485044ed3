//! The supernet in plain Burn ops, layer by layer as the authors' implementation has it. Slow, and the yardstick of
//! every faster path.

use super::{CellShape, Layout, Supernet, op_parameters, params::Leaves};
use crate::space::{CellKind, EDGES, Op, edges};
use burn::tensor::{
    Tensor,
    activation::{relu, softmax},
    module::{avg_pool2d, conv2d, max_pool2d},
    ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions},
};

/// Added to the variance before the square root.
const BATCH_NORM_EPSILON: f64 = 1e-5;

impl Supernet {
    pub(super) fn forward_reference(&self, leaves: &Leaves, alphas: Tensor<2>, images: Tensor<4>) -> Tensor<2> {
        let weights = softmax(alphas, 1);
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
    let [batch, channels, height, width] = s1.dims();
    let pooled = s1.reshape([batch, channels, height * width]).mean_dim(2).reshape([batch, channels]);
    let bias = leaves.get::<1>("classifier.bias").reshape([1, net.classes]);
    pooled.matmul(leaves.get::<2>("classifier.weight").transpose()) + bias
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
    let prefix = format!("cells.{layer}");
    let s0 = if cell.after_reduction {
        factorized_reduce(s0, &|part| leaves.get(&format!("{prefix}.preprocess0.{part}")))
    } else {
        relu_conv_bn(s0, leaves.get(&format!("{prefix}.preprocess0.op.1.weight")))
    };
    let s1 = relu_conv_bn(s1, leaves.get(&format!("{prefix}.preprocess1.op.1.weight")));
    let mut states = vec![s0, s1];
    let mut sum: Option<Tensor<4>> = None;
    for (row, edge) in edges().enumerate() {
        let stride = if cell.kind == CellKind::Reduce && edge.state < 2 { 2 } else { 1 };
        for (candidate, op) in Op::CANDIDATES.into_iter().enumerate() {
            let parameter = |part: &str| leaves.get(&format!("{prefix}._ops.{row}._ops.{candidate}.{part}"));
            let Some(output) = apply_op(op, stride, states[edge.state].clone(), &parameter) else { continue };
            let weight = weights.clone().slice([row..row + 1, candidate..candidate + 1]).reshape([1, 1, 1, 1]);
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

/// One candidate op; `None` for zero, whose output is zero whatever its input.
fn apply_op(op: Op, stride: usize, x: Tensor<4>, parameter: &dyn Fn(&str) -> Tensor<4>) -> Option<Tensor<4>> {
    let separable = |x, k: usize, stride, first: &str, second: &str, dilation| {
        depthwise_separable(x, parameter(first), parameter(second), k, stride, dilation)
    };
    let twice = |x, k| {
        let x = separable(x, k, stride, "op.1.weight", "op.2.weight", 1);
        separable(x, k, 1, "op.5.weight", "op.6.weight", 1)
    };
    let dilated = |x, k| separable(x, k, stride, "op.1.weight", "op.2.weight", 2);
    Some(match op {
        Op::None => return None,
        Op::MaxPool3x3 => {
            batch_norm(max_pool2d(x, MaxPoolOptions::new([3, 3]).with_stride([stride, stride]).with_padding([1, 1])))
        }
        Op::AvgPool3x3 => batch_norm(avg_pool2d(
            x,
            AvgPoolOptions::new([3, 3])
                .with_stride([stride, stride])
                .with_padding([1, 1])
                .with_count_include_pad(false),
        )),
        Op::SkipConnect if stride == 1 => x,
        Op::SkipConnect => factorized_reduce(x, parameter),
        Op::SepConv3x3 => twice(x, 3),
        Op::SepConv5x5 => twice(x, 5),
        Op::SepConv7x7 => twice(x, 7),
        Op::DilConv3x3 => dilated(x, 3),
        Op::DilConv5x5 => dilated(x, 5),
        Op::Conv7x1_1x7 => {
            let x = conv2d(relu(x), parameter("op.1.weight"), None, ConvOptions::new([1, stride], [0, 3], [1, 1], 1));
            batch_norm(conv2d(x, parameter("op.2.weight"), None, ConvOptions::new([stride, 1], [3, 0], [1, 1], 1)))
        }
    })
}

/// ReLU, depthwise k x k convolution, pointwise convolution, BatchNorm.
fn depthwise_separable(
    x: Tensor<4>,
    depthwise: Tensor<4>,
    pointwise: Tensor<4>,
    k: usize,
    stride: usize,
    dilation: usize,
) -> Tensor<4> {
    let channels = x.dims()[1];
    let padding = dilation * (k - 1) / 2;
    let options = ConvOptions::new([stride, stride], [padding, padding], [dilation, dilation], channels);
    let x = conv2d(relu(x), depthwise, None, options);
    batch_norm(conv2d(x, pointwise, None, ConvOptions::new([1, 1], [0, 0], [1, 1], 1)))
}

fn relu_conv_bn(x: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
    batch_norm(conv2d(relu(x), weight, None, ConvOptions::new([1, 1], [0, 0], [1, 1], 1)))
}

/// Halves height and width: two strided pointwise convolutions, the second one pixel further, concatenated.
fn factorized_reduce(x: Tensor<4>, parameter: &dyn Fn(&str) -> Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let x = relu(x);
    let strided = || ConvOptions::new([2, 2], [0, 0], [1, 1], 1);
    let shifted = x.clone().slice([0..x.dims()[0], 0..x.dims()[1], 1..height, 1..width]);
    let first = conv2d(x, parameter("conv_1.weight"), None, strided());
    let second = conv2d(shifted, parameter("conv_2.weight"), None, strided());
    batch_norm(Tensor::cat(vec![first, second], 1))
}

/// BatchNorm in training mode without affine parameters: the minibatch's mean and (biased) variance of each channel.
fn batch_norm(x: Tensor<4>) -> Tensor<4> {
    let mean = channel_mean(x.clone());
    let centred = x - mean;
    let variance = channel_mean(centred.clone() * centred.clone());
    centred / (variance + BATCH_NORM_EPSILON).sqrt()
}

fn channel_mean(x: Tensor<4>) -> Tensor<4> {
    x.mean_dim(3).mean_dim(2).mean_dim(0)
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
    let Some(output) = apply_op(op, stride, x.clone(), &|part| leaves.get(part)) else {
        return (grad_output.zeros_like(), input.zeros_like(), weights.zeros_like());
    };
    let mut gradients = (output.clone() * grad_output.inner().autodiff()).sum().backward();
    let grad_input = x.grad_remove(&mut gradients).unwrap_or_else(|| input.zeros_like());
    let grad_weights = if layout.is_empty() { weights.clone() } else { leaves.gradient(&mut gradients) };
    (output.inner(), grad_input, grad_weights)
}
