//! Rehearsals: the shaders of the next search are compiled before the user presses start.

use super::{EngineState, Page, Phase, control::search_request};
use darts_app::{
    messages::{Command, DataChoice},
    settings::Settings,
};
use leptos::prelude::*;
use std::cell::Cell;

/// Milliseconds without a change before the search of the settings is rehearsed.
const DELAY: u64 = 1000;

thread_local! {
    /// The latest sizes rehearsed.
    static REHEARSED: Cell<Option<Settings>> = const { Cell::new(None) };
    /// Number of changes so far.
    static CHANGES: Cell<u32> = const { Cell::new(0) };
}

/// Forgets which sizes were rehearsed: another worker has not compiled them.
pub(super) fn forget() {
    REHEARSED.set(None);
}

impl Page {
    /// Rehearses the search of the settings whenever the worker is idle.
    pub(super) fn rehearse_when_idle(self) {
        let idle = move || {
            let gpu = matches!(self.engine.get(), EngineState::Ready { cpu_reason: None, .. });
            gpu && self.phase.get() == Phase::Idle && self.race.with(Option::is_none) && !self.shows_benchmark
        };
        Effect::new(move || {
            let settings = self.settings.get();
            // No shader depends on these.
            let sizes =
                Settings { seed: 0, epochs: 1, images: 0, data: DataChoice::Cifar10, curvature: false, ..settings };
            let changes = CHANGES.get().wrapping_add(1);
            CHANGES.set(changes);
            if !idle() || REHEARSED.get() == Some(sizes) {
                return;
            }
            let begin = move || {
                let Ok(request) = search_request(settings) else { return };
                if CHANGES.get() == changes && untrack(idle) {
                    REHEARSED.set(Some(sizes));
                    self.send(Command::Rehearse { request });
                }
            };
            set_timeout(begin, std::time::Duration::from_millis(DELAY));
        });
    }
}
