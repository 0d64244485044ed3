//! The passes through the network of a derived cell (paper, sections 3.2 and A.2), layer by layer as the authors'
//! implementation has it.

use crate::device::Tuning;
use crate::space::Stem;
use crate::{
    config::Kernels,
    kernels::ConvNormPlan,
    model::{
        Leaves, Minibatch,
        plain::{
            self, BATCH_NORM_EPSILON, Module, cross_entropy, factorized_reduce, global_pool, linear, moments,
            relu_conv_bn,
        },
    },
    network::{AUXILIARY_CHANNELS, CellShape, Network, auxiliary_layer, is_identity, of, op_norms, stride},
    ops::{conv_norm, conv_norm_evaluated},
    space::CellKind,
};
use burn::tensor::{
    Int, Tensor,
    activation::{log_softmax, relu},
    module::{avg_pool2d, conv2d},
    ops::{AvgPoolOptions, ConvOptions},
};
use std::{cell::RefCell, collections::HashMap};

/// Share of a minibatch's statistics in the running ones after each step.
const STATISTICS_MOMENTUM: f64 = 0.1;
/// The result of a forward and backward pass in training mode.
#[derive(Clone, Debug)]
pub struct TrainPass {
    /// Mean cross-entropy of the network's own scores [1], of smoothed labels, the auxiliary head's left out.
    pub loss: Tensor<1>,
    /// Class scores [batch, classes].
    pub logits: Tensor<2>,
    /// Gradient of the flat weight vector, of both losses.
    pub gradient: Tensor<1>,
    /// Means and unbiased variances that BatchNorm found in this minibatch, laid out as the running statistics.
    pub statistics: Tensor<1>,
}

impl Network {
    /// The same network on kernels shaped for `tuning`, whatever the device.
    pub fn tuned(self, tuning: Tuning) -> Self {
        Self { tuning: Some(tuning), ..self }
    }

    fn leaves(&self, weights: &Tensor<1>, tracked: bool) -> Leaves<'_> {
        match self.kernels {
            Kernels::Reference => self.layout.leaves(weights, tracked),
            Kernels::Fused => self.packed.leaves(weights, tracked),
        }
    }

    /// Bytes of the largest buffer that the fused kernels need for minibatches of `batch` images of `side` by `side` pixels.
    pub fn largest_buffer(&self, batch: usize, side: usize) -> u64 {
        let stem = self.cells.first().map_or(0, |cell| cell.channels_before_last);
        // The stem for small images reads all neighbourhoods of its three colours.
        let (mut side, mut largest) = match self.stem {
            Stem::Cifar10 => (side, stem.max(27) * side * side),
            Stem::ImageNet => (side / 8, stem * (side / 4) * (side / 4)),
        };
        for cell in &self.cells {
            let input = side * side;
            if cell.kind == CellKind::Reduce {
                side /= 2;
            }
            let (_, concat) = of(&self.genotype, cell.kind);
            let halves = if cell.after_reduction { 2 * cell.channels_before_last } else { 0 };
            let read = input * halves.max(cell.channels_last).max(cell.channels);
            largest = largest.max(read).max(side * side * cell.channels * concat.len());
        }
        4 * (batch * largest) as u64
    }

    /// Forward and backward pass in training mode: BatchNorm uses the minibatch's own statistics.
    ///
    /// `weights` is the flat vector; the loss of the auxiliary head counts `auxiliary_weight` times, where there is one.
    /// `kept` [paths, batch] scales what each op gives for each image: 0 where the path is dropped, and the inverse of the
    /// share kept elsewhere.
    pub fn train_pass(
        &self,
        weights: &Tensor<1>,
        batch: &Minibatch,
        auxiliary_weight: f64,
        kept: Option<Tensor<2>>,
    ) -> TrainPass {
        let leaves = self.leaves(weights, true);
        let observed = RefCell::default();
        let kept = kept.map(|kept| kept.inner().autodiff());
        let forward =
            Forward { net: self, leaves: &leaves, mode: Mode::Training { observed: &observed, kept: kept.as_ref() } };
        let (logits, auxiliary) = forward.run(batch.images.clone().inner().autodiff());
        let labels = batch.labels.clone().inner().autodiff();
        let cross_entropy = |logits| smoothed_cross_entropy(logits, labels.clone(), self.label_smoothing);
        let loss = cross_entropy(logits.clone());
        let total = match auxiliary {
            Some(auxiliary) => loss.clone() + cross_entropy(auxiliary) * auxiliary_weight,
            None => loss.clone(),
        };
        let gradient = leaves.gradient(&mut total.backward());
        let observed = observed.into_inner();
        let statistics = self.norms.parameters().iter().map(|p| observed[&p.name].clone()).collect();
        TrainPass { loss: loss.inner(), logits: logits.inner(), gradient, statistics: Tensor::cat(statistics, 0) }
    }

    /// Class scores [batch, classes] of normalised `images` [batch, 3, height, width] in evaluation mode: BatchNorm uses
    /// the running `statistics`, no path is dropped, and the auxiliary head rests.
    pub fn logits(&self, weights: &Tensor<1>, statistics: &Tensor<1>, images: Tensor<4>) -> Tensor<2> {
        let leaves = self.leaves(weights, false);
        let running = self.norms.leaves(statistics, false);
        let forward = Forward { net: self, leaves: &leaves, mode: Mode::Evaluation { running: &running } };
        forward.run(images.inner().autodiff()).0.inner()
    }
}

