//! A convolution of one or two parts over pictures in blocks, depthwise and pointwise, with its gradients.

use crate::kernels::cpu::{
    blocks::{LANES, Vector, ZERO, blocks, map, pad, padded},
    depthwise::{Taps, depthwise, depthwise_input_gradient, depthwise_weight_gradient},
    pointwise::{pointwise, pointwise_weight_gradient},
};

/// A pointwise convolution, and the depthwise one before it where there is one.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    taps: Option<Taps>,
    shape: Shape,
    /// [blocks, taps], and in the opposite order.
    depthwise: Vec<Vector>,
    flipped: Vec<Vector>,
    /// [blocks of outputs, inputs], and [blocks of inputs, outputs].
    pointwise: Vec<Vector>,
    transposed: Vec<Vector>,
}

/// Channels of a pointwise convolution's input and output.
#[derive(Clone, Copy, Debug)]
struct Shape {
    inputs: usize,
    outputs: usize,
    /// Whether it is two convolutions: the second half of the outputs then reads inputs of its own, which follow the
    /// others.
    two_groups: bool,
}

impl Shape {
    /// Blocks of all inputs.
    fn input_blocks(self) -> usize {
        blocks(self.inputs) * if self.two_groups { 2 } else { 1 }
    }

    /// Output of each weight [outputs, inputs], and the place of its input.
    fn places(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.outputs).flat_map(move |output| {
            let second = self.two_groups && output >= self.outputs / 2;
            let first = if second { blocks(self.inputs) * LANES } else { 0 };
            (0..self.inputs).map(move |input| (output, first + input))
        })
    }
}

/// Scratch memory of one picture's pass through convolutions.
pub(super) struct Scratch {
    /// Output of the depthwise convolution, and later its gradient.
    between: Vec<Vector>,
    /// The same with a margin.
    spread: Vec<Vector>,
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
    depthwise: Vec<Vector>,
    pointwise: Vec<Vector>,
}

impl WeightGradient {
    /// Adds another gradient of the same weights.
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
        let mut convolution = Self::of(Shape { inputs, outputs, two_groups: false }, pointwise);
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

    /// The two pointwise convolutions of a factorized reduce: half the outputs each, on inputs of their own.
    pub fn factorized_reduce(pointwise: &[f32], [inputs, outputs]: [usize; 2]) -> Self {
        Self::of(Shape { inputs, outputs, two_groups: true }, pointwise)
    }

    /// A convolution without depthwise weights.
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

    /// Output size for pictures of `size`.
    fn output(&self, size: [usize; 2]) -> [usize; 2] {
        self.taps.map_or(size, |taps| taps.output(size))
    }

    /// No gradient yet.
    pub fn no_gradient(&self) -> WeightGradient {
        WeightGradient { depthwise: vec![ZERO; self.depthwise.len()], pointwise: vec![ZERO; self.pointwise.len()] }
    }

    /// A picture of `size`, with its margin where there is a depthwise convolution.
    pub fn forward(&self, x: &[Vector], size: [usize; 2], scratch: &mut Scratch, output: &mut [Vector]) {
        let [height, width] = self.output(size);
        let x = self.between(x, size, scratch);
        pointwise(x, &self.pointwise, height * width, output);
    }

    /// Input of the pointwise convolution.
    fn between<'a>(&self, x: &'a [Vector], size: [usize; 2], scratch: &'a mut Scratch) -> &'a [Vector] {
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
        gradient: &[Vector],
        x: &[Vector],
        size: [usize; 2],
        scratch: &mut Scratch,
        mut of_weights: Option<&mut WeightGradient>,
        of_input: Option<&mut [Vector]>,
    ) {
        let output = self.output(size);
        let plane = output[0] * output[1];
        if let Some(of_weights) = &mut of_weights {
            pointwise_weight_gradient(gradient, self.between(x, size, scratch), plane, &mut of_weights.pointwise);
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
            depthwise_weight_gradient(taps, between, x, size, &mut of_weights.depthwise);
        }
        if let Some(of_input) = of_input {
            pad(between, output, taps.stride, size, &mut scratch.spread);
            depthwise_input_gradient(taps, &scratch.spread, &self.flipped, size, of_input);
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

/// Sums of the groups' gradients, in the order of the groups.
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
