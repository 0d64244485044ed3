//! The operations of a cell in plain Burn ops, for any network: a module brings its weights and its BatchNorms.

pub(crate) use crate::kernels::plain::{BATCH_NORM_EPSILON, cross_entropy, linear};
use crate::space::Op;
use burn::tensor::{
    Tensor,
    activation::relu,
    module::{avg_pool2d, conv2d, max_pool2d},
    ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions},
};

/// What a module of a network has, by the names inside of it.
pub(crate) trait Module {
    /// The weight [out, in / groups, height, width] of the convolution of that name.
    fn weight(&self, name: &str) -> Tensor<4>;
    /// `x` through the BatchNorm of that name.
    fn norm(&self, name: &str, x: Tensor<4>) -> Tensor<4>;
}

/// One operation; `None` for zero, whose output is zero whatever its input. Pools come without BatchNorm.
pub(crate) fn apply(op: Op, stride: usize, x: Tensor<4>, module: &impl Module) -> Option<Tensor<4>> {
    let separable = |x, k: usize, stride, dilation, [depthwise, pointwise, norm]: [&str; 3]| {
        let x = depthwise_separable(x, module.weight(depthwise), module.weight(pointwise), k, stride, dilation);
        module.norm(norm, x)
    };
    let twice = |x, k| {
        let x = separable(x, k, stride, 1, ["op.1", "op.2", "op.3"]);
        separable(x, k, 1, 1, ["op.5", "op.6", "op.7"])
    };
    let dilated = |x, k| separable(x, k, stride, 2, ["op.1", "op.2", "op.3"]);
    Some(match op {
        Op::None => return None,
        Op::MaxPool3x3 => max_pool2d(x, MaxPoolOptions::new([3, 3]).with_stride([stride, stride]).with_padding([1, 1])),
        Op::AvgPool3x3 => avg_pool2d(
            x,
            AvgPoolOptions::new([3, 3])
                .with_stride([stride, stride])
                .with_padding([1, 1])
                .with_count_include_pad(false),
        ),
        Op::SkipConnect if stride == 1 => x,
        Op::SkipConnect => factorized_reduce(x, module),
        Op::SepConv3x3 => twice(x, 3),
        Op::SepConv5x5 => twice(x, 5),
        Op::SepConv7x7 => twice(x, 7),
        Op::DilConv3x3 => dilated(x, 3),
        Op::DilConv5x5 => dilated(x, 5),
        Op::Conv7x1_1x7 => {
            let x = conv2d(relu(x), module.weight("1"), None, ConvOptions::new([1, stride], [0, 3], [1, 1], 1));
            let x = conv2d(x, module.weight("2"), None, ConvOptions::new([stride, 1], [3, 0], [1, 1], 1));
            module.norm("3", x)
        }
    })
}

/// ReLU, depthwise k x k convolution, pointwise convolution.
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
    conv2d(x, pointwise, None, ConvOptions::new([1, 1], [0, 0], [1, 1], 1))
}

/// ReLU, pointwise convolution, BatchNorm.
pub(crate) fn relu_conv_bn(x: Tensor<4>, module: &impl Module) -> Tensor<4> {
    let x = conv2d(relu(x), module.weight("op.1"), None, ConvOptions::new([1, 1], [0, 0], [1, 1], 1));
    module.norm("op.2", x)
}

/// Halves height and width: two strided pointwise convolutions, the second one pixel further, concatenated; BatchNorm.
pub(crate) fn factorized_reduce(x: Tensor<4>, module: &impl Module) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let x = relu(x);
    let strided = || ConvOptions::new([2, 2], [0, 0], [1, 1], 1);
    let shifted = x.clone().slice([0..x.dims()[0], 0..x.dims()[1], 1..height, 1..width]);
    let first = conv2d(x, module.weight("conv_1"), None, strided());
    let second = conv2d(shifted, module.weight("conv_2"), None, strided());
    module.norm("bn", Tensor::cat(vec![first, second], 1))
}

/// `x` less the mean of each channel over the minibatch, then that mean and the (biased) variance [1, channels, 1, 1].
pub(crate) fn moments(x: Tensor<4>) -> (Tensor<4>, Tensor<4>, Tensor<4>) {
    let mean = channel_mean(x.clone());
    let centred = x - mean.clone();
    let variance = channel_mean(centred.clone() * centred.clone());
    (centred, mean, variance)
}

fn channel_mean(x: Tensor<4>) -> Tensor<4> {
    x.mean_dim(3).mean_dim(2).mean_dim(0)
}

/// Global average pooling: [batch, channels].
pub(crate) fn global_pool(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height * width]).mean_dim(2).reshape([batch, channels])
}
