//! Convolutions with BatchNorm of learned factors and offsets, one or two of them.

use crate::kernels::{
    cpu::{
        blocks::{
            LANES, Lane, Taps, ZERO, affine, blend, blocks, dots, from_blocks, map, mask, moments, pad_affine_relu,
            padded, sums, to_blocks,
        },
        buffer::Buffer,
        convolution::{Convolution, Norm, Scratch, WeightGradient, add_up, chunks, moments_of, total},
        groups, in_groups,
        reading::{Reading, ReadingKind},
    },
    plan::{ConvNormPlan, Layer, Source},
};

/// What the backward pass needs of a layer.
#[derive(Clone, Debug)]
pub(super) struct LayerMemory {
    /// Outputs of the convolution [image, blocks, pixels].
    values: Buffer,
    norm: Norm,
}

/// Layers with their parameters.
pub(super) struct Layers<'a> {
    plan: &'a ConvNormPlan,
    parameters: &'a [f32],
    convolutions: Vec<Convolution>,
}

impl<'a> Layers<'a> {
    pub fn new(plan: &'a ConvNormPlan, parameters: &'a [f32]) -> Self {
        let convolutions = plan.layers.iter().map(|layer| convolution(layer, parameters)).collect();
        Self { plan, parameters, convolutions }
    }

    /// How the first layer reads its input.
    fn reading(&self) -> Reading {
        let Layer { source, channels_in: channels, size, .. } = self.plan.layers[0];
        let (kind, stride) = match source {
            Source::Relu => (ReadingKind::All, 1),
            Source::Depthwise { stride, .. } => (ReadingKind::Padded, stride),
            Source::FactorizedReduce => (ReadingKind::Halves, 2),
            Source::Neighbourhoods => (ReadingKind::Neighbourhoods, 1),
        };
        Reading { channels, size: size.map(|length| stride * length), kind }
    }

    /// Vectors of a layer's output.
    fn vectors(&self, layer: usize) -> usize {
        blocks(self.plan.layers[layer].channels_out) * self.plane(layer)
    }

    fn plane(&self, layer: usize) -> usize {
        let [height, width] = self.plan.layers[layer].size;
        height * width
    }

    /// Size of the pictures that the convolution of a layer reads, as it counts them.
    fn size(&self, layer: usize) -> [usize; 2] {
        match self.plan.layers[layer].source {
            Source::Depthwise { stride, .. } => self.plan.layers[layer].size.map(|length| stride * length),
            _ => self.plan.layers[layer].size,
        }
    }

    fn scratch(&self, layer: usize) -> Scratch {
        match self.plan.layers[layer].source {
            Source::Depthwise { .. } => Scratch::new(blocks(self.plan.layers[layer].channels_in), self.size(layer)),
            _ => Scratch::new(0, [0, 0]),
        }
    }

    /// A learned number of each channel, in blocks; those beyond the last channel are zero.
    fn learned(&self, layer: usize, offsets: bool) -> Vec<Lane> {
        let Layer { channels_out: channels, gamma, .. } = self.plan.layers[layer];
        let first = gamma + if offsets { channels } else { 0 };
        in_lanes(&self.parameters[first..first + channels])
    }

    /// What normalises a layer's outputs, with what is learned.
    fn affine(&self, layer: usize, norm: &Norm) -> [Vec<Lane>; 2] {
        let scale: Vec<Lane> = norm
            .scale
            .iter()
            .zip(self.learned(layer, false))
            .map(|(scale, factor)| map(|l| scale[l] * factor[l]))
            .collect();
        let moved = norm.mean.iter().zip(&scale).zip(self.learned(layer, true));
        let shift = moved.map(|((mean, scale), offset)| map(|l| offset[l] - mean[l] * scale[l])).collect();
        [scale, shift]
    }

