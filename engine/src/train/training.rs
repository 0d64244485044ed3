use super::{
    Weights,
    feed::{Feed, Tests},
};
#[cfg(not(target_arch = "wasm32"))]
use crate::data::Pictures;
use crate::{
    checkpoint::{CheckpointError, Resumable, State, by_its_own_methods, check_seconds, exactly},
    config::{ConfigError, Kernels},
    data::{DataError, Dataset, Drawn, Images, Normalisation, Position, SIDE, Unreadable},
    device::{Compute, out_of_memory},
    event::{Event, Measure, Tested},
    model::{Minibatch, plain::cross_entropy},
    network::Layout,
    search::{MOST_WEIGHTS, Sgd, accuracy, add, floats, reason, right},
    space::Genotype,
};
use crate::{config::TrainConfig, model::follow, network::Network};
use burn::tensor::{Device, Tensor, TensorData, Transaction};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use web_time::Instant;

/// Why a training run or a test cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting makes no training run.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is nothing to test on.
    #[error("the data has no test images")]
    NoTestImages,
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
    /// A number is no longer one.
    #[error("{what} is {value} at step {step} of epoch {epoch}: a lower learning-rate or grad-clip usually helps")]
    NotFinite {
        /// What is not finite.
        what: &'static str,
        /// Its value.
        value: f32,
        /// The step, from 0.
        step: usize,
        /// Its epoch, from 0.
        epoch: usize,
    },
    /// The network is beyond what one buffer of weights holds.
    #[error("init-channels and layers make a network of {weights} weights, and at most {MOST_WEIGHTS} fit")]
    TooLarge {
        /// Its weights.
        weights: usize,
    },
    /// A buffer is beyond the device's limit.
    #[error(
        "a buffer of {} MB is needed, and this device allows {} MB: lower batch-size (now {batch_size}) or init-channels \
         (now {init_channels})", needed >> 20, limit >> 20
    )]
    BufferTooLarge {
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
        /// Images of a minibatch.
        batch_size: usize,
        /// Channels of the first cell.
        init_channels: usize,
    },
    /// An allocation failed.
    #[error("the device ran out of memory: lower batch-size (now {batch_size})")]
    OutOfMemory {
        /// Images of a minibatch.
        batch_size: usize,
    },
    /// The run is over.
    #[error("the training run is finished")]
    Finished,
}

/// A training run that is stepped from outside and tells what it does in [`Event`]s.
pub struct Training {
    config: TrainConfig,
    genotype: Genotype,
    compute: Compute,
    network: Network,
    weights: Tensor<1>,
    momentum: Tensor<1>,
    statistics: Tensor<1>,
    loader: Feed,
    tests: Tests,
    /// Pictures known not to be readable.
    unreadable: BTreeSet<String>,
    step: usize,
    epoch_sum: Measure,
    epoch_unreadable: usize,
    epoch_seconds: f64,
    seconds: f64,
    best: Option<(usize, Tested)>,
}

impl Training {
    /// Picks the training images, lays out the network and draws its weights.
    ///
    /// # Errors
    /// A setting that makes no training run, or data too small for it.
    ///
    /// # Panics
    /// The genotype is not well formed.
    pub fn new(config: TrainConfig, genotype: Genotype, data: &Dataset, compute: &Compute) -> Result<Self, TrainError> {
        config.check()?;
        config.images(data.train.len())?;
        let network = network_for(&config, genotype.clone(), data.classes.len())?;
        let (loader, tests) = Feed::of_images(&config, data)?;
        Self::start(config, genotype, network, loader, tests, compute)
    }

