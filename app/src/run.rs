//! A run as the page shows it: a pure fold over the engine's events, the same for a live search and a recorded file.

use crate::cells::{Cells, Kind, Matrices, Task};
use darts_engine::{
    config::{Order, RecurrentConfig, SearchConfig},
    event::{Event, Measure, WordMeasure},
    intervention::{Held, Steering},
    space::Op,
};
use std::collections::VecDeque;

/// Points a series keeps before it halves its resolution.
const POINTS: usize = 4096;
/// Moments whose alphas are kept before every second of them is let go.
const FRAMES: usize = 2048;
/// Interventions, changes of the cells, and texts that are kept, the latest.
const MARKS: usize = 1000;
/// Steps that the speed is averaged over.
const RECENT: usize = 16;
/// The most ops of an edge.
pub const OPS: usize = Op::CANDIDATES.len();

/// Everything known about a run after the events so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// How it began; nothing before the first event.
    pub started: Option<Started>,
    /// Search steps done.
    pub steps: usize,
    /// The epoch of the latest step, from 0.
    pub epoch: usize,
    /// The latest step.
    pub last: Option<Point>,
    /// Steps over time.
    pub series: Series,
    /// Epochs done.
    pub epochs: Vec<EpochEnd>,
    /// The latest alphas.
    pub alphas: Option<Matrices>,
    /// The alphas over time.
    pub frames: Frames,
    /// When the derived cells changed: steps done at each change.
    pub changes: VecDeque<usize>,
    /// What somebody changed, and the steps done by then.
    pub steered: VecDeque<(usize, Steering)>,
    /// Texts that the network of a recurrent search wrote.
    pub samples: VecDeque<Sample>,
    /// The cells that would be derived now.
    pub genotype: Option<Cells>,
    /// What can be changed on the way, as it is now.
    pub course: Course,
    /// How it ended.
    pub end: Option<End>,
    /// Of the latest steps: images or words of both halves, and seconds.
    recent: VecDeque<(usize, f64)>,
}

/// How a run began.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// What is searched, and its hyper-parameters.
    pub plan: Plan,
    /// The adapter that computes.
    pub adapter: String,
    /// The adapter's interface.
    pub backend: String,
    /// Weights of the supernet.
    pub parameters: usize,
    /// The alphas before the first step.
    pub alphas: Matrices,
}

/// What a run searches, and on what.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Convolutional cells, on images.
    Images {
        /// Every hyper-parameter.
        config: SearchConfig,
        /// Images of the weight half.
        weight_images: usize,
        /// Images of the alpha half.
        alpha_images: usize,
        /// Search steps of an epoch.
        steps_per_epoch: usize,
    },
    /// A recurrent cell, on text.
    Text {
        /// Every hyper-parameter.
        config: RecurrentConfig,
        /// Distinct words.
        vocabulary: usize,
        /// Words that train the weights.
        train_words: usize,
        /// Words that train the alphas.
        valid_words: usize,
    },
}

impl Plan {
    /// Epochs.
    pub const fn epochs(&self) -> usize {
        match self {
            Self::Images { config, .. } => config.epochs,
            Self::Text { config, .. } => config.epochs,
        }
    }

    /// What can be changed on its way, as it begins.
    const fn course(&self) -> Course {
        let (weight_rate, alpha_rate, order) = match self {
            Self::Images { config, .. } => (config.learning_rate, config.arch_learning_rate, config.order),
            Self::Text { config, .. } => (config.learning_rate, config.arch_learning_rate, config.order),
        };
        Course { weight_rate, alpha_rate, order, frozen: false }
    }
}

/// Text that a network wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Search steps done by then.
    pub steps: usize,
    /// What scores were divided by.
    pub temperature: f64,
    /// What decided the words.
    pub seed: u64,
    /// The text, a sentence a line.
    pub text: String,
}