    /// The output [batch, channels, height, width], what the backward pass needs, and the means and unbiased variances
    /// [2 channels] that each BatchNorm found; `running` ones are used instead where they are given.
    pub fn forward(&self, input: &[f32], running: Option<&[&[f32]]>) -> (Vec<f32>, Vec<LayerMemory>, Vec<Vec<f32>>) {
        let images = self.plan.batch;
        let group = groups(images);
        let reading = self.reading();
        let (mut memory, mut statistics): (Vec<LayerMemory>, Vec<Vec<f32>>) = (Vec::new(), Vec::new());
        for (i, layer) in self.plan.layers.iter().enumerate() {
            let (plane, vectors) = (self.plane(i), self.vectors(i));
            let width = blocks(layer.channels_out);
            let mut values = Buffer::new(images * vectors);
            let (mut means, mut squares) = (vec![ZERO; images * width], vec![ZERO; images * width]);
            let before = memory.last().map(|before| (self.affine(i - 1, &before.norm), &before.values));
            let items = values
                .chunks_mut(group * vectors)
                .zip(means.chunks_mut(group * width).zip(squares.chunks_mut(group * width)));
            in_groups(images * vectors, items, |g, (values, (means, squares))| {
                let mut picture = Picture::new(before.is_none().then_some(&reading), self.size(i), layer.channels_in);
                let mut scratch = self.scratch(i);
                for (j, values) in values.chunks_exact_mut(vectors).enumerate() {
                    let image = g * group + j;
                    match &before {
                        None => picture.read(&input[image * reading.floats()..][..reading.floats()]),
                        Some((affine, before)) => picture.read_before(before, affine, image),
                    }
                    self.convolutions[i].forward(picture.source(), self.size(i), &mut scratch, values);
                    if running.is_none() {
                        let part = j * width..(j + 1) * width;
                        moments(values, plane, &mut means[part.clone()], &mut squares[part]);
                    }
                }
            });
            let norm = match running {
                Some(running) => {
                    let (mean, variance) = running[i].split_at(layer.channels_out);
                    Norm::new(&in_lanes(mean), &in_lanes(variance))
                }
                None => {
                    let (mean, variance) = moments_of(&means, &squares, width, plane);
                    let norm = Norm::new(&mean, &variance);
                    let count = (images * plane) as f32;
                    let unbiased =
                        variance.as_flattened()[..layer.channels_out].iter().map(|v| v * (count / (count - 1.0)));
                    let mean = mean.as_flattened()[..layer.channels_out].iter().copied();
                    statistics.push(mean.chain(unbiased).collect());
                    norm
                }
            };
            memory.push(LayerMemory { values, norm });
        }
        let last = self.plan.layers.len() - 1;
        let (plane, vectors, floats) = (self.plane(last), self.vectors(last), self.output_floats());
        let [scale, shift] = self.affine(last, &memory[last].norm);
        let mut output = vec![0.0; images * floats];
        let items = memory[last].values.chunks(group * vectors).zip(output.chunks_mut(group * floats));
        in_groups(images * vectors, items, |_, (values, output)| {
            let mut normalised = vec![ZERO; vectors];
            for (values, output) in values.chunks_exact(vectors).zip(output.chunks_exact_mut(floats)) {
                affine(values, [&scale, &shift], plane, &mut normalised);
                from_blocks(&normalised, plane, output);
            }
        });
        (output, memory, statistics)
    }

    fn output_floats(&self) -> usize {
        let last = self.plan.layers.len() - 1;
        self.plan.layers[last].channels_out * self.plane(last)
    }

    /// Gradients of the input, where wanted, and of the parameters, from that of the output.
    pub fn backward(
        &self,
        input: &[f32],
        mut memory: Vec<LayerMemory>,
        output_gradient: &[f32],
        wants_input: bool,
    ) -> (Option<Vec<f32>>, Vec<f32>) {
        let images = self.plan.batch;
        let group = groups(images);
        let reading = self.reading();
        let last = self.plan.layers.len() - 1;
        let mut parameters = vec![0.0; self.plan.parameters];
        let mut gradient = Buffer::new(images * self.vectors(last));
        let (plane, vectors, floats) = (self.plane(last), self.vectors(last), self.output_floats());
        let width = 2 * blocks(self.plan.layers[last].channels_out);
        let mut along = vec![ZERO; images * width];
        let items = gradient.chunks_mut(group * vectors).zip(along.chunks_mut(group * width));
        in_groups(images * vectors, items, |g, (gradient, along)| {
            for (j, (gradient, along)) in
                gradient.chunks_exact_mut(vectors).zip(along.chunks_exact_mut(width)).enumerate()
            {
                let image = g * group + j;
                to_blocks(&output_gradient[image * floats..][..floats], plane, gradient);
                sums(gradient, plane, &mut along[..width / 2]);
                dots(gradient, &memory[last].values[image * vectors..][..vectors], plane, &mut along[width / 2..]);
            }
        });
        let mut of_input = vec![0.0; if wants_input { input.len() } else { 0 }];
        for (i, layer) in self.plan.layers.iter().enumerate().rev() {
            let Layer { channels_in, channels_out, gamma: at, .. } = *layer;
            let (plane, vectors) = (self.plane(i), self.vectors(i));
            let LayerMemory { values, norm } = memory.pop().expect("a layer's");
            let width = blocks(channels_out);
            let totals = total(&along, 2 * width);
            let (of_offsets, of_values) = totals.split_at(width);
            let learned = self.learned(i, false);
            let (of_factors, factors) =
                norm.backward(of_offsets, of_values, images * plane, |block, l| learned[block][l]);
            for (first, found) in [(at, &of_factors[..]), (at + channels_out, of_offsets)] {
                let found = found.as_flattened()[..channels_out].iter().map(|&value| value as f32);
                parameters[first..].iter_mut().zip(found).for_each(|(parameter, found)| *parameter = found);
            }
            let before = memory.last().map(|before| (self.affine(i - 1, &before.norm), &before.values));
            let convolution = &self.convolutions[i];
            let inner = before.is_some();
            let (read_vectors, read_width) = (if inner { self.vectors(i - 1) } else { 0 }, 2 * blocks(channels_in));
            let mut of_read = Buffer::new(images * read_vectors);
            along = vec![ZERO; if inner { images * read_width } else { 0 }];
            let count = images.div_ceil(group);
            let items = gradient
                .chunks(group * vectors)
                .zip(chunks(&mut of_read, group * read_vectors, count))
                .zip(chunks(&mut along, group * read_width, count))
                .zip(chunks(&mut of_input, group * reading.floats(), count));
            let found = in_groups(images * vectors, items, |g, (((gradient, of_read), along), of_input)| {
                let mut found = vec![convolution.no_gradient()];
                let mut picture = Picture::new((!inner).then_some(&reading), self.size(i), channels_in);
                let mut scratch = self.scratch(i);
                let mut value = vec![ZERO; vectors];
                let mut of_source = if inner { Vec::new() } else { reading.gradient() };
                for (j, gradient) in gradient.chunks_exact(vectors).enumerate() {
                    let image = g * group + j;
                    blend(gradient, &values[image * vectors..][..vectors], &factors, plane, &mut value);
                    match &before {
                        None => {
                            picture.read(&input[image * reading.floats()..][..reading.floats()]);
                            of_source.fill(ZERO);
                            let wanted = wants_input.then_some(&mut of_source[..]);
                            convolution.backward(
                                &value,
                                picture.source(),
                                self.size(i),
                                &mut scratch,
                                found.first_mut(),
                                wanted,
                            );
                            if wants_input {
                                let floats = reading.floats();
                                picture.write(&of_source, &mut of_input[j * floats..][..floats]);
                            }
                        }
                        Some((affine, before)) => {
                            picture.read_before(before, affine, image);
                            let of_read = &mut of_read[j * read_vectors..][..read_vectors];
                            of_read.fill(ZERO);
                            let (source, size) = (picture.source(), self.size(i));
                            convolution.backward(&value, source, size, &mut scratch, found.first_mut(), Some(of_read));
                            mask(of_read, source, size);
                            let along = &mut along[j * read_width..][..read_width];
                            let plane = self.plane(i - 1);
                            sums(of_read, plane, &mut along[..read_width / 2]);
                            let before = &before[image * read_vectors..][..read_vectors];
                            dots(of_read, before, plane, &mut along[read_width / 2..]);
                        }
                    }
                }
                found
            });
            let found: Vec<WeightGradient> = add_up(found);
            let (depthwise, pointwise) = convolution.unpack(&found[0]);
            if let Source::Depthwise { weights, .. } = layer.source {
                parameters[weights..weights + depthwise.len()].copy_from_slice(&depthwise);
            }
            parameters[layer.pointwise..layer.pointwise + pointwise.len()].copy_from_slice(&pointwise);
            gradient = of_read;
        }
        (wants_input.then_some(of_input), parameters)
    }
}

