//! Convolutions with BatchNorm of gamma and beta: the ops of derived cells, their preprocessing and stems.

use crate::kernels::{
    cpu::{
        batch_norm::{GradientMap, ImageMoments, Norm, total},
        blocks::{
            Vector, ZERO, blocks, from_blocks, in_blocks, map, mask, pad_scale_shift_relu, padded, scale_shift, sums,
            sums_of_products, to_blocks,
        },
        buffer::Buffer,
        chunks,
        convolution::{Convolution, Scratch, WeightGradient, add_up},
        depthwise::Taps,
        groups, in_groups,
        input::{ReadPicture, Reader, Reads},
    },
    plan::{ConvNormPlan, Layer, NEIGHBOURS, Source},
};

/// Results of a layer that its backward pass needs.
#[derive(Clone, Debug)]
pub(super) struct SavedLayer {
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

    /// The output [batch, channels, height, width], what the backward pass needs, and the means and unbiased variances
    /// [2 channels] that each BatchNorm computed; `running` ones replace them where given.
    pub fn forward(&self, input: &[f32], running: Option<&[&[f32]]>) -> (Vec<f32>, Vec<SavedLayer>, Vec<Vec<f32>>) {
        let (mut saved, mut statistics): (Vec<SavedLayer>, Vec<Vec<f32>>) = (Vec::new(), Vec::new());
        for (i, layer) in self.plan.layers.iter().enumerate() {
            let (values, moments) = self.convolve(i, &self.input(i, input, saved.last()), running.is_none());
            let norm = match (running, moments) {
                (None, Some(moments)) => {
                    let (mean, variance) = moments.total(self.plane(i));
                    statistics.push(self.statistics(layer, [&mean, &variance]));
                    Norm::new(&mean, &variance)
                }
                (running, _) => {
                    let running = running.map_or(&[][..], |running| running[i]);
                    let (mean, variance) = running.split_at(layer.channels_out);
                    Norm::new(&in_blocks(mean), &in_blocks(variance))
                }
            };
            saved.push(SavedLayer { values, norm });
        }
        (self.output(&saved), saved, statistics)
    }

    /// Gradients of the input, where requested, and of the parameters, from that of the output.
    pub fn backward(
        &self,
        input: &[f32],
        mut saved: Vec<SavedLayer>,
        output_gradient: &[f32],
        input_requested: bool,
    ) -> (Option<Vec<f32>>, Vec<f32>) {
        let mut parameters = vec![0.0; self.plan.parameters];
        let (mut gradient, mut gradient_sums) = self.output_gradients(output_gradient, &saved);
        while let Some(SavedLayer { values, norm }) = saved.pop() {
            let i = saved.len();
            let map = self.gamma_beta_gradients(i, &norm, &gradient_sums, &mut parameters);
            let outputs = OutputGradients { gradient: &gradient, values: &values, map: &map };
            match self.input(i, input, saved.last()) {
                Input::Inner(inner) => {
                    let (found, of_inner, inner_sums) = self.inner_gradients(i, &inner, outputs);
                    self.unpack(i, &found, &mut parameters);
                    (gradient, gradient_sums) = (of_inner, inner_sums);
                }
                Input::Outer { reader, pictures } => {
                    let (found, of_input) = self.first_gradients(reader, pictures, outputs, input_requested);
                    self.unpack(i, &found, &mut parameters);
                    return (of_input, parameters);
                }
            }
        }
        unreachable!("a plan without layers")
    }

    /// Vectors of a layer's output.
    fn vectors(&self, layer: usize) -> usize {
        blocks(self.plan.layers[layer].channels_out) * self.plane(layer)
    }

    /// Pixels of a channel of a layer's output.
    fn plane(&self, layer: usize) -> usize {
        let [height, width] = self.plan.layers[layer].size;
        height * width
    }

