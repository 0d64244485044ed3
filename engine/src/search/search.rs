use super::{
    AlphaState, BatchOf, Bilevel, EpochEnd, Family, Pass, Progress, SearchNetwork, Settings, Splits, StepBatches,
    Stream, Sums,
};
use crate::{
    checkpoint::{CheckpointError, Resumable, State, check_architecture_steps, check_seconds},
    config::SearchSettings,
    device::{Compute, read},
    error::Error,
    event::{Event, LOG_VERSION},
    intervention::{AlphaMask, Intervention, InterventionError},
    space::Alphas,
};
use burn::tensor::{Tensor, TensorData};
use web_time::Instant;

/// Search in a space, advanced one step at a time; each step returns its [`Event`]s.
pub struct Search<F: Family> {
    config: F::Config,
    compute: Compute,
    bilevel: Bilevel<F::Network>,
    stream: F::Stream,
    step: usize,
    sums: Sums,
    seconds: f64,
    initial: Alphas,
    mask: AlphaMask,
}

impl<F: Family> Search<F> {
    /// Splits the data, lays out the supernet and draws its weights and alphas.
    ///
    /// # Errors
    /// A setting is out of range, the data is too small, or the device cannot hold the supernet.
    pub async fn new(config: F::Config, data: &F::Data, compute: &Compute) -> Result<Self, Error> {
        config.check()?;
        let stream = F::stream(&config, data, compute)?;
        let network = F::network(&config, data, compute)?;
        let bilevel = Bilevel::new(network, config.basics().seed, &compute.device);
        let initial = read_alphas::<F>(&bilevel, &config).await?;
        Ok(Self {
            compute: compute.clone(),
            config,
            bilevel,
            stream,
            step: 0,
            sums: Sums::default(),
            seconds: 0.0,
            initial,
            mask: AlphaMask::new(),
        })
    }

    /// Hyper-parameters, as interventions have left them.
    pub fn config(&self) -> &F::Config {
        &self.config
    }

    /// Weights, alphas and their optimisers.
    pub fn bilevel(&self) -> &Bilevel<F::Network> {
        &self.bilevel
    }

    /// Both splits of the data.
    pub fn stream(&self) -> &F::Stream {
        &self.stream
    }

    /// Alphas now.
    ///
    /// # Errors
    /// The device failed.
    pub async fn alphas(&self) -> Result<Alphas, Error> {
        read_alphas::<F>(&self.bilevel, &self.config).await
    }

    /// Weights of the supernet now, flat; its [layout](crate::network::Layout) names them.
    ///
    /// # Errors
    /// The device failed.
    pub async fn weights(&self) -> Result<Vec<f32>, Error> {
        Ok(self.read(vec![self.bilevel.weights.clone()]).await?.swap_remove(0))
    }

    /// Event that opens the log.
    pub fn started(&self) -> Event {
        let Splits { train, valid, steps_per_epoch, rows, vocabulary } = self.stream.splits();
        Event::Started {
            version: LOG_VERSION,
            config: self.config.clone().into(),
            adapter: self.compute.adapter.clone(),
            backend: self.compute.backend.clone(),
            parameters: self.bilevel.network().layout().len(),
            train_examples: train,
            valid_examples: valid,
            steps_per_epoch,
            rows,
            vocabulary,
            alphas: self.initial.clone(),
        }
    }

    /// Steps done.
    pub fn steps_done(&self) -> usize {
        self.step
    }

    /// Whether all epochs are done.
    pub fn is_finished(&self) -> bool {
        self.stream.epoch() == self.config.basics().epochs
    }