fn convolution(layer: &Layer, parameters: &[f32]) -> Convolution {
    let Layer { channels_in, channels_out, pointwise, .. } = *layer;
    let weights = |count: usize| &parameters[pointwise..pointwise + count * channels_out];
    match layer.source {
        Source::Relu => Convolution::new(None, weights(channels_in), [channels_in, channels_out]),
        Source::Depthwise { k, dilation, stride, weights: at } => {
            let taps = Taps { k, dilation, stride };
            let depthwise = &parameters[at..at + channels_in * taps.count()];
            Convolution::new(Some((taps, depthwise)), weights(channels_in), [channels_in, channels_out])
        }
        Source::FactorizedReduce => Convolution::halves(weights(channels_in), [channels_in, channels_out]),
        Source::Neighbourhoods => Convolution::new(None, weights(9 * channels_in), [9 * channels_in, channels_out]),
    }
}

/// Numbers of channels in blocks.
fn in_lanes(channels: &[f32]) -> Vec<Lane> {
    channels.chunks(LANES).map(|block| map(|l| block.get(l).copied().unwrap_or(0.0))).collect()
}

/// The picture that a layer's convolution reads.
enum Picture<'a> {
    /// From outside.
    Outer(&'a Reading, super::reading::Read),
    /// What the layer before gives, with a margin.
    Inner { source: Vec<Lane>, size: [usize; 2], vectors: usize },
}

impl<'a> Picture<'a> {
    fn new(reading: Option<&'a Reading>, size: [usize; 2], channels: usize) -> Self {
        match reading {
            Some(reading) => Self::Outer(reading, reading.memory()),
            None => Self::Inner {
                source: vec![ZERO; blocks(channels) * padded(size)],
                size,
                vectors: blocks(channels) * size[0] * size[1],
            },
        }
    }

    fn read(&mut self, picture: &[f32]) {
        if let Self::Outer(reading, read) = self {
            reading.read(picture, read);
        }
    }

    fn read_before(&mut self, before: &[Lane], [scale, shift]: &[Vec<Lane>; 2], image: usize) {
        if let Self::Inner { source, size, vectors } = self {
            pad_affine_relu(&before[image * *vectors..][..*vectors], [scale, shift], *size, source);
        }
    }

    fn source(&self) -> &[Lane] {
        match self {
            Self::Outer(_, read) => &read.source,
            Self::Inner { source, .. } => source,
        }
    }

    fn write(&mut self, gradient: &[Lane], picture: &mut [f32]) {
        if let Self::Outer(reading, read) = self {
            reading.write(read, gradient, picture);
        }
    }
}