    /// Size of the pictures that the convolution of a layer reads, before its stride.
    fn size(&self, layer: usize) -> [usize; 2] {
        match self.plan.layers[layer].source {
            Source::Depthwise { stride, .. } => self.plan.layers[layer].size.map(|length| stride * length),
            _ => self.plan.layers[layer].size,
        }
    }

    /// Memory for a pass of one picture through the convolution of a layer.
    fn scratch(&self, layer: usize) -> Scratch {
        match self.plan.layers[layer].source {
            Source::Depthwise { .. } => Scratch::new(blocks(self.plan.layers[layer].channels_in), self.size(layer)),
            _ => Scratch::new(0, [0, 0]),
        }
    }

    /// Gamma and beta of a layer, in blocks; those beyond the last channel are zero.
    fn gamma_beta(&self, layer: usize) -> [Vec<Vector>; 2] {
        let Layer { channels_out: channels, gamma, .. } = self.plan.layers[layer];
        [gamma, gamma + channels].map(|first| in_blocks(&self.parameters[first..first + channels]))
    }

    /// Scale and shift of a layer's outputs by BatchNorm with gamma and beta.
    fn scale_shift(&self, layer: usize, norm: &Norm) -> [Vec<Vector>; 2] {
        let [gamma, beta] = self.gamma_beta(layer);
        let scale: Vec<Vector> =
            norm.scale.iter().zip(gamma).map(|(scale, gamma)| map(|l| scale[l] * gamma[l])).collect();
        let moved = norm.mean.iter().zip(&scale).zip(beta);
        let shift = moved.map(|((mean, scale), beta)| map(|l| beta[l] - mean[l] * scale[l])).collect();
        [scale, shift]
    }

    /// The reader of the first layer.
    fn reader(&self) -> Reader {
        let Layer { source, channels_in: channels, size, .. } = self.plan.layers[0];
        let (reads, stride) = match source {
            Source::Relu => (Reads::Relu, 1),
            Source::Depthwise { stride, .. } => (Reads::PaddedRelu, stride),
            Source::FactorizedReduce => (Reads::FactorizedReduce, 2),
            Source::Neighbourhoods => (Reads::Neighbourhoods, 1),
        };
        Reader { channels, size: size.map(|length| stride * length), reads }
    }

    /// The input of a layer: pictures from outside, or the previous layer's output.
    fn input<'b>(&self, layer: usize, pictures: &'b [f32], before: Option<&'b SavedLayer>) -> Input<'b> {
        match before {
            None => Input::Outer { reader: self.reader(), pictures },
            Some(SavedLayer { values, norm }) => Input::Inner(InnerInput {
                values,
                scale_shift: self.scale_shift(layer - 1, norm),
                blocks: blocks(self.plan.layers[layer].channels_in),
                size: self.size(layer),
            }),
        }
    }

    /// Outputs of a layer's convolution [image, blocks, pixels], and their moments, if requested.
    fn convolve(&self, layer: usize, input: &Input, with_moments: bool) -> (Buffer, Option<ImageMoments>) {
        let images = self.plan.batch;
        let group = groups(images);
        let (plane, vectors) = (self.plane(layer), self.vectors(layer));
        let mut values = Buffer::new(images * vectors);
        let mut moments = ImageMoments::new(images, blocks(self.plan.layers[layer].channels_out));
        let items = values.chunks_mut(group * vectors).zip(moments.groups(group, images.div_ceil(group)));
        in_groups(images * vectors, items, |g, (values, mut moments)| {
            let (mut picture, mut scratch) = (input.memory(), self.scratch(layer));
            for (j, values) in values.chunks_exact_mut(vectors).enumerate() {
                input.read(g * group + j, &mut picture);
                self.convolutions[layer].forward(picture.source(), self.size(layer), &mut scratch, values);
                if with_moments {
                    moments.take(j, 0, values, plane);
                }
            }
        });
        (values, with_moments.then_some(moments))
    }

