//! Convolutions, pools and sums over one picture, its channels in blocks of eight: [blocks, height, width, 8]. A vector is one
//! pixel of a block, so every loop over pixels is one over whole vectors, whatever the picture's size; what a block has beyond
//! the last channel is zero.

use crate::kernels::cpu::vectors;
use std::array::from_fn;

/// Channels of a block.
pub(super) const LANES: usize = 8;
/// One pixel of a block.
pub(super) type Lane = [f32; LANES];
pub(super) const ZERO: Lane = [0.0; LANES];
/// Zeros around a picture that convolutions read: as many as the widest of them asks for, 5 x 5 with a dilation of two.
pub(super) const MARGIN: usize = 4;
/// Pixels that a depthwise convolution computes at once, and a pointwise one: what the registers hold.
const ROW: usize = 8;
const TILE: usize = 4;

pub(super) fn blocks(channels: usize) -> usize {
    channels.div_ceil(LANES)
}

/// A depthwise convolution of k x k, padded so that a stride of one keeps the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taps {
    pub k: usize,
    pub dilation: usize,
    pub stride: usize,
}

impl Taps {
    pub fn count(self) -> usize {
        self.k * self.k
    }

    /// Size of the output for pictures of `size`.
    pub fn output(self, size: [usize; 2]) -> [usize; 2] {
        size.map(|length| length.div_ceil(self.stride))
    }
}

/// A picture's size with its margin, as vectors.
pub(super) fn padded([height, width]: [usize; 2]) -> usize {
    (height + 2 * MARGIN) * pitch(width)
}

fn pitch(width: usize) -> usize {
    width + 2 * MARGIN
}

/// a * b + sum, which is one instruction where there is one.
#[inline(always)]
pub(super) fn fused(a: f32, b: f32, sum: f32) -> f32 {
    if cfg!(target_arch = "wasm32") { a * b + sum } else { a.mul_add(b, sum) }
}

#[inline(always)]
fn add_product(sum: &mut Lane, a: &Lane, b: &Lane) {
    for l in 0..LANES {
        sum[l] = fused(a[l], b[l], sum[l]);
    }
}

#[inline(always)]
fn add_scaled(sum: &mut Lane, a: &Lane, b: f32) {
    for l in 0..LANES {
        sum[l] = fused(a[l], b, sum[l]);
    }
}

#[inline(always)]
pub(super) fn map(f: impl Fn(usize) -> f32) -> Lane {
    from_fn(f)
}

/// A picture [channels, pixels] in blocks.
pub(super) fn to_blocks(picture: &[f32], plane: usize, output: &mut [Lane]) {
    for (block, output) in output.chunks_exact_mut(plane).enumerate() {
        let channels = picture[block * LANES * plane..].chunks_exact(plane).take(LANES);
        if channels.len() < LANES {
            output.fill(ZERO);
        }
        for (l, channel) in channels.enumerate() {
            for (lane, &value) in output.iter_mut().zip(channel) {
                lane[l] = value;
            }
        }
    }
}

/// The channels of a picture in blocks, each [pixels]; those that the last block has too many are left out.
pub(super) fn from_blocks(blocks: &[Lane], plane: usize, picture: &mut [f32]) {
    for (block, channels) in blocks.chunks_exact(plane).zip(picture.chunks_mut(LANES * plane)) {
        for (l, channel) in channels.chunks_exact_mut(plane).enumerate() {
            for (value, lane) in channel.iter_mut().zip(block) {
                *value = lane[l];
            }
        }
    }
}

/// Puts a picture of `size` into one with a margin, pixels `spread` apart, each after `f`, which is given its block as well.
/// The margin and what lies between are left as they are.
#[inline(always)]
fn pad_each(
    picture: &[Lane],
    size: [usize; 2],
    spread: usize,
    padded_size: [usize; 2],
    output: &mut [Lane],
    f: impl Fn(usize, &Lane) -> Lane,
) {
    let (plane, pitch) = (size[0] * size[1], pitch(padded_size[1]));
    let blocks = picture.chunks_exact(plane).zip(output.chunks_exact_mut(padded(padded_size)));
    for (block, (picture, output)) in blocks.enumerate() {
        for (y, row) in picture.chunks_exact(size[1]).enumerate() {
            let output = &mut output[(y * spread + MARGIN) * pitch + MARGIN..];
            match spread {
                1 => row.iter().zip(output).for_each(|(lane, output)| *output = f(block, lane)),
                _ => row.iter().zip(output.iter_mut().step_by(spread)).for_each(|(lane, o)| *o = f(block, lane)),
            }
        }
    }
}

