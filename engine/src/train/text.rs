use super::TextWeights;
use crate::config::TextTrainConfig;
use crate::{
    checkpoint::{CheckpointError, Resumable, State, by_its_own_methods, check_seconds, exactly},
    data::{Columns, Corpus, Text},
    device::Compute,
    event::{Event, WordMeasure},
    model::{Passage, TextBatch, Wrt},
    network::RecurrentNet,
    search::{
        EVALUATION_BATCH, RecurrentError, Sgd, at_step, bad_weight, check_device, check_place, check_sums,
        evaluate_text, read_state, read_together,
    },
    space::RecurrentGenotype,
};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use web_time::Instant;

/// Share of the steps around `bptt` words; the others are around half as many.
const FULL_STEPS: f64 = 0.95;
/// Deviation of the words of a step.
const LENGTH_DEVIATION: f64 = 5.0;
/// The fewest words of a step, but for what is left at the end.
const LEAST_LENGTH: usize = 5;
/// The most words of a step beyond `bptt`.
const MOST_MORE: usize = 20;

/// A language model's training run that is stepped from outside and tells what it does in [`Event`]s.
///
/// SGD, then averaged SGD from the epoch on whose validation loss is no better than one `patience` epochs before (Merity et
/// al., 2018).
pub struct TextTraining {
    config: TextTrainConfig,
    compute: Compute,
    net: RecurrentNet,
    weights: Tensor<1>,
    /// The mean of the weights since they are averaged, and over how many steps.
    average: Option<(Tensor<1>, u64)>,
    train: Columns,
    valid: Columns,
    test: Columns,
    words: [usize; 3],
    hidden: Tensor<2>,
    step: usize,
    epoch: usize,
    row: usize,
    sums: Sums,
    seconds: f64,
    /// Validation losses of the epochs before weights were averaged.
    history: Vec<f32>,
    best: Option<Best>,
}

struct Best {
    epoch: usize,
    valid: WordMeasure,
    weights: Tensor<1>,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sums {
    steps: usize,
    words: usize,
    loss: f32,
    #[serde(with = "exactly")]
    seconds: f64,
}

impl TextTraining {
    /// Cuts the texts, lays out the network and draws its weights.
    ///
    /// # Errors
    /// A setting that makes no training run, or texts too short for it.
    ///
    /// # Panics
    /// The genotype is not well formed.
    pub fn new(
        config: TextTrainConfig,
        genotype: RecurrentGenotype,
        corpus: &Corpus,
        compute: &Compute,
    ) -> Result<Self, RecurrentError> {
        config.check()?;
        // A step leaves the last two rows alone, as the authors' loop does.
        let train = corpus.train.columns(config.batch_size, 3)?;
        let valid = corpus.valid.columns(EVALUATION_BATCH, 2)?;
        let test = corpus.test.columns(config.test_batch_size, 2)?;
        let net = RecurrentNet::derived(genotype, corpus.vocabulary.len(), config.hidden).on(config.kernels);
        check_device(&net, [config.batch_size, config.bptt + MOST_MORE], compute)?;
        Ok(Self {
            words: [&corpus.train, &corpus.valid, &corpus.test].map(|text| text.tokens.len()),
            weights: net.layout().init(config.seed, &compute.device),
            hidden: net.first_hidden(config.batch_size, &compute.device),
            compute: compute.clone(),
            net,
            config,
            average: None,
            train,
            valid,
            test,
            step: 0,
            epoch: 0,
            row: 0,
            sums: Sums::default(),
            seconds: 0.0,
            history: Vec::new(),
            best: None,
        })
    }

    /// The event that opens the log.
    pub fn started(&self) -> Event {
        let [train_words, valid_words, test_words] = self.words;
        Event::TextTrainStarted {
            config: self.config.clone(),
            genotype: self.net.genotype().expect("a derived cell").clone(),
            adapter: self.compute.adapter.clone(),
            backend: self.compute.backend.clone(),
            parameters: self.net.layout().len(),
            vocabulary: self.net.vocabulary(),
            train_words,
            valid_words,
            test_words,
            rows: self.rows(),
        }
    }

    /// Rows of the training text that an epoch goes through.
    pub fn rows(&self) -> usize {
        self.train.rows - 2
    }

    /// Where the run is: the epoch, from 0, and the rows that it has gone through.
    pub fn place(&self) -> (usize, usize) {
        (self.epoch, self.row)
    }

    /// Whether all epochs are done.
    pub fn is_finished(&self) -> bool {
        self.epoch == self.config.epochs
    }

