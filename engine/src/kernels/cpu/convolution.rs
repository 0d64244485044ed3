//! A depthwise convolution and a pointwise one over pictures in blocks, and the BatchNorm behind them.

use crate::kernels::cpu::blocks::{
    Factors, LANES, Lane, Taps, ZERO, blocks, depthwise, depthwise_back, depthwise_weights, map, outer, pad, padded,
    pointwise,
};
use crate::model::plain::BATCH_NORM_EPSILON;

/// A pointwise convolution, and the depthwise one before it where there is one.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    taps: Option<Taps>,
    shape: Shape,
    /// [blocks, taps], and in the opposite order.
    depthwise: Vec<Lane>,
    flipped: Vec<Lane>,
    /// [blocks of outputs, inputs], and [blocks of inputs, outputs].
    pointwise: Vec<Lane>,
    transposed: Vec<Lane>,
}

/// Channels of a pointwise convolution's input and output.
#[derive(Clone, Copy, Debug)]
struct Shape {
    inputs: usize,
    outputs: usize,
    /// Whether the second half of the outputs reads inputs of its own, which follow the others.
    halves: bool,
}

impl Shape {
    fn input_blocks(self) -> usize {
        blocks(self.inputs) * if self.halves { 2 } else { 1 }
    }

    /// Each weight [outputs, inputs]: its output, and where it finds its input.
    fn places(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.outputs).flat_map(move |output| {
            let second = self.halves && output >= self.outputs / 2;
            let first = if second { blocks(self.inputs) * LANES } else { 0 };
            (0..self.inputs).map(move |input| (output, first + input))
        })
    }
}

/// Memory of one picture's pass through convolutions.
pub(super) struct Scratch {
    /// What the depthwise convolution gives, and later that one's gradient.
    between: Vec<Lane>,
    /// The same with a margin.
    spread: Vec<Lane>,
}

impl Scratch {
    /// For pictures of `size` in `blocks`, backward too, with one stride.
    pub fn new(blocks: usize, size: [usize; 2]) -> Self {
        Self { between: vec![ZERO; blocks * size[0] * size[1]], spread: vec![ZERO; blocks * padded(size)] }
    }
}

/// The gradient of a convolution's weights.
#[derive(Clone, Debug)]
pub(super) struct WeightGradient {
    depthwise: Vec<Lane>,
    pointwise: Vec<Lane>,
}

impl WeightGradient {
    pub fn add(&mut self, other: &Self) {
        for (sums, others) in [(&mut self.depthwise, &other.depthwise), (&mut self.pointwise, &other.pointwise)] {
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum = map(|l| sum[l] + other[l]);
            }
        }
    }
}

impl Convolution {
    /// A convolution whose depthwise weights are [inputs, taps] and whose pointwise ones are [outputs, inputs].
    pub fn new(depthwise: Option<(Taps, &[f32])>, pointwise: &[f32], [inputs, outputs]: [usize; 2]) -> Self {
        let mut convolution = Self::of(Shape { inputs, outputs, halves: false }, pointwise);
        if let Some((taps, weights)) = depthwise {
            let count = taps.count();
            let mut packed = vec![ZERO; blocks(inputs) * count];
            for (channel, weights) in weights.chunks_exact(count).enumerate() {
                for (tap, &weight) in weights.iter().enumerate() {
                    packed[channel / LANES * count + tap][channel % LANES] = weight;
                }
            }
            convolution.flipped = packed.chunks_exact(count).flat_map(|taps| taps.iter().rev().copied()).collect();
            convolution.depthwise = packed;
            convolution.taps = Some(taps);
        }
        convolution
    }

    /// Two pointwise convolutions of half the outputs each, on inputs of their own.
    pub fn halves(pointwise: &[f32], [inputs, outputs]: [usize; 2]) -> Self {
        Self::of(Shape { inputs, outputs, halves: true }, pointwise)
    }

    fn of(shape: Shape, weights: &[f32]) -> Self {
        let (inputs, outputs) = (shape.input_blocks() * LANES, blocks(shape.outputs) * LANES);
        let mut pointwise = vec![ZERO; outputs / LANES * inputs];
        let mut transposed = vec![ZERO; inputs / LANES * outputs];
        for ((output, input), &weight) in shape.places().zip(weights) {
            pointwise[output / LANES * inputs + input][output % LANES] = weight;
            transposed[input / LANES * outputs + output][input % LANES] = weight;
        }
        Self { taps: None, shape, depthwise: Vec::new(), flipped: Vec::new(), pointwise, transposed }
    }

