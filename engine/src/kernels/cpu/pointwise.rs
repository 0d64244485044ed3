//! Pointwise convolutions and their gradients, over pictures in blocks.

use crate::kernels::cpu::{
    blocks::{LANES, Vector, ZERO, add_scaled, map},
    vectors,
};

/// Pixels that are computed at once: what the registers hold.
const TILE: usize = 4;

/// `T` pixels of `O` blocks of outputs.
#[inline(always)]
fn tile_of<const O: usize, const T: usize>(x: &[Vector], plane: usize, weights: [&[Vector]; O]) -> [[Vector; T]; O] {
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

/// `O` blocks of outputs.
#[inline(always)]
fn pointwise_of<const O: usize>(x: &[Vector], plane: usize, weights: [&[Vector]; O], output: &mut [Vector]) {
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
pub(super) fn pointwise(x: &[Vector], weights: &[Vector], plane: usize, output: &mut [Vector]) {
    let inputs = x.len() / plane * LANES;
    for (weights, output) in weights.chunks(2 * inputs).zip(output.chunks_mut(2 * plane)) {
        match weights.split_at(inputs) {
            (only, []) => vectors!(pointwise_of(x, plane, [only], output)),
            (first, second) => vectors!(pointwise_of(x, plane, [first, second], output)),
        }
    }
}

/// Adds the weight gradients of `O` blocks of outputs and one of inputs.
#[inline(always)]
fn weight_gradient_of<const O: usize>(gradient: [&[Vector]; O], x: &[Vector], sums: &mut [Vector], inputs: usize) {
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
pub(super) fn pointwise_weight_gradient(gradient: &[Vector], x: &[Vector], plane: usize, sums: &mut [Vector]) {
    let inputs = x.len() / plane * LANES;
    for (gradient, sums) in gradient.chunks(2 * plane).zip(sums.chunks_mut(2 * inputs)) {
        for (block, x) in x.chunks_exact(plane).enumerate() {
            let sums = &mut sums[block * LANES..];
            match gradient.split_at(plane) {
                (only, []) => vectors!(weight_gradient_of([&only[..plane]], x, sums, inputs)),
                (first, second) => vectors!(weight_gradient_of([&first[..plane], &second[..plane]], x, sums, inputs)),
            }
        }
    }
}
