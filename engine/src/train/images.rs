//! Training of derived networks for images (paper, section 3.2).

use super::{
    Place, TrainOutcome, TrainSizes, TrainSums, Trainee, Training, Weights,
    feed::{Feed, Tests},
    test::test_on_device,
    training::check_finite,
};
#[cfg(not(target_arch = "wasm32"))]
use crate::data::Pictures;
use crate::{
    checkpoint::{CheckpointError, State},
    config::{Kernels, TrainConfig},
    data::{Dataset, Drawn, Position, SIDE, Unreadable},
    device::{Compute, read},
    error::{Error, Sizes},
    event::{Event, Measure, TestResult, Tested},
    model::{Minibatch, follow},
    network::Network,
    search::{MAX_WEIGHTS, Sgd, accuracy},
    space::Genotype,
};
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use web_time::Instant;

/// Derived network for images in training.
pub struct ImageTrainee {
    genotype: Genotype,
    network: Network,
    weights: Tensor<1>,
    momentum: Tensor<1>,
    /// Running statistics of all BatchNorms.
    statistics: Tensor<1>,
    feed: Feed,
    tests: Tests,
    /// Pictures known not to be readable.
    unreadable: BTreeSet<String>,
    epoch_unreadable: usize,
    steps: usize,
    batch_size: usize,
    best: Option<(usize, Tested)>,
}

/// Training run of a derived network for images.
pub type ImageTraining = Training<ImageTrainee>;

impl ImageTraining {
    /// Picks the training images, lays out the network and draws its weights.
    ///
    /// # Errors
    /// A setting is out of range, or the data is too small.
    ///
    /// # Panics
    /// The genotype is not well formed.
    pub fn new(config: TrainConfig, genotype: Genotype, data: &Dataset, compute: &Compute) -> Result<Self, Error> {
        config.check()?;
        config.images(data.train.len())?;
        let network = network_for(&config, genotype.clone(), data.classes.len())?;
        let (feed, tests) = Feed::of_images(&config, data)?;
        let trainee = ImageTrainee::new(&config, genotype, network, (feed, tests), compute)?;
        Ok(Self::start(config, trainee, compute))
    }

    /// Training on pictures in folders, which `threads` threads read meanwhile; their number does not change the results.
    ///
    /// # Errors
    /// A setting is out of range, or there are too few pictures.
    ///
    /// # Panics
    /// The genotype is not well formed.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn on_pictures(
        config: TrainConfig,
        genotype: Genotype,
        pictures: &Pictures,
        threads: usize,
        compute: &Compute,
    ) -> Result<Self, Error> {
        config.check()?;
        config.images(pictures.train.len())?;
        let network = network_for(&config, genotype.clone(), pictures.classes.len())?;
        let (feed, tests) = Feed::of_pictures(&config, pictures, threads)?;
        let trainee = ImageTrainee::new(&config, genotype, network, (feed, tests), compute)?;
        Ok(Self::start(config, trainee, compute))
    }
}

/// Network of a run, if its weights fit in one buffer.
fn network_for(config: &TrainConfig, genotype: Genotype, classes: usize) -> Result<Network, Error> {
    let &TrainConfig { stem, init_channels, layers, label_smoothing, auxiliary_weight, kernels, .. } = config;
    let network = Network::new(genotype, stem, init_channels, layers, classes, auxiliary_weight > 0.0);
    let weights = network.layout().len();
    if weights > MAX_WEIGHTS {
        return Err(Error::TooLarge { settings: "init-channels and layers", weights, max: MAX_WEIGHTS });
    }
    Ok(network.with_label_smoothing(label_smoothing).on(kernels))
}

impl ImageTrainee {
    fn new(
        config: &TrainConfig,
        genotype: Genotype,
        network: Network,
        (feed, tests): (Feed, Tests),
        compute: &Compute,
    ) -> Result<Self, Error> {
        if tests.is_empty() {
            return Err(Error::NoTestImages);
        }
        let &TrainConfig { batch_size, init_channels, image_size, kernels, .. } = config;
        let needed = network.largest_buffer(batch_size, image_size.unwrap_or(SIDE));
        if let Some(limit) = compute.largest_buffer.filter(|&limit| kernels == Kernels::Fused && limit < needed) {
            let sizes = Sizes(vec![("batch-size", batch_size), ("init-channels", init_channels)]);
            return Err(Error::BufferTooLarge { needed, limit, sizes });
        }
        let weights = network.layout().init(config.seed, &compute.device);
        Ok(Self {
            momentum: weights.zeros_like(),
            statistics: network.statistics().init(config.seed, &compute.device),
            weights,
            network,
            genotype,
            feed,
            tests,
            unreadable: BTreeSet::new(),
            epoch_unreadable: 0,
            steps: 0,
            batch_size,
            best: None,
        })
    }

    /// Events of unreadable pictures that have not been reported.
    fn news(&mut self, unreadable: Vec<Unreadable>) -> Vec<Event> {
        let new = unreadable.into_iter().filter(|one| self.unreadable.insert(one.picture.clone()));
        new.map(|Unreadable { picture, problem }| Event::Unreadable { picture, problem }).collect()
    }

