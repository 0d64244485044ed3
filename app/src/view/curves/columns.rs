//! The values that the curves show, taken from a run.

use darts_app::{
    cells::Kind,
    chart::{Columns, MAX_POINTS},
    run::{EpochEnd, Point, Run},
};
use std::sync::Arc;

/// Takes the values of a plot from a run.
pub type ColumnsOf = Arc<dyn Fn(&Run) -> Columns + Send + Sync>;

/// Values of each step.
pub fn of_steps(values: Vec<fn(&Point) -> f32>) -> ColumnsOf {
    Arc::new(move |run| {
        let points = run.series.points();
        let column = |get: &fn(&Point) -> f32| points.iter().map(|point| f64::from(get(point))).collect();
        (points.iter().map(|point| f64::from(point.step)).collect(), values.iter().map(column).collect())
    })
}

/// Shares of the ops in a kind of cell at each step.
pub fn of_shares(kind: Kind) -> ColumnsOf {
    Arc::new(move |run| {
        let points = run.series.points();
        // As many points as are drawn; the lines are smooth already.
        let some = || points.iter().rev().step_by(points.len().div_ceil(MAX_POINTS).max(1)).rev();
        let column = |op: usize| some().map(|point| f64::from(point.share(kind, op))).collect();
        (some().map(|point| f64::from(point.step)).collect(), (0..kind.op_count()).map(column).collect())
    })
}

/// Entropy of each edge of a kind of cell over time.
pub fn of_entropy(kind: Kind) -> ColumnsOf {
    Arc::new(move |run| {
        let frames = run.frames.all();
        let (first, count) = (kind.rows().start, kind.edge_count());
        let some = || frames.iter().rev().step_by(frames.len().div_ceil(MAX_POINTS).max(1)).rev();
        let bits =
            |edge: usize| some().map(move |frame| f64::from(frame.entropy.get(first + edge).copied().unwrap_or(0.0)));
        (some().map(|frame| frame.steps as f64).collect(), (0..count).map(|edge| bits(edge).collect()).collect())
    })
}

/// A value at the end of each epoch that has it.
pub fn of_epochs(value: fn(&EpochEnd) -> Option<f32>) -> ColumnsOf {
    Arc::new(move |run| {
        let epochs = run.epochs.iter().filter_map(|epoch| Some((epoch.steps as f64, f64::from(value(epoch)?))));
        let (steps, values) = epochs.unzip();
        (steps, vec![values])
    })
}
