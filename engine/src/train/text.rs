//! Training of language models around derived recurrent cells (paper, section 3.2).

use super::{Place, TextWeights, TrainOutcome, TrainSizes, TrainSums, Trainee, Training, training::check_finite};
use crate::{
    checkpoint::{CheckpointError, State},
    config::TextTrainConfig,
    data::{Columns, Corpus, Text},
    device::{Compute, read},
    error::{Error, Sizes},
    event::{Event, Measure, TestResult},
    model::{GradientTargets, Passage, TextBatch},
    network::RecurrentNet,
    search::{
        EVALUATION_BATCH, Sgd, check_device, check_place, check_sums, evaluate_text, standard_normal, step_rng,
        text_sizes,
    },
    space::Genotype,
};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use web_time::Instant;

/// Share of the steps around `bptt` words; the others are around half as many.
const FULL_STEPS: f64 = 0.95;
/// Standard deviation of the words of a step.
const LENGTH_DEVIATION: f64 = 5.0;
/// Fewest words of a step, except the last of an epoch.
const MIN_LENGTH: usize = 5;
/// Most words of a step beyond `bptt`.
const MAX_MORE: usize = 20;

/// Language model in training: SGD, then averaged SGD from the epoch on whose validation loss is no better than one
/// `patience` epochs before (Merity et al., 2018).
pub struct TextTrainee {
    net: RecurrentNet,
    weights: Tensor<1>,
    /// Averaged weights, and the number of steps averaged over.
    average: Option<(Tensor<1>, u64)>,
    train: Columns,
    valid: Columns,
    test: Columns,
    words: [usize; 3],
    hidden: Tensor<2>,
    /// Rows of the step in flight.
    length: usize,
    epoch: usize,
    row: usize,
    /// Validation losses of the epochs before weights were averaged.
    history: Vec<f32>,
    best: Option<Best>,
}

/// Weights of the lowest validation loss.
struct Best {
    epoch: usize,
    valid: Measure,
    weights: Tensor<1>,
}

/// Training run of a language model.
pub type TextTraining = Training<TextTrainee>;

impl TextTraining {
    /// Cuts the texts, lays out the network and draws its weights.
    ///
    /// # Errors
    /// A setting is out of range, or a text is too short.
    ///
    /// # Panics
    /// The genotype is not well formed.
    pub fn new(config: TextTrainConfig, genotype: Genotype, corpus: &Corpus, compute: &Compute) -> Result<Self, Error> {
        config.check()?;
        // No step takes the last two rows, as in the authors' loop.
        let train = corpus.train.columns(config.batch_size, 3)?;
        let valid = corpus.valid.columns(EVALUATION_BATCH, 2)?;
        let test = corpus.test.columns(config.test_batch_size, 2)?;
        let net = RecurrentNet::derived(genotype, corpus.vocabulary.len(), config.hidden).on(config.kernels);
        check_device(&net, [config.batch_size, config.bptt + MAX_MORE], compute)?;
        let trainee = TextTrainee {
            words: [&corpus.train, &corpus.valid, &corpus.test].map(|text| text.tokens.len()),
            weights: net.layout().init(config.seed, &compute.device),
            hidden: net.first_hidden(config.batch_size, &compute.device),
            net,
            average: None,
            train,
            valid,
            test,
            length: 0,
            epoch: 0,
            row: 0,
            history: Vec::new(),
            best: None,
        };
        Ok(Self::start(config, trainee, compute))
    }
}

impl TextTrainee {
    /// Rows of the training text that an epoch goes through.
    fn rows(&self) -> usize {
        self.train.rows - 2
    }

    /// Weights that are evaluated: the averaged ones, once there are any.
    fn evaluated(&self) -> &Tensor<1> {
        match &self.average {
            Some((mean, 1..)) => mean,
            _ => &self.weights,
        }
    }