    /// Means and unbiased variances [2 channels], from means and biased variances in blocks.
    fn statistics(&self, layer: &Layer, [mean, variance]: [&[Vector]; 2]) -> Vec<f32> {
        let [height, width] = layer.size;
        let count = (self.plan.batch * height * width) as f32;
        let [mean, variance] = [mean, variance].map(|values| &values.as_flattened()[..layer.channels_out]);
        mean.iter().copied().chain(variance.iter().map(|v| v * (count / (count - 1.0)))).collect()
    }

    /// The last layer.
    fn last(&self) -> usize {
        self.plan.layers.len() - 1
    }

    /// Floats of an image's output.
    fn output_floats(&self) -> usize {
        self.plan.layers[self.last()].channels_out * self.plane(self.last())
    }

    /// The output [batch, channels, height, width].
    fn output(&self, saved: &[SavedLayer]) -> Vec<f32> {
        let (images, last) = (self.plan.batch, self.last());
        let group = groups(images);
        let (plane, vectors, floats) = (self.plane(last), self.vectors(last), self.output_floats());
        let [scale, shift] = self.scale_shift(last, &saved[last].norm);
        let mut output = vec![0.0; images * floats];
        let items = saved[last].values.chunks(group * vectors).zip(output.chunks_mut(group * floats));
        in_groups(images * vectors, items, |_, (values, output)| {
            let mut normalised = vec![ZERO; vectors];
            for (values, output) in values.chunks_exact(vectors).zip(output.chunks_exact_mut(floats)) {
                scale_shift(values, [&scale, &shift], plane, &mut normalised);
                from_blocks(&normalised, plane, output);
            }
        });
        output
    }

    /// The gradient of the output in blocks [image, blocks, pixels], and for each image the sums of its channels and of their
    /// products with the values [image, 2, blocks].
    fn output_gradients(&self, output_gradient: &[f32], saved: &[SavedLayer]) -> (Buffer, Vec<Vector>) {
        let (images, last) = (self.plan.batch, self.last());
        let group = groups(images);
        let (plane, vectors, floats) = (self.plane(last), self.vectors(last), self.output_floats());
        let width = 2 * blocks(self.plan.layers[last].channels_out);
        let mut gradient = Buffer::new(images * vectors);
        let mut found = vec![ZERO; images * width];
        let items = gradient.chunks_mut(group * vectors).zip(found.chunks_mut(group * width));
        in_groups(images * vectors, items, |g, (gradient, found)| {
            let pictures = gradient.chunks_exact_mut(vectors).zip(found.chunks_exact_mut(width));
            for (j, (gradient, found)) in pictures.enumerate() {
                let image = g * group + j;
                to_blocks(&output_gradient[image * floats..][..floats], plane, gradient);
                let values = &saved[last].values[image * vectors..][..vectors];
                sum_gradient(gradient, values, plane, found);
            }
        });
        (gradient, found)
    }

    /// Writes the gradients of gamma and beta, from the sums of the output's gradient and of its products with the
    /// values. Returns the map from the output's gradient to that of the values.
    fn gamma_beta_gradients(
        &self,
        layer: usize,
        norm: &Norm,
        gradient_sums: &[Vector],
        parameters: &mut [f32],
    ) -> GradientMap {
        let Layer { channels_out: channels, gamma: at, .. } = self.plan.layers[layer];
        let width = blocks(channels);
        let totals = total(gradient_sums, 2 * width);
        let (of_beta, products) = totals.split_at(width);
        let [gamma, _] = self.gamma_beta(layer);
        let count = self.plan.batch * self.plane(layer);
        let (of_gamma, map) = norm.backward(of_beta, products, count, |block, l| gamma[block][l]);
        for (first, found) in [(at, &of_gamma[..]), (at + channels, of_beta)] {
            let found = found.as_flattened()[..channels].iter().map(|&value| value as f32);
            parameters[first..].iter_mut().zip(found).for_each(|(parameter, found)| *parameter = found);
        }
        map
    }