/// What somebody can change in the whole search on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Course {
    /// First learning rate of the weights.
    pub weight_rate: f64,
    /// Learning rate of the alphas.
    pub alpha_rate: f64,
    /// How the gradient of the alphas is approximated.
    pub order: Order,
    /// Whether the alphas are held.
    pub frozen: bool,
}

/// An epoch's end.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochEnd {
    /// Search steps done by then.
    pub steps: usize,
    /// Means over the weight steps.
    pub weights: Measure,
    /// Means over the architecture steps.
    pub alphas: Measure,
    /// Loss of the whole validation text, where there is one.
    pub valid: Option<f32>,
    /// How sharply the validation loss bends along the alphas, where that was measured.
    pub curvature: Option<f32>,
}

/// A run's end.
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

/// One search step, or the mean over several neighbouring ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// The step over the whole search, from 1.
    pub step: f32,
    /// The weight half: loss and accuracy; on text the loss alone.
    pub weights: Measure,
    /// The alpha half: loss and accuracy; on text the loss alone.
    pub alphas: Measure,
    /// Mean softmax weight of each op over the edges of each kind of cell.
    pub shares: [[f32; OPS]; 2],
}

impl Point {
    /// The point with every value replaced by that of `f` on both points' values.
    fn zip(&self, other: &Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let measure = |a: Measure, b: Measure| Measure { loss: f(a.loss, b.loss), accuracy: f(a.accuracy, b.accuracy) };
        let mut shares = self.shares;
        for (a, b) in shares.iter_mut().flatten().zip(other.shares.iter().flatten()) {
            *a = f(*a, *b);
        }
        Self {
            step: f(self.step, other.step),
            weights: measure(self.weights, other.weights),
            alphas: measure(self.alphas, other.alphas),
            shares,
        }
    }
}

/// Steps over time in bounded memory: whenever it is full, neighbours are merged into their mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    points: Vec<Point>,
    stride: usize,
    partial: Point,
    filled: usize,
}

impl Default for Series {
    fn default() -> Self {
        Self { points: Vec::new(), stride: 1, partial: Point::default(), filled: 0 }
    }
}

impl Series {
    /// The points, each the mean over [`Series::stride`] steps.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Steps of a point.
    pub fn stride(&self) -> usize {
        self.stride
    }

    fn push(&mut self, point: Point) {
        self.partial = if self.filled == 0 { point } else { self.partial.zip(&point, |a, b| a + b) };
        self.filled += 1;
        if self.filled < self.stride {
            return;
        }
        let scale = 1.0 / self.filled as f32;
        self.points.push(self.partial.zip(&self.partial, |a, _| a * scale));
        self.filled = 0;
        if self.points.len() >= POINTS {
            self.points = self.points.chunks(2).map(|pair| pair[0].zip(&pair[1], |a, b| (a + b) / 2.0)).collect();
            self.stride *= 2;
        }
    }
}

/// The alphas at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Search steps done by then.
    pub steps: usize,
    /// The epoch, from 0.
    pub epoch: usize,
    /// The alphas.
    pub alphas: Matrices,
    /// The entropy in bits of each edge's distribution over the ops, those of the first kind of cell first.
    pub entropy: Vec<f32>,
    /// Kept when others are let go: the derived cells changed here, somebody changed the search, or an epoch ended.
    marked: bool,
}

impl Frame {
    fn new(steps: usize, epoch: usize, alphas: Matrices, marked: bool) -> Self {
        let entropy = alphas.softmax().rows().map(|row| entropy(row)).collect();
        Self { steps, epoch, alphas, entropy, marked }
    }
}

/// The entropy of a distribution in bits: 3 for eight ops that count the same, 0 where one has all the weight.
pub fn entropy(weights: &[f32]) -> f32 {
    -weights.iter().filter(|&&weight| weight > 0.0).map(|weight| weight * weight.log2()).sum::<f32>()
}

/// The alphas over time in bounded memory: whenever there are too many moments, every second one that is not marked goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Frames {
    frames: Vec<Frame>,
    stride: usize,
    since: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self { frames: Vec::new(), stride: 1, since: 0 }
    }
}

