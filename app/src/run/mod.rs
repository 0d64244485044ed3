//! A run as the page shows it: a pure fold over the engine's events, the same for a live search and a recorded file.

mod csv;
mod frames;
mod series;
mod started;
#[cfg(test)]
mod tests;

pub use frames::{Frame, Frames, Moment, entropy};
pub use series::{Point, Series, perplexity};
pub use started::Started;

use crate::cells::{Cells, Matrices, Task};
use darts_engine::{
    config::Order,
    event::{Event, Measure},
    intervention::Intervention,
    space::Alphas,
};
use std::collections::VecDeque;

/// Maximum number of interventions, changes of the cells, and texts; the latest are kept.
const MAX_MARKS: usize = 1000;
/// Steps that the speed is averaged over.
const RECENT: usize = 16;

/// Everything known about a run after the events so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Start; `None` before the first event.
    pub started: Option<Started>,
    /// Search steps done.
    pub steps: usize,
    /// Epoch of the latest step, from 0.
    pub epoch: usize,
    /// The latest step.
    pub last: Option<Point>,
    /// Steps over time.
    pub series: Series,
    /// Epochs done.
    pub epochs: Vec<EpochEnd>,
    /// The latest alphas.
    pub alphas: Option<Matrices>,
    /// Alphas over time.
    pub frames: Frames,
    /// Steps done at each change of the derived cells.
    pub changes: VecDeque<usize>,
    /// Interventions, each with the steps done by then.
    pub interventions: VecDeque<(usize, Intervention)>,
    /// Texts that the network of a search on text wrote.
    pub samples: VecDeque<Sample>,
    /// Cells that would be derived now.
    pub genotype: Option<Cells>,
    /// Current values that interventions on the whole search can change.
    pub course: Course,
    /// End.
    pub end: Option<End>,
    /// Of the latest steps: examples of both splits, and seconds.
    recent: VecDeque<(usize, f64)>,
}

/// Text that a network wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Search steps done by then.
    pub steps: usize,
    /// Divisor of the scores.
    pub temperature: f64,
    /// Seed of the words.
    pub seed: u64,
    /// Text, a sentence a line.
    pub text: String,
}

/// Values that interventions on the whole search can change.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Course {
    /// First learning rate of the weights.
    pub weight_rate: f64,
    /// Learning rate of the alphas.
    pub alpha_rate: f64,
    /// Order of the architecture gradient.
    pub order: Order,
    /// Whether the alphas are frozen.
    pub frozen: bool,
}

/// End of an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochEnd {
    /// Search steps done by then.
    pub steps: usize,
    /// Means over the weight steps.
    pub train: Measure,
    /// Means over the architecture steps.
    pub valid: Measure,
    /// The whole valid split, if measured.
    pub evaluation: Option<Measure>,
    /// Curvature of the validation loss along the alphas, if measured.
    pub curvature: Option<f32>,
}

/// End of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// All epochs are done.
    Finished {
        /// Wall time in seconds.
        seconds: f64,
    },
    /// It stopped with an error.
    Failed {
        /// The error, in one sentence.
        message: String,
    },
}

