use super::{Bilevel, curvature::largest_eigenvalue};
use crate::{
    checkpoint::{
        CheckpointError, Resumable, State, by_its_own_methods, check_architecture_steps, check_seconds, exactly,
    },
    data::{Augment, DataError, Dataset, Loader, Position, split},
    device::{Compute, out_of_memory},
    event::{Event, Measure},
    model::{Minibatch, Supernet},
    space::Alphas,
};
use crate::{
    config::{ConfigError, Order, SearchConfig},
    intervention::{Held, SteerError, Steering},
};
use burn::tensor::{ExecutionError, Tensor, TensorData, Transaction};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use web_time::Instant;

/// Weights that fit WebGPU's default limit of 128 MiB a binding: 17 times those of the paper's supernet.
pub(crate) const MOST_WEIGHTS: usize = (128 << 20) / 4;

/// Why a search cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// A setting makes no search.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The device failed.
    #[error("the device failed at step {step}: {reason}")]
    Device {
        /// The search step, from 0.
        step: usize,
        /// What the device said.
        reason: String,
    },
    /// A loss, a weight or an alpha is no longer a number.
    #[error(
        "{what} is {value} at step {step} of epoch {epoch}: a lower learning-rate, grad-clip or arch-learning-rate \
         usually helps"
    )]
    NotFinite {
        /// What is not finite.
        what: &'static str,
        /// Its value.
        value: f32,
        /// The search step, from 0.
        step: usize,
        /// Its epoch, from 0.
        epoch: usize,
    },
    /// The supernet is beyond what one buffer of weights holds.
    #[error("init-channels and layers make a supernet of {weights} weights, and at most {MOST_WEIGHTS} fit")]
    TooLarge {
        /// Its weights.
        weights: usize,
    },
    /// A buffer is beyond what the device allows.
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
    #[error("the device ran out of memory: lower batch-size (now {batch_size}) or init-channels (now {init_channels})")]
    OutOfMemory {
        /// Images of a minibatch.
        batch_size: usize,
        /// Channels of the first cell.
        init_channels: usize,
    },
    /// A change that cannot be made; the search goes on as before.
    #[error(transparent)]
    Steering(#[from] SteerError),
    /// The search is over.
    #[error("the search is finished")]
    Finished,
}

/// A convolutional search that is stepped from outside and tells what it does in [`Event`]s.
pub struct ConvSearch {
    config: SearchConfig,
    compute: Compute,
    bilevel: Bilevel,
    weight_loader: Loader,
    alpha_loader: Loader,
    weight_images: usize,
    alpha_images: usize,
    step: usize,
    epoch_sums: (Measure, Measure),
    epoch_seconds: f64,
    seconds: f64,
    initial: Alphas,
    held: Held,
}

impl ConvSearch {
    /// Splits the training images, lays out the supernet and draws its weights and alphas.
    ///
    /// # Errors
    /// A setting that makes no search, or data too small for it.
    pub async fn new(config: SearchConfig, data: &Dataset, compute: &Compute) -> Result<Self, SearchError> {
        config.check()?;
        let (weight_images, alpha_images) = config.split(data.train.len())?;
        let (weights, alphas) =
            split(data.train.len(), weight_images + alpha_images, config.train_portion, config.seed)?;
        // Each half is shuffled and varied by a seed of its own; streams 0 and 1 draw the weights and the alphas.
        let mut seeds = ChaCha8Rng::seed_from_u64(config.seed);
        seeds.set_stream(2);
        let images = Arc::new(data.train.clone());
        // Both halves are varied alike, as in the authors' implementation.
        let mut loader = |indices| {
            let seed = seeds.next_u64();
            Loader::new(images.clone(), indices, config.batch_size, seed, Augment::PAPER, data.normalisation())
        };
        let (weight_loader, alpha_loader) = (loader(weights)?, loader(alphas)?);
        let supernet = supernet_for(&config, data.classes.len(), [data.train.height, data.train.width], compute)?;
        let bilevel = Bilevel::new(supernet, config.seed, &compute.device);
        let initial = read_alphas(&bilevel, &config).await?;
        Ok(Self {
            weight_loader,
            alpha_loader,
            weight_images,
            alpha_images,
            bilevel,
            compute: compute.clone(),
            config,
            step: 0,
            epoch_sums: Default::default(),
            epoch_seconds: 0.0,
            seconds: 0.0,
            initial,
            held: Held::new(),
        })
    }

