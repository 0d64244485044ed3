//! Search in the convolutional space.

use super::{
    Bilevel, EpochEnd, Family, Pass as PassOf, SearchNetwork, Splits, StepBatches, Stream, lanczos::largest_eigenvalue,
};
use crate::{
    checkpoint::{CheckpointError, State},
    config::{ConfigError, Kernels, SearchConfig},
    data::{Augment, Batch, Dataset, Loader, Position, split},
    device::{Compute, read},
    error::{Error, Sizes},
    event::Measure,
    model::{GradientTargets, Minibatch, Pass, Supernet},
    network::Layout,
    space::{CONVOLUTIONAL, Convolutional, Space},
};
use burn::tensor::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Weights that fit WebGPU's default limit of 128 MiB a binding: 17 times those of the paper's supernet.
pub(crate) const MAX_WEIGHTS: usize = (128 << 20) / 4;

/// Search of a convolutional network's cells.
pub type ConvSearch = super::Search<Convolutional>;

impl Family for Convolutional {
    type Config = SearchConfig;
    type Data = Dataset;
    type Network = Supernet;
    type Stream = ImageStream;

    const REMEDY: &'static str = "learning-rate, grad-clip or arch-learning-rate";

    fn sizes(config: &SearchConfig) -> Sizes {
        Sizes(vec![("batch-size", config.batch_size), ("init-channels", config.init_channels)])
    }

    fn network(config: &SearchConfig, data: &Dataset, compute: &Compute) -> Result<Supernet, Error> {
        supernet_for(config, data.classes.len(), [data.train.height, data.train.width], compute)
    }

    fn stream(config: &SearchConfig, data: &Dataset, _: &Compute) -> Result<ImageStream, Error> {
        ImageStream::new(config, data)
    }

    fn learning_rate_at(config: &SearchConfig, epoch: usize) -> Option<f64> {
        Some(config.learning_rate_at(epoch))
    }

    async fn end_epoch(
        config: &SearchConfig,
        bilevel: &Bilevel<Supernet>,
        _: &ImageStream,
        valid: &Minibatch,
    ) -> Result<EpochEnd, Error> {
        if config.curvature_rounds == 0 {
            return Ok(EpochEnd::default());
        }
        let seen = bilevel.curvature(valid, config.curvature_rounds);
        let read = read(vec![seen.diagonal, seen.off_diagonal]).await;
        let read = read.map_err(|error| Error::read(error, Self::sizes(config)))?;
        let value = largest_eigenvalue(&read[0], &read[1]);
        Ok(EpochEnd { curvature: value.is_finite().then_some(value), evaluation: None })
    }
}

/// Supernet of a search, if the device can hold it.
pub(crate) fn supernet_for(
    config: &SearchConfig,
    classes: usize,
    image: [usize; 2],
    compute: &Compute,
) -> Result<Supernet, Error> {
    // Both reductions halve it, and take even sizes.
    if let Some(&side) = image.iter().find(|side| !side.is_multiple_of(4)) {
        return Err(ConfigError::ImageSize { side, must: "a multiple of 4" }.into());
    }
    let supernet = Supernet::new(config.init_channels, config.layers, classes, config.kernels);
    let weights = supernet.layout().len();
    if weights > MAX_WEIGHTS {
        return Err(Error::TooLarge { settings: "init-channels and layers", weights, max: MAX_WEIGHTS });
    }
    if let (Some(memory), Some(limit)) = (supernet.memory(config.batch_size, image), compute.largest_buffer)
        && memory.largest > limit
    {
        return Err(Error::BufferTooLarge { needed: memory.largest, limit, sizes: Convolutional::sizes(config) });
    }
    Ok(supernet)
}

impl SearchNetwork for Supernet {
    type Batch = Minibatch;
    type Pass = Pass;
    type Statistics = ();

    const SPACE: Space = CONVOLUTIONAL;
    const MOMENTUM: bool = true;

    fn layout(&self) -> &Layout {
        self.layout()
    }

    fn kernels(&self) -> Kernels {
        self.kernels()
    }

    fn pass(&self, weights: &Tensor<1>, alphas: &Tensor<2>, batch: &Minibatch, wrt: GradientTargets) -> Pass {
        self.pass(weights, alphas, batch, wrt)
    }

    fn statistics(&self, _: &Device) {}

    fn follow(&self, (): &(), _: &mut Pass, _: &Minibatch) {}

    fn statistics_tensors((): &()) -> Vec<(&'static str, Tensor<1>)> {
        Vec::new()
    }

    fn restored_statistics((): &(), _: &State) -> Result<(), CheckpointError> {
        Ok(())
    }
}