    /// Drop-path masks of a step [paths, batch]: the scale of each path for each image, 0 where it is dropped.
    fn drop_path_masks(&self, config: &TrainConfig, drop_path: f64, step: usize, compute: &Compute) -> Tensor<2> {
        let mut rng = crate::search::step_rng(config.seed, step);
        let shape = [self.network.paths(), config.batch_size];
        let keep = 1.0 - drop_path;
        let count = shape[0] * shape[1];
        let masks: Vec<f32> =
            (0..count).map(|_| if rng.random_bool(keep) { (1.0 / keep) as f32 } else { 0.0 }).collect();
        Tensor::from_data(TensorData::new(masks, shape), &compute.device)
    }

    /// Tests after an epoch, and ends the run if that was the last.
    async fn test(&mut self, config: &TrainConfig, epoch: usize, seconds: &mut f64) -> Result<Vec<Event>, Error> {
        let began = Instant::now();
        let trained = (&self.network, &self.weights, &self.statistics);
        let batches = self.tests.batches(config.batch_size);
        let (test, unreadable) = test_on_device(trained, batches, config.batch_size, self.tests.of_five()).await?;
        check_finite::<Self>("the test loss", test.loss, self.steps.saturating_sub(1), epoch)?;
        let took = began.elapsed().as_secs_f64();
        *seconds += took;
        let is_best = self.best.is_none_or(|(_, best)| test.wrong < best.wrong);
        let (best_epoch, best) =
            *if is_best { self.best.insert((epoch, test)) } else { self.best.as_ref().expect("a test") };
        let mut events = self.news(unreadable);
        events.push(Event::Evaluated { epoch, test, best: is_best, seconds: took });
        if self.epoch() == config.epochs {
            let (test, best) = (TestResult::Images(test), TestResult::Images(best));
            let (epochs, seconds) = (config.epochs, *seconds);
            events.push(Event::TrainFinished { test, best, best_epoch, epochs, seconds });
        }
        Ok(events)
    }
}

/// Progress of a network for images.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageProgress {
    position: Position,
    best: Option<(usize, Tested)>,
    /// Pictures of this epoch that could not be read so far.
    epoch_unreadable: usize,
    /// Pictures reported as unreadable.
    unreadable: BTreeSet<String>,
}

impl Trainee for ImageTrainee {
    type Config = TrainConfig;
    type Weights = Weights;
    type Progress = ImageProgress;

    fn sizes(config: &TrainConfig) -> Sizes {
        Sizes(vec![("batch-size", config.batch_size)])
    }

    fn started(&self) -> TrainSizes {
        let (parameters, auxiliary_parameters) = self.network.parameters();
        TrainSizes {
            genotype: self.genotype.clone(),
            parameters,
            auxiliary_parameters: Some(auxiliary_parameters),
            train: self.feed.images(),
            valid: None,
            test: self.tests.len(),
            steps_per_epoch: Some(self.feed.steps_per_epoch()),
            rows: None,
            vocabulary: None,
        }
    }

    fn epoch(&self) -> usize {
        self.steps / self.feed.steps_per_epoch()
    }

    fn row(&self) -> Option<usize> {
        None
    }

    fn at_epoch_start(&self) -> bool {
        self.steps.is_multiple_of(self.feed.steps_per_epoch())
    }

    fn step(&mut self, config: &TrainConfig, step: usize, compute: &Compute) -> Result<TrainOutcome, Error> {
        let epoch = self.epoch();
        let (learning_rate, drop_path) = (config.learning_rate_at(epoch), config.drop_path_at(epoch));
        let Drawn { batch: host, unreadable } = self.feed.next_batch()?;
        let batch = Minibatch::upload(&host, &compute.device);
        let masks = (drop_path > 0.0).then(|| self.drop_path_masks(config, drop_path, step, compute));
        let pass = self.network.train_pass(&self.weights, &batch, config.auxiliary_weight, masks);
        let &TrainConfig { momentum, weight_decay, grad_clip, kernels, .. } = config;
        let sgd = Sgd { momentum, weight_decay, grad_clip };
        let norm = sgd.step(kernels, learning_rate, &mut self.weights, &mut self.momentum, pass.gradient);
        self.statistics = follow(&self.statistics, pass.statistics);
        self.epoch_unreadable += unreadable.len();
        Ok(TrainOutcome {
            reported: vec![pass.loss, pass.logits.flatten(0, 1)],
            gradient_norm: norm,
            labels: host.labels,
            examples: config.batch_size,
            events: self.news(unreadable),
        })
    }

    fn measure(read: &[Vec<f32>], labels: &[i32]) -> Measure {
        Measure::images(read[0][0], accuracy(&read[1], labels))
    }

    fn stepped(&mut self) -> bool {
        self.steps += 1;
        self.at_epoch_start()
    }