    /// One training step. Its events in order: the step where it is reported, then the epoch and the end of the run where
    /// they are due.
    ///
    /// # Errors
    /// The device failed, a number is no longer finite, or the run is over.
    pub async fn step(&mut self) -> Result<Vec<Event>, RecurrentError> {
        if self.is_finished() {
            return Err(RecurrentError::Finished);
        }
        let began = Instant::now();
        let (step, epoch) = (self.step, self.epoch);
        let mut rng = at_step(self.config.seed, step);
        let window = self.train.window(self.row, self.length(&mut rng));
        let learning_rate = self.config.learning_rate * window.length as f64 / self.config.bptt as f64;
        let (vocabulary, units) = (self.net.vocabulary(), self.net.hidden());
        let masks = self.config.dropouts.draw(&window, vocabulary, units, &mut rng, &self.compute.device);
        let text = TextBatch::upload(&window, &self.compute.device);
        let passage = Passage { text, hidden: self.hidden.clone(), masks };
        let mut pass = self.net.pass(&self.weights, None, &passage, self.config.penalties, Wrt::WEIGHTS);
        let gradient = pass.weight_gradient.take().expect("a weight pass has a weight gradient");
        let &TextTrainConfig { weight_decay, grad_clip, batch_size, .. } = &self.config;
        let sgd = Sgd { momentum: 0.0, weight_decay, grad_clip };
        let mut buffer = self.weights.zeros_like();
        let norm = sgd.step(self.config.kernels, learning_rate, &mut self.weights, &mut buffer, gradient);
        if let Some((mean, steps)) = &mut self.average {
            *steps += 1;
            *mean = mean.clone() + (self.weights.clone() - mean.clone()) / *steps as f64;
        }
        self.hidden = pass.hidden;
        self.row += window.length;
        let [loss, norm] = read_together([pass.nll, norm], [batch_size, units]).await?;
        for (what, value) in [("the training loss", loss[0]), ("the norm of the gradient", norm[0])] {
            if !value.is_finite() {
                return Err(RecurrentError::NotFinite { what, value, step, epoch });
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        self.step += 1;
        self.seconds += seconds;
        self.sums.steps += 1;
        self.sums.words += window.tokens.len();
        self.sums.loss += loss[0];
        self.sums.seconds += seconds;
        let last_of_epoch = self.row >= self.rows();
        let mut events = Vec::new();
        if last_of_epoch || step.is_multiple_of(self.config.report_every) {
            events.push(Event::TextTrainStep {
                epoch,
                step,
                row: self.row.min(self.rows()),
                words: window.tokens.len(),
                train: WordMeasure::new(loss[0]),
                gradient_norm: norm[0],
                seconds,
            });
        }
        if last_of_epoch {
            events.extend(self.end_epoch().await?);
        }
        Ok(events)
    }

    /// Words of a column in a step: around `bptt`, and around half of it in one step of twenty.
    fn length(&self, rng: &mut impl Rng) -> usize {
        let bptt = self.config.bptt as f64;
        let mean = if rng.random_bool(FULL_STEPS) { bptt } else { bptt / 2.0 };
        // Box and Muller.
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * rng.random::<f64>()).cos();
        let drawn = (mean + LENGTH_DEVIATION * normal).max(0.0) as usize;
        drawn.max(LEAST_LENGTH).min(self.config.bptt + MOST_MORE)
    }

    /// The events of an epoch's end: the epoch with the validation loss, and the end of the run with the test.
    async fn end_epoch(&mut self) -> Result<Vec<Event>, RecurrentError> {
        let began = Instant::now();
        let averaged = self.average.is_some();
        let weights = self.evaluated().clone();
        let valid = self.evaluate(&weights, &self.valid, "the validation loss").await?;
        let is_best = self.best.as_ref().is_none_or(|best| valid.loss < best.valid.loss);
        if is_best {
            self.best = Some(Best { epoch: self.epoch, valid, weights });
        }
        if !averaged {
            let before = &self.history[..self.history.len().saturating_sub(self.config.patience)];
            if before.iter().any(|&loss| valid.loss > loss) {
                self.average = Some((self.weights.clone(), 0));
            }
            self.history.push(valid.loss);
        }
        self.seconds += began.elapsed().as_secs_f64();
        let Sums { steps, words, loss, seconds } = std::mem::take(&mut self.sums);
        let mut events = vec![Event::TextTrainEpoch {
            epoch: self.epoch,
            train: WordMeasure::new(loss / steps as f32),
            valid,
            averaged,
            best: is_best,
            words_per_second: words as f64 / seconds,
            seconds: self.seconds,
        }];
        self.epoch += 1;
        self.row = 0;
        self.hidden = self.net.first_hidden(self.config.batch_size, &self.compute.device);
        if self.is_finished() {
            let began = Instant::now();
            let best = self.best.as_ref().expect("an epoch has been evaluated");
            let test = self.evaluate(&best.weights, &self.test, "the test loss").await?;
            let (valid, best_epoch) = (best.valid, best.epoch);
            self.seconds += began.elapsed().as_secs_f64();
            let (epochs, seconds) = (self.config.epochs, self.seconds);
            events.push(Event::TextTrainFinished { valid, test, best_epoch, epochs, seconds });
        }
        Ok(events)
    }

    async fn evaluate(
        &self,
        weights: &Tensor<1>,
        text: &Columns,
        what: &'static str,
    ) -> Result<WordMeasure, RecurrentError> {
        let measure = evaluate_text(&self.net, weights, None, text, self.config.bptt).await?;
        match measure.loss.is_finite() {
            true => Ok(measure),
            false => {
                let (value, step, epoch) = (measure.loss, self.step - 1, self.epoch.min(self.config.epochs - 1));
                Err(RecurrentError::NotFinite { what, value, step, epoch })
            }
        }
    }

    /// The weights that are evaluated: their mean, once they are averaged.
    fn evaluated(&self) -> &Tensor<1> {
        match &self.average {
            Some((mean, 1..)) => mean,
            _ => &self.weights,
        }
    }

    /// The weights as they would be evaluated now.
    ///
    /// # Errors
    /// The device failed, or a weight is no longer finite.
    pub async fn weights(&self) -> Result<TextWeights, RecurrentError> {
        let sizes = [self.config.batch_size, self.config.hidden];
        let [weights] = read_together([self.evaluated().clone()], sizes).await?;
        if let Some(&value) = weights.iter().find(|value| !value.is_finite()) {
            return Err(bad_weight(value, [self.step, self.epoch, self.row]));
        }
        Ok(TextWeights { net: self.net.clone(), weights })
    }
}

/// Where a training run is, beside its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    step: usize,
    epoch: usize,
    row: usize,
    sums: Sums,
    #[serde(with = "exactly")]
    seconds: f64,
    /// Over how many steps weights are averaged, once they are.
    averaged: Option<u64>,
    /// The epoch of the lowest validation loss, and that.
    best: Option<(usize, WordMeasure)>,
}

const MEAN: &str = "mean";
const BEST: &str = "best";
const HISTORY: &str = "history";

impl Resumable for TextTraining {
    by_its_own_methods!(RecurrentError);

