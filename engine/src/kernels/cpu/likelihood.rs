//! How unlikely the words are that follow.

use crate::kernels::{
    LikelihoodPlan,
    cpu::{exp, on_all_cores, product, put, values, vectors},
};
use burn::backend::{Flex, flex::FlexTensor, ops::FloatTensorOps};

/// Floats of the word scores that are computed at once: 16 MiB.
const SCORES: usize = (16 << 20) / 4;
/// Sums and maxima that are found side by side.
const LANES: usize = 32;

/// Mean negative log-likelihood [1] of the words `targets` [rows], in nats, where the score of a word is its bias and the
/// product of its vector with a row of `outputs` [rows, units]; and its `requested` gradients of the outputs, the vectors and
/// the bias. All tensors are contiguous.
///
/// Gradients of a number are known but for a factor once the scores are, and no score is kept for them.
pub(super) fn likelihood(
    plan: LikelihoodPlan,
    [outputs, word_vectors, bias]: [FlexTensor; 3],
    targets: &FlexTensor,
    requested: [bool; 3],
) -> (FlexTensor, [Option<FlexTensor>; 3]) {
    let (shape, vocabulary) = (outputs.layout().shape(), word_vectors.layout().shape()[0]);
    let (rows, units) = (shape[0], shape[1]);
    let targets: &[i32] = targets.as_slice().expect("words are 32-bit integers");
    let across = word_vectors.transpose(0, 1);
    let mut unlikely = 0f64;
    let mut of_outputs = requested[0].then(|| Vec::with_capacity(rows * units));
    let mut of_vectors = None;
    let mut of_bias = requested[2].then(|| vec![0f32; vocabulary]);
    let share = 1.0 / rows as f32;
    for (first, count) in plan.chunks(rows, vocabulary, SCORES) {
        let part = outputs.narrow(0, first, count);
        let mut scores = product(&part, &across);
        let mut of_rows = vec![0f32; count];
        let table = scores.storage_mut::<f32>().chunks_mut(vocabulary).zip(&mut of_rows);
        on_all_cores(count * vocabulary, table, |row, (scores, unlikely)| {
            *unlikely = vectors!(of_row(scores, values(&bias), targets[first + row] as usize, share));
        });
        unlikely += of_rows.iter().map(|&row| f64::from(row)).sum::<f64>();
        if let Some(gradient) = &mut of_bias {
            let table = values(&scores);
            vectors!({
                for row in table.chunks(vocabulary) {
                    gradient.iter_mut().zip(row).for_each(|(sum, &value)| *sum += value);
                }
            });
        }
        if let Some(gradient) = &mut of_outputs {
            gradient.extend_from_slice(values(&product(&scores, &word_vectors)));
        }
        if requested[1] {
            let gradient = product(&scores.transpose(0, 1), &part);
            of_vectors = Some(match of_vectors.take() {
                None => gradient,
                Some(sum) => Flex::float_add(sum, gradient),
            });
        }
    }
    let loss = put(vec![(unlikely / rows as f64) as f32], [1]);
    let gradients = [
        of_outputs.map(|gradient| put(gradient, [rows, units])),
        of_vectors,
        of_bias.map(|gradient| put(gradient, [vocabulary])),
    ];
    (loss, gradients)
}

/// The negative log-likelihood of a row's word; its scores, without bias, become the gradient of that times `share`.
#[inline(always)]
fn of_row(scores: &mut [f32], bias: &[f32], target: usize, share: f32) -> f32 {
    let mut most = [f32::NEG_INFINITY; LANES];
    scores.iter_mut().zip(bias).for_each(|(score, &bias)| *score += bias);
    let (whole, rest) = scores.as_chunks::<LANES>();
    for chunk in whole {
        for (most, &score) in most.iter_mut().zip(chunk) {
            *most = most.max(score);
        }
    }
    let most = most.iter().chain(rest).fold(f32::NEG_INFINITY, |most, &score| most.max(score));
    let of_target = scores[target] - most;
    let mut sums = [0f32; LANES];
    let (whole, rest) = scores.as_chunks_mut::<LANES>();
    for chunk in whole {
        for (sum, score) in sums.iter_mut().zip(chunk) {
            *score = exp(*score - most);
            *sum += *score;
        }
    }
    for (sum, score) in sums.iter_mut().zip(rest) {
        *score = exp(*score - most);
        *sum += *score;
    }
    let sum: f32 = sums.iter().sum();
    let factor = share / sum;
    scores.iter_mut().for_each(|score| *score *= factor);
    scores[target] -= share;
    sum.ln() - of_target
}
