//! Search in the recurrent space.

use super::{
    Bilevel, EpochEnd, Family, Pass, Sampling, Search, SearchNetwork, Splits, StepBatches, Stream, Unrolled,
    text::{EVALUATION_BATCH, check_apart, check_device, check_place, check_sums, evaluate_text, step_rng},
};
use crate::{
    checkpoint::{CheckpointError, State},
    config::{Dropouts, Kernels, Penalties, RecurrentConfig},
    data::{Columns, Corpus, Vocabulary, Window, readable},
    device::Compute,
    error::{Error, Sizes},
    event::{Event, Measure},
    model::{GradientTargets, Masks, Passage, RecurrentPass, RunningStatistics, TextBatch},
    network::{Layout, RecurrentNet},
    space::{RECURRENT, Recurrent, Space},
};
use burn::tensor::{Device, Tensor};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Share of the steps that take `bptt` words; the others take half.
const FULL_STEPS: f64 = 0.95;

/// Search of a language model's cell.
pub type RecurrentSearch = Search<Recurrent>;

impl Family for Recurrent {
    type Config = RecurrentConfig;
    type Data = Corpus;
    type Network = RecurrentNet;
    type Stream = TextStream;

    const REMEDY: &'static str = "learning-rate or grad-clip";

    fn sizes(config: &RecurrentConfig) -> Sizes {
        Sizes(vec![("batch-size", config.batch_size), ("hidden", config.hidden)])
    }

    fn network(config: &RecurrentConfig, corpus: &Corpus, compute: &Compute) -> Result<RecurrentNet, Error> {
        let net = RecurrentNet::relaxed(corpus.vocabulary.len(), config.hidden, config.kernels);
        check_device(&net, [config.batch_size, config.bptt], compute)?;
        Ok(net)
    }

    fn stream(config: &RecurrentConfig, corpus: &Corpus, compute: &Compute) -> Result<TextStream, Error> {
        TextStream::new(config, corpus, &compute.device)
    }

    fn learning_rate_at(_: &RecurrentConfig, _: usize) -> Option<f64> {
        None
    }

    async fn end_epoch(
        config: &RecurrentConfig,
        bilevel: &Bilevel<RecurrentNet>,
        stream: &TextStream,
        _: &Passage,
    ) -> Result<EpochEnd, Error> {
        let Bilevel { weights, alphas, statistics, .. } = bilevel;
        let relaxed = Some((alphas, statistics));
        let valid = evaluate_text(bilevel.network(), weights, relaxed, &stream.evaluation, config.bptt).await?;
        Ok(EpochEnd { evaluation: Some(valid), curvature: None })
    }
}

impl SearchNetwork for RecurrentNet {
    type Batch = Passage;
    type Pass = RecurrentPass;
    type Statistics = RunningStatistics;

    const SPACE: Space = RECURRENT;
    const MOMENTUM: bool = false;

    fn layout(&self) -> &Layout {
        self.layout()
    }

    fn kernels(&self) -> Kernels {
        self.kernels()
    }

    fn pass(&self, weights: &Tensor<1>, alphas: &Tensor<2>, passage: &Passage, wrt: GradientTargets) -> RecurrentPass {
        self.pass(weights, Some(alphas), passage, wrt)
    }

    fn statistics(&self, device: &Device) -> RunningStatistics {
        RunningStatistics::new(self.hidden(), device)
    }

    fn follow(&self, statistics: &RunningStatistics, pass: &mut RecurrentPass, passage: &Passage) -> RunningStatistics {
        match pass.statistics.take() {
            Some(found) => statistics.follow(found, passage.text.batch_size),
            None => statistics.clone(),
        }
    }

    fn statistics_tensors(statistics: &RunningStatistics) -> Vec<(&'static str, Tensor<1>)> {
        let flat = |tensor: &Tensor<2>| tensor.clone().flatten(0, 1);
        vec![("statistics.mean", flat(&statistics.mean)), ("statistics.variance", flat(&statistics.variance))]
    }