    /// The same on pictures in folders, which are read while it trains by `threads` threads; how many there are decides
    /// nothing else.
    ///
    /// # Errors
    /// A setting that makes no training run, or pictures too few for it.
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
    ) -> Result<Self, TrainError> {
        config.check()?;
        config.images(pictures.train.len())?;
        let network = network_for(&config, genotype.clone(), pictures.classes.len())?;
        let (loader, tests) = Feed::of_pictures(&config, pictures, threads)?;
        Self::start(config, genotype, network, loader, tests, compute)
    }

    fn start(
        config: TrainConfig,
        genotype: Genotype,
        network: Network,
        loader: Feed,
        tests: Tests,
        compute: &Compute,
    ) -> Result<Self, TrainError> {
        if tests.is_empty() {
            return Err(TrainError::NoTestImages);
        }
        let &TrainConfig { batch_size, init_channels, image_size, kernels, .. } = &config;
        let needed = network.largest_buffer(batch_size, image_size.unwrap_or(SIDE));
        if let Some(limit) = compute.largest_buffer.filter(|&limit| kernels == Kernels::Fused && limit < needed) {
            return Err(TrainError::BufferTooLarge { needed, limit, batch_size, init_channels });
        }
        let weights = network.layout().init(config.seed, &compute.device);
        Ok(Self {
            momentum: weights.zeros_like(),
            statistics: network.statistics().init(config.seed, &compute.device),
            weights,
            network,
            genotype,
            loader,
            tests,
            unreadable: BTreeSet::new(),
            compute: compute.clone(),
            config,
            step: 0,
            epoch_sum: Measure::default(),
            epoch_unreadable: 0,
            epoch_seconds: 0.0,
            seconds: 0.0,
            best: None,
        })
    }

    /// The event that opens the log.
    pub fn started(&self) -> Event {
        let (parameters, auxiliary_parameters) = self.network.parameters();
        Event::TrainStarted {
            config: self.config.clone(),
            genotype: self.genotype.clone(),
            adapter: self.compute.adapter.clone(),
            backend: self.compute.backend.clone(),
            parameters,
            auxiliary_parameters,
            train_images: self.loader.images(),
            test_images: self.tests.len(),
            steps_per_epoch: self.loader.steps_per_epoch(),
        }
    }

    /// Whether all epochs are done.
    pub fn is_finished(&self) -> bool {
        self.step == self.config.epochs * self.loader.steps_per_epoch()
    }

    /// One training step. Its events in order: the step where it is reported, then the epoch, the test and the end of the
    /// run where they are due.
    ///
    /// # Errors
    /// The device failed, a number is no longer finite, or the run is over.
    pub async fn step(&mut self) -> Result<Vec<Event>, TrainError> {
        if self.is_finished() {
            return Err(TrainError::Finished);
        }
        let began = Instant::now();
        let (step, steps_per_epoch) = (self.step, self.loader.steps_per_epoch());
        let epoch = step / steps_per_epoch;
        let (learning_rate, drop_path) = (self.config.learning_rate_at(epoch), self.config.drop_path_at(epoch));
        let Drawn { batch: host, unreadable } = self.loader.next_batch()?;
        let batch = Minibatch::upload(&host, &self.compute.device);
        let kept = (drop_path > 0.0).then(|| self.kept_paths(drop_path));
        let pass = self.network.train_pass(&self.weights, &batch, self.config.auxiliary_weight, kept);
        let &TrainConfig { momentum, weight_decay, grad_clip, batch_size, kernels, .. } = &self.config;
        let sgd = Sgd { momentum, weight_decay, grad_clip };
        let norm = sgd.step(kernels, learning_rate, &mut self.weights, &mut self.momentum, pass.gradient);
        self.statistics = follow(&self.statistics, pass.statistics);
        let [loss, logits, norm] = read([pass.loss, pass.logits.flatten(0, 1), norm], batch_size).await?;
        let train = Measure { loss: loss[0], accuracy: accuracy(&logits, &host.labels) };
        for (what, value) in [("the training loss", train.loss), ("the norm of the gradient", norm[0])] {
            if !value.is_finite() {
                return Err(TrainError::NotFinite { what, value, step, epoch });
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        self.step += 1;
        self.seconds += seconds;
        self.epoch_seconds += seconds;
        add(&mut self.epoch_sum, train);
        self.epoch_unreadable += unreadable.len();
        let mut events = self.news(unreadable);
        let last_of_epoch = self.step.is_multiple_of(steps_per_epoch);
        if last_of_epoch || step.is_multiple_of(self.config.report_every) {
            events.push(Event::TrainStep { epoch, step, train, gradient_norm: norm[0], seconds });
        }
        if !last_of_epoch {
            return Ok(events);
        }
        let steps = steps_per_epoch as f32;
        events.push(Event::TrainEpoch {
            epoch,
            learning_rate,
            drop_path,
            train: Measure { loss: self.epoch_sum.loss / steps, accuracy: self.epoch_sum.accuracy / steps },
            images_per_second: (steps_per_epoch * batch_size) as f64 / self.epoch_seconds,
            seconds: self.seconds,
            unreadable: self.epoch_unreadable,
        });
        (self.epoch_sum, self.epoch_unreadable, self.epoch_seconds) = Default::default();
        if self.is_finished() || (epoch + 1).is_multiple_of(self.config.test_every) {
            events.extend(self.test(epoch).await?);
        }
        Ok(events)
    }

    /// The test after an epoch, and the end of the run where that was the last.
    async fn test(&mut self, epoch: usize) -> Result<Vec<Event>, TrainError> {
        let began = Instant::now();
        let trained = (&self.network, &self.weights, &self.statistics);
        let batches = self.tests.batches(self.config.batch_size);
        let (test, unreadable) = test_on_device(trained, batches, self.config.batch_size, self.tests.of_five()).await?;
        if !test.loss.is_finite() {
            return Err(self.not_finite("the test loss", test.loss));
        }
        let seconds = began.elapsed().as_secs_f64();
        self.seconds += seconds;
        let is_best = self.best.is_none_or(|(_, best)| test.wrong < best.wrong);
        let (best_epoch, best) =
            *if is_best { self.best.insert((epoch, test)) } else { self.best.as_ref().expect("a test") };
        let mut events = self.news(unreadable);
        events.push(Event::Evaluated { epoch, test, best: is_best, seconds });
        if self.is_finished() {
            let (epochs, seconds) = (self.config.epochs, self.seconds);
            events.push(Event::TrainFinished { test, best, best_epoch, epochs, seconds });
        }
        Ok(events)
    }

    /// The weights as they are now, and how many steps they are from the start.
    ///
    /// # Errors
    /// The device failed, or a weight is no longer finite.
    pub async fn weights(&self) -> Result<(Weights, u64), TrainError> {
        let [weights, statistics] =
            read([self.weights.clone(), self.statistics.clone()], self.config.batch_size).await?;
        if let Some(&value) = weights.iter().chain(&statistics).find(|value| !value.is_finite()) {
            return Err(self.not_finite("a weight", value));
        }
        Ok((Weights { network: self.network.clone(), weights, statistics }, self.step as u64))
    }

    /// Events of the pictures that have not been told of.
    fn news(&mut self, unreadable: Vec<Unreadable>) -> Vec<Event> {
        let new = unreadable.into_iter().filter(|one| self.unreadable.insert(one.picture.clone()));
        new.map(|Unreadable { picture, problem }| Event::Unreadable { picture, problem }).collect()
    }

    /// A number that the last step left is none.
    fn not_finite(&self, what: &'static str, value: f32) -> TrainError {
        let step = self.step.saturating_sub(1);
        TrainError::NotFinite { what, value, step, epoch: step / self.loader.steps_per_epoch() }
    }

    /// What each path counts for each image in this step [paths, batch]: 0 where it is dropped.
    fn kept_paths(&self, drop_path: f64) -> Tensor<2> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(3);
        // Far more numbers than a step takes lie between the starting points of two.
        rng.set_word_pos((self.step as u128) << 32);
        let shape = [self.network.paths(), self.config.batch_size];
        let keep = 1.0 - drop_path;
        let count = shape[0] * shape[1];
        let kept: Vec<f32> =
            (0..count).map(|_| if rng.random_bool(keep) { (1.0 / keep) as f32 } else { 0.0 }).collect();
        Tensor::from_data(TensorData::new(kept, shape), &self.compute.device)
    }
}