    /// Takes a search step. Returns its events in order: the step, then the epoch and the end of the search where they
    /// are due.
    ///
    /// # Errors
    /// The device failed, a number is no longer finite, or the search is over.
    pub async fn step(&mut self) -> Result<Vec<Event>, Error> {
        if self.is_finished() {
            return Err(Error::Finished);
        }
        let began = Instant::now();
        let (step, epoch) = (self.step, self.stream.epoch());
        let batches = self.stream.next(&self.config, step, &self.compute.device);
        let StepBatches { train, valid: valid_batch, weights, learning_rate, labels, examples } = batches;
        let architecture = self.bilevel.architecture_step(&self.config, learning_rate, &train, &valid_batch);
        let (weight, norm) = self.bilevel.weight_step(&self.config, learning_rate, weights.as_ref().unwrap_or(&train));
        drop(train);
        let last_of_epoch = self.stream.stepped(&weight, &architecture);
        let [weight, architecture] = [weight, architecture].map(|pass| pass.reported());
        let count = weight.len();
        let alphas = self.bilevel.alphas.clone().flatten(0, 1);
        let tensors = weight.into_iter().chain(architecture).chain([norm, alphas]).collect();
        let read = self.read(tensors).await?;
        let (passes, rest) = read.split_at(2 * count);
        let [norm, alphas] = rest else { unreachable!("a norm and the alphas were read") };
        let train = F::Stream::measure(&passes[..count], &labels[0]);
        let valid = F::Stream::measure(&passes[count..], &labels[1]);
        let numbers = [
            ("the training loss", train.loss),
            ("the validation loss", valid.loss),
            ("the norm of the weight gradient", norm[0]),
        ];
        for (what, value) in numbers.into_iter().chain(alphas.iter().map(|&alpha| ("an alpha", alpha))) {
            self.check_finite(what, value, (step, epoch))?;
        }
        let alphas = Alphas::from_flat(F::Config::SPACE, alphas);
        let seconds = began.elapsed().as_secs_f64();
        self.step += 1;
        self.seconds += seconds;
        self.sums.add(train, valid, examples[1], seconds);
        let reported = last_of_epoch || step.is_multiple_of(self.config.basics().report_every);
        let mut events = vec![Event::Step {
            epoch,
            step,
            row: self.stream.row(),
            examples: Some(examples[0]),
            train,
            valid,
            gradient_norm: norm[0],
            seconds,
            alphas: reported.then(|| alphas.clone()),
        }];
        if last_of_epoch {
            events.extend(self.end_epoch(epoch, alphas, &valid_batch).await?);
        }
        Ok(events)
    }

    /// Events of an epoch's end: the epoch, and the end of the search.
    async fn end_epoch(&mut self, epoch: usize, alphas: Alphas, valid: &BatchOf<F>) -> Result<Vec<Event>, Error> {
        let began = Instant::now();
        let EpochEnd { evaluation, curvature } = F::end_epoch(&self.config, &self.bilevel, &self.stream, valid).await?;
        if let Some(measure) = evaluation {
            self.check_finite("the loss of the whole validation text", measure.loss, (self.step - 1, epoch))?;
        }
        // An epoch's end that measures nothing takes no time: a search's seconds are then those of its steps.
        if evaluation.is_some() || curvature.is_some() {
            self.seconds += began.elapsed().as_secs_f64();
        }
        let sums = std::mem::take(&mut self.sums);
        let mut events = vec![Event::Epoch {
            epoch,
            learning_rate: F::learning_rate_at(&self.config, epoch),
            train: sums.mean_train(),
            valid: sums.mean_valid(),
            evaluation,
            examples_per_second: sums.examples_per_second(),
            seconds: self.seconds,
            genotype: alphas.genotype(),
            alphas: alphas.clone(),
            curvature,
        }];
        self.stream.start_epoch(&self.compute.device);
        if self.is_finished() {
            events.push(Event::Finished {
                genotype: alphas.genotype(),
                alphas,
                evaluation,
                epochs: self.config.basics().epochs,
                seconds: self.seconds,
            });
        }
        Ok(events)
    }

