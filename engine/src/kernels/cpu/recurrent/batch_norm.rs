//! BatchNorm of states [batch, units] without gamma and beta, and its gradient.

use crate::kernels::{cpu::vectors, plain::BATCH_NORM_EPSILON};

/// Means and biased variances [2, units] of a state over the minibatch.
#[inline(always)]
pub(super) fn statistics(state: &[f32], found: &mut [f32]) {
    let units = found.len() / 2;
    let share = units as f32 / state.len() as f32;
    let (means, variances) = found.split_at_mut(units);
    for row in state.chunks(units) {
        means.iter_mut().zip(row).for_each(|(mean, value)| *mean += value);
    }
    means.iter_mut().for_each(|mean| *mean *= share);
    for row in state.chunks(units) {
        for ((variance, value), mean) in variances.iter_mut().zip(row).zip(&*means) {
            *variance += (value - mean) * (value - mean);
        }
    }
    variances.iter_mut().for_each(|variance| *variance *= share);
}

/// Normalises a state by means and variances [2, units].
pub(super) fn normalise(state: &mut [f32], moments: &[f32]) {
    let units = moments.len() / 2;
    let (means, variances) = moments.split_at(units);
    let scales: Vec<f32> = variances.iter().map(|&variance| scale(variance)).collect();
    vectors!({
        for row in state.chunks_mut(units) {
            for ((value, mean), scale) in row.iter_mut().zip(means).zip(&scales) {
                *value = (*value - mean) * scale;
            }
        }
    });
}

/// 1 / sqrt(variance + epsilon).
fn scale(variance: f32) -> f32 {
    1.0 / (variance + BATCH_NORM_EPSILON as f32).sqrt()
}

/// Replaces the gradient of the state `value` after BatchNorm by that of the state before it.
#[inline(always)]
pub(super) fn normalise_gradient(gradient: &mut [f32], value: &[f32], variances: &[f32]) {
    let units = variances.len();
    let share = units as f32 / value.len() as f32;
    let (mut means, mut products) = (vec![0f32; units], vec![0f32; units]);
    for (gradient, value) in gradient.chunks(units).zip(value.chunks(units)) {
        for (((mean, product), gradient), value) in means.iter_mut().zip(&mut products).zip(gradient).zip(value) {
            *mean += gradient;
            *product += gradient * value;
        }
    }
    let scales: Vec<f32> = variances.iter().map(|&variance| scale(variance)).collect();
    for (gradient, value) in gradient.chunks_mut(units).zip(value.chunks(units)) {
        for ((((gradient, value), mean), product), scale) in
            gradient.iter_mut().zip(value).zip(&means).zip(&products).zip(&scales)
        {
            *gradient = scale * (*gradient - share * mean - value * (share * product));
        }
    }
}