#[inline(always)]
pub(super) fn relu(lane: &Lane) -> Lane {
    map(|l| lane[l].max(0.0))
}

/// Puts the ReLU of a picture into one with a margin.
pub(super) fn pad_relu(picture: &[Lane], size: [usize; 2], output: &mut [Lane]) {
    vectors!(pad_each(picture, size, 1, size, output, |_, lane| relu(lane)));
}

/// Puts the ReLU of scaled and shifted blocks into a picture with a margin.
pub(super) fn pad_affine_relu(picture: &[Lane], [scale, shift]: [&[Lane]; 2], size: [usize; 2], output: &mut [Lane]) {
    vectors!(pad_each(picture, size, 1, size, output, |block, lane| {
        map(|l| fused(lane[l], scale[block][l], shift[block][l]).max(0.0))
    }));
}

/// Puts a picture into one with a margin that has `padded_size` without it, pixels `spread` apart.
pub(super) fn pad(picture: &[Lane], size: [usize; 2], spread: usize, padded_size: [usize; 2], output: &mut [Lane]) {
    vectors!(pad_each(picture, size, spread, padded_size, output, |_, lane| *lane));
}

/// Sums of `T` neighbouring pixels over the taps of a depthwise convolution, added to `sum`.
#[inline(always)]
fn row_of<const K: usize, const D: usize, const S: usize, const T: usize>(
    x: &[Lane],
    pitch: usize,
    weights: &[Lane],
    mut sum: [Lane; T],
) -> [Lane; T] {
    for ky in 0..K {
        let row = &x[ky * D * pitch..][..(T - 1) * S + (K - 1) * D + 1];
        for kx in 0..K {
            let weight = weights[ky * K + kx];
            for t in 0..T {
                add_product(&mut sum[t], &row[t * S + kx * D], &weight);
            }
        }
    }
    sum
}

#[inline(always)]
fn depthwise_of<const K: usize, const D: usize, const S: usize, const ADD: bool>(
    x: &[Lane],
    pitch: usize,
    weights: &[Lane],
    width: usize,
    output: &mut [Lane],
) {
    let weights = &weights[..K * K];
    let origin = (MARGIN - D * (K - 1) / 2) * (pitch + 1);
    for (y, output) in output.chunks_exact_mut(width).enumerate() {
        let x = &x[origin + y * S * pitch..];
        let (tiles, rest) = output.as_chunks_mut::<ROW>();
        let count = tiles.len();
        for (i, tile) in tiles.iter_mut().enumerate() {
            let before = if ADD { *tile } else { [ZERO; ROW] };
            *tile = row_of::<K, D, S, ROW>(&x[i * ROW * S..], pitch, weights, before);
        }
        for (i, one) in rest.iter_mut().enumerate() {
            let before = if ADD { *one } else { ZERO };
            [*one] = row_of::<K, D, S, 1>(&x[(count * ROW + i) * S..], pitch, weights, [before]);
        }
    }
}

/// Sums of the taps along a row of a depthwise convolution's kernel, with one more pixel.
#[inline(always)]
fn with_pixel<const K: usize, const D: usize>(mut sum: [Lane; K], gradient: Lane, x: &[Lane]) -> [Lane; K] {
    let x = &x[..(K - 1) * D + 1];
    for kx in 0..K {
        add_product(&mut sum[kx], &gradient, &x[kx * D]);
    }
    sum
}

#[inline(always)]
fn depthwise_weights_of<const K: usize, const D: usize, const S: usize>(
    gradient: &[Lane],
    x: &[Lane],
    pitch: usize,
    width: usize,
    sums: &mut [Lane],
) {
    let origin = (MARGIN - D * (K - 1) / 2) * (pitch + 1);
    for ky in 0..K {
        // Two pixels at a time: as many sums as do not wait for each other.
        let (mut even, mut odd) = ([ZERO; K], [ZERO; K]);
        for (y, gradient) in gradient.chunks_exact(width).enumerate() {
            let x = &x[origin + (y * S + ky * D) * pitch..];
            let (pairs, last) = gradient.as_chunks::<2>();
            for (i, pair) in pairs.iter().enumerate() {
                even = with_pixel::<K, D>(even, pair[0], &x[2 * i * S..]);
                odd = with_pixel::<K, D>(odd, pair[1], &x[(2 * i + 1) * S..]);
            }
            if let [last] = last {
                even = with_pixel::<K, D>(even, *last, &x[(width - 1) * S..]);
            }
        }
        for kx in 0..K {
            let total = &mut sums[ky * K + kx];
            *total = map(|l| total[l] + (even[kx][l] + odd[kx][l]));
        }
    }
}