impl Frames {
    /// The moments in order; the last one is the latest.
    pub fn all(&self) -> &[Frame] {
        &self.frames
    }

    /// The place of the last moment at which no more than `steps` were done.
    pub fn at(&self, steps: usize) -> Option<usize> {
        let after = self.frames.partition_point(|frame| frame.steps <= steps);
        after.checked_sub(1).or((!self.frames.is_empty()).then_some(0))
    }

    fn push(&mut self, frame: Frame) {
        // The latest moment is always there; it stays if it is marked, or as many have passed as are passed over.
        if let Some(last) = self.frames.last()
            && self.frames.len() > 1
            && !last.marked
            && (self.since < self.stride || last.steps == frame.steps)
        {
            self.frames.pop();
        } else {
            self.since = 0;
        }
        self.since += 1;
        self.frames.push(frame);
        if self.frames.len() >= FRAMES {
            let thin = |frames: &mut Vec<Frame>, marks: bool| {
                let (mut i, last) = (0, frames.len() - 1);
                frames.retain(|frame| {
                    i += 1;
                    (i - 1) % 2 == 0 || i - 1 == last || (marks && frame.marked)
                });
            };
            thin(&mut self.frames, true);
            if self.frames.len() > FRAMES * 3 / 4 {
                thin(&mut self.frames, false);
            }
            self.stride *= 2;
        }
    }
}

/// What the pictures show: the alphas at one moment and all that follows from them.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// Search steps done.
    pub steps: usize,
    /// The epoch, from 0.
    pub epoch: usize,
    /// The alphas.
    pub alphas: Matrices,
    /// Their softmax.
    pub weights: Matrices,
    /// The cells that would be derived.
    pub genotype: Cells,
    /// The entropy of each edge in bits, those of the first kind of cell first.
    pub entropy: Vec<f32>,
}

impl Run {
    /// The moment when `at` steps were done, the latest one without; as it would be with these changes to its alphas.
    pub fn moment(&self, at: Option<usize>, what_if: &[Steering]) -> Option<Moment> {
        let frames = self.frames.all();
        let frame = match at {
            Some(steps) => frames.get(self.frames.at(steps)?)?,
            None => frames.last()?,
        };
        let mut alphas = frame.alphas.clone();
        let mut held = Held::new();
        for change in what_if {
            alphas.steer(*change, &mut held);
        }
        let weights = alphas.softmax();
        let entropy = weights.rows().map(|row| entropy(row)).collect();
        let genotype = alphas.cells();
        Some(Moment { steps: frame.steps, epoch: frame.epoch, alphas, weights, genotype, entropy })
    }
}

