//! Interventions: the user's changes to a search while it runs.

use super::Page;
use darts_app::cells::{AnyOp, Kind};
use darts_engine::{
    config::Order,
    intervention::{Control, Intervention},
};
use leptos::prelude::*;

impl Page {
    /// Whether a search accepts interventions at the moment shown.
    pub fn takes_interventions(self) -> bool {
        self.phase.get().is_live() && self.cursor.get().is_none()
    }

    /// Keeps only this op on an edge.
    pub fn pin(self, kind: Kind, edge: usize, op: AnyOp) {
        self.intervene(Intervention::Pin { cell: kind.cell_name(), edge, op: op.op });
    }

    /// Removes an op from an edge.
    pub fn prune(self, kind: Kind, edge: usize, op: AnyOp) {
        self.intervene(Intervention::Prune { cell: kind.cell_name(), edge, op: op.op });
    }

    /// Adds to an alpha.
    pub fn nudge(self, kind: Kind, edge: usize, op: AnyOp, by: f32) {
        self.intervene(Intervention::Nudge { cell: kind.cell_name(), edge, op: op.op, by });
    }

    /// Undoes all pins and prunes of an edge.
    pub fn release(self, kind: Kind, edge: usize) {
        self.intervene(Intervention::Release { cell: kind.cell_name(), edge });
    }

    /// Changes the learning rates of the weights and the alphas, whatever moment is shown.
    pub fn set_rates(self, weights: f64, alphas: f64) {
        self.control(Control::Intervene { intervention: Intervention::Rates { weights, alphas } });
    }

    /// Changes the order of the architecture gradient, whatever moment is shown.
    pub fn set_order(self, order: Order) {
        self.control(Control::Intervene { intervention: Intervention::Order { order } });
    }

    /// Freezes or unfreezes the alphas, whatever moment is shown.
    pub fn freeze_alphas(self, frozen: bool) {
        self.control(Control::Intervene { intervention: Intervention::Freeze { frozen } });
    }

    /// Changes the search. If none runs, or a past moment is shown, the change is only tried out on the pictures.
    fn intervene(self, intervention: Intervention) {
        if untrack(move || self.takes_interventions()) {
            self.control(Control::Intervene { intervention });
        } else if self.run.with_untracked(|run| run.started.is_some()) {
            self.what_if.update(|tried| tried.push(intervention));
        }
    }
}
