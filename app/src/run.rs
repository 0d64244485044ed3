//! A run as the page shows it: a pure fold over the engine's events, the same for a live search and a recorded file.

use darts_engine::{
    event::{Event, Measure},
    search::SearchConfig,
    space::{Alphas, CellKind, Genotype, Op},
};
use std::collections::VecDeque;

/// Points a series keeps before it halves its resolution.
const POINTS: usize = 4096;
/// Steps that the speed is averaged over.
const RECENT: usize = 16;
/// Ops of an edge.
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
    pub alphas: Option<Alphas>,
    /// How often the derived cells changed, and when: steps done at each change.
    pub changes: Vec<usize>,
    /// The cells that would be derived now.
    pub genotype: Option<Genotype>,
    /// How it ended.
    pub end: Option<End>,
    recent: VecDeque<f64>,
}

/// How a run began.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// Its hyper-parameters.
    pub config: SearchConfig,
    /// The adapter that computes.
    pub adapter: String,
    /// The adapter's interface.
    pub backend: String,
    /// Weights of the supernet.
    pub parameters: usize,
    /// Images of the weight half.
    pub weight_images: usize,
    /// Images of the alpha half.
    pub alpha_images: usize,
    /// Search steps of an epoch.
    pub steps_per_epoch: usize,
    /// The alphas before the first step.
    pub alphas: Alphas,
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
    /// Weight learning rate.
    pub learning_rate: f64,
    /// Images through the supernet for each second.
    pub images_per_second: f64,
    /// The alphas.
    pub architecture: Alphas,
    /// The cells that would be derived.
    pub genotype: Genotype,
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
    /// The weight half: loss and accuracy.
    pub weights: Measure,
    /// The alpha half: loss and accuracy.
    pub alphas: Measure,
    /// Mean softmax weight of each op over the edges: normal cells, then reduction cells.
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
                *self = Self {
                    started: Some(Started {
                        config: config.clone(),
                        adapter: adapter.clone(),
                        backend: backend.clone(),
                        parameters: *parameters,
                        weight_images: *weight_images,
                        alpha_images: *alpha_images,
                        steps_per_epoch: *steps_per_epoch,
                        alphas: alphas.clone(),
                    }),
                    genotype: Some(alphas.genotype()),
                    alphas: Some(alphas.clone()),
                    ..Self::default()
                };
            }
            Event::Step { epoch, step, weights, alphas, seconds, architecture, .. } => {
                self.epoch = *epoch;
                self.steps = step + 1;
                if let Some(architecture) = architecture {
                    self.set_alphas(architecture);
                }
                let shares = self.alphas.as_ref().map(shares).unwrap_or_default();
                let point = Point { step: self.steps as f32, weights: *weights, alphas: *alphas, shares };
                self.series.push(point);
                self.last = Some(point);
                if self.recent.len() == RECENT {
                    self.recent.pop_front();
                }
                self.recent.push_back(*seconds);
            }
            Event::Epoch {
                epoch, learning_rate, weights, alphas, images_per_second, architecture, genotype, ..
            } => {
                self.epoch = *epoch;
                self.set_alphas(architecture);
                self.epochs.push(EpochEnd {
                    steps: self.steps,
                    weights: *weights,
                    alphas: *alphas,
                    learning_rate: *learning_rate,
                    images_per_second: *images_per_second,
                    architecture: architecture.clone(),
                    genotype: genotype.clone(),
                });
            }
            Event::Finished { architecture, seconds, .. } => {
                self.set_alphas(architecture);
                self.end = Some(End::Finished { seconds: *seconds });
            }
            Event::Failed { message } => self.end = Some(End::Failed { message: message.clone() }),
            // The page shows searches.
            Event::TrainStarted { .. }
            | Event::TrainStep { .. }
            | Event::TrainEpoch { .. }
            | Event::Evaluated { .. }
            | Event::TrainFinished { .. }
            | Event::RecurrentStarted { .. }
            | Event::RecurrentStep { .. }
            | Event::RecurrentEpoch { .. }
            | Event::RecurrentFinished { .. }
            | Event::TextTrainStarted { .. }
            | Event::TextTrainStep { .. }
            | Event::TextTrainEpoch { .. }
            | Event::TextTrainFinished { .. } => {}
        }
    }

    /// Images of both halves through the supernet for each second, over the latest steps.
    pub fn images_per_second(&self) -> Option<f64> {
        let seconds: f64 = self.recent.iter().sum();
        let batch = self.started.as_ref()?.config.batch_size;
        (seconds > 0.0).then(|| (2 * batch * self.recent.len()) as f64 / seconds)
    }

    /// Steps of the whole search.
    pub fn total_steps(&self) -> Option<usize> {
        self.started.as_ref().map(|started| started.steps_per_epoch * started.config.epochs)
    }

    fn set_alphas(&mut self, alphas: &Alphas) {
        let genotype = alphas.genotype();
        if self.genotype.as_ref().is_some_and(|known| !same_cells(known, &genotype)) {
            self.changes.push(self.steps);
        }
        self.genotype = Some(genotype);
        self.alphas = Some(alphas.clone());
    }
}

/// Whether two genotypes are the same cells, whatever the order of a node's two ops.
fn same_cells(a: &Genotype, b: &Genotype) -> bool {
    let sorted = |ops: &[(Op, usize)]| -> Vec<_> {
        ops.chunks(2)
            .map(|pair| {
                let mut pair = pair.to_vec();
                pair.sort_by_key(|&(op, state)| (state, op));
                pair
            })
            .collect()
    };
    sorted(&a.normal) == sorted(&b.normal) && sorted(&a.reduce) == sorted(&b.reduce)
}

/// Mean softmax weight of each op over the edges of the normal and of the reduction cell.
fn shares(alphas: &Alphas) -> [[f32; OPS]; 2] {
    let weights = alphas.softmax();
    [CellKind::Normal, CellKind::Reduce].map(|kind| {
        let rows = weights.of(kind);
        std::array::from_fn(|op| rows.iter().map(|row| row[op]).sum::<f32>() / rows.len() as f32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use darts_engine::space::EDGES;

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
        assert_eq!(run.images_per_second(), Some(32.0));
        assert_eq!(run.total_steps(), Some(20));
        assert_eq!(run.changes, [2]);
        assert!(run.genotype.as_ref().unwrap().normal.iter().all(|&(op, _)| op == Op::SkipConnect));
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
        assert!(same_cells(&a, &b));
        b.normal[0].0 = Op::SkipConnect;
        assert!(!same_cells(&a, &b));
    }
}