impl PassOf for Pass {
    fn reported(&self) -> Vec<Tensor<1>> {
        vec![self.loss.clone(), self.logits.clone().flatten(0, 1)]
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

/// Both splits of the training images, each shuffled and augmented with its own seed.
#[derive(Clone)]
pub struct ImageStream {
    train: Loader,
    valid: Loader,
    images: [usize; 2],
    batch_size: usize,
    steps: usize,
}

/// Place in both splits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagePosition {
    train: Position,
    valid: Position,
}

impl ImageStream {
    fn new(config: &SearchConfig, data: &Dataset) -> Result<Self, Error> {
        let (train_images, valid_images) = config.split(data.train.len())?;
        let (train, valid) = split(data.train.len(), train_images + valid_images, config.train_portion, config.seed)?;
        // Streams 0 and 1 of the seed draw the weights and the alphas.
        let mut seeds = ChaCha8Rng::seed_from_u64(config.seed);
        seeds.set_stream(2);
        let images = Arc::new(data.train.clone());
        // Both splits are augmented alike, as in the authors' implementation.
        let mut loader = |indices| {
            let seed = seeds.next_u64();
            Loader::new(images.clone(), indices, config.batch_size, seed, Augment::PAPER, data.normalisation())
        };
        let (train, valid) = (loader(train)?, loader(valid)?);
        Ok(Self { train, valid, images: [train_images, valid_images], batch_size: config.batch_size, steps: 0 })
    }

    /// Search steps of an epoch: full minibatches of the train split.
    pub fn steps_per_epoch(&self) -> usize {
        self.images[0] / self.batch_size
    }
}

impl Stream for ImageStream {
    type Family = Convolutional;
    type Position = ImagePosition;

    fn splits(&self) -> Splits {
        let [train, valid] = self.images;
        Splits { train, valid, steps_per_epoch: Some(self.steps_per_epoch()), ..Splits::default() }
    }

    fn epoch(&self) -> usize {
        self.steps / self.steps_per_epoch()
    }

    fn row(&self) -> Option<usize> {
        None
    }

    fn at_epoch_start(&self) -> bool {
        self.steps.is_multiple_of(self.steps_per_epoch())
    }

    fn next(&mut self, config: &SearchConfig, _: usize, device: &Device) -> StepBatches<Convolutional> {
        let [train, valid]: [Batch; 2] = [self.train.next_batch(), self.valid.next_batch()];
        StepBatches {
            train: Minibatch::upload(&train, device),
            valid: Minibatch::upload(&valid, device),
            weights: None,
            learning_rate: config.learning_rate_at(self.epoch()),
            labels: [train.labels, valid.labels],
            examples: [self.batch_size, 2 * self.batch_size],
        }
    }

    fn stepped(&mut self, _: &Pass, _: &Pass) -> bool {
        self.steps += 1;
        self.at_epoch_start()
    }

    fn start_epoch(&mut self, _: &Device) {}

    fn measure(read: &[Vec<f32>], labels: &[i32]) -> Measure {
        Measure::images(read[0][0], accuracy(&read[1], labels))
    }

    fn position(&self) -> ImagePosition {
        ImagePosition { train: self.train.position(), valid: self.valid.position() }
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor<1>)> {
        Vec::new()
    }

    fn restored(
        &self,
        position: ImagePosition,
        _: &State,
        step: usize,
        epochs: usize,
    ) -> Result<Self, CheckpointError> {
        let refused = |what, value: String| Err(CheckpointError::Progress { what, value });
        if step > epochs * self.steps_per_epoch() {
            return refused("the step", step.to_string());
        }
        let mut restored = Self { steps: step, ..self.clone() };
        for (loader, position) in [(&mut restored.train, position.train), (&mut restored.valid, position.valid)] {
            // A search step takes one minibatch of each.
            if position.taken(loader.steps_per_epoch()) != Some(step) {
                return refused("the place in the data", format!("{position:?}"));
            }
            loader.seek(position);
        }
        Ok(restored)
    }

    fn check_sums(&self, steps: usize, taken: usize) -> Result<(), CheckpointError> {
        match steps == taken % self.steps_per_epoch() {
            true => Ok(()),
            false => Err(CheckpointError::Progress { what: "the count of an epoch's steps", value: steps.to_string() }),
        }
    }

    fn progress_of_version_1(&self, old: Value) -> Value {
        let steps = old["step"].as_u64().unwrap_or_default() % self.steps_per_epoch() as u64;
        json!({
            "step": old["step"],
            "architecture_steps": old["architecture_steps"],
            "position": { "train": old["weight_position"], "valid": old["alpha_position"] },
            "sums": {
                "steps": steps,
                "examples": steps * 2 * self.batch_size as u64,
                "train": old["epoch_sums"][0],
                "valid": old["epoch_sums"][1],
                "seconds": old["epoch_seconds"],
            },
            "seconds": old["seconds"],
            "alphas": { "mask": old["steered"]["held"], "frozen": old["steered"]["frozen"] },
            "settings": {
                "order": old["steered"]["order"],
                "learning_rate": old["steered"]["learning_rate"],
                "learning_rate_min": old["steered"]["learning_rate_min"],
                "arch_learning_rate": old["steered"]["arch_learning_rate"],
            },
        })
    }
}

/// Share of rows of `logits` [batch, classes] whose greatest score is the label's.
pub(crate) fn accuracy(logits: &[f32], labels: &[i32]) -> f32 {
    right(logits, labels) as f32 / labels.len() as f32
}

/// Rows of `logits` [batch, classes] whose greatest score is the label's.
pub(crate) fn right(logits: &[f32], labels: &[i32]) -> usize {
    let classes = logits.len() / labels.len();
    logits
        .chunks(classes)
        .zip(labels)
        .filter(|(row, label)| {
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(i, _)| i as i32);
            best == Some(**label)
        })
        .count()
}