impl Run {
    /// Run that these events report.
    pub fn replay<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut run = Self::default();
        for event in events {
            run.apply(event);
        }
        run
    }

    /// Takes in the next event. Those of training runs change nothing.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Started { .. } => self.start(event),
            Event::Step { epoch, step, examples, train, valid, seconds, alphas, .. } => {
                (self.epoch, self.steps) = (*epoch, *step + 1);
                if let Some(alphas) = alphas {
                    self.set_alphas(alphas, false);
                }
                self.step([*train, *valid], *examples, *seconds);
            }
            Event::Epoch { epoch, train, valid, evaluation, alphas, curvature, .. } => {
                self.epoch = *epoch;
                self.set_alphas(alphas, true);
                let (train, valid, evaluation, curvature) = (*train, *valid, *evaluation, *curvature);
                self.epochs.push(EpochEnd { steps: self.steps, train, valid, evaluation, curvature });
            }
            Event::Intervention { step, intervention, alphas } => {
                self.steps = *step;
                push_latest(&mut self.interventions, (*step, *intervention), MAX_MARKS);
                self.course.intervene(*intervention);
                self.set_alphas(alphas, true);
            }
            Event::Sampled { step, temperature, seed, text } => {
                let (temperature, seed, text) = (*temperature, *seed, text.clone());
                push_latest(&mut self.samples, Sample { steps: *step, temperature, seed, text }, MAX_MARKS);
            }
            Event::Finished { alphas, seconds, .. } => {
                self.set_alphas(alphas, true);
                self.end = Some(End::Finished { seconds: *seconds });
            }
            Event::Failed { message } => self.end = Some(End::Failed { message: message.clone() }),
            Event::TrainStarted { .. }
            | Event::TrainStep { .. }
            | Event::TrainEpoch { .. }
            | Event::Unreadable { .. }
            | Event::Evaluated { .. }
            | Event::TrainFinished { .. } => {}
        }
    }

    /// Starts anew.
    fn start(&mut self, event: &Event) {
        let Some(started) = Started::of(event) else { return };
        let (alphas, course) = (started.alphas.0.clone(), started.course());
        *self = Self { started: Some(started), course, ..Self::default() };
        self.set_alphas(&alphas, true);
    }

    /// Takes in the measures of a step's train and valid minibatches.
    fn step(&mut self, splits: [Measure; 2], examples: Option<usize>, seconds: f64) {
        let point = Point::new(self.steps as f32, splits, self.alphas.as_ref());
        self.series.push(point.clone());
        self.last = Some(point);
        // Logs of version 1 do not have the images of a step, which are always as many.
        let batch_size = || self.started.as_ref().map_or(0, |started| started.config.basics().batch_size);
        let examples = examples.unwrap_or_else(batch_size).saturating_mul(2);
        push_latest(&mut self.recent, (examples, seconds), RECENT);
    }

    fn set_alphas(&mut self, alphas: &Alphas, marked: bool) {
        let alphas = Matrices(alphas.clone());
        let genotype = alphas.cells();
        let changed = self.genotype.as_ref().is_some_and(|known| !known.same(&genotype));
        if changed && self.changes.back() != Some(&self.steps) {
            push_latest(&mut self.changes, self.steps, MAX_MARKS);
        }
        if self.alphas.as_ref() != Some(&alphas) || self.frames.all().last().is_none_or(|f| f.steps != self.steps) {
            self.frames.push(Frame::new(self.steps, self.epoch, alphas.clone(), marked || changed));
        }
        self.genotype = Some(genotype);
        self.alphas = Some(alphas);
    }

    /// Search space, once that is known.
    pub fn task(&self) -> Option<Task> {
        self.started.as_ref().map(|started| started.alphas.task())
    }

    /// Moment when `at` steps were done, the latest one without; as it would be after these interventions.
    pub fn moment(&self, at: Option<usize>, what_if: &[Intervention]) -> Option<Moment> {
        let frames = self.frames.all();
        let frame = match at {
            Some(steps) => frames.get(self.frames.at(steps)?)?,
            None => frames.last()?,
        };
        Some(frame.moment(what_if))
    }

    /// Examples of both splits through the supernet for each second, over the latest steps.
    pub fn speed(&self) -> Option<f64> {
        let (count, seconds) = self.recent.iter().fold((0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (seconds > 0.0 && count > 0).then(|| count as f64 / seconds)
    }

    /// Steps of the whole search, where all epochs have the same.
    pub fn total_steps(&self) -> Option<usize> {
        let started = self.started.as_ref()?;
        Some(started.steps_per_epoch?.saturating_mul(started.epochs()))
    }

    /// Text written last when `at` steps were done; the latest without.
    pub fn sample(&self, at: Option<usize>) -> Option<&Sample> {
        self.samples.iter().rev().find(|sample| at.is_none_or(|at| sample.steps <= at))
    }

    /// Step of the curves that is nearest.
    pub fn point_at(&self, steps: f64) -> Option<&Point> {
        self.series.nearest(steps)
    }
}

impl Course {
    /// Applies an intervention on the whole search.
    fn intervene(&mut self, intervention: Intervention) {
        match intervention {
            Intervention::Rates { weights, alphas } => (self.weight_rate, self.alpha_rate) = (weights, alphas),
            Intervention::Order { order } => self.order = order,
            Intervention::Freeze { frozen } => self.frozen = frozen,
            Intervention::Pin { .. }
            | Intervention::Prune { .. }
            | Intervention::Release { .. }
            | Intervention::Nudge { .. } => {}
        }
    }
}

/// Adds to a queue of the latest `max`.
fn push_latest<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    if queue.len() == max {
        queue.pop_front();
    }
    queue.push_back(item);
}