    /// Size of what it gives for pictures of `size`.
    fn output(&self, size: [usize; 2]) -> [usize; 2] {
        self.taps.map_or(size, |taps| taps.output(size))
    }

    /// No gradient yet.
    pub fn no_gradient(&self) -> WeightGradient {
        WeightGradient { depthwise: vec![ZERO; self.depthwise.len()], pointwise: vec![ZERO; self.pointwise.len()] }
    }

    /// A picture of `size`, with its margin where there is a depthwise convolution.
    pub fn forward(&self, x: &[Lane], size: [usize; 2], scratch: &mut Scratch, output: &mut [Lane]) {
        let [height, width] = self.output(size);
        let x = self.between(x, size, scratch);
        pointwise(x, &self.pointwise, height * width, output);
    }

    /// What the pointwise convolution reads.
    fn between<'a>(&self, x: &'a [Lane], size: [usize; 2], scratch: &'a mut Scratch) -> &'a [Lane] {
        let Some(taps) = self.taps else { return x };
        let [height, width] = taps.output(size);
        let between = &mut scratch.between[..blocks(self.shape.inputs) * height * width];
        depthwise(taps, x, &self.depthwise, size, between);
        between
    }

    /// Adds the gradient of the weights to `of_weights`, and to `of_input` [blocks, pixels] that of the picture `x`, from the
    /// output's; without a depthwise convolution the latter is written instead.
    pub fn backward(
        &self,
        gradient: &[Lane],
        x: &[Lane],
        size: [usize; 2],
        scratch: &mut Scratch,
        mut of_weights: Option<&mut WeightGradient>,
        of_input: Option<&mut [Lane]>,
    ) {
        let output = self.output(size);
        let plane = output[0] * output[1];
        if let Some(of_weights) = &mut of_weights {
            outer(gradient, self.between(x, size, scratch), plane, &mut of_weights.pointwise);
        }
        let Some(taps) = self.taps else {
            if let Some(of_input) = of_input {
                pointwise(gradient, &self.transposed, plane, of_input);
            }
            return;
        };
        let between = &mut scratch.between[..blocks(self.shape.inputs) * plane];
        pointwise(gradient, &self.transposed, plane, between);
        if let Some(of_weights) = of_weights {
            depthwise_weights(taps, between, x, size, &mut of_weights.depthwise);
        }
        if let Some(of_input) = of_input {
            pad(between, output, taps.stride, size, &mut scratch.spread);
            depthwise_back(taps, &scratch.spread, &self.flipped, size, of_input);
        }
    }

    /// Weights' gradients in the order of the weights: depthwise [inputs, taps], pointwise [outputs, inputs].
    pub fn unpack(&self, gradient: &WeightGradient) -> (Vec<f32>, Vec<f32>) {
        let inputs = self.shape.input_blocks() * LANES;
        let count = self.taps.map_or(0, Taps::count);
        let depthwise = (0..self.shape.inputs * count)
            .map(|i| {
                let (channel, tap) = (i / count, i % count);
                gradient.depthwise[channel / LANES * count + tap][channel % LANES]
            })
            .collect();
        let places = self.shape.places();
        let pointwise =
            places.map(|(output, input)| gradient.pointwise[output / LANES * inputs + input][output % LANES]).collect();
        (depthwise, pointwise)
    }
}

/// Mean and 1 / sqrt(variance + epsilon) of each channel, in blocks.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    pub mean: Vec<Lane>,
    pub scale: Vec<Lane>,
}

/// Sums over all images of parts [images, width].
pub(super) fn total(parts: &[Lane], width: usize) -> Vec<[f64; LANES]> {
    let mut sums = vec![[0.0; LANES]; width];
    for part in parts.chunks_exact(width) {
        for (sum, part) in sums.iter_mut().zip(part) {
            for l in 0..LANES {
                sum[l] += f64::from(part[l]);
            }
        }
    }
    sums
}

