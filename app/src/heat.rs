//! Values of the heatmaps, and the range that their shades span.

use crate::{
    cells::{Kind, Matrices},
    run::{Moment, Run},
    share_link::HeatView,
};
use darts_engine::intervention::PRUNED;

/// Smallest span of the shades, so that a search's first noise does not look like a result.
const MIN_SPAN: f32 = 0.01;

/// Whether an op with this alpha was taken out of its edge.
pub fn is_pruned(alpha: f32) -> bool {
    alpha <= PRUNED
}

/// The values of all kinds of cell, with the range that the shades span.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatValues {
    values: Matrices,
    low: f32,
    high: f32,
    view: HeatView,
}

impl HeatValues {
    /// The values at a moment of a run.
    pub fn new(view: HeatView, run: &Run, moment: &Moment) -> Option<Self> {
        let started = run.started.as_ref()?;
        let values = match view {
            HeatView::Weights => moment.weights.clone(),
            HeatView::Alphas => moment.alphas.clone(),
            HeatView::Change => moment.weights.less(&started.alphas.softmax()),
        };
        let all = || values.rows().flatten().copied().filter(|&v| v.is_finite() && !is_pruned(v));
        let (low, high) = (all().fold(f32::INFINITY, f32::min), all().fold(f32::NEG_INFINITY, f32::max));
        let (low, high) = match view {
            HeatView::Change => {
                let most = low.abs().max(high.abs()).max(MIN_SPAN / 2.0);
                (-most, most)
            }
            HeatView::Weights | HeatView::Alphas => {
                let short = (MIN_SPAN - (high - low)).max(0.0) / 2.0;
                (low - short, high + short)
            }
        };
        Some(Self { values, low, high, view })
    }

    fn value(&self, kind: Kind, edge: usize, op: usize) -> f32 {
        self.values.at(kind, edge, op).unwrap_or(0.0)
    }

    /// Shade of a value from 0 to 1; a change is shaded by its size.
    pub fn shade(&self, kind: Kind, edge: usize, op: usize) -> f32 {
        let value = self.value(kind, edge, op);
        match self.view {
            HeatView::Change => (value.abs() / self.high).clamp(0.0, 1.0),
            HeatView::Weights | HeatView::Alphas => ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0),
        }
    }

    /// Whether a value is a change for the worse.
    pub fn falls(&self, kind: Kind, edge: usize, op: usize) -> bool {
        self.view == HeatView::Change && self.value(kind, edge, op) < 0.0
    }

    /// The values of an edge, in few characters each.
    pub fn row_texts(&self, kind: Kind, edge: usize) -> Option<Vec<String>> {
        Some(self.values.of(kind).get(edge)?.iter().map(|&value| self.text(value)).collect())
    }

    /// The least and the greatest value of the shades.
    pub fn bounds(&self) -> [String; 2] {
        [self.low, self.high].map(|value| self.text(value))
    }

    fn text(&self, value: f32) -> String {
        match self.view {
            HeatView::Weights => format!("{value:.3}"),
            HeatView::Alphas | HeatView::Change if is_pruned(value) => "out".into(),
            // No sign for values that round to zero.
            HeatView::Alphas | HeatView::Change if value.abs() < 5e-4 => "0".into(),
            // A sign takes the place of the zero before the point.
            HeatView::Alphas | HeatView::Change => {
                format!("{value:+.3}").replace("+0.", "+.").replace("-0.", "-.").replace('-', "\u{2212}")
            }
        }
    }
}