    /// The event that opens the log.
    pub fn started(&self) -> Event {
        Event::Started {
            config: self.config.clone(),
            adapter: self.compute.adapter.clone(),
            backend: self.compute.backend.clone(),
            parameters: self.bilevel.supernet().layout().len(),
            weight_images: self.weight_images,
            alpha_images: self.alpha_images,
            steps_per_epoch: self.steps_per_epoch(),
            alphas: self.initial.clone(),
        }
    }

    /// Search steps of an epoch: full minibatches of the weight half.
    pub fn steps_per_epoch(&self) -> usize {
        self.weight_images / self.config.batch_size
    }

    /// Whether all epochs are done.
    pub fn is_finished(&self) -> bool {
        self.step == self.config.epochs * self.steps_per_epoch()
    }

    /// Has the device compile the shaders of a step, in [`REHEARSALS`](super::REHEARSALS) parts from 0 on, so that somebody may
    /// say something else between them. Nothing is computed, and the search stays as it is.
    ///
    /// Only where there is one thread: what others launch meanwhile would not be computed either.
    ///
    /// # Errors
    /// The device failed.
    #[cfg(target_arch = "wasm32")]
    pub async fn rehearse(&self, part: usize) -> Result<(), SearchError> {
        let batch = Minibatch::upload(&self.weight_loader.clone().next_batch(), &self.compute.device);
        let (mut bilevel, rate) = (self.bilevel.clone(), self.config.learning_rate);
        let rehearsal = cubecl::dry_run::DryRun::new();
        match part {
            0 => drop(bilevel.supernet().pass(&bilevel.weights, &bilevel.alphas, &batch, crate::model::Wrt::NOTHING)),
            1 => drop(bilevel.architecture_step(&self.config, rate, &batch, &batch)),
            _ => drop(bilevel.weight_step(&self.config, rate, &batch)),
        }
        drop(rehearsal);
        // The device answers when it is done with all that was said before.
        read_alphas(&self.bilevel, &self.config).await.map(drop)
    }

    /// One search step. Its events in order: the step, then the epoch and the end of the search where they are due.
    ///
    /// # Errors
    /// The device failed, a number is no longer finite, or the search is over.
    pub async fn step(&mut self) -> Result<Vec<Event>, SearchError> {
        if self.is_finished() {
            return Err(SearchError::Finished);
        }
        let began = Instant::now();
        let step = self.step;
        let epoch = step / self.steps_per_epoch();
        let learning_rate = self.config.learning_rate_at(epoch);
        let weight_batch = self.weight_loader.next_batch();
        let alpha_batch = self.alpha_loader.next_batch();
        let upload = |batch| Minibatch::upload(batch, &self.compute.device);
        let validation = upload(&alpha_batch);
        let outcome = self.bilevel.step(&self.config, learning_rate, &upload(&weight_batch), &validation);
        let last_of_epoch = (step + 1).is_multiple_of(self.steps_per_epoch());
        let report = last_of_epoch || step.is_multiple_of(self.config.report_every);
        let transaction = Transaction::default()
            .register(outcome.weight.loss)
            .register(outcome.weight.logits)
            .register(outcome.architecture.loss)
            .register(outcome.architecture.logits)
            .register(outcome.gradient_norm)
            .register(self.bilevel.alphas.clone());
        let read = transaction.execute_async().await;
        let read = read.map_err(|error| device_error(step, &self.config, &error))?;
        memory_left(&self.config)?;
        let [weight_loss, weight_logits, alpha_loss, alpha_logits, norm, alphas]: [Vec<f32>; 6] = read
            .into_iter()
            .map(floats)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap_or_else(|_| unreachable!("six tensors were registered"));
        let weights = Measure { loss: weight_loss[0], accuracy: accuracy(&weight_logits, &weight_batch.labels) };
        let held_out = Measure { loss: alpha_loss[0], accuracy: accuracy(&alpha_logits, &alpha_batch.labels) };
        let not_finite = |what, value: f32| match value.is_finite() {
            true => Ok(()),
            false => Err(SearchError::NotFinite { what, value, step, epoch }),
        };
        not_finite("the training loss", weights.loss)?;
        not_finite("the loss on the alpha half", held_out.loss)?;
        not_finite("the norm of the weight gradient", norm[0])?;
        for &alpha in &alphas {
            not_finite("an alpha", alpha)?;
        }
        let architecture = Alphas::from_flat(&alphas);
        let seconds = began.elapsed().as_secs_f64();
        self.step += 1;
        self.seconds += seconds;
        self.epoch_seconds += seconds;
        add(&mut self.epoch_sums.0, weights);
        add(&mut self.epoch_sums.1, held_out);
        let mut events = vec![Event::Step {
            epoch,
            step,
            weights,
            alphas: held_out,
            gradient_norm: norm[0],
            seconds,
            architecture: report.then(|| architecture.clone()),
        }];
        if last_of_epoch {
            let steps = self.steps_per_epoch() as f32;
            let mean = |sum: Measure| Measure { loss: sum.loss / steps, accuracy: sum.accuracy / steps };
            let images = 2 * self.steps_per_epoch() * self.config.batch_size;
            let curvature = self.curvature(&validation).await?;
            events.push(Event::Epoch {
                epoch,
                learning_rate,
                weights: mean(self.epoch_sums.0),
                alphas: mean(self.epoch_sums.1),
                images_per_second: images as f64 / self.epoch_seconds,
                seconds: self.seconds,
                genotype: architecture.genotype(),
                architecture: architecture.clone(),
                curvature,
            });
            self.epoch_sums = Default::default();
            self.epoch_seconds = 0.0;
        }
        if self.is_finished() {
            events.push(Event::Finished {
                genotype: architecture.genotype(),
                architecture,
                epochs: self.config.epochs,
                seconds: self.seconds,
            });
        }
        Ok(events)
    }