    fn ends_epoch(&self) -> bool {
        self.row == 0
    }

    async fn state(&self) -> Result<State, RecurrentError> {
        let &Self { step, epoch, row, sums, seconds, .. } = self;
        let averaged = self.average.as_ref().map(|&(_, steps)| steps);
        let best = self.best.as_ref().map(|best| (best.epoch, best.valid));
        let progress = Progress { step, epoch, row, sums, seconds, averaged, best };
        let tensors = [("weights", self.weights.clone()), ("hidden", self.hidden.clone().flatten(0, 1))];
        let mean = self.average.as_ref().map(|(mean, _)| (MEAN, mean.clone()));
        let best = self.best.as_ref().map(|best| (BEST, best.weights.clone()));
        let sizes = [self.config.batch_size, self.config.hidden];
        let state =
            read_state(&progress, tensors.into_iter().chain(mean).chain(best), sizes, [step, epoch, row]).await?;
        Ok(state.with(HISTORY, self.history.clone()))
    }

    fn restore(&mut self, state: &State) -> Result<(), CheckpointError> {
        let Progress { step, epoch, row, sums, seconds, averaged, best } = state.progress()?;
        let refused = |what, value: String| Err(CheckpointError::Progress { what, value });
        check_place([step, epoch, row], self.config.epochs, self.rows())?;
        check_sums(sums.steps, step, row)?;
        check_seconds([sums.seconds, seconds])?;
        if let Some(steps) = averaged.filter(|&steps| steps > step as u64) {
            return refused("the count of averaged steps", steps.to_string());
        }
        // Each epoch but those of averaged weights has a loss, and one of all is the best.
        let history = state.values(HISTORY)?;
        if history.len() > epoch || averaged.is_none() && history.len() < epoch {
            return refused("the count of validation losses", history.len().to_string());
        }
        if best.map_or(epoch > 0, |(at, _)| at >= epoch) {
            return refused("the best epoch", format!("{best:?}"));
        }
        let weights = state.tensor("weights", &self.weights)?;
        let hidden = state.tensor("hidden", &self.hidden)?;
        let mean = averaged.map(|steps| Ok((state.tensor(MEAN, &self.weights)?, steps))).transpose()?;
        let best = best.map(|(epoch, valid)| Ok(Best { epoch, valid, weights: state.tensor(BEST, &self.weights)? }));
        let best = best.transpose()?;
        (self.weights, self.hidden, self.average, self.best) = (weights, hidden, mean, best);
        self.history = history.to_vec();
        (self.step, self.epoch, self.row, self.sums, self.seconds) = (step, epoch, row, sums, seconds);
        Ok(())
    }
}

/// Tests trained weights on a text, cut into `batch_size` columns whose windows are of `bptt` words.
///
/// # Errors
/// The text is too short, or the device failed.
pub async fn test_text(
    weights: &TextWeights,
    text: &Text,
    [batch_size, bptt]: [usize; 2],
    device: &Device,
) -> Result<WordMeasure, RecurrentError> {
    let columns = text.columns(batch_size, 2)?;
    let vector = Tensor::from_data(TensorData::new(weights.weights.clone(), [weights.weights.len()]), device);
    evaluate_text(&weights.net, &vector, None, &columns, bptt).await
}
