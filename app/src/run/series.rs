//! Steps over time.

use crate::cells::{Kind, Matrices};
use darts_engine::event::Measure;

/// Points of a series before its resolution is halved.
pub(super) const POINTS: usize = 4096;

/// One search step, or the mean over several neighbouring ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// Step over the whole search, from 1.
    pub step: f32,
    /// Train minibatch.
    pub train: Measure,
    /// Valid minibatch.
    pub valid: Measure,
    /// Mean op weights over the edges of each kind of cell, one kind after the other.
    shares: Vec<f32>,
}

impl Point {
    /// Point of a step after which these are the alphas.
    pub(super) fn new(step: f32, [train, valid]: [Measure; 2], alphas: Option<&Matrices>) -> Self {
        Self { step, train, valid, shares: alphas.map(shares).unwrap_or_default() }
    }

    /// Mean weight of an op over the edges of a kind of cell of the run.
    pub fn share(&self, kind: Kind, op: usize) -> f32 {
        let first: usize = kind.task().kinds()[..kind.place()].iter().map(|kind| kind.op_count()).sum();
        self.shares.get(first + op).copied().unwrap_or(0.0)
    }

    /// Point with every value replaced by that of `f` on both points' values.
    fn zip(&self, other: &Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let measure = |a: Measure, b: Measure| {
            let loss = f(a.loss, b.loss);
            Measure {
                loss,
                accuracy: a.accuracy.zip(b.accuracy).map(|(a, b)| f(a, b)),
                // The perplexity of the mean loss.
                perplexity: a.perplexity.and(b.perplexity).map(|_| perplexity(loss)),
            }
        };
        Self {
            step: f(self.step, other.step),
            train: measure(self.train, other.train),
            valid: measure(self.valid, other.valid),
            shares: self.shares.iter().zip(&other.shares).map(|(a, b)| f(*a, *b)).collect(),
        }
    }
}

/// Perplexity of a loss in nats, as the engine has it.
pub fn perplexity(loss: f32) -> f32 {
    Measure::words(loss).perplexity.unwrap_or_default()
}

/// Mean op weights over the edges of each kind of cell.
fn shares(alphas: &Matrices) -> Vec<f32> {
    let weights = alphas.softmax();
    let of_kind = |kind: Kind| {
        let rows = weights.of(kind);
        let mean = |op: usize| rows.iter().filter_map(|row| row.get(op)).sum::<f32>() / rows.len().max(1) as f32;
        (0..kind.op_count()).map(mean).collect::<Vec<_>>()
    };
    weights.task().kinds().into_iter().flat_map(of_kind).collect()
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
    /// Points, each the mean over [`Series::stride`] steps.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Steps of a point.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Point nearest to a step.
    pub fn nearest(&self, step: f64) -> Option<&Point> {
        let after = self.points.partition_point(|point| f64::from(point.step) < step);
        let before = after.checked_sub(1).and_then(|i| self.points.get(i));
        match (before, self.points.get(after)) {
            (Some(a), Some(b)) if step - f64::from(a.step) <= f64::from(b.step) - step => Some(a),
            (a, b) => b.or(a),
        }
    }

    pub(super) fn push(&mut self, point: Point) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_keeps_bounded_memory_and_its_means() {
        let mut series = Series::default();
        let steps = 3 * POINTS;
        for step in 1..=steps {
            let train = Measure::images((step % 2) as f32, 1.0);
            series.push(Point::new(step as f32, [train, Measure::words(1.0)], None));
        }
        assert_eq!(series.stride(), 4);
        assert_eq!(series.points().len(), steps / 4);
        let mean = [Measure::images(0.5, 1.0), Measure::words(1.0)];
        assert!(series.points().iter().all(|point| [point.train, point.valid] == mean));
        assert_eq!(series.points()[0].step, 2.5);
        assert_eq!(series.nearest(5.0).map(|point| point.step), Some(6.5));
        assert_eq!(series.nearest(1e9).map(|point| point.step), Some(steps as f32 - 1.5));
    }
}