    /// Loss of a whole text; `at` is the last step and its epoch.
    async fn evaluate(
        &self,
        weights: &Tensor<1>,
        text: &Columns,
        bptt: usize,
        (what, [step, epoch]): (&'static str, [usize; 2]),
    ) -> Result<Measure, Error> {
        let measure = evaluate_text(&self.net, weights, None, text, bptt).await?;
        check_finite::<Self>(what, measure.loss, step, epoch)?;
        Ok(measure)
    }

    /// Records the validation loss of an epoch: keeps the best weights, and starts averaging when it is due. Returns whether
    /// the loss is the lowest so far.
    fn note(&mut self, valid: Measure, weights: Tensor<1>, patience: usize) -> bool {
        let is_best = self.best.as_ref().is_none_or(|best| valid.loss < best.valid.loss);
        if is_best {
            self.best = Some(Best { epoch: self.epoch, valid, weights });
        }
        if self.average.is_none() {
            let before = &self.history[..self.history.len().saturating_sub(patience)];
            if before.iter().any(|&loss| valid.loss > loss) {
                self.average = Some((self.weights.clone(), 0));
            }
            self.history.push(valid.loss);
        }
        is_best
    }
}

/// Draws the number of words of a step: around `bptt`, and around half of it in one step of twenty.
fn length(bptt: usize, rng: &mut impl RngExt) -> usize {
    let mean = if rng.random_bool(FULL_STEPS) { bptt as f64 } else { bptt as f64 / 2.0 };
    let drawn = (mean + LENGTH_DEVIATION * standard_normal(rng)).max(0.0) as usize;
    drawn.max(MIN_LENGTH).min(bptt + MAX_MORE)
}

/// Progress of a language model.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextProgress {
    epoch: usize,
    row: usize,
    /// Number of steps averaged over, once weights are averaged.
    averaged: Option<u64>,
    /// Epoch of the lowest validation loss, and the loss.
    best: Option<(usize, Measure)>,
}

const MEAN: &str = "mean";
const BEST: &str = "best";
const HISTORY: &str = "history";

impl Trainee for TextTrainee {
    type Config = TextTrainConfig;
    type Weights = TextWeights;
    type Progress = TextProgress;

    fn sizes(config: &TextTrainConfig) -> Sizes {
        text_sizes(config.batch_size, config.hidden)
    }