/// The network of a run, if one buffer holds its weights.
fn network_for(config: &TrainConfig, genotype: Genotype, classes: usize) -> Result<Network, TrainError> {
    let &TrainConfig { stem, init_channels, layers, label_smoothing, auxiliary_weight, kernels, .. } = config;
    let network = Network::new(genotype, stem, init_channels, layers, classes, auxiliary_weight > 0.0);
    let weights = network.layout().len();
    if weights > MOST_WEIGHTS {
        return Err(TrainError::TooLarge { weights });
    }
    Ok(network.with_label_smoothing(label_smoothing).on(kernels))
}

/// Where a training run is, beside its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    step: usize,
    position: Position,
    epoch_sum: Measure,
    #[serde(with = "exactly")]
    epoch_seconds: f64,
    #[serde(with = "exactly")]
    seconds: f64,
    best: Option<(usize, Tested)>,
    /// Pictures that could not be read: of this epoch so far, and those told of.
    #[serde(default)]
    epoch_unreadable: usize,
    #[serde(default)]
    unreadable: BTreeSet<String>,
}

impl Resumable for Training {
    by_its_own_methods!(TrainError);

    fn ends_epoch(&self) -> bool {
        self.step.is_multiple_of(self.loader.steps_per_epoch())
    }

    async fn state(&self) -> Result<State, TrainError> {
        let &Self { step, epoch_sum, epoch_unreadable, epoch_seconds, seconds, best, .. } = self;
        let (position, unreadable) = (self.loader.position(), self.unreadable.clone());
        let progress =
            Progress { step, position, epoch_sum, epoch_seconds, seconds, best, epoch_unreadable, unreadable };
        let tensors = [
            ("weights", self.weights.clone()),
            ("momentum", self.momentum.clone()),
            ("statistics", self.statistics.clone()),
        ];
        let state = State::read(&progress, tensors).await;
        if out_of_memory() {
            return Err(TrainError::OutOfMemory { batch_size: self.config.batch_size });
        }
        let state = state.map_err(|error| TrainError::Device(reason(&error)))?;
        state.not_finite().map_or(Ok(state), |value| Err(self.not_finite("a weight", value)))
    }