    /// How sharply the loss on a minibatch bends along the alphas, where that is to be measured and is a number. The time is
    /// the run's, and no step's.
    async fn curvature(&mut self, validation: &Minibatch) -> Result<Option<f32>, SearchError> {
        let rounds = self.config.curvature_rounds;
        if rounds == 0 {
            return Ok(None);
        }
        let began = Instant::now();
        let seen = self.bilevel.curvature(validation, rounds);
        let read = Transaction::default().register(seen.diagonal).register(seen.beside).execute_async().await;
        let read = read.map_err(|error| device_error(self.step, &self.config, &error))?;
        memory_left(&self.config)?;
        let [diagonal, beside] = [0, 1].map(|i| floats(read[i].clone()));
        let value = largest_eigenvalue(&diagonal, &beside);
        self.seconds += began.elapsed().as_secs_f64();
        Ok(value.is_finite().then_some(value))
    }
}

/// Where a search is, beside its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    step: usize,
    /// Fewer than steps where the alphas were frozen.
    architecture_steps: i32,
    weight_position: Position,
    alpha_position: Position,
    epoch_sums: (Measure, Measure),
    #[serde(with = "exactly")]
    epoch_seconds: f64,
    #[serde(with = "exactly")]
    seconds: f64,
    steered: Steered,
}

/// What steering has changed in all.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Steered {
    held: Held,
    frozen: bool,
    order: Order,
    #[serde(with = "exactly")]
    learning_rate: f64,
    #[serde(with = "exactly")]
    learning_rate_min: f64,
    #[serde(with = "exactly")]
    arch_learning_rate: f64,
}

impl Resumable for ConvSearch {
    by_its_own_methods!(SearchError);

    fn ends_epoch(&self) -> bool {
        self.step.is_multiple_of(self.steps_per_epoch())
    }

