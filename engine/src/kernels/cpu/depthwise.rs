//! Depthwise convolutions and their gradients, over pictures in blocks with a margin.

use crate::kernels::cpu::{
    blocks::{MARGIN, Vector, ZERO, add_product, map, padded, pitch},
    vectors,
};

/// Pixels that are computed at once: what the registers hold.
const ROW: usize = 8;

/// A depthwise convolution of k x k, padded so that a stride of one keeps the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taps {
    pub k: usize,
    pub dilation: usize,
    pub stride: usize,
}

impl Taps {
    /// Number of taps.
    pub fn count(self) -> usize {
        self.k * self.k
    }

    /// Size of the output for pictures of `size`.
    pub fn output(self, size: [usize; 2]) -> [usize; 2] {
        size.map(|length| length.div_ceil(self.stride))
    }
}

/// Sums of `T` neighbouring pixels over the taps of a depthwise convolution, added to `sum`.
#[inline(always)]
fn row_of<const K: usize, const D: usize, const S: usize, const T: usize>(
    x: &[Vector],
    pitch: usize,
    weights: &[Vector],
    mut sum: [Vector; T],
) -> [Vector; T] {
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

/// One block of a depthwise convolution, written to `output` or added to it.
#[inline(always)]
fn depthwise_of<const K: usize, const D: usize, const S: usize, const ADD: bool>(
    x: &[Vector],
    pitch: usize,
    weights: &[Vector],
    width: usize,
    output: &mut [Vector],
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
fn with_pixel<const K: usize, const D: usize>(mut sum: [Vector; K], gradient: Vector, x: &[Vector]) -> [Vector; K] {
    let x = &x[..(K - 1) * D + 1];
    for kx in 0..K {
        add_product(&mut sum[kx], &gradient, &x[kx * D]);
    }
    sum
}

/// Adds one block of the weight gradients.
#[inline(always)]
fn weight_gradient_of<const K: usize, const D: usize, const S: usize>(
    gradient: &[Vector],
    x: &[Vector],
    pitch: usize,
    width: usize,
    sums: &mut [Vector],
) {
    let origin = (MARGIN - D * (K - 1) / 2) * (pitch + 1);
    for ky in 0..K {
        // Two pixels at a time: their sums do not wait for each other.
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
pub(super) fn depthwise(taps: Taps, x: &[Vector], weights: &[Vector], size: [usize; 2], output: &mut [Vector]) {
    let [height, width] = taps.output(size);
    let blocks = x.chunks_exact(padded(size)).zip(weights.chunks_exact(taps.count()));
    for ((x, weights), output) in blocks.zip(output.chunks_exact_mut(height * width)) {
        by_taps!(taps, depthwise_of, [, false], (x, pitch(size[1]), weights, width, output));
    }
}

/// Adds the gradient of the input, of `size`, from the output's, which is given with a margin and its pixels as far apart as the
/// stride; `flipped` are the weights in the opposite order.
pub(super) fn depthwise_input_gradient(
    taps: Taps,
    gradient: &[Vector],
    flipped: &[Vector],
    size: [usize; 2],
    sums: &mut [Vector],
) {
    let even = Taps { stride: 1, ..taps };
    let blocks = gradient.chunks_exact(padded(size)).zip(flipped.chunks_exact(taps.count()));
    for ((gradient, flipped), sums) in blocks.zip(sums.chunks_exact_mut(size[0] * size[1])) {
        by_taps!(even, depthwise_of, [, true], (gradient, pitch(size[1]), flipped, size[1], sums));
    }
}

/// Adds the gradient of a depthwise convolution's weights [blocks, taps].
pub(super) fn depthwise_weight_gradient(
    taps: Taps,
    gradient: &[Vector],
    x: &[Vector],
    size: [usize; 2],
    sums: &mut [Vector],
) {
    let [height, width] = taps.output(size);
    let blocks = x.chunks_exact(padded(size)).zip(gradient.chunks_exact(height * width));
    for ((x, gradient), sums) in blocks.zip(sums.chunks_exact_mut(taps.count())) {
        by_taps!(taps, weight_gradient_of, [], (gradient, x, pitch(size[1]), width, sums));
    }
}