    fn restore(&mut self, state: &State) -> Result<(), CheckpointError> {
        let Progress { step, position, epoch_sum, epoch_seconds, seconds, best, epoch_unreadable, unreadable } =
            state.progress()?;
        let refused = |what, value: String| Err(CheckpointError::Progress { what, value });
        if step > self.config.epochs * self.loader.steps_per_epoch() {
            return refused("the step", step.to_string());
        }
        if position.taken(self.loader.steps_per_epoch()) != Some(step) {
            return refused("the place in the data", format!("{position:?}"));
        }
        check_seconds([epoch_seconds, seconds])?;
        let weights = state.tensor("weights", &self.weights)?;
        let momentum = state.tensor("momentum", &self.momentum)?;
        self.statistics = state.tensor("statistics", &self.statistics)?;
        (self.weights, self.momentum) = (weights, momentum);
        self.loader.seek(position);
        (self.step, self.best) = (step, best);
        (self.epoch_sum, self.epoch_seconds, self.seconds) = (epoch_sum, epoch_seconds, seconds);
        (self.epoch_unreadable, self.unreadable) = (epoch_unreadable, unreadable);
        Ok(())
    }
}

/// Tests trained weights on images, in minibatches of `batch_size`.
///
/// # Errors
/// There are no images, or the device failed.
pub async fn test(
    weights: &Weights,
    images: &Images,
    normalisation: Normalisation,
    batch_size: usize,
    device: &Device,
) -> Result<Tested, TrainError> {
    let tests = Tests::of_images(images.clone(), normalisation);
    Ok(test_on(weights, &tests, batch_size, device).await?.0)
}

/// Tests trained weights on the test pictures of a folder at `side` by `side` pixels, in minibatches of `batch_size`, which
/// `threads` threads read. Also tells what could not be read.
///
/// # Errors
/// There are no pictures, none that can be read, or the device failed.
#[cfg(not(target_arch = "wasm32"))]
pub async fn test_pictures(
    weights: &Weights,
    pictures: &Pictures,
    (side, batch_size): (usize, usize),
    threads: usize,
    device: &Device,
) -> Result<(Tested, Vec<Unreadable>), TrainError> {
    test_on(weights, &Tests::of_pictures(pictures, side, threads), batch_size, device).await
}

