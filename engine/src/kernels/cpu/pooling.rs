//! 3 x 3 max and average pooling, and its gradient, over pictures in blocks.

use crate::kernels::cpu::{
    blocks::{LANES, Vector, ZERO, map},
    vectors,
};

/// The pixels that a 3 x 3 pool reads along one axis for its output at `i`.
#[inline(always)]
fn window(i: usize, stride: usize, length: usize) -> std::ops::Range<usize> {
    (i * stride).saturating_sub(1)..(i * stride + 2).min(length)
}

/// The largest of each 3 x 3 neighbourhood, and its mean without what lies outside.
pub(super) fn pool(picture: &[Vector], size: [usize; 2], stride: usize, largest: &mut [Vector], mean: &mut [Vector]) {
    let [height, width] = size.map(|length| length.div_ceil(stride));
    vectors!({
        let pictures = picture.chunks_exact(size[0] * size[1]);
        let outputs = largest.chunks_exact_mut(height * width).zip(mean.chunks_exact_mut(height * width));
        for (picture, (largest, mean)) in pictures.zip(outputs) {
            for y in 0..height {
                for x in 0..width {
                    let (rows, columns) = (window(y, stride, size[0]), window(x, stride, size[1]));
                    let count = (rows.len() * columns.len()) as f32;
                    let (mut most, mut sum) = ([f32::NEG_INFINITY; LANES], ZERO);
                    for row in rows {
                        for pixel in &picture[row * size[1]..][columns.clone()] {
                            most = map(|l| if pixel[l] > most[l] { pixel[l] } else { most[l] });
                            sum = map(|l| sum[l] + pixel[l]);
                        }
                    }
                    largest[y * width + x] = most;
                    mean[y * width + x] = map(|l| sum[l] / count);
                }
            }
        }
    });
}

/// Adds the gradient of a picture from those of its pools. The first of several that are largest gets all.
pub(super) fn pool_gradients(
    picture: &[Vector],
    size: [usize; 2],
    stride: usize,
    [of_largest, of_mean]: [&[Vector]; 2],
    sums: &mut [Vector],
) {
    let [height, width] = size.map(|length| length.div_ceil(stride));
    vectors!({
        let pictures = picture.chunks_exact(size[0] * size[1]).zip(sums.chunks_exact_mut(size[0] * size[1]));
        let gradients = of_largest.chunks_exact(height * width).zip(of_mean.chunks_exact(height * width));
        for ((picture, sums), (of_largest, of_mean)) in pictures.zip(gradients) {
            for y in 0..height {
                for x in 0..width {
                    let (rows, columns) = (window(y, stride, size[0]), window(x, stride, size[1]));
                    let count = (rows.len() * columns.len()) as f32;
                    let (mut most, mut argmax) = ([f32::NEG_INFINITY; LANES], ZERO);
                    let mut place = 0.0;
                    for row in rows.clone() {
                        for pixel in &picture[row * size[1]..][columns.clone()] {
                            argmax = map(|l| if pixel[l] > most[l] { place } else { argmax[l] });
                            most = map(|l| if pixel[l] > most[l] { pixel[l] } else { most[l] });
                            place += 1.0;
                        }
                    }
                    let (largest, mean) = (of_largest[y * width + x], of_mean[y * width + x]);
                    let mut place = 0.0;
                    for row in rows {
                        for sum in &mut sums[row * size[1]..][columns.clone()] {
                            let won = map(|l| if argmax[l] == place { largest[l] } else { 0.0 });
                            *sum = map(|l| sum[l] + (mean[l] / count + won[l]));
                            place += 1.0;
                        }
                    }
                }
            }
        }
    });
}
