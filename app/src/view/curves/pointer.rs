//! Answers of a plot to the pointer.

use crate::page::Page;
use darts_app::{cells::Kind, chart::PlotGeometry};
use leptos::{prelude::*, svg};

/// Distance at which a line still answers, in drawing units.
const REACH: f64 = 16.0;

/// A plot, and the state that the pointer over it changes.
#[derive(Clone, Copy)]
pub struct Pointer {
    pub page: Page,
    pub node: NodeRef<svg::Svg>,
    pub width: f64,
    pub geometry: Memo<PlotGeometry>,
    /// The edges of the lines.
    pub edges: StoredValue<Vec<Option<(Kind, usize)>>>,
    pub has_edges: bool,
    /// The step pointed at.
    pub at: RwSignal<Option<f64>>,
    /// Whether its steps are those of the run.
    pub timeline: bool,
}

impl Pointer {
    /// Position of an event in drawing units.
    fn position(&self, event: &web_sys::MouseEvent) -> Option<(f64, f64)> {
        let bounds = self.node.get_untracked()?.get_bounding_client_rect();
        let unit = self.width / bounds.width().max(1.0);
        Some((
            (f64::from(event.client_x()) - bounds.left()) * unit,
            (f64::from(event.client_y()) - bounds.top()) * unit,
        ))
    }

    fn nearest_edge(&self, (x, y): (f64, f64)) -> Option<(Kind, usize)> {
        self.geometry.with_untracked(|plot| {
            let index = plot.nearest(plot.axes.x?.value(x))?;
            let values = &plot.columns.1;
            let distance =
                |line: &usize| values[*line].get(index).map_or(f64::MAX, |value| (plot.axes.y(*value) - y).abs());
            let line = (0..values.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
            self.edges.with_value(|edges| edges[line]).filter(|_| distance(&line) < REACH)
        })
    }

    fn step(&self, x: f64) -> Option<f64> {
        let step = self.geometry.with_untracked(|plot| plot.axes.x.map(|scale| scale.value(x)));
        step.filter(|&step| step >= 0.0)
    }

    /// Points at a step, and at the edge of the nearest line.
    pub fn move_to(&self, event: &web_sys::MouseEvent) {
        let Some(position) = self.position(event) else { return };
        self.at.set(self.step(position.0));
        if self.has_edges {
            self.page.hovered.set(self.nearest_edge(position));
        }
    }

    pub fn leave(&self) {
        self.at.set(None);
        if self.has_edges {
            self.page.hovered.set(None);
        }
    }

    /// Selects the edge of the nearest line, or shows the moment.
    pub fn click(&self, event: &web_sys::MouseEvent) {
        let Some(position) = self.position(event).filter(|_| self.timeline) else { return };
        if let Some((kind, row)) = self.nearest_edge(position).filter(|_| self.has_edges) {
            return self.page.choose(kind, row);
        }
        let run = self.page.run;
        if let Some(step) = self.step(position.0).filter(|_| run.with_untracked(|run| run.started.is_some())) {
            let last = run.with_untracked(|run| run.steps);
            self.page.look_at(Some(step.round() as usize).filter(|&step| step < last));
        }
    }
}
