//! DARTS in one file: "DARTS: Differentiable Architecture Search" (Liu, Simonyan, Yang, arXiv 1806.09055) in plain tensor
//! operations, to be read from top to bottom beside the paper: candidate ops, mixed op, cell, supernet, the bilevel search
//! step to first and second order, the derivation of the genotype.
//!
//!     cargo run --release -p darts-engine --example search
//!
//! searches a tiny supernet on generated textures. `tests/example_search.rs` compares every step of this file with searches
//! of the authors' implementation, whose names the weights have. Nothing here is fast: that is what the engine is for.
#![allow(missing_docs)] // Fields have the paper's names.

use burn::tensor::activation::{log_softmax, relu, softmax};
use burn::tensor::module::{avg_pool2d, conv2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData, s};
use std::{collections::BTreeMap, fmt::Display, ops::Add};

/// The set O of candidate ops (section 3.1.1), in the order of a row of alpha.
#[rustfmt::skip]
pub const OPS: [&str; 8] = [
    "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5",
];
/// Intermediate nodes of a cell. Each has an edge from both inputs of the cell and from every node before it.
pub const NODES: usize = 4;

/// Hyper-parameters of a search. xi, the learning rate of the inner step in equation 6, is eta for the second order and 0
/// for the first.
#[derive(Clone, Copy)]
pub struct Hyper {
    pub channels: usize,
    pub layers: usize,
    pub classes: usize,
    pub xi: f64,
    pub eta: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    pub grad_clip: f64,
    pub arch_lr: f64,
    pub arch_betas: [f64; 2],
    pub arch_weight_decay: f64,
}

/// The weights w by name, each flattened.
pub type Weights = BTreeMap<String, Tensor<1>>;

/// A part of the network: the weights whose names begin with its path.
struct Module<'a> {
    w: &'a mut Weights,
    path: String,
}

impl Module<'_> {
    fn child(&mut self, name: impl Display) -> Module<'_> {
        Module { path: format!("{}{name}.", self.path), w: self.w }
    }

    /// The weight of that name. The first forward pass of a network draws it, uniformly within 1 / sqrt(fan-in).
    fn weight<const D: usize>(&mut self, name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
        let bound = 1.0 / (shape[1..].iter().product::<usize>() as f64).sqrt();
        let draw = || Tensor::<D>::random(shape, Distribution::Uniform(-bound, bound), device).flatten(0, D - 1);
        self.w.entry(format!("{}{name}", self.path)).or_insert_with(draw).clone().reshape(shape)
    }

    /// A convolution with a weight of shape [out, in / groups, k, k], padded so that stride 1 keeps height and width.
    fn conv(&mut self, name: &str, x: Tensor<4>, shape: [usize; 4], stride: usize, dilation: usize) -> Tensor<4> {
        let (groups, padding) = (x.dims()[1] / shape[1], dilation * (shape[2] - 1) / 2);
        let weight = self.weight(&format!("{name}.weight"), shape, &x.device());
        conv2d(x, weight, None, ConvOptions::new([stride; 2], [padding; 2], [dilation; 2], groups))
    }

    /// ReLU, 1x1 convolution, BatchNorm.
    fn relu_conv_bn(&mut self, x: Tensor<4>, c: usize) -> Tensor<4> {
        let shape = [c, x.dims()[1], 1, 1];
        batch_norm(self.conv("op.1", relu(x), shape, 1, 1))
    }

    /// ReLU, two 1x1 convolutions of stride 2 side by side, the second on x shifted by a pixel, BatchNorm.
    fn factorized_reduce(&mut self, x: Tensor<4>, c: usize) -> Tensor<4> {
        let (shape, x) = ([c / 2, x.dims()[1], 1, 1], relu(x));
        let shifted = x.clone().slice(s![.., .., 1.., 1..]);
        batch_norm(Tensor::cat(vec![self.conv("conv_1", x, shape, 2, 1), self.conv("conv_2", shifted, shape, 2, 1)], 1))
    }

    /// ReLU, depthwise k x k convolution, 1x1 convolution, BatchNorm; the convolutions are number i and i + 1 of their op.
    fn separable(&mut self, i: usize, x: Tensor<4>, k: usize, stride: usize, dilation: usize) -> Tensor<4> {
        let c = x.dims()[1];
        let x = self.conv(&format!("op.{i}"), relu(x), [c, 1, k, k], stride, dilation);
        batch_norm(self.conv(&format!("op.{}", i + 1), x, [c, c, 1, 1], 1, 1))
    }

    /// A candidate op o(x) other than zero; a separable convolution is applied twice.
    fn op(&mut self, op: &str, x: Tensor<4>, stride: usize) -> Tensor<4> {
        let c = x.dims()[1];
        let max_pool = MaxPoolOptions::new([3, 3]).with_stride([stride; 2]).with_padding([1, 1]);
        let avg_pool = AvgPoolOptions::new([3, 3]).with_stride([stride; 2]).with_padding([1, 1]);
        let mut sep_conv = |x, k| {
            let x = self.separable(1, x, k, stride, 1);
            self.separable(5, x, k, 1, 1)
        };
        match op {
            "sep_conv_3x3" => sep_conv(x, 3),
            "sep_conv_5x5" => sep_conv(x, 5),
            "dil_conv_3x3" => self.separable(1, x, 3, stride, 2),
            "dil_conv_5x5" => self.separable(1, x, 5, stride, 2),
            "max_pool_3x3" => batch_norm(max_pool2d(x, max_pool)),
            "avg_pool_3x3" => batch_norm(avg_pool2d(x, avg_pool.with_count_include_pad(false))),
            "skip_connect" if stride == 1 => x,
            "skip_connect" => self.factorized_reduce(x, c),
            _ => unreachable!("{op} is no candidate"),
        }
    }

    /// The mixed op (equation 2): o-bar(x) = sum over o in O of p_o o(x), where p [8] is the softmax of the edge's alpha.
    /// Zero adds nothing: it takes part through the softmax alone.
    fn mixed_op(&mut self, x: &Tensor<4>, p: Tensor<1>, stride: usize) -> Tensor<4> {
        let mixed = (1..OPS.len()).map(|o| {
            let p_o = p.clone().slice(o..o + 1).reshape([1, 1, 1, 1]);
            p_o * self.child(format_args!("_ops.{o}")).op(OPS[o], x.clone(), stride)
        });
        mixed.reduce(Add::add).expect("candidate ops")
    }

    /// A cell (equation 1): x(j) = sum over i < j of o-bar(i,j)(x(i)); its output is the intermediate nodes concatenated.
    /// p [14, 8] has a row for each edge. In a reduction cell the edges from the inputs have stride 2.
    fn cell(&mut self, inputs: [Tensor<4>; 2], p: &Tensor<2>, reduction: bool) -> Tensor<4> {
        let (mut x, mut edges) = (inputs.to_vec(), 0..);
        for j in 2..2 + NODES {
            let mixed = (0..j).zip(edges.by_ref()).map(|(i, edge): (usize, usize)| {
                let (p_edge, stride) = (p.clone().slice(edge).flatten(0, 1), if reduction && i < 2 { 2 } else { 1 });
                self.child(format_args!("_ops.{edge}")).mixed_op(&x[i], p_edge, stride)
            });
            let x_j = mixed.reduce(Add::add).expect("edges");
            x.push(x_j);
        }
        Tensor::cat(x.split_off(2), 1)
    }
}

