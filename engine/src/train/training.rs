use super::{Place, TrainOutcome, TrainSizes, Trainee};
use crate::{
    checkpoint::{CheckpointError, Resumable, State, check_seconds, exactly},
    config::TrainSettings,
    device::{Compute, read},
    error::Error,
    event::{Event, LOG_VERSION, Measure},
    search::Sum,
};
use serde::{Deserialize, Serialize};
use web_time::Instant;

/// Training run of a derived network, stepped from outside; it reports in [`Event`]s.
pub struct Training<T: Trainee> {
    config: T::Config,
    compute: Compute,
    trainee: T,
    step: usize,
    sums: TrainSums,
    seconds: f64,
}

/// Sums over the steps of the current epoch so far.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSums {
    pub(super) steps: usize,
    pub(super) examples: usize,
    pub(super) train: Sum,
    #[serde(with = "exactly")]
    pub(super) seconds: f64,
}

impl TrainSums {
    /// Mean over the steps.
    pub fn mean(&self) -> Measure {
        self.train.mean(self.steps)
    }

    /// Examples per second of wall time.
    pub fn examples_per_second(&self) -> f64 {
        self.examples as f64 / self.seconds
    }
}

impl<T: Trainee> Training<T> {
    /// Run of a network that is ready for its first step.
    pub(super) fn start(config: T::Config, trainee: T, compute: &Compute) -> Self {
        Self { config, compute: compute.clone(), trainee, step: 0, sums: TrainSums::default(), seconds: 0.0 }
    }

    /// Event that opens the log.
    pub fn started(&self) -> Event {
        let TrainSizes {
            genotype,
            parameters,
            auxiliary_parameters,
            train,
            valid,
            test,
            steps_per_epoch,
            rows,
            vocabulary,
        } = self.trainee.started();
        Event::TrainStarted {
            version: LOG_VERSION,
            config: self.config.clone().into(),
            genotype,
            adapter: self.compute.adapter.clone(),
            backend: self.compute.backend.clone(),
            parameters,
            auxiliary_parameters,
            train_examples: train,
            valid_examples: valid,
            test_examples: test,
            steps_per_epoch,
            rows,
            vocabulary,
        }
    }

    /// Hyper-parameters.
    pub fn config(&self) -> &T::Config {
        &self.config
    }

    /// Network and data.
    pub fn trainee(&self) -> &T {
        &self.trainee
    }

    /// Steps done.
    pub fn steps_done(&self) -> usize {
        self.step
    }

    /// Whether all epochs are done.
    pub fn is_finished(&self) -> bool {
        self.trainee.epoch() == self.config.epochs()
    }

    /// Weights as they would be evaluated now.
    ///
    /// # Errors
    /// The device failed, or a weight is no longer finite.
    pub async fn weights(&self) -> Result<T::Weights, Error> {
        self.trainee.weights(&self.config, self.step).await
    }

    /// Takes a training step. Returns its events in order: the step if it is reported, then the epoch, the test and the end of
    /// the run if they are due.
    ///
    /// # Errors
    /// The device failed, the data cannot be read, a number is no longer finite, or the run is over.
    pub async fn step(&mut self) -> Result<Vec<Event>, Error> {
        if self.is_finished() {
            return Err(Error::Finished);
        }
        let began = Instant::now();
        let (step, epoch) = (self.step, self.trainee.epoch());
        let outcome = self.trainee.step(&self.config, step, &self.compute)?;
        let TrainOutcome { mut reported, gradient_norm, labels, examples, mut events } = outcome;
        let last_of_epoch = self.trainee.stepped();
        reported.push(gradient_norm);
        let mut values = read(reported).await.map_err(|error| Error::read(error, T::sizes(&self.config)))?;
        let norm = values.pop().expect("a norm was read")[0];
        let train = T::measure(&values, &labels);
        for (what, value) in [("the training loss", train.loss), ("the norm of the gradient", norm)] {
            check_finite::<T>(what, value, step, epoch)?;
        }
        let seconds = began.elapsed().as_secs_f64();
        self.step += 1;
        self.seconds += seconds;
        self.sums.steps += 1;
        self.sums.examples += examples;
        self.sums.train.add(train);
        self.sums.seconds += seconds;
        if last_of_epoch || step.is_multiple_of(self.config.report_every()) {
            let row = self.trainee.row();
            let examples = Some(examples);
            events.push(Event::TrainStep { epoch, step, row, examples, train, gradient_norm: norm, seconds });
        }
        if last_of_epoch {
            let sums = std::mem::take(&mut self.sums);
            let end = self.trainee.end_epoch(&self.config, sums, self.step, &mut self.seconds, &self.compute);
            events.extend(end.await?);
        }
        Ok(events)
    }
}

/// Fails unless a number of a step is finite.
pub(super) fn check_finite<T: Trainee>(what: &'static str, value: f32, step: usize, epoch: usize) -> Result<(), Error> {
    match value.is_finite() {
        true => Ok(()),
        false => Err(Error::NotFinite { what, value, step, epoch, remedy: T::REMEDY }),
    }
}

/// Progress of a run in a checkpoint, beside the tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress<P> {
    step: usize,
    sums: TrainSums,
    #[serde(with = "exactly")]
    seconds: f64,
    network: P,
}

impl<T: Trainee> Resumable for Training<T> {
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
        self.trainee.at_epoch_start()
    }

    fn is_finished(&self) -> bool {
        self.is_finished()
    }

    async fn state(&self) -> Result<State, Error> {
        let &Self { step, sums, seconds, .. } = self;
        let progress = Progress { step, sums, seconds, network: self.trainee.progress() };
        let state = State::read(&progress, self.trainee.tensors()).await;
        let state = state.map_err(|error| Error::read(error, T::sizes(&self.config)))?;
        let state = self.trainee.values().into_iter().fold(state, |state, (name, values)| state.with(name, values));
        if let Some(value) = state.not_finite() {
            let epoch = self.trainee.epoch().saturating_sub(usize::from(self.trainee.at_epoch_start()));
            check_finite::<T>("a weight", value, step.saturating_sub(1), epoch)?;
        }
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<(), CheckpointError> {
        let progress: Progress<T::Progress> = match state.progress() {
            Ok(progress) => progress,
            Err(error) => {
                let Ok(old) = state.progress::<serde_json::Value>() else { return Err(error) };
                serde_json::from_value(self.trainee.progress_of_version_1(old)).map_err(|_| error)?
            }
        };
        let Progress { step, sums, seconds, network } = progress;
        check_seconds([sums.seconds, seconds])?;
        let place = Place { step, steps_of_epoch: sums.steps, epochs: self.config.epochs() };
        self.trainee.restore(network, state, place)?;
        (self.step, self.sums, self.seconds) = (step, sums, seconds);
        Ok(())
    }
}