/// Picks the code of a kernel's size, dilation and stride.
macro_rules! by_taps {
    ($taps:expr, $function:ident, [$($more:tt)*], ($($argument:expr),* $(,)?)) => {
        match ($taps.k, $taps.dilation, $taps.stride) {
            (3, 1, 1) => vectors!($function::<3, 1, 1 $($more)*>($($argument),*)),
            (5, 1, 1) => vectors!($function::<5, 1, 1 $($more)*>($($argument),*)),
            (3, 2, 1) => vectors!($function::<3, 2, 1 $($more)*>($($argument),*)),
            (5, 2, 1) => vectors!($function::<5, 2, 1 $($more)*>($($argument),*)),
            (3, 1, 2) => vectors!($function::<3, 1, 2 $($more)*>($($argument),*)),
            (5, 1, 2) => vectors!($function::<5, 1, 2 $($more)*>($($argument),*)),
            (3, 2, 2) => vectors!($function::<3, 2, 2 $($more)*>($($argument),*)),
            (5, 2, 2) => vectors!($function::<5, 2, 2 $($more)*>($($argument),*)),
            _ => unreachable!("no op has {:?}", $taps),
        }
    };
}

/// A depthwise convolution with weights [blocks, taps] of a picture of `size` with its margin.
pub(super) fn depthwise(taps: Taps, x: &[Lane], weights: &[Lane], size: [usize; 2], output: &mut [Lane]) {
    let [height, width] = taps.output(size);
    let blocks = x.chunks_exact(padded(size)).zip(weights.chunks_exact(taps.count()));
    for ((x, weights), output) in blocks.zip(output.chunks_exact_mut(height * width)) {
        by_taps!(taps, depthwise_of, [, false], (x, pitch(size[1]), weights, width, output));
    }
}

/// Adds what a depthwise convolution's input of `size` gets of its output's gradient, which is given with a margin and as far
/// spread as the stride; `flipped` are the weights in the opposite order.
pub(super) fn depthwise_back(taps: Taps, gradient: &[Lane], flipped: &[Lane], size: [usize; 2], sums: &mut [Lane]) {
    let even = Taps { stride: 1, ..taps };
    let blocks = gradient.chunks_exact(padded(size)).zip(flipped.chunks_exact(taps.count()));
    for ((gradient, flipped), sums) in blocks.zip(sums.chunks_exact_mut(size[0] * size[1])) {
        by_taps!(even, depthwise_of, [, true], (gradient, pitch(size[1]), flipped, size[1], sums));
    }
}

/// Adds the gradient of a depthwise convolution's weights [blocks, taps].
pub(super) fn depthwise_weights(taps: Taps, gradient: &[Lane], x: &[Lane], size: [usize; 2], sums: &mut [Lane]) {
    let [height, width] = taps.output(size);
    let blocks = x.chunks_exact(padded(size)).zip(gradient.chunks_exact(height * width));
    for ((x, gradient), sums) in blocks.zip(sums.chunks_exact_mut(taps.count())) {
        by_taps!(taps, depthwise_weights_of, [], (gradient, x, pitch(size[1]), width, sums));
    }
}

/// `T` pixels of `O` blocks of outputs.
#[inline(always)]
fn tile_of<const O: usize, const T: usize>(x: &[Lane], plane: usize, weights: [&[Lane]; O]) -> [[Lane; T]; O] {
    let mut sum = [[ZERO; T]; O];
    for block in 0..weights[0].len() / LANES {
        let x = &x[block * plane..][..T];
        let weights = weights.map(|weights| &weights[block * LANES..][..LANES]);
        for i in 0..LANES {
            for o in 0..O {
                let weight = weights[o][i];
                for t in 0..T {
                    add_scaled(&mut sum[o][t], &weight, x[t][i]);
                }
            }
        }
    }
    sum
}