    async fn end_epoch(
        &mut self,
        config: &TrainConfig,
        sums: TrainSums,
        _: usize,
        seconds: &mut f64,
        _: &Compute,
    ) -> Result<Vec<Event>, Error> {
        let epoch = self.epoch() - 1;
        let mut events = vec![Event::TrainEpoch {
            epoch,
            learning_rate: Some(config.learning_rate_at(epoch)),
            drop_path: Some(config.drop_path_at(epoch)),
            train: sums.mean(),
            valid: None,
            averaged: None,
            best: None,
            examples_per_second: sums.examples_per_second(),
            seconds: *seconds,
            unreadable: std::mem::take(&mut self.epoch_unreadable),
        }];
        if self.epoch() == config.epochs || (epoch + 1).is_multiple_of(config.test_every) {
            events.extend(self.test(config, epoch, seconds).await?);
        }
        Ok(events)
    }

    async fn weights(&self, config: &TrainConfig, step: usize) -> Result<Weights, Error> {
        let read = read(vec![self.weights.clone(), self.statistics.clone()]).await;
        let read = read.map_err(|error| Error::read(error, Self::sizes(config)))?;
        let [weights, statistics]: [Vec<f32>; 2] = read.try_into().expect("two tensors were read");
        if let Some(&value) = weights.iter().chain(&statistics).find(|value| !value.is_finite()) {
            let epoch = self.epoch().saturating_sub(usize::from(self.at_epoch_start()));
            check_finite::<Self>("a weight", value, step.saturating_sub(1), epoch)?;
        }
        Ok(Weights { network: self.network.clone(), weights, statistics })
    }

    fn progress(&self) -> ImageProgress {
        ImageProgress {
            position: self.feed.position(),
            best: self.best,
            epoch_unreadable: self.epoch_unreadable,
            unreadable: self.unreadable.clone(),
        }
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor<1>)> {
        vec![
            ("weights", self.weights.clone()),
            ("momentum", self.momentum.clone()),
            ("statistics", self.statistics.clone()),
        ]
    }

    fn restore(&mut self, progress: ImageProgress, state: &State, place: Place) -> Result<(), CheckpointError> {
        let ImageProgress { position, best, epoch_unreadable, unreadable } = progress;
        let refused = |what, value: String| Err(CheckpointError::Progress { what, value });
        let steps_per_epoch = self.feed.steps_per_epoch();
        if place.step > place.epochs * steps_per_epoch {
            return refused("the step", place.step.to_string());
        }
        if position.taken(steps_per_epoch) != Some(place.step) {
            return refused("the place in the data", format!("{position:?}"));
        }
        if place.steps_of_epoch != place.step % steps_per_epoch {
            return refused("the count of an epoch's steps", place.steps_of_epoch.to_string());
        }
        let weights = state.tensor("weights", &self.weights)?;
        let momentum = state.tensor("momentum", &self.momentum)?;
        self.statistics = state.tensor("statistics", &self.statistics)?;
        (self.weights, self.momentum) = (weights, momentum);
        self.feed.seek(position);
        (self.steps, self.best) = (place.step, best);
        (self.epoch_unreadable, self.unreadable) = (epoch_unreadable, unreadable);
        Ok(())
    }

    fn progress_of_version_1(&self, old: Value) -> Value {
        let steps = old["step"].as_u64().unwrap_or_default() as usize % self.feed.steps_per_epoch();
        let or = |value: &Value, default: Value| if value.is_null() { default } else { value.clone() };
        json!({
            "step": old["step"],
            "sums": {
                "steps": steps,
                "examples": steps * self.batch_size,
                "train": old["epoch_sum"],
                "seconds": old["epoch_seconds"],
            },
            "seconds": old["seconds"],
            "network": {
                "position": old["position"],
                "best": old["best"],
                "epoch_unreadable": or(&old["epoch_unreadable"], json!(0)),
                "unreadable": or(&old["unreadable"], json!([])),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        device::{DeviceChoice, block_on},
        space::CONVOLUTIONAL,
    };

    #[test]
    fn a_buffer_beyond_the_limit_of_the_device_is_refused_before_it_is_made() {
        let compute = block_on(Compute::acquire(DeviceChoice::Auto)).unwrap();
        let data = Dataset::textures(0, 64, 4);
        let config = TrainConfig { batch_size: 64, init_channels: 4, layers: 3, ..TrainConfig::default() };
        let new = |config: &TrainConfig, limit| {
            let compute = Compute { largest_buffer: Some(limit), ..compute.clone() };
            ImageTraining::new(config.clone(), CONVOLUTIONAL.published("DARTS_V2").unwrap(), &data, &compute)
        };
        // The stem's patches: 27 numbers for each pixel.
        let limit = 4 * 27 * 64 * 1024;
        assert!(new(&config, limit).is_ok());
        let error = new(&config, limit - 1).err().unwrap().to_string();
        assert_eq!(
            error,
            "a buffer of 6 MB is needed, but this device allows 6 MB: lower batch-size (now 64) or init-channels (now 4)"
        );
        assert!(new(&TrainConfig { kernels: Kernels::Reference, ..config }, limit - 1).is_ok());
    }
}
