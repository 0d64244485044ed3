//! Pictures whose channels are in blocks of eight: [blocks, height, width, 8]. A vector is one pixel of a block, so
//! every loop over pixels is one over whole vectors, whatever the picture's size; lanes beyond the last channel are
//! zero.

use crate::kernels::cpu::vectors;
use std::array::from_fn;

/// Channels of a block.
pub(super) const LANES: usize = 8;
/// One pixel of a block.
pub(super) type Vector = [f32; LANES];
pub(super) const ZERO: Vector = [0.0; LANES];
/// Zeros around a picture that convolutions read: enough for the widest of them, 5 x 5 with a dilation of two.
pub(super) const MARGIN: usize = 4;

/// Number of blocks that hold `channels` channels.
pub(super) fn blocks(channels: usize) -> usize {
    channels.div_ceil(LANES)
}

/// Channels in blocks.
pub(super) fn in_blocks(channels: &[f32]) -> Vec<Vector> {
    channels.chunks(LANES).map(|block| map(|l| block.get(l).copied().unwrap_or(0.0))).collect()
}

/// Vectors of a picture of `size` with its margin.
pub(super) fn padded([height, width]: [usize; 2]) -> usize {
    (height + 2 * MARGIN) * pitch(width)
}

/// Vectors of a row with its margin.
pub(super) fn pitch(width: usize) -> usize {
    width + 2 * MARGIN
}

/// a * b + sum, as one instruction where the CPU has it.
#[inline(always)]
pub(super) fn fused(a: f32, b: f32, sum: f32) -> f32 {
    if cfg!(target_arch = "wasm32") { a * b + sum } else { a.mul_add(b, sum) }
}

/// Adds the products of two vectors.
#[inline(always)]
pub(super) fn add_product(sum: &mut Vector, a: &Vector, b: &Vector) {
    for l in 0..LANES {
        sum[l] = fused(a[l], b[l], sum[l]);
    }
}

/// Adds a scaled vector.
#[inline(always)]
pub(super) fn add_scaled(sum: &mut Vector, a: &Vector, b: f32) {
    for l in 0..LANES {
        sum[l] = fused(a[l], b, sum[l]);
    }
}

/// A vector of `f` for each lane.
#[inline(always)]
pub(super) fn map(f: impl Fn(usize) -> f32) -> Vector {
    from_fn(f)
}

/// A picture [channels, pixels] in blocks.
pub(super) fn to_blocks(picture: &[f32], plane: usize, output: &mut [Vector]) {
    for (block, output) in output.chunks_exact_mut(plane).enumerate() {
        let channels = picture[block * LANES * plane..].chunks_exact(plane).take(LANES);
        if channels.len() < LANES {
            output.fill(ZERO);
        }
        for (l, channel) in channels.enumerate() {
            for (pixel, &value) in output.iter_mut().zip(channel) {
                pixel[l] = value;
            }
        }
    }
}

/// The channels of a picture in blocks, each [pixels], without those that pad the last block.
pub(super) fn from_blocks(blocks: &[Vector], plane: usize, picture: &mut [f32]) {
    for (block, channels) in blocks.chunks_exact(plane).zip(picture.chunks_mut(LANES * plane)) {
        for (l, channel) in channels.chunks_exact_mut(plane).enumerate() {
            for (value, pixel) in channel.iter_mut().zip(block) {
                *value = pixel[l];
            }
        }
    }
}

/// Puts a picture of `size` into one with a margin, pixels `spread` apart, each after `f`, which also gets its block.
/// The margin and the gaps stay as they are.
#[inline(always)]
fn pad_each(
    picture: &[Vector],
    size: [usize; 2],
    spread: usize,
    padded_size: [usize; 2],
    output: &mut [Vector],
    f: impl Fn(usize, &Vector) -> Vector,
) {
    let (plane, pitch) = (size[0] * size[1], pitch(padded_size[1]));
    let blocks = picture.chunks_exact(plane).zip(output.chunks_exact_mut(padded(padded_size)));
    for (block, (picture, output)) in blocks.enumerate() {
        for (y, row) in picture.chunks_exact(size[1]).enumerate() {
            let output = &mut output[(y * spread + MARGIN) * pitch + MARGIN..];
            match spread {
                1 => row.iter().zip(output).for_each(|(pixel, output)| *output = f(block, pixel)),
                _ => row.iter().zip(output.iter_mut().step_by(spread)).for_each(|(pixel, o)| *o = f(block, pixel)),
            }
        }
    }
}

/// The ReLU of a vector.
#[inline(always)]
pub(super) fn relu(pixel: &Vector) -> Vector {
    map(|l| pixel[l].max(0.0))
}

