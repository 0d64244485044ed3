use super::{Network, Stem, TrainConfig, Weights, network::follow};
use crate::{
    checkpoint::{CheckpointError, Resumable, State, check_seconds},
    data::{Augment, DataError, Dataset, Images, Loader, Normalisation, Position, evaluation, split},
    device::{Compute, out_of_memory},
    event::{Event, Measure, Tested},
    search::{ConfigError, Kernels, MOST_WEIGHTS, Sgd, accuracy, add, floats, reason, right},
    space::Genotype,
    supernet::{Layout, Minibatch, cross_entropy},
};
use burn::tensor::{Device, Tensor, TensorData, Transaction};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
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
    loader: Loader,
    train_images: usize,
    test_images: Images,
    normalisation: Normalisation,
    step: usize,
    epoch_sum: Measure,
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
        let train_images = config.images(data.train.len())?;
        if data.test.is_empty() {
            return Err(TrainError::NoTestImages);
        }
        let &TrainConfig { init_channels, layers, batch_size, cutout, seed, .. } = &config;
        let auxiliary = config.auxiliary_weight > 0.0;
        let network =
            Network::new(genotype.clone(), Stem::Cifar10, init_channels, layers, data.classes.len(), auxiliary);
        let weights = network.layout().len();
        if weights > MOST_WEIGHTS {
            return Err(TrainError::TooLarge { weights });
        }
        let (chosen, _) = split(data.train.len(), train_images, 1.0, seed)?;
        // Stream 0 draws the weights, and stream 3 the dropped paths.
        let mut seeds = ChaCha8Rng::seed_from_u64(seed);
        seeds.set_stream(2);
        let augment = Augment { cutout, ..Augment::PAPER };
        let images = Arc::new(data.train.clone());
        let loader = Loader::new(images, chosen, batch_size, seeds.next_u64(), augment, data.normalisation())?;
        let weights = network.layout().init(seed, &compute.device);
        Ok(Self {
            momentum: weights.zeros_like(),
            statistics: network.statistics().init(seed, &compute.device),
            weights,
            network,
            genotype,
            loader,
            train_images,
            test_images: data.test.clone(),
            normalisation: data.normalisation(),
            compute: compute.clone(),
            config,
            step: 0,
            epoch_sum: Measure::default(),
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
            train_images: self.train_images,
            test_images: self.test_images.len(),
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
        let host = self.loader.next_batch();
        let batch = Minibatch::upload(&host, &self.compute.device);
        let kept = (drop_path > 0.0).then(|| self.kept_paths(drop_path));
        let pass = self.network.train_pass(&self.weights, &batch, self.config.auxiliary_weight, kept);
        let &TrainConfig { momentum, weight_decay, grad_clip, batch_size, .. } = &self.config;
        let sgd = Sgd { momentum, weight_decay, grad_clip };
        let norm = sgd.step(Kernels::Reference, learning_rate, &mut self.weights, &mut self.momentum, pass.gradient);
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
        let mut events = Vec::new();
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
        });
        (self.epoch_sum, self.epoch_seconds) = Default::default();
        if self.is_finished() || (epoch + 1).is_multiple_of(self.config.test_every) {
            events.extend(self.test(epoch).await?);
        }
        Ok(events)
    }

    /// The test after an epoch, and the end of the run where that was the last.
    async fn test(&mut self, epoch: usize) -> Result<Vec<Event>, TrainError> {
        let began = Instant::now();
        let trained = (&self.network, &self.weights, &self.statistics);
        let test = test_on_device(trained, &self.test_images, self.normalisation, self.config.batch_size).await?;
        if !test.loss.is_finite() {
            return Err(self.not_finite("the test loss", test.loss));
        }
        let seconds = began.elapsed().as_secs_f64();
        self.seconds += seconds;
        let is_best = self.best.is_none_or(|(_, best)| test.wrong < best.wrong);
        let (best_epoch, best) =
            *if is_best { self.best.insert((epoch, test)) } else { self.best.as_ref().expect("a test") };
        let mut events = vec![Event::Evaluated { epoch, test, best: is_best, seconds }];
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

/// Where a training run is, beside its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    step: usize,
    position: Position,
    epoch_sum: Measure,
    epoch_seconds: f64,
    seconds: f64,
    best: Option<(usize, Tested)>,
}

impl Resumable for Training {
    type Error = TrainError;

    fn started(&self) -> Event {
        self.started()
    }

    async fn step(&mut self) -> Result<Vec<Event>, TrainError> {
        self.step().await
    }

    fn steps_done(&self) -> usize {
        self.step
    }

    fn ends_epoch(&self) -> bool {
        self.step.is_multiple_of(self.loader.steps_per_epoch())
    }

    fn is_finished(&self) -> bool {
        self.is_finished()
    }

    async fn state(&self) -> Result<State, TrainError> {
        let &Self { step, epoch_sum, epoch_seconds, seconds, best, .. } = self;
        let progress = Progress { step, position: self.loader.position(), epoch_sum, epoch_seconds, seconds, best };
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
        let Progress { step, position, epoch_sum, epoch_seconds, seconds, best } = state.progress()?;
        let refused = |what, value: String| Err(CheckpointError::Progress { what, value });
        if step > self.config.epochs * self.loader.steps_per_epoch() {
            return refused("the step", step.to_string());
        }
        if self.loader.taken(position) != Some(step) {
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
    let put =
        |layout: &Layout, values: &[f32]| Tensor::from_data(TensorData::new(values.to_vec(), [layout.len()]), device);
    let network = &weights.network;
    let vector = put(network.layout(), &weights.weights);
    let statistics = put(network.statistics(), &weights.statistics);
    test_on_device((network, &vector, &statistics), images, normalisation, batch_size).await
}

/// Tests a network with its weights and statistics.
async fn test_on_device(
    (network, weights, statistics): (&Network, &Tensor<1>, &Tensor<1>),
    images: &Images,
    normalisation: Normalisation,
    batch_size: usize,
) -> Result<Tested, TrainError> {
    if images.is_empty() {
        return Err(TrainError::NoTestImages);
    }
    let device = weights.device();
    let (mut loss, mut wrong) = (0.0f64, 0);
    for host in evaluation(images, batch_size, normalisation) {
        let batch = Minibatch::upload(&host, &device);
        let logits = network.logits(weights, statistics, batch.images);
        let mean = cross_entropy(logits.clone(), batch.labels);
        let [mean, logits] = read([mean, logits.flatten(0, 1)], batch_size).await?;
        loss += f64::from(mean[0]) * host.batch_size as f64;
        wrong += host.batch_size - right(&logits, &host.labels);
    }
    Ok(Tested { loss: (loss / images.len() as f64) as f32, wrong, images: images.len() })
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