    fn restored_statistics(
        statistics: &RunningStatistics,
        state: &State,
    ) -> Result<RunningStatistics, CheckpointError> {
        let mean = state.tensor("statistics.mean", &statistics.mean)?;
        let variance = state.tensor("statistics.variance", &statistics.variance)?;
        Ok(RunningStatistics { mean, variance })
    }

    /// The authors' recurrent code clips the gradients, and the decoder of its unrolled network holds the word vectors as
    /// they were.
    fn unrolled(&self) -> Unrolled {
        Unrolled { clips: true, kept_weights: self.word_vectors() }
    }
}

impl Pass for RecurrentPass {
    fn reported(&self) -> Vec<Tensor<1>> {
        vec![self.nll.clone()]
    }

    fn take_weight_gradient(&mut self) -> Option<Tensor<1>> {
        self.weight_gradient.take()
    }

    fn alpha_gradient(&self) -> Option<&Tensor<2>> {
        self.alpha_gradient.as_ref()
    }

    fn set_alpha_gradient(&mut self, gradient: Tensor<2>) {
        self.alpha_gradient = Some(gradient);
    }
}

/// Both texts in columns, read window by window.
#[derive(Clone)]
pub struct TextStream {
    train: Columns,
    valid: Columns,
    /// The validation text in evaluation columns.
    evaluation: Columns,
    vocabulary: usize,
    units: usize,
    words: [usize; 2],
    /// States left by the previous windows, of the training and the validation text [batch, units].
    hidden: [Tensor<2>; 2],
    /// Rows of the window in flight.
    length: usize,
    epoch: usize,
    /// Rows of the training text that the epoch has gone through.
    row: usize,
}

/// Place in both texts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextPosition {
    epoch: usize,
    row: usize,
}

/// Names of the hidden states in a checkpoint.
const HIDDEN: [&str; 2] = ["hidden.train", "hidden.valid"];

impl TextStream {
    fn new(config: &RecurrentConfig, corpus: &Corpus, device: &Device) -> Result<Self, Error> {
        // A step leaves the last two rows alone, as the authors' loop does.
        let train = corpus.train.columns(config.batch_size, 3)?;
        let valid = corpus.valid.columns(config.batch_size, 2)?;
        check_apart(&config.dropouts, &corpus.vocabulary, [(&corpus.train, &train), (&corpus.valid, &valid)])?;
        let first = Tensor::zeros([config.batch_size, config.hidden], device);
        Ok(Self {
            train,
            valid,
            evaluation: corpus.valid.columns(EVALUATION_BATCH, 2)?,
            vocabulary: corpus.vocabulary.len(),
            units: config.hidden,
            words: [corpus.train.tokens.len(), corpus.valid.tokens.len()],
            hidden: [first.clone(), first],
            length: 0,
            epoch: 0,
            row: 0,
        })
    }

    /// Rows of the training text that an epoch goes through.
    pub fn rows(&self) -> usize {
        self.train.rows - 2
    }

    fn masks(&self, dropouts: Dropouts, window: &Window, rng: &mut ChaCha8Rng, device: &Device) -> Masks {
        dropouts.draw(window, self.vocabulary, self.units, rng, device)
    }
}

impl Stream for TextStream {
    type Family = Recurrent;
    type Position = TextPosition;

    fn splits(&self) -> Splits {
        let [train, valid] = self.words;
        Splits { train, valid, steps_per_epoch: None, rows: Some(self.rows()), vocabulary: Some(self.vocabulary) }
    }

    fn epoch(&self) -> usize {
        self.epoch
    }

    fn row(&self) -> Option<usize> {
        Some(self.row.min(self.rows()))
    }

    fn at_epoch_start(&self) -> bool {
        self.row == 0
    }