/// Puts the ReLU of a picture into one with a margin.
pub(super) fn pad_relu(picture: &[Vector], size: [usize; 2], output: &mut [Vector]) {
    vectors!(pad_each(picture, size, 1, size, output, |_, pixel| relu(pixel)));
}

/// Puts the ReLU of scaled and shifted blocks into a picture with a margin.
pub(super) fn pad_scale_shift_relu(
    picture: &[Vector],
    [scale, shift]: [&[Vector]; 2],
    size: [usize; 2],
    output: &mut [Vector],
) {
    vectors!(pad_each(picture, size, 1, size, output, |block, pixel| {
        map(|l| fused(pixel[l], scale[block][l], shift[block][l]).max(0.0))
    }));
}

/// Puts a picture into one with a margin that has `padded_size` without it, pixels `spread` apart.
pub(super) fn pad(picture: &[Vector], size: [usize; 2], spread: usize, padded_size: [usize; 2], output: &mut [Vector]) {
    vectors!(pad_each(picture, size, spread, padded_size, output, |_, pixel| *pixel));
}

/// The gradient where x is above zero.
#[inline(always)]
pub(super) fn above_zero(x: &Vector, gradient: &Vector) -> Vector {
    // All bits or none: the compiler leaves a choice between floats as a jump for each.
    map(|l| f32::from_bits(gradient[l].to_bits() & u32::from(x[l] > 0.0).wrapping_neg()))
}

/// Lets a gradient pass where `x` of `size` with its margin is above zero.
pub(super) fn mask(gradient: &mut [Vector], x: &[Vector], size: [usize; 2]) {
    vectors!({
        let pitch = pitch(size[1]);
        for (gradient, x) in gradient.chunks_exact_mut(size[0] * size[1]).zip(x.chunks_exact(padded(size))) {
            for (y, row) in gradient.chunks_exact_mut(size[1]).enumerate() {
                let x = &x[(y + MARGIN) * pitch + MARGIN..];
                for (gradient, x) in row.iter_mut().zip(x) {
                    *gradient = above_zero(x, gradient);
                }
            }
        }
    });
}

/// The sum of a block's pixels, each after `f`, four at a time.
#[inline(always)]
pub(super) fn sum_of(picture: &[Vector], f: impl Fn(&Vector) -> Vector) -> Vector {
    let mut sum = [ZERO; 4];
    let (fours, rest) = picture.as_chunks::<4>();
    for four in fours {
        for i in 0..4 {
            let value = f(&four[i]);
            sum[i] = map(|l| sum[i][l] + value[l]);
        }
    }
    for pixel in rest {
        let value = f(pixel);
        sum[0] = map(|l| sum[0][l] + value[l]);
    }
    map(|l| (sum[0][l] + sum[1][l]) + (sum[2][l] + sum[3][l]))
}

/// Sums of each channel of a picture [blocks, pixels].
pub(super) fn sums(picture: &[Vector], plane: usize, output: &mut [Vector]) {
    vectors!({
        for (picture, output) in picture.chunks_exact(plane).zip(output) {
            *output = sum_of(picture, |pixel| *pixel);
        }
    });
}

/// Sums of products of each channel of two pictures.
pub(super) fn sums_of_products(a: &[Vector], b: &[Vector], plane: usize, output: &mut [Vector]) {
    vectors!({
        for ((a, b), output) in a.chunks_exact(plane).zip(b.chunks_exact(plane)).zip(output) {
            let mut sum = [ZERO; 4];
            let ((a, last_a), (b, last_b)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
            for (a, b) in a.iter().zip(b) {
                for i in 0..4 {
                    add_product(&mut sum[i], &a[i], &b[i]);
                }
            }
            for (a, b) in last_a.iter().zip(last_b) {
                add_product(&mut sum[0], a, b);
            }
            *output = map(|l| (sum[0][l] + sum[1][l]) + (sum[2][l] + sum[3][l]));
        }
    });
}

/// Scales and shifts blocks.
pub(super) fn scale_shift(picture: &[Vector], [scale, shift]: [&[Vector]; 2], plane: usize, output: &mut [Vector]) {
    vectors!({
        for (block, (picture, output)) in picture.chunks_exact(plane).zip(output.chunks_exact_mut(plane)).enumerate() {
            for (pixel, output) in picture.iter().zip(output) {
                *output = map(|l| fused(pixel[l], scale[block][l], shift[block][l]));
            }
        }
    });
}

/// Adds scaled blocks.
pub(super) fn add(picture: &[Vector], scale: &[Vector], plane: usize, output: &mut [Vector]) {
    vectors!({
        for ((picture, output), scale) in picture.chunks_exact(plane).zip(output.chunks_exact_mut(plane)).zip(scale) {
            let scale = *scale;
            for (pixel, output) in picture.iter().zip(output) {
                let before = *output;
                *output = map(|l| fused(pixel[l], scale[l], before[l]));
            }
        }
    });
}