    /// Gradients of the weights of the first layer, and of its input, where requested.
    fn first_gradients(
        &self,
        reader: Reader,
        pictures: &[f32],
        outputs: OutputGradients,
        input_requested: bool,
    ) -> (WeightGradient, Option<Vec<f32>>) {
        let images = self.plan.batch;
        let group = groups(images);
        let (plane, vectors, floats) = (self.plane(0), self.vectors(0), reader.floats());
        let convolution = &self.convolutions[0];
        let mut of_input = vec![0.0; if input_requested { pictures.len() } else { 0 }];
        let items =
            outputs.gradient.chunks(group * vectors).zip(chunks(&mut of_input, group * floats, images.div_ceil(group)));
        let found = in_groups(images * vectors, items, |g, (gradient, of_input)| {
            let mut found = vec![convolution.no_gradient()];
            let (mut read, mut of_source) = (reader.memory(), reader.gradient());
            let (mut scratch, mut value) = (self.scratch(0), vec![ZERO; vectors]);
            for (j, gradient) in gradient.chunks_exact(vectors).enumerate() {
                let image = g * group + j;
                outputs.apply(image, gradient, plane, &mut value);
                reader.read(&pictures[image * floats..][..floats], &mut read);
                of_source.fill(ZERO);
                let requested = input_requested.then_some(&mut of_source[..]);
                let size = self.size(0);
                convolution.backward(&value, &read.source, size, &mut scratch, found.first_mut(), requested);
                if input_requested {
                    reader.write_gradient(&mut read, &of_source, &mut of_input[j * floats..][..floats]);
                }
            }
            found
        });
        (add_up(found).remove(0), input_requested.then_some(of_input))
    }

    /// Gradients of the weights of a later layer, and of the normalised values that it reads [image, blocks, pixels];
    /// and for each image the sums of these and of their products with the values before BatchNorm [image, 2, blocks].
    fn inner_gradients(
        &self,
        layer: usize,
        inner: &InnerInput,
        outputs: OutputGradients,
    ) -> (WeightGradient, Buffer, Vec<Vector>) {
        let images = self.plan.batch;
        let group = groups(images);
        let (plane, vectors) = (self.plane(layer), self.vectors(layer));
        let (inner_plane, inner_vectors, width) = (self.plane(layer - 1), inner.vectors(), 2 * inner.blocks);
        let convolution = &self.convolutions[layer];
        let mut of_inner = Buffer::new(images * inner_vectors);
        let mut inner_sums = vec![ZERO; images * width];
        let items = outputs
            .gradient
            .chunks(group * vectors)
            .zip(of_inner.chunks_mut(group * inner_vectors))
            .zip(inner_sums.chunks_mut(group * width));
        let found = in_groups(images * vectors, items, |g, ((gradient, of_inner), inner_sums)| {
            let mut found = vec![convolution.no_gradient()];
            let (mut source, mut scratch) = (inner.memory(), self.scratch(layer));
            let mut value = vec![ZERO; vectors];
            let pictures = gradient
                .chunks_exact(vectors)
                .zip(of_inner.chunks_exact_mut(inner_vectors))
                .zip(inner_sums.chunks_exact_mut(width));
            for (j, ((gradient, of_inner), inner_sums)) in pictures.enumerate() {
                let image = g * group + j;
                outputs.apply(image, gradient, plane, &mut value);
                inner.read(image, &mut source);
                of_inner.fill(ZERO);
                let of_weights = found.first_mut();
                convolution.backward(&value, &source, inner.size, &mut scratch, of_weights, Some(of_inner));
                mask(of_inner, &source, inner.size);
                sum_gradient(of_inner, inner.picture(image), inner_plane, inner_sums);
            }
            found
        });
        (add_up(found).remove(0), of_inner, inner_sums)
    }

    /// Writes a layer's weight gradients at the weights' place among the parameters.
    fn unpack(&self, layer: usize, found: &WeightGradient, parameters: &mut [f32]) {
        let (depthwise, pointwise) = self.convolutions[layer].unpack(found);
        let Layer { source, pointwise: at, .. } = self.plan.layers[layer];
        if let Source::Depthwise { weights, .. } = source {
            parameters[weights..weights + depthwise.len()].copy_from_slice(&depthwise);
        }
        parameters[at..at + pointwise.len()].copy_from_slice(&pointwise);
    }
}

