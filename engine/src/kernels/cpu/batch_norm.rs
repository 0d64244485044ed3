//! BatchNorm over the images of a minibatch, and its gradient.

use crate::kernels::cpu::{
    blocks::{LANES, Vector, ZERO, fused, map, sum_of},
    chunks, vectors,
};
use crate::kernels::plain::BATCH_NORM_EPSILON;

/// Mean and 1 / sqrt(variance + epsilon) of each channel, in blocks.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    pub mean: Vec<Vector>,
    pub scale: Vec<Vector>,
}

impl Norm {
    /// From means and biased variances.
    pub fn new(mean: &[Vector], variance: &[Vector]) -> Self {
        let scale = |variance: &Vector| variance.map(|v| (1.0 / (f64::from(v) + BATCH_NORM_EPSILON).sqrt()) as f32);
        Self { mean: mean.to_vec(), scale: variance.iter().map(scale).collect() }
    }

    /// For values that are normalised already.
    pub fn identity(blocks: usize) -> Self {
        Self { mean: vec![ZERO; blocks], scale: vec![[1.0; LANES]; blocks] }
    }

    /// Scale and shift of each channel: normalised and then scaled by `weight`.
    pub fn scale_shift(&self, weight: f32) -> [Vec<Vector>; 2] {
        let scale: Vec<Vector> = self.scale.iter().map(|scale| scale.map(|scale| weight * scale)).collect();
        let shift = self.mean.iter().zip(&scale).map(|(mean, scale)| map(|l| -mean[l] * scale[l])).collect();
        [scale, shift]
    }

    /// Sums of the output's gradient times the normalised value of each channel, and the map from the output's gradient
    /// and the value to the value's gradient, where the output is the normalised value times `weight` [blocks]. Given
    /// are the sums over `count` pixels of the output's gradient, and of its product with the value.
    pub fn backward(
        &self,
        sums: &[[f64; LANES]],
        products: &[[f64; LANES]],
        count: usize,
        weight: impl Fn(usize, usize) -> f32,
    ) -> (Vec<[f64; LANES]>, GradientMap) {
        let mut normalised = Vec::new();
        let mut gradients = GradientMap::default();
        let count = count as f64;
        for block in 0..self.mean.len() {
            let (mut along, mut on_gradient, mut on_value, mut offset) = ([0.0; LANES], ZERO, ZERO, ZERO);
            for l in 0..LANES {
                let (mean, scale) = (f64::from(self.mean[block][l]), f64::from(self.scale[block][l]));
                along[l] = scale * (products[block][l] - mean * sums[block][l]);
                let all = f64::from(weight(block, l)) * scale;
                let slope = -all * scale * along[l] / count;
                on_gradient[l] = all as f32;
                on_value[l] = slope as f32;
                offset[l] = (-all * sums[block][l] / count - slope * mean) as f32;
            }
            normalised.push(along);
            gradients.on_gradient.push(on_gradient);
            gradients.on_value.push(on_value);
            gradients.offset.push(offset);
        }
        (normalised, gradients)
    }
}

/// BatchNorm's gradient: a map of the output's gradient and the value, with coefficients for each channel, in blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct GradientMap {
    on_gradient: Vec<Vector>,
    on_value: Vec<Vector>,
    offset: Vec<Vector>,
}

impl GradientMap {
    /// Writes the gradient of a picture's values [blocks, pixels].
    pub fn apply(&self, gradient: &[Vector], values: &[Vector], plane: usize, output: &mut [Vector]) {
        vectors!({
            let pictures =
                gradient.chunks_exact(plane).zip(values.chunks_exact(plane)).zip(output.chunks_exact_mut(plane));
            for (block, ((gradient, values), output)) in pictures.enumerate() {
                let (a, b, offset) = (self.on_gradient[block], self.on_value[block], self.offset[block]);
                for ((g, x), output) in gradient.iter().zip(values).zip(output) {
                    *output = map(|l| fused(g[l], a[l], fused(x[l], b[l], offset[l])));
                }
            }
        });
    }
}

/// Mean of each channel of every image, and the sum of squared distances from it: of several pictures an image, [images, width].
pub(super) struct ImageMoments {
    means: Vec<Vector>,
    squares: Vec<Vector>,
    /// Blocks of an image's pictures.
    width: usize,
}

/// Moments of a group of images.
pub(super) struct GroupMoments<'a> {
    means: &'a mut [Vector],
    squares: &'a mut [Vector],
    width: usize,
}

impl ImageMoments {
    pub fn new(images: usize, width: usize) -> Self {
        Self { means: vec![ZERO; images * width], squares: vec![ZERO; images * width], width }
    }

    /// The moments of `count` groups of so many images.
    pub fn groups(&mut self, images: usize, count: usize) -> impl Iterator<Item = GroupMoments<'_>> {
        let width = self.width;
        let means = chunks(&mut self.means, images * width, count);
        let squares = chunks(&mut self.squares, images * width, count);
        means.zip(squares).map(move |(means, squares)| GroupMoments { means, squares, width })
    }

    /// Mean and biased variance of each channel over all images, of `plane` pixels.
    pub fn total(&self, plane: usize) -> (Vec<Vector>, Vec<Vector>) {
        let images = (self.means.len() / self.width) as f64;
        let sums = total(&self.means, self.width);
        let mean: Vec<[f64; LANES]> = sums.iter().map(|sum| sum.map(|sum| sum / images)).collect();
        let mut squared = total(&self.squares, self.width);
        for part in self.means.chunks_exact(self.width) {
            for ((squared, part), mean) in squared.iter_mut().zip(part).zip(&mean) {
                for l in 0..LANES {
                    squared[l] += plane as f64 * (f64::from(part[l]) - mean[l]).powi(2);
                }
            }
        }
        let count = images * plane as f64;
        let single = |vector: &[f64; LANES]| vector.map(|value| value as f32);
        let variance = squared.iter().map(|squared| squared.map(|sum| (sum / count) as f32)).collect();
        (mean.iter().map(single).collect(), variance)
    }

    /// The norms of an image's pictures, of `blocks` each and `plane` pixels.
    pub fn norms(&self, blocks: usize, plane: usize) -> Vec<Norm> {
        let (mean, variance) = self.total(plane);
        mean.chunks_exact(blocks).zip(variance.chunks_exact(blocks)).map(|(m, v)| Norm::new(m, v)).collect()
    }
}

impl GroupMoments<'_> {
    /// Takes the moments of a picture [blocks, pixels] of the group's image `image`, which is its picture `which`.
    pub fn take(&mut self, image: usize, which: usize, picture: &[Vector], plane: usize) {
        let blocks = picture.len() / plane;
        let at = image * self.width + which * blocks;
        moments(picture, plane, &mut self.means[at..][..blocks], &mut self.squares[at..][..blocks]);
    }
}

/// Mean of each channel of a picture, and the sum of squared distances from it.
fn moments(picture: &[Vector], plane: usize, means: &mut [Vector], squares: &mut [Vector]) {
    vectors!({
        for ((picture, mean), squared) in picture.chunks_exact(plane).zip(means).zip(squares) {
            let average = sum_of(picture, |pixel| *pixel);
            let average = map(|l| average[l] / plane as f32);
            *mean = average;
            *squared = sum_of(picture, |pixel| map(|l| (pixel[l] - average[l]) * (pixel[l] - average[l])));
        }
    });
}

/// Sums over all images of parts [images, width].
pub(super) fn total(parts: &[Vector], width: usize) -> Vec<[f64; LANES]> {
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