/// BatchNorm by the minibatch's own statistics and, while alpha is searched, without affine parameters (appendix A.1.1).
fn batch_norm(x: Tensor<4>) -> Tensor<4> {
    let centred = x.clone() - x.mean_dims(&[0, 2, 3]);
    let variance = centred.clone().square().mean_dims(&[0, 2, 3]);
    centred / (variance + 1e-5).sqrt()
}

/// The supernet: a stem, cells, a classifier. Cells at one and two thirds of the depth are reduction cells and have twice as
/// many channels as the one before. From alpha [2, 14, 8], that of normal cells first, and images [batch, 3, height, width]
/// follow class scores [batch, classes].
pub fn supernet(hyper: &Hyper, w: &mut Weights, alpha: Tensor<3>, images: Tensor<4>) -> Tensor<2> {
    let (mut net, device, mut c) = (Module { w, path: String::new() }, images.device(), hyper.channels);
    let p: [Tensor<2>; 2] = [0, 1].map(|kind| softmax(alpha.clone(), 2).select_dim(0, kind));
    let [gamma, beta] = ["stem.1.weight", "stem.1.bias"].map(|name| net.weight(name, [1, 3 * c, 1, 1], &device));
    let stem = gamma * batch_norm(net.conv("stem.0", images, [3 * c, 3, 3, 3], 1, 1)) + beta;
    let (mut s0, mut s1, mut reduced) = (stem.clone(), stem, false);
    for layer in 0..hyper.layers {
        let reduction = layer == hyper.layers / 3 || layer == 2 * hyper.layers / 3;
        c *= if reduction { 2 } else { 1 };
        let mut cell = net.child(format_args!("cells.{layer}"));
        // Both inputs get the cell's size: behind a reduction cell, s0 is twice as large as s1.
        let mut input0 = cell.child("preprocess0");
        let x0 = if reduced { input0.factorized_reduce(s0, c) } else { input0.relu_conv_bn(s0, c) };
        let x1 = cell.child("preprocess1").relu_conv_bn(s1.clone(), c);
        (s0, s1) = (s1, cell.cell([x0, x1], &p[usize::from(reduction)], reduction));
        reduced = reduction;
    }
    let pooled: Tensor<2> = s1.mean_dims(&[2, 3]).flatten(1, 3);
    let matrix = net.weight("classifier.weight", [hyper.classes, NODES * c], &device);
    pooled.matmul(matrix.transpose()) + net.weight("classifier.bias", [1, hyper.classes], &device)
}