/// Mean and biased variance of each channel of several pictures, given those of each image [images, width]: the mean and the sum
/// of squared distances from it.
pub(super) fn moments_of(means: &[Lane], squares: &[Lane], width: usize, plane: usize) -> (Vec<Lane>, Vec<Lane>) {
    let images = (means.len() / width) as f64;
    let mean: Vec<[f64; LANES]> = total(means, width).iter().map(|sum| sum.map(|sum| sum / images)).collect();
    let mut squared = total(squares, width);
    for part in means.chunks_exact(width) {
        for ((squared, part), mean) in squared.iter_mut().zip(part).zip(&mean) {
            for l in 0..LANES {
                squared[l] += plane as f64 * (f64::from(part[l]) - mean[l]).powi(2);
            }
        }
    }
    let count = images * plane as f64;
    let single = |lane: &[f64; LANES]| lane.map(|value| value as f32);
    (mean.iter().map(single).collect(), squared.iter().map(|squared| squared.map(|s| (s / count) as f32)).collect())
}

impl Norm {
    /// By means and biased variances.
    pub fn new(mean: &[Lane], variance: &[Lane]) -> Self {
        let scale = |variance: &Lane| variance.map(|v| (1.0 / (f64::from(v) + BATCH_NORM_EPSILON).sqrt()) as f32);
        Self { mean: mean.to_vec(), scale: variance.iter().map(scale).collect() }
    }

    /// Of what is normalised already.
    pub fn identity(blocks: usize) -> Self {
        Self { mean: vec![ZERO; blocks], scale: vec![[1.0; LANES]; blocks] }
    }

    /// The norms of several pictures of `blocks` each, by the moments of each image.
    pub fn all(means: &[Lane], squares: &[Lane], pictures: usize, blocks: usize, plane: usize) -> Vec<Self> {
        let (mean, variance) = moments_of(means, squares, pictures * blocks, plane);
        mean.chunks_exact(blocks).zip(variance.chunks_exact(blocks)).map(|(m, v)| Self::new(m, v)).collect()
    }

    /// Factor and offset of each channel: normalised and then scaled by `weight`.
    pub fn affine(&self, weight: f32) -> [Vec<Lane>; 2] {
        let scale: Vec<Lane> = self.scale.iter().map(|scale| scale.map(|scale| weight * scale)).collect();
        let shift = self.mean.iter().zip(&scale).map(|(mean, scale)| map(|l| -mean[l] * scale[l])).collect();
        [scale, shift]
    }

    /// Where the output is the normalised value times `weight` [blocks]: sums of the output's gradient times the normalised
    /// value of each channel, and how the gradient of the value follows from the output's and from the value. Given are the
    /// sums over `count` pixels of the output's gradient, and of its product with the value.
    pub fn backward(
        &self,
        sums: &[[f64; LANES]],
        dots: &[[f64; LANES]],
        count: usize,
        weight: impl Fn(usize, usize) -> f32,
    ) -> (Vec<[f64; LANES]>, Factors) {
        let (mut normalised, mut factors) = (Vec::new(), Factors { a: Vec::new(), b: Vec::new(), shift: Vec::new() });
        let count = count as f64;
        for block in 0..self.mean.len() {
            let (mut along, mut a, mut b, mut shift) = ([0.0; LANES], ZERO, ZERO, ZERO);
            for l in 0..LANES {
                let (mean, scale) = (f64::from(self.mean[block][l]), f64::from(self.scale[block][l]));
                along[l] = scale * (dots[block][l] - mean * sums[block][l]);
                let all = f64::from(weight(block, l)) * scale;
                let slope = -all * scale * along[l] / count;
                a[l] = all as f32;
                b[l] = slope as f32;
                shift[l] = (-all * sums[block][l] / count - slope * mean) as f32;
            }
            normalised.push(along);
            factors.a.push(a);
            factors.b.push(b);
            factors.shift.push(shift);
        }
        (normalised, factors)
    }
}

/// `count` parts of `length` each, but for the last; of nothing too.
pub(super) fn chunks<T>(mut values: &mut [T], length: usize, count: usize) -> impl Iterator<Item = &mut [T]> {
    (0..count).map(move |_| values.split_off_mut(..length.min(values.len())).expect("a part of it"))
}

/// The sums of what groups found, in their order.
pub(super) fn add_up(groups: Vec<Vec<WeightGradient>>) -> Vec<WeightGradient> {
    let mut groups = groups.into_iter();
    let mut sums = groups.next().expect("a group");
    for group in groups {
        for (sum, more) in sums.iter_mut().zip(&group) {
            sum.add(more);
        }
    }
    sums
}