/// Mean over the minibatch of the cross-entropy of `logits` [batch, classes] against `labels` [batch], of which the share
/// `smoothing` is spread evenly over all classes.
fn smoothed_cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>, smoothing: f64) -> Tensor<1> {
    if smoothing == 0.0 {
        return cross_entropy(logits, labels);
    }
    let even = log_softmax(logits.clone(), 1).mean_dim(1).mean_dim(0).reshape([1]).neg();
    cross_entropy(logits, labels) * (1.0 - smoothing) + even * smoothing
}

/// The running statistics after a step that found `observed` in its minibatch.
pub(crate) fn follow(running: &Tensor<1>, observed: Tensor<1>) -> Tensor<1> {
    running.clone() * (1.0 - STATISTICS_MOMENTUM) + observed * STATISTICS_MOMENTUM
}

/// Where BatchNorm has its statistics from.
enum Mode<'a> {
    /// From the minibatch; noted by the name of the BatchNorm, the means and then the unbiased variances [2 channels].
    Training { observed: &'a RefCell<HashMap<String, Tensor<1>>>, kept: Option<&'a Tensor<2>> },
    /// From all minibatches before.
    Evaluation { running: &'a Leaves<'a> },
}

/// One forward pass.
struct Forward<'a> {
    net: &'a Network,
    leaves: &'a Leaves<'a>,
    mode: Mode<'a>,
}