/// A minibatch: images [batch, 3, height, width] and labels [batch].
pub type Batch = (Tensor<4>, Tensor<1, Int>);

/// The state of a search: w and alpha with the buffers of their optimisers.
#[derive(Clone)]
pub struct Search {
    pub hyper: Hyper,
    /// Names and lengths of the weights, whose concatenation is the vector w.
    pub layout: Vec<(String, usize)>,
    pub w: Tensor<1>,
    pub momentum_buffer: Tensor<1>,
    pub alpha: Tensor<3>,
    pub moments: [Tensor<3>; 2],
    pub steps: i32,
}

impl Search {
    pub fn new(hyper: Hyper, w: Weights, alpha: Tensor<3>) -> Self {
        let layout = w.iter().map(|(name, weight)| (name.clone(), weight.dims()[0])).collect();
        let w = Tensor::cat(w.into_values().collect(), 0);
        let (momentum_buffer, moments) = (w.zeros_like(), [alpha.zeros_like(), alpha.zeros_like()]);
        Self { hyper, layout, w, momentum_buffer, alpha, moments, steps: 0 }
    }

    /// The cross-entropy L(w, alpha) on a minibatch, its gradient in w and its gradient in alpha.
    pub fn loss(&self, w: &Tensor<1>, (images, labels): &Batch) -> (f64, Tensor<1>, Tensor<3>) {
        let (names, lengths): (Vec<_>, Vec<_>) = self.layout.iter().cloned().unzip();
        let leaves = w.clone().split_with_sizes(lengths, 0).into_iter().map(|leaf| leaf.autodiff().require_grad());
        let mut w: Weights = names.into_iter().zip(leaves).collect();
        let alpha = self.alpha.clone().autodiff().require_grad();
        let scores = supernet(&self.hyper, &mut w, alpha.clone(), images.clone().autodiff());
        let loss = -log_softmax(scores, 1).gather(1, labels.clone().autodiff().unsqueeze_dim(1)).mean();
        let gradients = loss.backward();
        let grad_w = w.values().map(|leaf| leaf.grad(&gradients).expect("every weight takes part")).collect();
        (loss.into_scalar(), Tensor::cat(grad_w, 0), alpha.grad(&gradients).expect("alpha takes part"))
    }

    /// L_val(w', alpha) and the gradient of equation 5 in alpha, by equations 6 to 8.
    pub fn architecture_gradient(&self, train: &Batch, valid: &Batch) -> (f64, Tensor<3>) {
        let Hyper { xi, momentum, weight_decay, .. } = self.hyper;
        let w = || self.w.clone();
        // Equation 6: w' = w - xi grad_w L_train(w, alpha); the authors take the step that SGD would, but for clipping.
        // First order: xi = 0, w' = w, and equation 7 has but one term.
        if xi == 0.0 {
            let (l_val, _, grad_alpha) = self.loss(&w(), valid);
            return (l_val, grad_alpha);
        }
        let (_, grad_w, _) = self.loss(&w(), train);
        let w_prime = w() - xi * (grad_w + momentum * self.momentum_buffer.clone() + weight_decay * w());
        let (l_val, v, grad_alpha) = self.loss(&w_prime, valid);
        // Equation 8, with v = grad_w' L_val(w', alpha) and the epsilon of footnote 2: finite differences between
        // w+ = w + epsilon v and w- = w - epsilon v give the Hessian-vector product.
        let epsilon = 0.01 / norm(&v);
        let (_, _, plus) = self.loss(&(w() + epsilon * v.clone()), train);
        let (_, _, minus) = self.loss(&(w() - epsilon * v), train);
        let hessian_v = (plus - minus) / (2.0 * epsilon);
        // Equation 7: grad_alpha L_val(w', alpha) - xi grad2_alpha,w L_train(w, alpha) v.
        (l_val, grad_alpha - xi * hessian_v)
    }