#[inline(always)]
fn pointwise_of<const O: usize>(x: &[Lane], plane: usize, weights: [&[Lane]; O], output: &mut [Lane]) {
    let whole = plane / TILE * TILE;
    for pixel in (0..whole).step_by(TILE) {
        let tile = tile_of::<O, TILE>(&x[pixel..], plane, weights);
        for o in 0..O {
            output[o * plane + pixel..][..TILE].copy_from_slice(&tile[o]);
        }
    }
    for pixel in whole..plane {
        let tile = tile_of::<O, 1>(&x[pixel..], plane, weights);
        for o in 0..O {
            output[o * plane + pixel] = tile[o][0];
        }
    }
}

/// A pointwise convolution with weights [blocks of outputs, inputs]: a vector has the weights of one input.
pub(super) fn pointwise(x: &[Lane], weights: &[Lane], plane: usize, output: &mut [Lane]) {
    let inputs = x.len() / plane * LANES;
    for (weights, output) in weights.chunks(2 * inputs).zip(output.chunks_mut(2 * plane)) {
        match weights.split_at(inputs) {
            (only, []) => vectors!(pointwise_of(x, plane, [only], output)),
            (first, second) => vectors!(pointwise_of(x, plane, [first, second], output)),
        }
    }
}

#[inline(always)]
fn outer_of<const O: usize>(gradient: [&[Lane]; O], x: &[Lane], sums: &mut [Lane], inputs: usize) {
    const HALF: usize = LANES / 2;
    for half in 0..2 {
        let mut sum = [[ZERO; HALF]; O];
        for (pixel, x) in x.iter().enumerate() {
            for i in 0..HALF {
                for o in 0..O {
                    add_scaled(&mut sum[o][i], &gradient[o][pixel], x[half * HALF + i]);
                }
            }
        }
        for o in 0..O {
            for i in 0..HALF {
                let total = &mut sums[o * inputs + half * HALF + i];
                *total = map(|l| total[l] + sum[o][i][l]);
            }
        }
    }
}

/// Adds the gradient of a pointwise convolution's weights [blocks of outputs, inputs].
pub(super) fn outer(gradient: &[Lane], x: &[Lane], plane: usize, sums: &mut [Lane]) {
    let inputs = x.len() / plane * LANES;
    for (gradient, sums) in gradient.chunks(2 * plane).zip(sums.chunks_mut(2 * inputs)) {
        for (block, x) in x.chunks_exact(plane).enumerate() {
            let sums = &mut sums[block * LANES..];
            match gradient.split_at(plane) {
                (only, []) => vectors!(outer_of([&only[..plane]], x, sums, inputs)),
                (first, second) => vectors!(outer_of([&first[..plane], &second[..plane]], x, sums, inputs)),
            }
        }
    }
}

/// Mean of each channel of a picture, and the sum of squared distances from it.
pub(super) fn moments(picture: &[Lane], plane: usize, means: &mut [Lane], squares: &mut [Lane]) {
    vectors!({
        for ((picture, mean), squared) in picture.chunks_exact(plane).zip(means).zip(squares) {
            let average = totals(picture, |lane| *lane);
            let average = map(|l| average[l] / plane as f32);
            *mean = average;
            *squared = totals(picture, |lane| map(|l| (lane[l] - average[l]) * (lane[l] - average[l])));
        }
    });
}

/// Sums of a block's pixels, each after `f`, four at a time.
#[inline(always)]
fn totals(picture: &[Lane], f: impl Fn(&Lane) -> Lane) -> Lane {
    let mut sum = [ZERO; 4];
    let (fours, rest) = picture.as_chunks::<4>();
    for four in fours {
        for i in 0..4 {
            let value = f(&four[i]);
            sum[i] = map(|l| sum[i][l] + value[l]);
        }
    }
    for lane in rest {
        let value = f(lane);
        sum[0] = map(|l| sum[0][l] + value[l]);
    }
    map(|l| (sum[0][l] + sum[1][l]) + (sum[2][l] + sum[3][l]))
}

/// Sums of each channel of a picture.
pub(super) fn sums(picture: &[Lane], plane: usize, output: &mut [Lane]) {
    vectors!({
        for (picture, output) in picture.chunks_exact(plane).zip(output) {
            *output = totals(picture, |lane| *lane);
        }
    });
}