/// The sums of a gradient's channels, and of their products with the values [2, blocks].
fn sum_gradient(gradient: &[Vector], values: &[Vector], plane: usize, output: &mut [Vector]) {
    let (of_gradient, of_products) = output.split_at_mut(output.len() / 2);
    sums(gradient, plane, of_gradient);
    sums_of_products(gradient, values, plane, of_products);
}

/// The gradient of a layer's output, and the map from it to that of the convolution's outputs.
#[derive(Clone, Copy)]
struct OutputGradients<'a> {
    /// [image, blocks, pixels].
    gradient: &'a Buffer,
    /// Outputs of the convolution.
    values: &'a Buffer,
    map: &'a GradientMap,
}

impl OutputGradients<'_> {
    /// The gradient of the convolution's outputs of an image, from that of the layer's.
    fn apply(&self, image: usize, gradient: &[Vector], plane: usize, output: &mut [Vector]) {
        let vectors = gradient.len();
        self.map.apply(gradient, &self.values[image * vectors..][..vectors], plane, output);
    }
}

/// Input of a layer's convolution.
enum Input<'a> {
    /// Pictures from outside [batch, channels, height, width].
    Outer { reader: Reader, pictures: &'a [f32] },
    /// The ReLU of the previous layer's output.
    Inner(InnerInput<'a>),
}

/// Values of the previous layer, with the scale and shift of its BatchNorm, gamma and beta.
struct InnerInput<'a> {
    /// [image, blocks, pixels].
    values: &'a Buffer,
    scale_shift: [Vec<Vector>; 2],
    blocks: usize,
    size: [usize; 2],
}

/// A picture that was read.
enum Picture {
    Outer(ReadPicture),
    Inner(Vec<Vector>),
}

impl InnerInput<'_> {
    /// Vectors of an image.
    fn vectors(&self) -> usize {
        self.blocks * self.size[0] * self.size[1]
    }

    /// Memory for reading one picture, with a margin.
    fn memory(&self) -> Vec<Vector> {
        vec![ZERO; self.blocks * padded(self.size)]
    }

    /// Values of an image [blocks, pixels].
    fn picture(&self, image: usize) -> &[Vector] {
        &self.values[image * self.vectors()..][..self.vectors()]
    }

    /// Reads an image: its ReLU with a margin.
    fn read(&self, image: usize, output: &mut [Vector]) {
        let [scale, shift] = &self.scale_shift;
        pad_scale_shift_relu(self.picture(image), [scale, shift], self.size, output);
    }
}

impl Input<'_> {
    /// Memory for reading one picture.
    fn memory(&self) -> Picture {
        match self {
            Self::Outer { reader, .. } => Picture::Outer(reader.memory()),
            Self::Inner(inner) => Picture::Inner(inner.memory()),
        }
    }

    /// Reads an image.
    fn read(&self, image: usize, picture: &mut Picture) {
        match (self, picture) {
            (Self::Outer { reader, pictures }, Picture::Outer(read)) => {
                reader.read(&pictures[image * reader.floats()..][..reader.floats()], read);
            }
            (Self::Inner(inner), Picture::Inner(source)) => inner.read(image, source),
            _ => unreachable!("a picture of another input"),
        }
    }
}

impl Picture {
    /// Input of the convolution.
    fn source(&self) -> &[Vector] {
        match self {
            Self::Outer(read) => &read.source,
            Self::Inner(source) => source,
        }
    }
}

/// The convolution of a layer with its weights.
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
        Source::FactorizedReduce => Convolution::factorized_reduce(weights(channels_in), [channels_in, channels_out]),
        Source::Neighbourhoods => {
            let inputs = NEIGHBOURS * channels_in;
            Convolution::new(None, weights(inputs), [inputs, channels_out])
        }
    }
}