impl Forward<'_> {
    /// The scores of the network, and of its auxiliary head while it trains.
    fn run(&self, images: Tensor<4>) -> (Tensor<2>, Option<Tensor<2>>) {
        let (mut s0, mut s1) = match self.net.stem {
            Stem::Cifar10 => {
                let [batch, _, height, width] = images.dims();
                let channels = self.net.layout.get("stem.1.bias").expect("a stem").shape[0];
                let plan = |tuning| Some(ConvNormPlan::stem(channels, batch, [height, width], tuning));
                let stem = self
                    .fused("stem", &["stem.1".into()], &images, plan)
                    .unwrap_or_else(|| self.conv_bn("stem.0", "stem.1", images, 1));
                (stem.clone(), stem)
            }
            Stem::ImageNet => {
                let stem0 = self.conv_bn("stem0.0", "stem0.1", images, 2);
                let stem0 = self.conv_bn("stem0.3", "stem0.4", relu(stem0), 2);
                let stem1 = self.conv_bn("stem1.1", "stem1.2", relu(stem0.clone()), 2);
                (stem0, stem1)
            }
        };
        let training = matches!(self.mode, Mode::Training { .. });
        let mut auxiliary = None;
        let mut path = 0;
        for (layer, &cell) in self.net.cells.iter().enumerate() {
            let output = self.cell(layer, cell, s0, s1.clone(), &mut path);
            (s0, s1) = (s1, output);
            if training && self.net.auxiliary && layer == auxiliary_layer(self.net.cells.len()) {
                auxiliary = Some(self.auxiliary_head(s1.clone()));
            }
        }
        (self.linear("classifier", global_pool(s1)), auxiliary)
    }

    /// A cell; `path` counts the ops that may be dropped.
    fn cell(&self, layer: usize, cell: CellShape, s0: Tensor<4>, s1: Tensor<4>, path: &mut usize) -> Tensor<4> {
        let part = |name: &str| Part { forward: self, prefix: format!("cells.{layer}.{name}") };
        let relu_conv = |x, module: Part| {
            module
                .fused(&["op.2"], &x, |tuning| Some(ConvNormPlan::relu_conv(x.dims(), cell.channels, tuning)))
                .unwrap_or_else(|| relu_conv_bn(x, &module))
        };
        let halved = |x, module: Part| {
            module
                .fused(&["bn"], &x, |tuning| ConvNormPlan::factorized_reduce(x.dims(), cell.channels, tuning))
                .unwrap_or_else(|| factorized_reduce(x, &module))
        };
        let first = part("preprocess0");
        let s0 = if cell.after_reduction { halved(s0, first) } else { relu_conv(s0, first) };
        let mut states = vec![s0, relu_conv(s1, part("preprocess1"))];
        let (ops, concat) = of(&self.net.genotype, cell.kind);
        let output = |states: &[Tensor<4>], i: usize, path: &mut usize| {
            let (op, state) = ops[i];
            let stride = stride(cell.kind, state);
            let (x, module) = (&states[state], part(&format!("_ops.{i}")));
            let x = module
                .fused(op_norms(op, stride), x, |tuning| ConvNormPlan::op(op, stride, x.dims(), tuning))
                .or_else(|| plain::apply(op, stride, x.clone(), &module))
                .expect("no zero op in a derived cell");
            if is_identity(op, stride) {
                return x;
            }
            *path += 1;
            self.drop_path(x, *path - 1)
        };
        for node in 0..ops.len() / 2 {
            let first = output(&states, 2 * node, path);
            let second = output(&states, 2 * node + 1, path);
            states.push(first + second);
        }
        Tensor::cat(concat.iter().map(|&state| states[state].clone()).collect(), 1)
    }

    fn drop_path(&self, x: Tensor<4>, path: usize) -> Tensor<4> {
        match self.mode {
            Mode::Training { kept: Some(kept), .. } => {
                let batch = x.dims()[0];
                x * kept.clone().slice([path..path + 1, 0..batch]).reshape([batch, 1, 1, 1])
            }
            _ => x,
        }
    }

    /// The auxiliary head, whose last convolution must find its input 2x2.
    fn auxiliary_head(&self, x: Tensor<4>) -> Tensor<2> {
        let stride = match self.net.stem {
            Stem::Cifar10 => 3,
            Stem::ImageNet => 2,
        };
        let pool = AvgPoolOptions::new([5, 5]).with_stride([stride, stride]).with_count_include_pad(false);
        let features = Part { forward: self, prefix: "auxiliary_head.features".into() };
        let conv = |name, x| conv2d(x, features.weight(name), None, ConvOptions::new([1, 1], [0, 0], [1, 1], 1));
        let x = features.norm("3", conv("2", avg_pool2d(relu(x), pool)));
        let x = conv("5", relu(x));
        let x = relu(if self.net.stem == Stem::Cifar10 { features.norm("6", x) } else { x });
        let [batch, ..] = x.dims();
        self.linear("auxiliary_head.classifier", x.reshape([batch, AUXILIARY_CHANNELS[1]]))
    }

    /// A module on the fused kernels, where they are to be used and `plan` has one; its BatchNorms are `norms`.
    fn fused(
        &self,
        module: &str,
        norms: &[String],
        x: &Tensor<4>,
        plan: impl FnOnce(Tuning) -> Option<ConvNormPlan>,
    ) -> Option<Tensor<4>> {
        if self.net.kernels == Kernels::Reference {
            return None;
        }
        let plan = plan(self.net.tuning.unwrap_or_else(|| Tuning::of(&x.device())))?;
        let (x, parameters) = (x.clone(), self.leaves.get(module));
        Some(match self.mode {
            Mode::Training { observed, .. } => {
                let (output, statistics) = conv_norm(plan, x, parameters);
                observed.borrow_mut().extend(norms.iter().cloned().zip(statistics));
                output
            }
            Mode::Evaluation { running } => {
                let running = norms.iter().map(|norm| running.get(norm)).collect();
                conv_norm_evaluated(plan, x, parameters, running).autodiff()
            }
        })
    }

    /// A parameter of the network.
    fn parameter<const D: usize>(&self, name: &str) -> Tensor<D> {
        self.leaves.cut(self.net.layout.get(name).unwrap_or_else(|| panic!("no parameter {name}")))
    }

    /// A 3x3 convolution with BatchNorm.
    fn conv_bn(&self, conv: &str, norm: &str, x: Tensor<4>, stride: usize) -> Tensor<4> {
        let weight = self.parameter(&format!("{conv}.weight"));
        self.norm(norm, conv2d(x, weight, None, ConvOptions::new([stride, stride], [1, 1], [1, 1], 1)))
    }

    fn linear(&self, name: &str, x: Tensor<2>) -> Tensor<2> {
        let bias: Tensor<1> = self.parameter(&format!("{name}.bias"));
        linear(x, self.parameter(&format!("{name}.weight")), bias.unsqueeze())
    }

    /// BatchNorm with affine parameters.
    fn norm(&self, name: &str, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let row = |vector: Tensor<1>| vector.reshape([1, channels, 1, 1]);
        let (centred, variance) = match self.mode {
            Mode::Training { observed, .. } => {
                let (centred, mean, variance) = moments(x);
                let count = (batch * height * width) as f64;
                let flat = |moment: &Tensor<4>| moment.clone().inner().reshape([channels]);
                let found = vec![flat(&mean), flat(&variance) * (count / (count - 1.0))];
                observed.borrow_mut().insert(name.to_owned(), Tensor::cat(found, 0));
                (centred, variance)
            }
            Mode::Evaluation { running } => {
                let both: Tensor<1> = running.get(name);
                let [mean, variance] = [0, channels].map(|from| row(both.clone().slice(from..from + channels)));
                (x - mean, variance)
            }
        };
        let scale = row(self.parameter(&format!("{name}.weight"))) / (variance + BATCH_NORM_EPSILON).sqrt();
        centred * scale + row(self.parameter(&format!("{name}.bias")))
    }
}

