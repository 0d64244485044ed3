//! Text written by a language model: one word after the other, each drawn from the model's prediction.

use super::text_sizes;
use crate::{data::Columns, device::read, error::Error, model::TextBatch, network::RecurrentNet};
use burn::tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Settings for writing text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Number of words, ends of sentences included.
    pub words: usize,
    /// Divisor of the scores before the softmax: less than 1 favours likely words; at 0 the likeliest word is taken.
    pub temperature: f64,
    /// Seed of the words drawn.
    pub seed: u64,
}

/// Rows of the text that the network reads before it writes.
const READ: usize = 10;

impl Sampling {
    /// Indices of the words with which the network continues the beginning of the first column of a text. It continues
    /// all columns of the text at once, as a relaxed cell normalises its states over them: as in training, but without
    /// dropout.
    pub(crate) async fn write(
        &self,
        net: &RecurrentNet,
        weights: &Tensor<1>,
        alphas: &Tensor<2>,
        text: &Columns,
    ) -> Result<Vec<i32>, Error> {
        let (device, columns) = (weights.device(), text.batch_size);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut hidden = net.first_hidden(columns, &device);
        let mut words = Vec::with_capacity(self.words);
        let (mut row, mut taken) = (text.window(0, 1), 1);
        while words.len() < self.words {
            let scores;
            (scores, hidden) = net.log_probabilities(weights, Some(alphas), &TextBatch::upload(&row, &device), &hidden);
            if taken < READ.min(text.rows - 1) {
                (row, taken) = (text.window(taken, 1), taken + 1);
                continue;
            }
            let read = read(vec![scores.flatten(0, 1)]).await;
            let scores = read.map_err(|error| Error::read(error, text_sizes(columns, net.hidden())))?;
            let of_columns = scores[0].chunks(net.vocabulary());
            row.tokens = of_columns.map(|scores| draw(scores, self.temperature, rng.random()) as i32).collect();
            words.push(row.tokens[0]);
        }
        Ok(words)
    }
}

/// Index of a score, picked by a number drawn uniformly from 0 to 1.
fn draw(scores: &[f32], temperature: f64, drawn: f64) -> usize {
    let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let likeliest = scores.iter().position(|&score| score == best).unwrap_or(0);
    if temperature <= 0.0 {
        return likeliest;
    }
    let weights: Vec<f64> = scores.iter().map(|&score| (f64::from(score - best) / temperature).exp()).collect();
    let mut left = drawn * weights.iter().sum::<f64>();
    for (place, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return place;
        }
    }
    likeliest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Dropouts, Kernels, RecurrentConfig},
        data::Corpus,
        device::{Compute, block_on},
        event::Event,
        search::RecurrentSearch,
    };

    #[test]
    fn words_are_drawn_as_often_as_they_are_expected() {
        let scores = [1.0f32, 2.0, 0.0];
        let shares = |temperature: f64| {
            let mut counts = [0; 3];
            (0..3000).for_each(|i| counts[draw(&scores, temperature, f64::from(i) / 3000.0)] += 1);
            counts.map(|count| f64::from(count) / 3000.0)
        };
        for temperature in [1.0, 0.5, 2.0] {
            let weights = scores.map(|score| (f64::from(score) / temperature).exp());
            for (found, weight) in shares(temperature).into_iter().zip(weights) {
                assert!((found - weight / weights.iter().sum::<f64>()).abs() < 1e-3);
            }
        }
        assert_eq!(shares(0.0), [0.0, 1.0, 0.0]);
        assert_eq!(draw(&scores, 1.0, 1.0), 1, "rounding leaves no place out of reach");
    }

    /// On a text that repeats, the search's own network learns to write the same.
    #[test]
    fn a_search_writes_what_it_has_learned() {
        // Columns must be at different words at a time: states do not vary over columns at the same word.
        let text = "one two three four\n".repeat(123);
        let corpus = Corpus::from_texts([("train", text.as_bytes()); 3]).unwrap();
        let config = RecurrentConfig {
            epochs: 12,
            batch_size: 8,
            hidden: 12,
            bptt: 10,
            learning_rate: 10.0,
            dropouts: Dropouts::default(),
            kernels: Kernels::Reference,
            ..RecurrentConfig::default()
        };
        let mut search = block_on(RecurrentSearch::new(config, &corpus, &Compute::cpu())).unwrap();
        let sample = |search: &RecurrentSearch, temperature, seed| {
            let sampling = Sampling { words: 20, temperature, seed };
            match block_on(search.sample(&corpus.vocabulary, sampling)).unwrap() {
                Event::Sampled { text, step, .. } => (text, step),
                other => panic!("{other:?}"),
            }
        };
        let (early, step) = sample(&search, 1.0, 1);
        assert_eq!(step, 0);
        assert_eq!(sample(&search, 1.0, 1).0, early, "a seed decides the words");
        assert_ne!(sample(&search, 1.0, 2).0, early);
        while !search.is_finished() {
            block_on(search.step()).unwrap();
        }
        // The validation text's first column begins with ten words: two rounds.
        assert_eq!(sample(&search, 0.0, 1).0, "one two three four\n".repeat(4).trim_end());
    }
}