/// Sums of products of each channel of two pictures.
pub(super) fn dots(a: &[Lane], b: &[Lane], plane: usize, output: &mut [Lane]) {
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

/// Blocks scaled and shifted.
pub(super) fn affine(picture: &[Lane], [scale, shift]: [&[Lane]; 2], plane: usize, output: &mut [Lane]) {
    vectors!({
        for (block, (picture, output)) in picture.chunks_exact(plane).zip(output.chunks_exact_mut(plane)).enumerate() {
            for (lane, output) in picture.iter().zip(output) {
                *output = map(|l| fused(lane[l], scale[block][l], shift[block][l]));
            }
        }
    });
}

/// Adds scaled blocks.
pub(super) fn add(picture: &[Lane], scale: &[Lane], plane: usize, output: &mut [Lane]) {
    vectors!({
        for ((picture, output), scale) in picture.chunks_exact(plane).zip(output.chunks_exact_mut(plane)).zip(scale) {
            let scale = *scale;
            for (lane, output) in picture.iter().zip(output) {
                let before = *output;
                *output = map(|l| fused(lane[l], scale[l], before[l]));
            }
        }
    });
}

/// Two pictures scaled, added and shifted: what BatchNorm's gradient is made of.
pub(super) fn blend(a: &[Lane], b: &[Lane], factors: &Factors, plane: usize, output: &mut [Lane]) {
    vectors!({
        let pictures = a.chunks_exact(plane).zip(b.chunks_exact(plane)).zip(output.chunks_exact_mut(plane));
        for (block, ((a, b), output)) in pictures.enumerate() {
            let (scale_a, scale_b, shift) = (factors.a[block], factors.b[block], factors.shift[block]);
            for ((a, b), output) in a.iter().zip(b).zip(output) {
                *output = map(|l| fused(a[l], scale_a[l], fused(b[l], scale_b[l], shift[l])));
            }
        }
    });
}

/// Factors of two pictures' blocks, and what is added to their sum.
#[derive(Clone, Debug)]
pub(super) struct Factors {
    pub a: Vec<Lane>,
    pub b: Vec<Lane>,
    pub shift: Vec<Lane>,
}

/// The gradient where x is above zero.
#[inline(always)]
pub(super) fn above_zero(x: &Lane, gradient: &Lane) -> Lane {
    // All bits or none: a choice between floats is left as a jump for each.
    map(|l| f32::from_bits(gradient[l].to_bits() & u32::from(x[l] > 0.0).wrapping_neg()))
}

/// Lets a gradient pass where `x` of `size` with its margin is above zero.
pub(super) fn mask(gradient: &mut [Lane], x: &[Lane], size: [usize; 2]) {
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

/// Every second pixel of every second row of a picture with its margin, once from pixel 0 and once from pixel 1 on: the
/// channels of both, one after the other.
pub(super) fn halves(x: &[Lane], size: [usize; 2], output: &mut [Lane]) {
    let half = size.map(|length| length / 2);
    let (plane, pitch) = (half[0] * half[1], pitch(size[1]));
    let (first, second) = output.split_at_mut(output.len() / 2);
    for (shift, output) in [first, second].into_iter().enumerate() {
        for (x, output) in x.chunks_exact(padded(size)).zip(output.chunks_exact_mut(plane)) {
            for (y, row) in output.chunks_exact_mut(half[1]).enumerate() {
                let x = &x[(2 * y + shift + MARGIN) * pitch + MARGIN + shift..];
                row.iter_mut().zip(x.iter().step_by(2)).for_each(|(output, x)| *output = *x);
            }
        }
    }
}

/// Adds the gradients of both halves to that of the picture of `size`.
pub(super) fn halves_back(gradient: &[Lane], size: [usize; 2], sums: &mut [Lane]) {
    let half = size.map(|length| length / 2);
    let plane = half[0] * half[1];
    let (first, second) = gradient.split_at(gradient.len() / 2);
    for (shift, gradient) in [first, second].into_iter().enumerate() {
        for (gradient, sums) in gradient.chunks_exact(plane).zip(sums.chunks_exact_mut(size[0] * size[1])) {
            for (y, row) in gradient.chunks_exact(half[1]).enumerate() {
                let sums = &mut sums[(2 * y + shift) * size[1] + shift..];
                for (gradient, sum) in row.iter().zip(sums.iter_mut().step_by(2)) {
                    *sum = map(|l| sum[l] + gradient[l]);
                }
            }
        }
    }
}

/// The pixels that a 3 x 3 pool reads along one axis for its output at `i`.
#[inline(always)]
fn window(i: usize, stride: usize, length: usize) -> std::ops::Range<usize> {
    (i * stride).saturating_sub(1)..(i * stride + 2).min(length)
}

/// The greatest of each 3 x 3 neighbourhood, and its mean without what lies outside.
pub(super) fn pools(picture: &[Lane], size: [usize; 2], stride: usize, greatest: &mut [Lane], mean: &mut [Lane]) {
    let [height, width] = size.map(|length| length.div_ceil(stride));
    vectors!({
        let pictures = picture.chunks_exact(size[0] * size[1]);
        let outputs = greatest.chunks_exact_mut(height * width).zip(mean.chunks_exact_mut(height * width));
        for (picture, (greatest, mean)) in pictures.zip(outputs) {
            for y in 0..height {
                for x in 0..width {
                    let (rows, columns) = (window(y, stride, size[0]), window(x, stride, size[1]));
                    let count = (rows.len() * columns.len()) as f32;
                    let (mut most, mut sum) = ([f32::NEG_INFINITY; LANES], ZERO);
                    for row in rows {
                        for lane in &picture[row * size[1]..][columns.clone()] {
                            most = map(|l| if lane[l] > most[l] { lane[l] } else { most[l] });
                            sum = map(|l| sum[l] + lane[l]);
                        }
                    }
                    greatest[y * width + x] = most;
                    mean[y * width + x] = map(|l| sum[l] / count);
                }
            }
        }
    });
}

/// Adds what a picture gets of the gradients of its pools. The first of several that are greatest gets all.
pub(super) fn pools_back(
    picture: &[Lane],
    size: [usize; 2],
    stride: usize,
    [of_greatest, of_mean]: [&[Lane]; 2],
    sums: &mut [Lane],
) {
    let [height, width] = size.map(|length| length.div_ceil(stride));
    vectors!({
        let pictures = picture.chunks_exact(size[0] * size[1]).zip(sums.chunks_exact_mut(size[0] * size[1]));
        let gradients = of_greatest.chunks_exact(height * width).zip(of_mean.chunks_exact(height * width));
        for ((picture, sums), (of_greatest, of_mean)) in pictures.zip(gradients) {
            for y in 0..height {
                for x in 0..width {
                    let (rows, columns) = (window(y, stride, size[0]), window(x, stride, size[1]));
                    let count = (rows.len() * columns.len()) as f32;
                    let (mut most, mut winner) = ([f32::NEG_INFINITY; LANES], ZERO);
                    let mut place = 0.0;
                    for row in rows.clone() {
                        for lane in &picture[row * size[1]..][columns.clone()] {
                            winner = map(|l| if lane[l] > most[l] { place } else { winner[l] });
                            most = map(|l| if lane[l] > most[l] { lane[l] } else { most[l] });
                            place += 1.0;
                        }
                    }
                    let (greatest, mean) = (of_greatest[y * width + x], of_mean[y * width + x]);
                    let mut place = 0.0;
                    for row in rows {
                        for sum in &mut sums[row * size[1]..][columns.clone()] {
                            let won = map(|l| if winner[l] == place { greatest[l] } else { 0.0 });
                            *sum = map(|l| sum[l] + (mean[l] / count + won[l]));
                            place += 1.0;
                        }
                    }
                }
            }
        }
    });
}

/// The 3 x 3 neighbourhoods of a picture's pixels as channels, those of a channel together, zero outside.
pub(super) fn neighbourhoods(picture: &[f32], [height, width]: [usize; 2], output: &mut [Lane]) {
    let plane = height * width;
    output.fill(ZERO);
    for (channel, picture) in picture.chunks_exact(plane).enumerate() {
        for tap in 0..9 {
            let (dy, dx) = (tap / 3, tap % 3);
            let (block, l) = ((9 * channel + tap) / LANES, (9 * channel + tap) % LANES);
            let output = &mut output[block * plane..][..plane];
            for y in 1usize.saturating_sub(dy)..(height + 1 - dy).min(height) {
                for x in 1usize.saturating_sub(dx)..(width + 1 - dx).min(width) {
                    output[y * width + x][l] = picture[(y + dy - 1) * width + x + dx - 1];
                }
            }
        }
    }
}