    async fn state(&self) -> Result<State, SearchError> {
        let progress = Progress {
            step: self.step,
            architecture_steps: self.bilevel.architecture_steps,
            weight_position: self.weight_loader.position(),
            alpha_position: self.alpha_loader.position(),
            epoch_sums: self.epoch_sums,
            epoch_seconds: self.epoch_seconds,
            seconds: self.seconds,
            steered: Steered {
                held: self.held.clone(),
                frozen: self.bilevel.hold.frozen,
                order: self.config.order,
                learning_rate: self.config.learning_rate,
                learning_rate_min: self.config.learning_rate_min,
                arch_learning_rate: self.config.arch_learning_rate,
            },
        };
        let state = self.bilevel.state(&progress).await.map_err(|e| device_error(self.step, &self.config, &e))?;
        memory_left(&self.config)?;
        match state.not_finite() {
            None => Ok(state),
            Some(value) => {
                let step = self.step.saturating_sub(1);
                Err(SearchError::NotFinite { what: "a weight", value, step, epoch: step / self.steps_per_epoch() })
            }
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), CheckpointError> {
        let progress: Progress = state.progress()?;
        let Progress { step, architecture_steps, weight_position, alpha_position, .. } = progress;
        let Progress { epoch_sums, epoch_seconds, seconds, steered, .. } = progress;
        let refused = |what, value: String| Err(CheckpointError::Progress { what, value });
        if step > self.config.epochs * self.steps_per_epoch() {
            return refused("the step", step.to_string());
        }
        check_architecture_steps(architecture_steps, step)?;
        check_seconds([epoch_seconds, seconds])?;
        for (loader, position) in [(&self.weight_loader, weight_position), (&self.alpha_loader, alpha_position)] {
            // A search step takes one minibatch of each.
            if position.taken(loader.steps_per_epoch()) != Some(step) {
                return refused("the place in the data", format!("{position:?}"));
            }
        }
        let Steered { held, frozen, order, learning_rate, learning_rate_min, arch_learning_rate } = steered;
        check_held(&held, self.bilevel.alphas.dims())?;
        let config =
            SearchConfig { order, learning_rate, learning_rate_min, arch_learning_rate, ..self.config.clone() };
        if let Err(error) = config.check() {
            return refused("a changed setting", error.to_string());
        }
        self.bilevel.restore(state, architecture_steps)?;
        (self.config, self.held, self.bilevel.hold.frozen) = (config, held, frozen);
        self.bilevel.hold.some(&self.held, &self.bilevel.alphas);
        self.weight_loader.seek(weight_position);
        self.alpha_loader.seek(alpha_position);
        (self.step, self.epoch_sums, self.epoch_seconds, self.seconds) = (step, epoch_sums, epoch_seconds, seconds);
        Ok(())
    }
}

impl ConvSearch {
    /// Changes the search from the next step on; the event tells the change and the alphas after it.
    ///
    /// # Errors
    /// A change that cannot be made, or the device failed.
    pub async fn steer(&mut self, steering: Steering) -> Result<Event, SearchError> {
        let before = read_alphas(&self.bilevel, &self.config).await?;
        let architecture = steering.apply(&before, &mut self.held)?;
        match steering {
            Steering::Freeze { frozen } => self.bilevel.hold.frozen = frozen,
            Steering::Rates { weights, alphas } => {
                self.config.learning_rate = weights;
                self.config.learning_rate_min = self.config.learning_rate_min.min(weights);
                self.config.arch_learning_rate = alphas;
            }
            Steering::Order { order } => self.config.order = order,
            Steering::Pin { .. } | Steering::Prune { .. } | Steering::Release { .. } | Steering::Nudge { .. } => {
                let shape = self.bilevel.alphas.dims();
                let flat = TensorData::new(architecture.to_flat(), shape);
                self.bilevel.alphas = Tensor::from_data(flat, &self.compute.device);
                self.bilevel.hold.some(&self.held, &self.bilevel.alphas);
            }
        }
        Ok(Event::Steered { step: self.step, steering, architecture })
    }
}

/// The supernet of a search, if the device can hold it.
pub(crate) fn supernet_for(
    config: &SearchConfig,
    classes: usize,
    image: [usize; 2],
    compute: &Compute,
) -> Result<Supernet, SearchError> {
    // Both reductions halve it, and take even sizes.
    if let Some(&side) = image.iter().find(|side| !side.is_multiple_of(4)) {
        return Err(ConfigError::ImageSize { side, must: "a multiple of 4" }.into());
    }
    let &SearchConfig { batch_size, init_channels, .. } = config;
    let supernet = Supernet::new(init_channels, config.layers, classes, config.kernels);
    let weights = supernet.layout().len();
    if weights > MOST_WEIGHTS {
        return Err(SearchError::TooLarge { weights });
    }
    if let (Some(memory), Some(limit)) = (supernet.memory(batch_size, image), compute.largest_buffer)
        && memory.largest > limit
    {
        return Err(SearchError::BufferTooLarge { needed: memory.largest, limit, batch_size, init_channels });
    }
    Ok(supernet)
}

/// Fails unless as many rows and columns say which alphas are held as there are alphas [edges, ops]; none may.
pub(crate) fn check_held(held: &Held, [edges, ops]: [usize; 2]) -> Result<(), CheckpointError> {
    let fits = held.is_empty() || held.len() == edges && held.iter().all(|row| row.len() == ops);
    let value = || format!("{} rows", held.len());
    if fits { Ok(()) } else { Err(CheckpointError::Progress { what: "the alphas taken out", value: value() }) }
}

async fn read_alphas(bilevel: &Bilevel, config: &SearchConfig) -> Result<Alphas, SearchError> {
    let data = bilevel.alphas.to_data_async().await.map_err(|error| device_error(0, config, &error))?;
    memory_left(config)?;
    Ok(Alphas::from_flat(&floats(data)))
}

/// Fails if an allocation failed: what was computed since is void, whatever the device says.
pub(crate) fn memory_left(config: &SearchConfig) -> Result<(), SearchError> {
    let &SearchConfig { batch_size, init_channels, .. } = config;
    if out_of_memory() { Err(SearchError::OutOfMemory { batch_size, init_channels }) } else { Ok(()) }
}

pub(crate) fn device_error(step: usize, config: &SearchConfig, error: &ExecutionError) -> SearchError {
    memory_left(config).err().unwrap_or(SearchError::Device { step, reason: reason(error) })
}

/// What a device said, in one line.
pub(crate) fn reason(error: &ExecutionError) -> String {
    format!("{error:?}").split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn floats(data: TensorData) -> Vec<f32> {
    data.try_to_vec::<f32>().expect("a float tensor")
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

pub(crate) fn add(sum: &mut Measure, measure: Measure) {
    sum.loss += measure.loss;
    sum.accuracy += measure.accuracy;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Order,
        device::{DeviceChoice, block_on},
        intervention::{PRUNED, SteeredCell},
        model::Wrt,
        search::sgd::norm,
        space::Op,
    };

    fn tiny() -> SearchConfig {
        SearchConfig {
            epochs: 2,
            batch_size: 2,
            init_channels: 2,
            layers: 2,
            train_images: Some(9),
            report_every: 3,
            seed: 7,
            ..SearchConfig::default()
        }
    }

    fn start(config: SearchConfig) -> Result<ConvSearch, SearchError> {
        let compute = block_on(Compute::acquire(DeviceChoice::Auto)).unwrap();
        block_on(ConvSearch::new(config, &Dataset::textures(0, 12, 0), &compute))
    }

    /// Every event of a search, its wall times set to 0.
    fn events(config: SearchConfig) -> Vec<Event> {
        let mut search = start(config).unwrap();
        let mut events = vec![search.started()];
        while !search.is_finished() {
            events.extend(block_on(search.step()).unwrap());
        }
        assert!(matches!(block_on(search.step()), Err(SearchError::Finished)));
        for event in &mut events {
            match event {
                Event::Step { seconds, .. } | Event::Finished { seconds, .. } => *seconds = 0.0,
                Event::Epoch { seconds, images_per_second, .. } => {
                    assert!(*images_per_second > 0.0);
                    (*seconds, *images_per_second) = (0.0, 0.0);
                }
                _ => {}
            }
        }
        events
    }

    #[test]
    fn a_search_tells_what_it_does_in_order_and_repeats_itself() {
        let told = events(tiny());
        let Event::Started { weight_images: 4, alpha_images: 5, steps_per_epoch: 2, alphas: initial, .. } = &told[0]
        else {
            panic!("{:?}", told[0]);
        };
        assert!(initial.to_flat().iter().all(|alpha| alpha.abs() < 0.01));
        let mut losses = Vec::new();
        for (i, event) in told[1..=2].iter().chain(&told[4..=5]).enumerate() {
            let Event::Step { epoch, step, weights, alphas, gradient_norm, architecture, .. } = event else {
                panic!("{event:?}");
            };
            assert_eq!((*epoch, *step), (i / 2, i));
            // Every third step is told in full, and the last of an epoch.
            assert_eq!(architecture.is_some(), [true, true, false, true][i]);
            assert!([weights, alphas].iter().all(|m| m.loss > 0.0 && [0.0, 0.5, 1.0].contains(&m.accuracy)));
            assert!(*gradient_norm > 0.0);
            losses.push((weights.loss, alphas.loss));
        }
        for (epoch, event) in [&told[3], &told[6]].into_iter().enumerate() {
            let Event::Epoch { epoch: told, learning_rate, weights, alphas, architecture, genotype, .. } = event else {
                panic!("{event:?}");
            };
            assert_eq!((*told, *learning_rate), (epoch, tiny().learning_rate_at(epoch)));
            let of = &losses[2 * epoch..2 * epoch + 2];
            assert_eq!(weights.loss, (of[0].0 + of[1].0) / 2.0);
            assert_eq!(alphas.loss, (of[0].1 + of[1].1) / 2.0);
            assert_eq!(*genotype, architecture.genotype());
        }
        let Event::Finished { genotype, architecture, epochs: 2, .. } = &told[7] else { panic!("{:?}", told[7]) };
        assert_eq!(*genotype, architecture.genotype());
        assert_ne!(architecture, initial);
        assert_eq!(told.len(), 8);

        let again = events(tiny());
        assert_eq!(told.len(), again.len());
        told.iter().zip(&again).for_each(|(event, again)| assert_eq!(event, again));
        assert_ne!(told[1], events(SearchConfig { seed: 8, epochs: 1, ..tiny() })[1]);
    }

    #[test]
    fn the_curvature_is_told_and_changes_nothing() {
        let rounds = 6;
        let curved = events(SearchConfig { curvature_rounds: rounds, ..tiny() });
        let mut found = Vec::new();
        let without = curved.into_iter().map(|mut event| {
            match &mut event {
                Event::Epoch { curvature, .. } => found.extend(curvature.take()),
                Event::Started { config, .. } => config.curvature_rounds = 0,
                _ => {}
            }
            event
        });
        assert!(without.eq(events(tiny())));
        assert!(found.len() == 2 && found.iter().all(|curvature| *curvature != 0.0), "{found:?}");

        // The loss itself bends as much along the eigenvector, whose parts in the basis follow one from the other.
        let mut search = start(tiny()).unwrap();
        block_on(search.step()).unwrap();
        let batch = Minibatch::upload(&search.alpha_loader.next_batch(), &search.compute.device);
        let Bilevel { weights, alphas, .. } = &search.bilevel;
        let seen = search.bilevel.curvature(&batch, rounds);
        let [diagonal, beside] = [seen.diagonal, seen.beside].map(|tensor| floats(tensor.into_data()));
        let value = largest_eigenvalue(&diagonal, &beside);
        let mut parts = vec![0.0, 1.0];
        for i in 0..rounds - 1 {
            let before = if i == 0 { 0.0 } else { beside[i - 1] * parts[i] };
            parts.push(((value - diagonal[i]) * parts[i + 1] - before) / beside[i]);
        }
        let vector = seen.basis.into_iter().zip(&parts[1..]).map(|(vector, part)| vector * *part);
        let vector = vector.reduce(|sum, part| sum + part).unwrap();
        let vector = vector.clone() / norm(&vector);
        let step = 0.1;
        let [below, at, above] = [-step, 0.0, step].map(|offset| {
            let moved = alphas.clone() + vector.clone().reshape(alphas.dims()) * offset;
            let pass = search.bilevel.supernet().pass(weights, &moved, &batch, Wrt::ALPHAS);
            floats(pass.loss.into_data())[0]
        });
        let bend = (above - 2.0 * at + below) / (step * step);
        // Kinks between the places make them differ.
        assert!((bend / value - 1.0).abs() < 0.35, "{value} {bend}");
    }

    #[test]
    fn a_change_holds_from_the_next_step_on_and_is_told() {
        let mut search = start(tiny()).unwrap();
        let (cell, edge) = (SteeredCell::Normal, 2);
        let steer = |search: &mut ConvSearch, steering| {
            let told = block_on(search.steer(steering)).unwrap();
            let Event::Steered { step, steering: as_told, architecture } = told else { panic!("{told:?}") };
            assert_eq!((step, as_told), (search.step, steering));
            architecture
        };
        let stepped = |search: &mut ConvSearch| {
            let events = block_on(search.step()).unwrap();
            let Event::Step { architecture: Some(alphas), .. } = &events[0] else { panic!("{:?}", events[0]) };
            alphas.clone()
        };
        let told = steer(&mut search, Steering::Prune { cell, edge, op: Op::SepConv3x3.into() });
        let after = stepped(&mut search);
        assert_eq!((told.normal[edge][4], after.normal[edge][4]), (PRUNED, PRUNED));
        assert_ne!(after.normal[edge][3], told.normal[edge][3], "the other ops still learn");
        steer(&mut search, Steering::Freeze { frozen: true });
        assert_eq!(stepped(&mut search), after, "frozen alphas stay");
        steer(&mut search, Steering::Freeze { frozen: false });
        let order = Steering::Order { order: Order::Second };
        steer(&mut search, order);
        steer(&mut search, Steering::Rates { weights: 0.01, alphas: 0.5 });
        let free = steer(&mut search, Steering::Release { cell, edge });
        assert!(free.normal[edge][4].abs() < 1.0);
        let moved = block_on(search.step()).unwrap();
        assert!(matches!(&moved[0], Event::Step { .. }));
        let refused = block_on(search.steer(Steering::Release { cell, edge: 14 })).unwrap_err();
        assert!(matches!(refused, SearchError::Steering(_)), "{refused}");
    }

    #[test]
    fn a_search_whose_alphas_rested_goes_on_bit_for_bit() {
        let begin = || start(SearchConfig { epochs: 3, ..tiny() }).unwrap();
        let freeze = |search: &mut ConvSearch, frozen| {
            block_on(search.steer(Steering::Freeze { frozen })).unwrap();
        };
        let mut search = begin();
        block_on(search.step()).unwrap();
        freeze(&mut search, true);
        for _ in 0..2 {
            block_on(search.step()).unwrap();
        }
        let state = block_on(Resumable::state(&search)).unwrap();
        let mut again = begin();
        again.restore(&state).unwrap();
        assert_eq!((again.steps_done(), again.bilevel.architecture_steps), (3, 1));
        for search in [&mut search, &mut again] {
            freeze(search, false);
            block_on(search.step()).unwrap();
        }
        let tensors = |search: &ConvSearch| {
            let state = block_on(Resumable::state(search)).unwrap();
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            state.tensors().map(|(name, values)| (name.to_owned(), bits(values))).collect::<Vec<_>>()
        };
        assert!(tensors(&search) == tensors(&again), "Adam counts the steps that it took");
    }

    #[test]
    fn what_no_buffer_holds_is_refused_before_the_search() {
        let compute = block_on(Compute::acquire(DeviceChoice::Auto)).unwrap();
        let narrow = Compute { largest_buffer: Some(10 << 20), ..compute };
        let config = SearchConfig { batch_size: 200, init_channels: 4, layers: 3, ..SearchConfig::default() };
        let refusal = supernet_for(&config, 10, [32, 32], &narrow).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "a buffer of 62 MB is needed, and this device allows 10 MB: lower batch-size (now 200) or init-channels (now 4)"
        );
        assert!(supernet_for(&SearchConfig { batch_size: 16, ..config }, 10, [32, 32], &narrow).is_ok());
    }

    #[test]
    fn a_search_that_cannot_be_is_refused() {
        let told = |config| start(config).err().map(|error| error.to_string());
        let refused = |config, why: &str| assert_eq!(told(config).as_deref(), Some(why));
        refused(SearchConfig { epochs: 0, ..tiny() }, "epochs must be at least 1, not 0");
        let most = "train-images is 13, but the data has 12 training images";
        refused(SearchConfig { train_images: Some(13), ..tiny() }, most);
        let half = "batch-size is 5, but the weight half has only 4 images";
        refused(SearchConfig { batch_size: 5, ..tiny() }, half);
        let large = "init-channels and layers make a supernet of 1904815010 weights, and at most 33554432 fit";
        refused(SearchConfig { init_channels: 1000, ..tiny() }, large);
    }

    #[test]
    fn numbers_that_are_none_stop_a_search() {
        let mut search = start(SearchConfig { learning_rate: 1e30, ..tiny() }).unwrap();
        let error = (0..2).find_map(|_| block_on(search.step()).err()).expect("an error");
        assert!(matches!(error, SearchError::NotFinite { .. }), "{error}");
    }

    #[test]
    fn accuracy_counts_the_greatest_scores() {
        let logits = [0.1, 0.9, -3.0, -2.0, 5.0, 4.0];
        assert_eq!(accuracy(&logits, &[1, 0, 0]), 2.0 / 3.0);
        assert_eq!(accuracy(&logits, &[0, 0, 1]), 0.0);
    }
}
