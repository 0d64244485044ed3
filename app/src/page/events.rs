//! Events of the search: folded into the run at once, drawn at the next frame.

use super::{Page, Phase, clock};
use darts_app::{describe::sentence, run::End};
use darts_engine::event::Event;
use leptos::prelude::*;
use std::cell::Cell;

/// Milliseconds between drawings while events arrive.
pub(super) const DRAWN_EVERY: f64 = 60.0;

thread_local! {
    static FRAME_DUE: Cell<bool> = const { Cell::new(false) };
    static CURVES_DUE: Cell<bool> = const { Cell::new(false) };
    static DRAWN_AT: Cell<f64> = const { Cell::new(0.0) };
}

/// The role of an event in the log of a search.
pub(super) enum Part<'a> {
    /// The first event.
    Start,
    /// Any event between the first and the last.
    Progress,
    /// The last event of a finished search.
    End,
    /// The last event of a failed search, with its error.
    Failure(&'a str),
    /// It belongs to a training run.
    None,
}

impl<'a> Part<'a> {
    pub(super) fn of(event: &'a Event) -> Self {
        match event {
            Event::Started { .. } => Self::Start,
            Event::Step { .. } | Event::Epoch { .. } | Event::Intervention { .. } | Event::Sampled { .. } => {
                Self::Progress
            }
            Event::Finished { .. } => Self::End,
            Event::Failed { message } => Self::Failure(message),
            _ => Self::None,
        }
    }
}

impl Page {
    /// Folds an event into the run, and draws it at the next frame.
    pub(super) fn apply_event(self, event: &Event) {
        self.run.update_untracked(|run| run.apply(event));
        self.log_event(event);
        match Part::of(event) {
            Part::End => {
                self.phase.set(Phase::Finished);
                self.delete_saved_search();
            }
            Part::Failure(message) => {
                self.phase.set(Phase::Failed);
                self.report_error(sentence(message));
            }
            Part::Start | Part::Progress | Part::None => {}
        }
        self.draw_soon();
    }

    /// Ends the run with an error that no event reports.
    pub(super) fn fail_run(self, message: String) {
        self.run.update(|run| run.end = Some(End::Failed { message: message.clone() }));
        self.phase.set(Phase::Failed);
        self.report_error(sentence(&message));
    }

    fn draw_soon(self) {
        if FRAME_DUE.replace(true) {
            return;
        }
        let draw = move || {
            request_animation_frame(move || {
                FRAME_DUE.set(false);
                DRAWN_AT.set(clock());
                self.run.notify();
            });
        };
        match DRAWN_EVERY - (clock() - DRAWN_AT.get()) {
            wait if wait > 1.0 => set_timeout(draw, std::time::Duration::from_secs_f64(wait / 1000.0)),
            _ => draw(),
        }
    }

    /// Notifies the curves a frame after each change of the run.
    pub(super) fn redraw_curves_after_run(self) {
        Effect::new(move || {
            self.run.track();
            if !CURVES_DUE.replace(true) {
                request_animation_frame(move || {
                    CURVES_DUE.set(false);
                    self.curves_due.notify();
                });
            }
        });
    }
}