    /// A round of algorithm 1. Returns L_train(w, alpha), L_val(w', alpha) and the gradient that alpha descended.
    pub fn step(&mut self, train: &Batch, valid: &Batch) -> (f64, f64, Tensor<3>) {
        let Hyper { eta, momentum, weight_decay, grad_clip, .. } = self.hyper;
        let Hyper { arch_lr, arch_betas: [beta1, beta2], arch_weight_decay, .. } = self.hyper;
        // 1. Alpha descends L_val(w', alpha): Adam, weight decay added to the gradient.
        let (l_val, grad_alpha) = self.architecture_gradient(train, valid);
        let g = grad_alpha.clone() + arch_weight_decay * self.alpha.clone();
        let [m, v] = self.moments.clone();
        let [m, v] = [beta1 * m + (1.0 - beta1) * g.clone(), beta2 * v + (1.0 - beta2) * g.square()];
        (self.moments, self.steps) = ([m.clone(), v.clone()], self.steps + 1);
        let (m_hat, v_hat) = (m / (1.0 - beta1.powi(self.steps)), v / (1.0 - beta2.powi(self.steps)));
        self.alpha = self.alpha.clone() - arch_lr * m_hat / (v_hat.sqrt() + 1e-8);
        // 2. w descends L_train(w, alpha): SGD with momentum; the gradient is clipped, then weight decay added.
        let (l_train, grad_w, _) = self.loss(&self.w, train);
        let clip = f64::min(1.0, grad_clip / (norm(&grad_w) + 1e-6));
        let g = clip * grad_w + weight_decay * self.w.clone();
        self.momentum_buffer = momentum * self.momentum_buffer.clone() + g;
        self.w = self.w.clone() - eta * self.momentum_buffer.clone();
        (l_train, l_val, grad_alpha)
    }

    /// The derived normal cell and reduction cell (section 2.4): each node keeps its two strongest edges, with the state that
    /// each reads. The strength of an edge, and its op, are those of its strongest op other than zero.
    pub fn genotype(&self) -> [Vec<(&'static str, usize)>; 2] {
        let strongest = |p: &[f64]| (1..OPS.len()).rev().map(|o| (p[o], OPS[o])).max_by(|a, b| a.0.total_cmp(&b.0));
        [0, 1].map(|kind| {
            let p: Vec<f64> = softmax(self.alpha.clone(), 2).select_dim::<2>(0, kind).into_data().iter().collect();
            let mut edges = p.chunks(OPS.len()).map(|p| strongest(p).expect("ops"));
            let kept = (2..2 + NODES).flat_map(|j| {
                let mut ranked: Vec<_> = edges.by_ref().take(j).enumerate().collect();
                ranked.sort_by(|(_, (p, _)), (_, (q, _))| q.total_cmp(p));
                ranked.into_iter().take(2).map(|(i, (_, op))| (op, i))
            });
            kept.collect()
        })
    }
}

fn norm(vector: &Tensor<1>) -> f64 {
    vector.clone().square().sum().into_scalar::<f64>().sqrt()
}

/// Searches three cells of four channels in ten steps. The paper takes 50 epochs; alpha moves a hundred times as fast here.
fn main() {
    let device = darts_engine::device::Compute::cpu().device;
    device.seed(0);
    let textures = darts_engine::data::Dataset::textures(0, 320, 0).train;
    let images = Tensor::<5>::from_data(TensorData::new(textures.pixels, [20, 16, 3, 32, 32]), &device) / 128.0 - 1.0;
    let labels = Tensor::<2, Int>::from_data(TensorData::new(textures.labels, [20, 16]), &device);
    let minibatch = |i: usize| (images.clone().select_dim(0, i), labels.clone().select_dim(0, i));
    #[rustfmt::skip]
    let hyper = Hyper {
        channels: 4, layers: 3, classes: 10, xi: 0.025, eta: 0.025, momentum: 0.9, weight_decay: 3e-4, grad_clip: 5.0,
        arch_lr: 3e-2, arch_betas: [0.5, 0.999], arch_weight_decay: 1e-3,
    };
    let alpha = Tensor::random([2, 14, OPS.len()], Distribution::Normal(0.0, 1e-3), &device);
    let (gamma, beta) = (Tensor::ones([12], &device), Tensor::zeros([12], &device));
    let mut w = Weights::from([("stem.1.weight".into(), gamma), ("stem.1.bias".into(), beta)]);
    supernet(&hyper, &mut w, alpha.clone(), minibatch(0).0); // Draws all other weights.
    let mut search = Search::new(hyper, w, alpha);
    for i in 0..10 {
        let (l_train, l_val, _) = search.step(&minibatch(2 * i), &minibatch(2 * i + 1));
        println!("step {i}: L_train {l_train:.3}, L_val {l_val:.3}");
    }
    println!("softmax of alpha, a row for each edge of the normal cells, then of the reduction cells\n{OPS:>14?}");
    let p: Vec<f32> = softmax(search.alpha.clone(), 2).into_data().iter().collect();
    p.chunks(OPS.len()).for_each(|row| println!("{row:>14.3?}"));
    let [normal, reduction] = search.genotype();
    println!("genotype\n  normal {normal:?}\n  reduction {reduction:?}");
}