    /// Changes the search from the next step on. The event has the change and the alphas after it; an intervention that
    /// cannot be made leaves the search unchanged.
    ///
    /// # Errors
    /// The device failed.
    pub async fn intervene(&mut self, intervention: Intervention) -> Result<Result<Event, InterventionError>, Error> {
        let before = self.alphas().await?;
        let alphas = match intervention.apply(&before, &mut self.mask) {
            Ok(alphas) => alphas,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut now = self.config.basics();
        match intervention {
            Intervention::Freeze { frozen } => self.bilevel.hold.frozen = frozen,
            Intervention::Rates { weights, alphas } => {
                (now.learning_rate, now.arch_learning_rate) = (weights, alphas);
                now.learning_rate_min = now.learning_rate_min.min(weights);
            }
            Intervention::Order { order } => now.order = order,
            _ => {
                let flat = TensorData::new(alphas.to_flat(), self.bilevel.alphas.dims());
                self.bilevel.alphas = Tensor::from_data(flat, &self.compute.device);
                self.bilevel.hold.some(&self.mask, &self.bilevel.alphas);
            }
        }
        self.config.intervene(&now);
        Ok(Ok(Event::Intervention { step: self.step, intervention, alphas }))
    }

    /// Compiles the shaders of a step, in [`REHEARSALS`](super::REHEARSALS) parts from 0 on, so that other work fits between
    /// them. Nothing is computed, and the search stays as it is.
    ///
    /// Only where there is one thread: launches of other threads would not be computed either.
    ///
    /// # Errors
    /// The device failed.
    #[cfg(target_arch = "wasm32")]
    pub async fn rehearse(&self, part: usize) -> Result<(), Error> {
        let StepBatches { train, valid, .. } = self.stream.clone().next(&self.config, self.step, &self.compute.device);
        let (mut bilevel, rate) = (self.bilevel.clone(), self.config.basics().learning_rate);
        let rehearsal = cubecl::dry_run::DryRun::new();
        match part {
            0 => drop(bilevel.network().pass(
                &bilevel.weights,
                &bilevel.alphas,
                &train,
                crate::model::GradientTargets::NOTHING,
            )),
            1 => drop(bilevel.architecture_step(&self.config, rate, &train, &valid)),
            _ => drop(bilevel.weight_step(&self.config, rate, &train)),
        }
        drop(rehearsal);
        // The device answers when it is done with everything before.
        self.alphas().await.map(drop)
    }

    /// Reads tensors together.
    async fn read(&self, tensors: Vec<Tensor<1>>) -> Result<Vec<Vec<f32>>, Error> {
        read(tensors).await.map_err(|error| Error::read(error, F::sizes(&self.config)))
    }

    fn check_finite(&self, what: &'static str, value: f32, (step, epoch): (usize, usize)) -> Result<(), Error> {
        match value.is_finite() {
            true => Ok(()),
            false => Err(Error::NotFinite { what, value, step, epoch, remedy: F::REMEDY }),
        }
    }
}

async fn read_alphas<F: Family>(bilevel: &Bilevel<F::Network>, config: &F::Config) -> Result<Alphas, Error> {
    let read = read(vec![bilevel.alphas.clone().flatten(0, 1)]).await;
    let read = read.map_err(|error| Error::read(error, F::sizes(config)))?;
    Ok(Alphas::from_flat(F::Config::SPACE, &read[0]))
}

impl<F: Family> Resumable for Search<F> {
    type Error = Error;

    fn started(&self) -> Event {
        self.started()
    }

    async fn step(&mut self) -> Result<Vec<Event>, Error> {
        self.step().await
    }

    fn steps_done(&self) -> usize {
        self.step
    }

    fn ends_epoch(&self) -> bool {
        self.stream.at_epoch_start()
    }

    fn is_finished(&self) -> bool {
        self.is_finished()
    }

    async fn state(&self) -> Result<State, Error> {
        let progress = Progress {
            step: self.step,
            architecture_steps: self.bilevel.architecture_steps,
            position: self.stream.position(),
            sums: self.sums,
            seconds: self.seconds,
            alphas: AlphaState { mask: self.mask.clone(), frozen: self.bilevel.hold.frozen },
            settings: Settings::of(&self.config),
        };
        let tensors = self.bilevel.tensors().into_iter().chain(self.stream.tensors());
        let state = State::read(&progress, tensors).await;
        let state = state.map_err(|error| Error::read(error, F::sizes(&self.config)))?;
        if let Some(value) = state.not_finite() {
            let epoch = self.stream.epoch().saturating_sub(usize::from(self.stream.at_epoch_start()));
            self.check_finite("a weight", value, (self.step.saturating_sub(1), epoch))?;
        }
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<(), CheckpointError> {
        let progress: Progress<<F::Stream as Stream>::Position> = match state.progress() {
            Ok(progress) => progress,
            Err(error) => {
                let Ok(old) = state.progress::<serde_json::Value>() else { return Err(error) };
                let now = self.stream.progress_of_version_1(old);
                serde_json::from_value(now).map_err(|_| error)?
            }
        };
        let Progress { step, architecture_steps, position, sums, seconds, alphas, settings } = progress;
        let stream = self.stream.restored(position, state, step, self.config.basics().epochs)?;
        check_architecture_steps(architecture_steps, step)?;
        stream.check_sums(sums.steps, step)?;
        check_seconds([sums.seconds, seconds])?;
        alphas.check(self.bilevel.alphas.dims())?;
        let mut config = self.config.clone();
        settings.apply(&mut config);
        if let Err(error) = config.check() {
            return Err(CheckpointError::Progress { what: "a changed setting", value: error.to_string() });
        }
        self.bilevel.restore(state, architecture_steps)?;
        (self.config, self.stream, self.mask, self.bilevel.hold.frozen) = (config, stream, alphas.mask, alphas.frozen);
        self.bilevel.hold.some(&self.mask, &self.bilevel.alphas);
        (self.step, self.sums, self.seconds) = (step, sums, seconds);
        Ok(())
    }
}
