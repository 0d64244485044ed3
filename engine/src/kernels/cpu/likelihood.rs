//! How unlikely the words are that follow.

use crate::kernels::cpu::{Ad, exp, on_all_cores, primitive, product, put, values, vectors};
use burn::{
    backend::{
        Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        flex::FlexTensor,
        ops::FloatTensorOps,
    },
    tensor::{Int, Tensor},
};

/// Floats of the word scores that are computed at once: 16 MiB.
const SCORES: usize = (16 << 20) / 4;
/// Sums and maxima that are found side by side.
const LANES: usize = 32;

/// Mean negative log-likelihood [1] of the words `targets` [rows], in nats, where the score of a word is its bias and the
/// product of its vector with a row of `outputs` [rows, units].
///
/// Its gradients are those of a number, so they are known but for a factor once the scores are, and no score is kept for them.
///
/// # Panics
/// When a tensor is not on the processor.
pub(crate) fn likelihood(
    outputs: Tensor<2>,
    word_vectors: Tensor<2>,
    bias: Tensor<1>,
    targets: &Tensor<1, Int>,
    tracked: bool,
) -> Tensor<1> {
    likelihood_of_chunks(outputs, word_vectors, bias, targets, SCORES, tracked)
}

/// The same with so many scores at once, unless a row alone has more.
pub(in crate::kernels) fn likelihood_of_chunks(
    outputs: Tensor<2>,
    word_vectors: Tensor<2>,
    bias: Tensor<1>,
    targets: &Tensor<1, Int>,
    scores_at_once: usize,
    tracked: bool,
) -> Tensor<1> {
    let ([rows, units], [vocabulary, _]) = (outputs.dims(), word_vectors.dims());
    let targets = targets.clone().inner().into_data().try_to_vec::<i32>().expect("words are 32-bit integers");
    let parents = [primitive(outputs), primitive(word_vectors), primitive(bias)];
    let nodes = [parents[0].node(), parents[1].node(), parents[2].node()];
    let wanted = parents.each_ref().map(|tensor| tracked && tensor.is_tracked());
    let [outputs, word_vectors, bias] = parents.map(|tensor| tensor.into_primitive().to_contiguous());
    let across = word_vectors.transpose(0, 1);
    let mut unlikely = 0f64;
    let mut of_outputs = wanted[0].then(|| Vec::with_capacity(rows * units));
    let mut of_vectors = None;
    let mut of_bias = wanted[2].then(|| vec![0f32; vocabulary]);
    let at_once = (scores_at_once / vocabulary).clamp(1, rows);
    let share = 1.0 / rows as f32;
    for first in (0..rows).step_by(at_once) {
        let count = at_once.min(rows - first);
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
        if wanted[1] {
            let gradient = product(&scores.transpose(0, 1), &part);
            of_vectors = Some(match of_vectors.take() {
                None => gradient,
                Some(sum) => Flex::float_add(sum, gradient),
            });
        }
    }
    let loss = put(vec![(unlikely / rows as f64) as f32], [1]);
    let state = [
        of_outputs.map(|gradient| put(gradient, [rows, units])),
        of_vectors,
        of_bias.map(|gradient| put(gradient, [vocabulary])),
    ];
    let result = match Likelihood.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, loss),
        OpsKind::UnTracked(prep) => prep.finish(loss),
    };
    Tensor::from_primitive::<Ad>(result)
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

#[derive(Debug)]
struct Likelihood;

impl Backward<Flex, 3> for Likelihood {
    /// The gradients by the outputs, word vectors and biases of the mean itself, where wanted.
    type State = [Option<FlexTensor>; 3];

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let factor = gradients.consume::<Flex>(&ops.node);
        for (node, found) in ops.parents.into_iter().zip(ops.state) {
            if let (Some(node), Some(found)) = (node, found) {
                let rank = found.layout().num_dims();
                let factor = factor.reshape(vec![1; rank].into());
                gradients.register::<Flex>(node.id, Flex::float_mul(found, factor));
            }
        }
    }
}
