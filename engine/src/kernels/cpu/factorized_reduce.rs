//! Inputs of the two convolutions of a factorized reduce, over pictures in blocks.

use crate::kernels::cpu::blocks::{MARGIN, Vector, map, padded, pitch};

/// Every second pixel of every second row of a picture with its margin, once from pixel 0 and once from pixel 1 on: the
/// channels of both, one after the other.
pub(super) fn reduce(x: &[Vector], size: [usize; 2], output: &mut [Vector]) {
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

/// Adds the gradients of both reduced pictures to that of the picture of `size`.
pub(super) fn reduce_gradient(gradient: &[Vector], size: [usize; 2], sums: &mut [Vector]) {
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