/// A module inside the network.
struct Part<'a> {
    forward: &'a Forward<'a>,
    prefix: String,
}

impl Part<'_> {
    /// The module on the fused kernels, see [`Forward::fused`].
    fn fused(
        &self,
        norms: &[&str],
        x: &Tensor<4>,
        plan: impl FnOnce(Tuning) -> Option<ConvNormPlan>,
    ) -> Option<Tensor<4>> {
        let norms: Vec<String> = norms.iter().map(|norm| format!("{}.{norm}", self.prefix)).collect();
        self.forward.fused(&self.prefix, &norms, x, plan)
    }
}

impl Module for Part<'_> {
    fn weight(&self, name: &str) -> Tensor<4> {
        self.forward.parameter(&format!("{}.{name}.weight", self.prefix))
    }

    fn norm(&self, name: &str, x: Tensor<4>) -> Tensor<4> {
        self.forward.norm(&format!("{}.{name}", self.prefix), x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    /// Against the sum over classes of what is left of the label, and what is spread, times the negative logarithm.
    #[test]
    fn smoothed_labels_are_spread_over_all_classes() {
        let device = Device::flex();
        let logits = [[1.0f32, 2.0, 0.5], [0.0, -1.0, 3.0]];
        let labels = [2usize, 0];
        let tensor = Tensor::<2>::from_data(logits, &device);
        let found = |smoothing| {
            let labels = Tensor::<1, Int>::from_data(labels.map(|l| l as i32), &device);
            smoothed_cross_entropy(tensor.clone(), labels, smoothing).into_scalar::<f32>()
        };
        let expected = |smoothing: f32| {
            let row = |(row, label): (&[f32; 3], usize)| {
                let total = row.iter().map(|v| v.exp()).sum::<f32>().ln();
                let share = |i: usize| smoothing / 3.0 + if i == label { 1.0 - smoothing } else { 0.0 };
                row.iter().enumerate().map(|(i, v)| share(i) * (total - v)).sum::<f32>()
            };
            logits.iter().zip(labels).map(row).sum::<f32>() / 2.0
        };
        for smoothing in [0.0, 0.1, 0.9] {
            let (found, expected) = (found(f64::from(smoothing)), expected(smoothing));
            assert!((found - expected).abs() < 1e-5, "{smoothing}: {found} {expected}");
        }
    }
}