    fn started(&self) -> TrainSizes {
        let [train, valid, test] = self.words;
        TrainSizes {
            genotype: self.net.genotype().expect("a derived cell").clone(),
            parameters: self.net.layout().len(),
            auxiliary_parameters: None,
            train,
            valid: Some(valid),
            test,
            steps_per_epoch: None,
            rows: Some(self.rows()),
            vocabulary: Some(self.net.vocabulary()),
        }
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

    fn step(&mut self, config: &TextTrainConfig, step: usize, compute: &Compute) -> Result<TrainOutcome, Error> {
        let mut rng = step_rng(config.seed, step);
        let window = self.train.window(self.row, length(config.bptt, &mut rng));
        self.length = window.length;
        let learning_rate = config.learning_rate * window.length as f64 / config.bptt as f64;
        let (vocabulary, units) = (self.net.vocabulary(), self.net.hidden());
        let masks = config.dropouts.draw(&window, vocabulary, units, &mut rng, &compute.device);
        let text = TextBatch::upload(&window, &compute.device);
        let passage = Passage { text, hidden: self.hidden.clone(), masks, penalties: config.penalties };
        let mut pass = self.net.pass(&self.weights, None, &passage, GradientTargets::WEIGHTS);
        let gradient = pass.weight_gradient.take().expect("a weight pass has a weight gradient");
        let &TextTrainConfig { weight_decay, grad_clip, kernels, .. } = config;
        let sgd = Sgd { momentum: 0.0, weight_decay, grad_clip };
        let mut buffer = self.weights.zeros_like();
        let gradient_norm = sgd.step(kernels, learning_rate, &mut self.weights, &mut buffer, gradient);
        if let Some((mean, steps)) = &mut self.average {
            *steps += 1;
            *mean = mean.clone() + (self.weights.clone() - mean.clone()) / *steps as f64;
        }
        self.hidden = pass.hidden;
        let examples = window.tokens.len();
        Ok(TrainOutcome { reported: vec![pass.nll], gradient_norm, labels: Vec::new(), examples, events: Vec::new() })
    }

    fn measure(read: &[Vec<f32>], _: &[i32]) -> Measure {
        Measure::words(read[0][0])
    }

    fn stepped(&mut self) -> bool {
        self.row += self.length;
        self.row >= self.rows()
    }

    async fn end_epoch(
        &mut self,
        config: &TextTrainConfig,
        sums: TrainSums,
        step: usize,
        seconds: &mut f64,
        compute: &Compute,
    ) -> Result<Vec<Event>, Error> {
        let began = Instant::now();
        let (epoch, averaged) = (self.epoch, self.average.is_some());
        let weights = self.evaluated().clone();
        let at = [step.saturating_sub(1), epoch];
        let valid = self.evaluate(&weights, &self.valid, config.bptt, ("the validation loss", at)).await?;
        let best = self.note(valid, weights, config.patience);
        *seconds += began.elapsed().as_secs_f64();
        let mut events = vec![Event::TrainEpoch {
            epoch,
            learning_rate: None,
            drop_path: None,
            train: sums.mean(),
            valid: Some(valid),
            averaged: Some(averaged),
            best: Some(best),
            examples_per_second: sums.examples_per_second(),
            seconds: *seconds,
            unreadable: 0,
        }];
        self.epoch += 1;
        self.row = 0;
        self.hidden = self.net.first_hidden(config.batch_size, &compute.device);
        if self.epoch == config.epochs {
            let began = Instant::now();
            let best = self.best.as_ref().expect("an epoch has been evaluated");
            let test = self.evaluate(&best.weights, &self.test, config.bptt, ("the test loss", at)).await?;
            *seconds += began.elapsed().as_secs_f64();
            events.push(Event::TrainFinished {
                test: TestResult::Words(test),
                best: TestResult::Words(best.valid),
                best_epoch: best.epoch,
                epochs: config.epochs,
                seconds: *seconds,
            });
        }
        Ok(events)
    }

    async fn weights(&self, config: &TextTrainConfig, step: usize) -> Result<TextWeights, Error> {
        let read = read(vec![self.evaluated().clone()]).await;
        let mut read = read.map_err(|error| Error::read(error, Self::sizes(config)))?;
        let weights = read.pop().expect("one tensor was read");
        if let Some(&value) = weights.iter().find(|value| !value.is_finite()) {
            let epoch = self.epoch.saturating_sub(usize::from(self.row == 0));
            check_finite::<Self>("a weight", value, step.saturating_sub(1), epoch)?;
        }
        Ok(TextWeights { net: self.net.clone(), weights })
    }

    fn progress(&self) -> TextProgress {
        let averaged = self.average.as_ref().map(|&(_, steps)| steps);
        let best = self.best.as_ref().map(|best| (best.epoch, best.valid));
        TextProgress { epoch: self.epoch, row: self.row, averaged, best }
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor<1>)> {
        let mut tensors = vec![("weights", self.weights.clone()), ("hidden", self.hidden.clone().flatten(0, 1))];
        tensors.extend(self.average.as_ref().map(|(mean, _)| (MEAN, mean.clone())));
        tensors.extend(self.best.as_ref().map(|best| (BEST, best.weights.clone())));
        tensors
    }

    fn values(&self) -> Vec<(&'static str, Vec<f32>)> {
        vec![(HISTORY, self.history.clone())]
    }

    fn restore(&mut self, progress: TextProgress, state: &State, place: Place) -> Result<(), CheckpointError> {
        let TextProgress { epoch, row, averaged, best } = progress;
        let refused = |what, value: String| Err(CheckpointError::Progress { what, value });
        check_place([place.step, epoch, row], place.epochs, self.rows())?;
        check_sums(place.steps_of_epoch, place.step, row)?;
        if let Some(steps) = averaged.filter(|&steps| steps > place.step as u64) {
            return refused("the count of averaged steps", steps.to_string());
        }
        // Each epoch before averaging has a loss, and one of all epochs is the best.
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
        (self.epoch, self.row) = (epoch, row);
        Ok(())
    }

    fn progress_of_version_1(&self, old: Value) -> Value {
        json!({
            "step": old["step"],
            "sums": {
                "steps": old["sums"]["steps"],
                "examples": old["sums"]["words"],
                "train": { "loss": old["sums"]["loss"] },
                "seconds": old["sums"]["seconds"],
            },
            "seconds": old["seconds"],
            "network": {
                "epoch": old["epoch"],
                "row": old["row"],
                "averaged": old["averaged"],
                "best": old["best"],
            },
        })
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
) -> Result<Measure, Error> {
    let columns = text.columns(batch_size, 2)?;
    let vector = Tensor::from_data(TensorData::new(weights.weights.clone(), [weights.weights.len()]), device);
    evaluate_text(&weights.net, &vector, None, &columns, bptt).await
}