    fn next(&mut self, config: &RecurrentConfig, step: usize, device: &Device) -> StepBatches<Recurrent> {
        let bptt = config.bptt;
        let mut rng = step_rng(config.seed, step);
        self.length = if rng.random_bool(FULL_STEPS) { bptt } else { (bptt / 2).max(1) };
        let train = self.train.window(self.row, self.length);
        self.length = train.length;
        let valid = self.valid.window(self.row % (self.valid.rows - 1), bptt);
        let [train_masks, valid_masks, weight_masks] =
            [&train, &valid, &train].map(|window| self.masks(config.dropouts, window, &mut rng, device));
        let [train_text, valid_text] = [&train, &valid].map(|window| TextBatch::upload(window, device));
        let [train_hidden, valid_hidden] = self.hidden.clone();
        let none = Penalties::default();
        let passage = Passage { text: train_text, hidden: train_hidden, masks: train_masks, penalties: none };
        StepBatches {
            weights: Some(Passage { masks: weight_masks, penalties: config.penalties, ..passage.clone() }),
            train: passage,
            valid: Passage { text: valid_text, hidden: valid_hidden, masks: valid_masks, penalties: none },
            learning_rate: config.learning_rate * train.length as f64 / bptt as f64,
            labels: Default::default(),
            examples: [train.tokens.len(), train.tokens.len() + valid.tokens.len()],
        }
    }

    fn stepped(&mut self, weights: &RecurrentPass, architecture: &RecurrentPass) -> bool {
        self.hidden = [weights.hidden.clone(), architecture.hidden.clone()];
        self.row += self.length;
        self.row >= self.rows()
    }

    fn start_epoch(&mut self, device: &Device) {
        self.epoch += 1;
        self.row = 0;
        let first = Tensor::zeros(self.hidden[0].dims(), device);
        self.hidden = [first.clone(), first];
    }

    fn measure(read: &[Vec<f32>], _: &[i32]) -> Measure {
        Measure::words(read[0][0])
    }

    fn position(&self) -> TextPosition {
        TextPosition { epoch: self.epoch, row: self.row }
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor<1>)> {
        [0, 1].map(|i| (HIDDEN[i], self.hidden[i].clone().flatten(0, 1))).to_vec()
    }

    fn restored(
        &self,
        TextPosition { epoch, row }: TextPosition,
        state: &State,
        step: usize,
        epochs: usize,
    ) -> Result<Self, CheckpointError> {
        check_place([step, epoch, row], epochs, self.rows())?;
        let hidden = [state.tensor(HIDDEN[0], &self.hidden[0])?, state.tensor(HIDDEN[1], &self.hidden[1])?];
        Ok(Self { hidden, epoch, row, ..self.clone() })
    }

    fn check_sums(&self, steps: usize, taken: usize) -> Result<(), CheckpointError> {
        check_sums(steps, taken, self.row)
    }

    fn progress_of_version_1(&self, old: Value) -> Value {
        json!({
            "step": old["step"],
            "architecture_steps": old["architecture_steps"],
            "position": { "epoch": old["epoch"], "row": old["row"] },
            "sums": {
                "steps": old["sums"]["steps"],
                "examples": old["sums"]["words"],
                "train": { "loss": old["sums"]["weights"] },
                "valid": { "loss": old["sums"]["alphas"] },
                "seconds": old["sums"]["seconds"],
            },
            "seconds": old["seconds"],
            "alphas": { "mask": old["steered"]["held"], "frozen": old["steered"]["frozen"] },
            "settings": {
                "order": old["steered"]["order"],
                "learning_rate": old["steered"]["learning_rate"],
                "learning_rate_min": 0.0,
                "arch_learning_rate": old["steered"]["arch_learning_rate"],
            },
        })
    }
}

impl RecurrentSearch {
    /// Text with which the supernet continues the beginning of the validation text. The search is unchanged;
    /// `vocabulary` is that of its corpus.
    ///
    /// # Errors
    /// The device failed.
    pub async fn sample(&self, vocabulary: &Vocabulary, sampling: Sampling) -> Result<Event, Error> {
        let bilevel = self.bilevel();
        let (net, valid) = (bilevel.network(), &self.stream().valid);
        let words = sampling.write(net, &bilevel.weights, &bilevel.alphas, valid).await?;
        let words = words.iter().map(|&word| vocabulary.words()[word as usize].as_str());
        let Sampling { temperature, seed, .. } = sampling;
        Ok(Event::Sampled { step: self.steps_done(), temperature, seed, text: readable(words) })
    }
}