impl Run {
    /// The run that these events tell.
    pub fn replay<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut run = Self::default();
        for event in events {
            run.apply(event);
        }
        run
    }

    /// Takes in the next event.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Started {
                config,
                adapter,
                backend,
                parameters,
                weight_images,
                alpha_images,
                steps_per_epoch,
                alphas,
            } => {
                let (adapter, backend) = (adapter.clone(), backend.clone());
                let plan = Plan::Images {
                    config: config.clone(),
                    weight_images: *weight_images,
                    alpha_images: *alpha_images,
                    steps_per_epoch: *steps_per_epoch,
                };
                let alphas = Matrices::Convolutional(alphas.clone());
                self.start(Started { plan, adapter, backend, parameters: *parameters, alphas });
            }
            Event::RecurrentStarted {
                config,
                adapter,
                backend,
                parameters,
                vocabulary,
                train_words,
                valid_words,
                alphas,
                ..
            } => {
                let (adapter, backend) = (adapter.clone(), backend.clone());
                let plan = Plan::Text {
                    config: config.clone(),
                    vocabulary: *vocabulary,
                    train_words: *train_words,
                    valid_words: *valid_words,
                };
                let alphas = Matrices::Recurrent(alphas.clone());
                self.start(Started { plan, adapter, backend, parameters: *parameters, alphas });
            }
            Event::Step { epoch, step, weights, alphas, seconds, architecture, .. } => {
                let batch = match self.started.as_ref().map(|started| &started.plan) {
                    Some(Plan::Images { config, .. }) => config.batch_size,
                    _ => 0,
                };
                let architecture = architecture.clone().map(Matrices::Convolutional);
                self.step((*epoch, *step), [*weights, *alphas], architecture, (2 * batch, *seconds));
            }
            Event::RecurrentStep { epoch, step, words, weights, alphas, seconds, architecture, .. } => {
                let halves = [weights, alphas].map(of_words);
                let architecture = architecture.clone().map(Matrices::Recurrent);
                self.step((*epoch, *step), halves, architecture, (2 * words, *seconds));
            }
            Event::Epoch { epoch, weights, alphas, architecture, curvature, .. } => {
                self.epoch = *epoch;
                self.set_alphas(&Matrices::Convolutional(architecture.clone()), true);
                let (weights, alphas, curvature) = (*weights, *alphas, *curvature);
                self.epochs.push(EpochEnd { steps: self.steps, weights, alphas, valid: None, curvature });
            }
            Event::RecurrentEpoch { epoch, weights, alphas, valid, architecture, .. } => {
                self.epoch = *epoch;
                self.set_alphas(&Matrices::Recurrent(architecture.clone()), true);
                let [weights, alphas] = [weights, alphas].map(of_words);
                let (steps, valid) = (self.steps, Some(valid.loss));
                self.epochs.push(EpochEnd { steps, weights, alphas, valid, curvature: None });
            }
            Event::Sampled { step, temperature, seed, text } => {
                if self.samples.len() == MARKS {
                    self.samples.pop_front();
                }
                let (temperature, seed, text) = (*temperature, *seed, text.clone());
                self.samples.push_back(Sample { steps: *step, temperature, seed, text });
            }
            Event::Steered { step, steering, architecture } => {
                self.steer(*step, *steering, &Matrices::Convolutional(architecture.clone()));
            }
            Event::RecurrentSteered { step, steering, architecture } => {
                self.steer(*step, *steering, &Matrices::Recurrent(architecture.clone()));
            }
            Event::Finished { architecture, seconds, .. } => {
                self.set_alphas(&Matrices::Convolutional(architecture.clone()), true);
                self.end = Some(End::Finished { seconds: *seconds });
            }
            Event::RecurrentFinished { architecture, seconds, .. } => {
                self.set_alphas(&Matrices::Recurrent(architecture.clone()), true);
                self.end = Some(End::Finished { seconds: *seconds });
            }
            Event::Failed { message } => self.end = Some(End::Failed { message: message.clone() }),
            // The page shows searches.
            Event::TrainStarted { .. }
            | Event::TrainStep { .. }
            | Event::TrainEpoch { .. }
            | Event::Unreadable { .. }
            | Event::Evaluated { .. }
            | Event::TrainFinished { .. }
            | Event::TextTrainStarted { .. }
            | Event::TextTrainStep { .. }
            | Event::TextTrainEpoch { .. }
            | Event::TextTrainFinished { .. } => {}
        }
    }

    fn start(&mut self, started: Started) {
        let (alphas, course) = (started.alphas.clone(), started.plan.course());
        *self = Self { started: Some(started), course, ..Self::default() };
        self.set_alphas(&alphas, true);
    }

    /// Somebody changed it when so many steps were done, and it has these alphas then.
    fn steer(&mut self, step: usize, steering: Steering, alphas: &Matrices) {
        self.steps = step;
        if self.steered.len() == MARKS {
            self.steered.pop_front();
        }
        self.steered.push_back((step, steering));
        match steering {
            Steering::Rates { weights, alphas } => {
                (self.course.weight_rate, self.course.alpha_rate) = (weights, alphas);
            }
            Steering::Order { order } => self.course.order = order,
            Steering::Freeze { frozen } => self.course.frozen = frozen,
            Steering::Pin { .. } | Steering::Prune { .. } | Steering::Release { .. } | Steering::Nudge { .. } => {}
        }
        self.set_alphas(alphas, true);
    }

    /// A step with its losses of both halves, its alphas where they are told, and what went through the supernet in how
    /// many seconds.
    fn step(
        &mut self,
        (epoch, step): (usize, usize),
        [weights, alphas]: [Measure; 2],
        architecture: Option<Matrices>,
        speed: (usize, f64),
    ) {
        self.epoch = epoch;
        self.steps = step + 1;
        if let Some(architecture) = architecture {
            self.set_alphas(&architecture, false);
        }
        let shares = self.alphas.as_ref().map(shares).unwrap_or_default();
        let point = Point { step: self.steps as f32, weights, alphas, shares };
        self.series.push(point);
        self.last = Some(point);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(speed);
    }

    /// What is searched, once that is known.
    pub fn task(&self) -> Option<Task> {
        self.started.as_ref().map(|started| started.alphas.task())
    }

    /// Images or words of both halves through the supernet for each second, over the latest steps.
    pub fn speed(&self) -> Option<f64> {
        let (count, seconds) = self.recent.iter().fold((0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (seconds > 0.0 && count > 0).then(|| count as f64 / seconds)
    }

    /// Steps of the whole search, where that is settled beforehand: those on text are of different lengths.
    pub fn total_steps(&self) -> Option<usize> {
        match self.started.as_ref()?.plan {
            Plan::Images { ref config, steps_per_epoch, .. } => Some(steps_per_epoch.saturating_mul(config.epochs)),
            Plan::Text { .. } => None,
        }
    }

    /// The text written last when `at` steps were done; the latest without.
    pub fn sample(&self, at: Option<usize>) -> Option<&Sample> {
        self.samples.iter().rev().find(|sample| at.is_none_or(|at| sample.steps <= at))
    }

    /// The step of the curves that is nearest.
    pub fn point_at(&self, steps: f64) -> Option<&Point> {
        let points = self.series.points();
        let after = points.partition_point(|p| f64::from(p.step) < steps);
        let before = after.checked_sub(1).and_then(|i| points.get(i));
        match (before, points.get(after)) {
            (Some(a), Some(b)) if steps - f64::from(a.step) <= f64::from(b.step) - steps => Some(a),
            (a, b) => b.or(a),
        }
    }

    /// The curves as a table, a line a point: step, then loss and accuracy or perplexity of both halves, then the share of
    /// each op.
    pub fn csv(&self) -> String {
        use std::fmt::Write;
        let task = self.task().unwrap_or_default();
        let second = if task == Task::Recurrent { "perplexity" } else { "accuracy" };
        let mut text = format!("step,train_loss,train_{second},validation_loss,validation_{second}");
        for kind in task.kinds() {
            for op in task.ops() {
                let _ = write!(text, ",{}_{}", kind.name(), op.name());
            }
        }
        text.push('\n');
        for point in self.series.points() {
            let _ = write!(text, "{}", point.step);
            for half in [point.weights, point.alphas] {
                let second = if task == Task::Recurrent { perplexity(half.loss) } else { half.accuracy };
                let _ = write!(text, ",{},{second}", half.loss);
            }
            for kind in task.kinds() {
                for share in &point.shares[kind.place()][..kind.op_count()] {
                    let _ = write!(text, ",{share}");
                }
            }
            text.push('\n');
        }
        text
    }

    /// The entropy of each edge over time as a table: steps done, then a column an edge in bits.
    pub fn entropy_csv(&self) -> String {
        use std::fmt::Write;
        let mut text = "step".to_owned();
        for kind in self.task().unwrap_or_default().kinds() {
            for edge in 0..kind.edge_count() {
                let _ = write!(text, ",{}_{edge}", kind.name());
            }
        }
        text.push('\n');
        for frame in self.frames.all() {
            let _ = write!(text, "{}", frame.steps);
            for bits in &frame.entropy {
                let _ = write!(text, ",{bits}");
            }
            text.push('\n');
        }
        text
    }

    fn set_alphas(&mut self, alphas: &Matrices, marked: bool) {
        let genotype = alphas.cells();
        let changed = self.genotype.as_ref().is_some_and(|known| !known.same(&genotype));
        if changed && self.changes.back() != Some(&self.steps) {
            if self.changes.len() == MARKS {
                self.changes.pop_front();
            }
            self.changes.push_back(self.steps);
        }
        if self.alphas.as_ref() != Some(alphas) || self.frames.all().last().is_none_or(|f| f.steps != self.steps) {
            self.frames.push(Frame::new(self.steps, self.epoch, alphas.clone(), marked || changed));
        }
        self.genotype = Some(genotype);
        self.alphas = Some(alphas.clone());
    }
}

/// The perplexity of a loss in nats, as the engine has it.
pub fn perplexity(loss: f32) -> f32 {
    WordMeasure::new(loss).perplexity
}

fn of_words(measure: &WordMeasure) -> Measure {
    Measure { loss: measure.loss, accuracy: 0.0 }
}

/// Mean softmax weight of each op over the edges of each kind of cell.
fn shares(alphas: &Matrices) -> [[f32; OPS]; 2] {
    let weights = alphas.softmax();
    [0, 1].map(|place| {
        let rows = weights.task().kinds().get(place).map_or(&[][..], |&kind: &Kind| weights.of(kind));
        std::array::from_fn(|op| rows.iter().filter_map(|row| row.get(op)).sum::<f32>() / rows.len().max(1) as f32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use darts_engine::{
        intervention::SteeredCell,
        space::{Alphas, EDGES, Genotype, RecurrentAlphas, RecurrentGenotype, RecurrentOp},
    };

    fn alphas(favourite: usize) -> Alphas {
        let flat: Vec<f32> = (0..2 * EDGES * OPS).map(|i| if i % OPS == favourite { 1.0 } else { 0.0 }).collect();
        Alphas::from_flat(&flat)
    }

    fn started(epochs: usize) -> Event {
        Event::Started {
            config: SearchConfig { epochs, batch_size: 8, ..SearchConfig::default() },
            adapter: "an adapter".into(),
            backend: "WebGPU".into(),
            parameters: 10,
            weight_images: 80,
            alpha_images: 80,
            steps_per_epoch: 10,
            alphas: alphas(4),
        }
    }

    fn step(step: usize, architecture: Option<Alphas>) -> Event {
        Event::Step {
            epoch: step / 10,
            step,
            weights: Measure { loss: step as f32, accuracy: 0.5 },
            alphas: Measure { loss: 2.0, accuracy: 0.25 },
            gradient_norm: 1.0,
            seconds: 0.5,
            architecture,
        }
    }

    #[test]
    fn a_run_is_what_its_events_say() {
        let mut events = vec![started(2), step(0, None), step(1, Some(alphas(3)))];
        let run = Run::replay(&events);
        assert_eq!((run.steps, run.epoch, run.series.points().len()), (2, 0, 2));
        assert_eq!(run.speed(), Some(32.0));
        assert_eq!(run.total_steps(), Some(20));
        assert_eq!(run.changes, [2]);
        assert_eq!(run.genotype.as_ref().unwrap().skips(), [8, 8]);
        let share = run.last.unwrap().shares[0];
        assert!((share.iter().sum::<f32>() - 1.0).abs() < 1e-6 && share[3] > share[4]);

        events.push(Event::Failed { message: "the device was lost".into() });
        let run = Run::replay(&events);
        assert_eq!(run.end, Some(End::Failed { message: "the device was lost".into() }));
        assert_eq!(run.steps, 2, "what was shown stays");

        let again = Run::replay(events.iter().chain([&started(1)]));
        assert_eq!(again, Run::replay(&[started(1)]), "a new start forgets the old run");
    }

    #[test]
    fn the_alphas_of_every_moment_can_be_looked_at() {
        let favourite = |i: usize| if i < 12 { 4 } else { 3 };
        let mut events = vec![started(2)];
        events.extend((0..20).map(|i| step(i, Some(alphas(favourite(i))))));
        events.push(Event::Steered { step: 20, steering: Steering::Freeze { frozen: true }, architecture: alphas(3) });
        let run = Run::replay(&events);
        assert_eq!(run.frames.all().len(), 21, "before the first step, and after each");
        for (steps, op) in [(0, 4), (1, 4), (12, 4), (13, 3), (20, 3), (99, 3)] {
            let frame = &run.frames.all()[run.frames.at(steps).unwrap()];
            assert_eq!((frame.steps, &frame.alphas), (steps.min(20), &Matrices::Convolutional(alphas(op))));
        }
        let moment = run.moment(Some(12), &[]).unwrap();
        assert_eq!((moment.steps, &moment.alphas), (12, &Matrices::Convolutional(alphas(4))));
        assert_eq!(moment.genotype, Cells::Convolutional(alphas(4).genotype()));
        let pin = Steering::Pin { cell: SteeredCell::Normal, edge: 0, op: Op::DilConv5x5.into() };
        let what_if = run.moment(Some(12), &[pin]).unwrap();
        let kept = what_if.genotype.kept(Kind::Normal)[0];
        assert_eq!((kept.op.name(), kept.state), (Op::DilConv5x5.name(), 0));
        assert_eq!(run.moment(None, &[]).unwrap().steps, 20);
        assert_eq!(run.changes, [13]);
        assert_eq!(run.steered, [(20, Steering::Freeze { frozen: true })]);
        assert!(run.course.frozen);
        let row = &run.frames.all()[3].alphas.softmax().of(Kind::Normal)[0].clone();
        assert!((run.frames.all()[3].entropy[0] - entropy(row)).abs() < 1e-6);
        assert_eq!((entropy(&[0.125; 8]), entropy(&[1.0, 0.0])), (3.0, 0.0));
        assert_eq!(run.csv().lines().count(), 21);
        assert!(run.csv().lines().all(|line| line.matches(',').count() == 20));
        assert_eq!(run.entropy_csv().lines().count(), 22);
    }

    #[test]
    fn a_long_run_keeps_its_marked_moments_in_bounded_memory() {
        let mut frames = Frames::default();
        let steps = 20 * FRAMES;
        for i in 0..steps {
            frames.push(Frame::new(i, 0, Matrices::Convolutional(alphas(4)), i % 1000 == 7));
            assert_eq!(frames.all().last().unwrap().steps, i);
        }
        assert!(frames.all().len() < FRAMES, "{}", frames.all().len());
        assert!(frames.all().len() > FRAMES / 4, "{}", frames.all().len());
        assert!(frames.all().is_sorted_by(|a, b| a.steps < b.steps));
        for mark in (7..steps).step_by(1000) {
            assert_eq!(frames.all()[frames.at(mark).unwrap()].steps, mark);
        }
        let gap = frames.all().windows(2).map(|pair| pair[1].steps - pair[0].steps).max().unwrap();
        assert!(gap <= 4 * steps / FRAMES, "{gap}");
        // Marks alone do not break the bound.
        let mut frames = Frames::default();
        (0..5 * FRAMES).for_each(|i| frames.push(Frame::new(i, 0, Matrices::Convolutional(alphas(4)), true)));
        assert!(frames.all().len() < FRAMES);
    }

    #[test]
    fn a_long_run_keeps_bounded_memory_and_its_means() {
        let mut series = Series::default();
        let steps = 3 * POINTS;
        for step in 1..=steps {
            let weights = Measure { loss: (step % 2) as f32, accuracy: 1.0 };
            series.push(Point { step: step as f32, weights, ..Point::default() });
        }
        assert_eq!(series.stride(), 4);
        assert_eq!(series.points().len(), steps / 4);
        assert!(series.points().iter().all(|p| p.weights.loss == 0.5 && p.weights.accuracy == 1.0));
        assert_eq!(series.points()[0].step, 2.5);
    }

    #[test]
    fn the_order_of_a_nodes_ops_is_no_change() {
        let a = alphas(4).genotype();
        let mut b = a.clone();
        b.normal.swap(0, 1);
        let cells = |genotype: &Genotype| Cells::Convolutional(genotype.clone());
        assert!(cells(&a).same(&cells(&b)));
        b.normal[0].0 = Op::SkipConnect;
        assert!(!cells(&a).same(&cells(&b)));
    }

    #[test]
    fn a_recurrent_run_is_what_its_events_say() {
        let alphas = |favourite: usize| {
            RecurrentAlphas::from_flat(
                &(0..180).map(|i| if i % 5 == favourite { 1.0 } else { 0.0 }).collect::<Vec<_>>(),
            )
        };
        let mut events = vec![Event::RecurrentStarted {
            config: RecurrentConfig { epochs: 2, ..RecurrentConfig::default() },
            adapter: "an adapter".into(),
            backend: "WebGPU".into(),
            parameters: 10,
            vocabulary: 50,
            train_words: 900,
            valid_words: 100,
            rows: 40,
            alphas: alphas(1),
        }];
        events.extend((0..4).map(|step| Event::RecurrentStep {
            epoch: step / 2,
            step,
            row: 20 * (step + 1),
            words: 320,
            weights: WordMeasure::new(4.0),
            alphas: WordMeasure::new(5.0),
            gradient_norm: 1.0,
            seconds: 0.5,
            architecture: Some(alphas(if step < 2 { 1 } else { 4 })),
        }));
        let sampled = |step, text: &str| Event::Sampled { step, temperature: 0.8, seed: 1, text: text.into() };
        events.insert(2, sampled(1, "the the"));
        events.push(sampled(4, "the cat"));
        events.push(Event::RecurrentEpoch {
            epoch: 1,
            weights: WordMeasure::new(4.0),
            alphas: WordMeasure::new(5.0),
            valid: WordMeasure::new(4.5),
            words_per_second: 1.0,
            seconds: 2.0,
            architecture: alphas(4),
            genotype: alphas(4).genotype(),
        });
        let run = Run::replay(&events);
        assert_eq!((run.task(), run.steps, run.epoch, run.total_steps()), (Some(Task::Recurrent), 4, 1, None));
        assert_eq!((run.speed(), run.changes.len()), (Some(1280.0), 1));
        assert_eq!(run.epochs[0].valid, Some(4.5));
        let text = |at| run.sample(at).map(|sample| sample.text.as_str());
        assert_eq!([text(None), text(Some(3)), text(Some(0))], [Some("the cat"), Some("the the"), None]);
        let moment = run.moment(None, &[]).unwrap();
        assert_eq!((moment.entropy.len(), moment.weights.of(Kind::Normal).len()), (36, 0));
        assert_eq!(
            moment.genotype,
            Cells::Recurrent(RecurrentGenotype {
                recurrent: vec![(RecurrentOp::Identity, 0); 8],
                concat: (1..=8).collect(),
            })
        );
        // What if its first edge were left only the sigmoid?
        let pin = Steering::Pin { cell: SteeredCell::Recurrent, edge: 0, op: RecurrentOp::Sigmoid.into() };
        let weights = run.moment(None, &[pin]).unwrap().weights;
        assert!(weights.at(Kind::Recurrent, 0, 3).unwrap() > 0.999_999);
        let csv = run.csv();
        assert!(csv.starts_with("step,train_loss,train_perplexity,"), "{csv}");
        assert!(csv.lines().all(|line| line.matches(',').count() == 9));
        assert!(csv.contains(&format!(",4,{},", 4.0f32.exp())));
        assert_eq!(run.entropy_csv().lines().next().unwrap().matches(',').count(), 36);
    }
}