async fn test_on(
    weights: &Weights,
    tests: &Tests,
    batch_size: usize,
    device: &Device,
) -> Result<(Tested, Vec<Unreadable>), TrainError> {
    let put =
        |layout: &Layout, values: &[f32]| Tensor::from_data(TensorData::new(values.to_vec(), [layout.len()]), device);
    let network = &weights.network;
    let vector = put(network.layout(), &weights.weights);
    let statistics = put(network.statistics(), &weights.statistics);
    test_on_device((network, &vector, &statistics), tests.batches(batch_size), batch_size, tests.of_five()).await
}

/// Tests a network with its weights and statistics on minibatches of at most `batch_size`; also tells what could not be
/// read for them.
async fn test_on_device(
    (network, weights, statistics): (&Network, &Tensor<1>, &Tensor<1>),
    batches: impl Iterator<Item = Drawn>,
    batch_size: usize,
    of_five: bool,
) -> Result<(Tested, Vec<Unreadable>), TrainError> {
    let device = weights.device();
    let (mut loss, mut tested, mut unreadable) = (0.0f64, Tested::default(), Vec::new());
    for drawn in batches {
        unreadable.extend(drawn.unreadable);
        let host = drawn.batch;
        if host.batch_size == 0 {
            continue;
        }
        let batch = Minibatch::upload(&host, &device);
        let logits = network.logits(weights, statistics, batch.images);
        let mean = cross_entropy(logits.clone(), batch.labels);
        let [mean, logits] = read([mean, logits.flatten(0, 1)], batch_size).await?;
        loss += f64::from(mean[0]) * host.batch_size as f64;
        tested.wrong += host.batch_size - right(&logits, &host.labels);
        if of_five {
            *tested.wrong_of_five.get_or_insert(0) += host.batch_size - among_five(&logits, &host.labels);
        }
        tested.images += host.batch_size;
    }
    if tested.images == 0 {
        return Err(TrainError::NoTestImages);
    }
    tested.loss = (loss / tested.images as f64) as f32;
    tested.unreadable = unreadable.len();
    Ok((tested, unreadable))
}

/// Rows of `logits` [batch, classes] in which fewer than five scores are greater than the label's.
fn among_five(logits: &[f32], labels: &[i32]) -> usize {
    let rows = logits.chunks(logits.len() / labels.len());
    rows.zip(labels)
        .filter(|(row, label)| row.iter().filter(|&&score| score > row[**label as usize]).count() < 5)
        .count()
}

/// Reads tensors back together.
async fn read<const N: usize>(tensors: [Tensor<1>; N], batch_size: usize) -> Result<[Vec<f32>; N], TrainError> {
    let transaction = tensors.into_iter().fold(Transaction::default(), |all, tensor| all.register(tensor));
    let read = transaction.execute_async().await;
    // What was computed after an allocation failed is void, whatever the device says.
    if out_of_memory() {
        return Err(TrainError::OutOfMemory { batch_size });
    }
    let read = read.map_err(|error| TrainError::Device(reason(&error)))?;
    Ok(read.into_iter().map(floats).collect::<Vec<_>>().try_into().expect("as many as were registered"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{device::DeviceChoice, device::block_on, space::published};

    #[test]
    fn a_buffer_beyond_the_device_s_limit_is_refused_before_it_is_made() {
        let compute = block_on(Compute::acquire(DeviceChoice::Auto)).unwrap();
        let data = Dataset::textures(0, 64, 4);
        let config = TrainConfig { batch_size: 64, init_channels: 4, layers: 3, ..TrainConfig::default() };
        let new = |config: &TrainConfig, limit| {
            let compute = Compute { largest_buffer: Some(limit), ..compute.clone() };
            Training::new(config.clone(), published("DARTS_V2").unwrap(), &data, &compute)
        };
        // The neighbourhoods that the stem reads: 27 numbers for each pixel.
        let limit = 4 * 27 * 64 * 1024;
        assert!(new(&config, limit).is_ok());
        let error = new(&config, limit - 1).err().unwrap().to_string();
        assert_eq!(
            error,
            "a buffer of 6 MB is needed, and this device allows 6 MB: lower batch-size (now 64) or init-channels (now 4)"
        );
        assert!(new(&TrainConfig { kernels: Kernels::Reference, ..config }, limit - 1).is_ok());
    }
}
