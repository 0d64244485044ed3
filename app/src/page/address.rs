//! The address of the page: share links, and keeping the fragment and the view state the same.

use super::{Page, clock};
use darts_app::share_link::{ShareLink, ViewState};
use leptos::prelude::*;
use wasm_bindgen::JsValue;

/// Minimum time between changes of the address, in milliseconds.
const WRITTEN_EVERY: f64 = 300.0;

impl Page {
    /// The fragment of the current view; `with_cells` for users without the run.
    pub fn address(self, with_cells: bool) -> String {
        let cell = if with_cells { self.genotype.get() } else { self.given.get() };
        let at = if with_cells { None } else { self.cursor.get() };
        let (cells, heat, compared) = (self.cell_view.get(), self.heat_view.get(), self.compared.get());
        let view = ViewState { cells, heat, at, cell, compared };
        format!("#{}", ShareLink { settings: self.settings.get(), view }.to_fragment())
    }

    /// The whole address of the current view, untracked.
    pub fn share_link(self, with_cells: bool) -> String {
        let address = window().location().href().unwrap_or_default();
        let base = address.split('#').next().unwrap_or_default();
        base.to_owned() + &untrack(move || self.address(with_cells))
    }

    /// Synchronises the address and the view, in both directions.
    pub(super) fn sync_address(self) {
        self.write_address();
        let handle = window_event_listener(leptos::ev::hashchange, move |_| self.read_address());
        std::mem::forget(handle);
    }

    fn write_address(self) {
        let (written, latest) = (StoredValue::new(String::new()), StoredValue::new(String::new()));
        let at = StoredValue::new(f64::NEG_INFINITY);
        Effect::new(move || {
            // During a replay, the moment is not worth a place in the address.
            if self.playing.get() {
                return;
            }
            latest.set_value(self.address(false));
            let write = move || {
                let code = latest.get_value();
                if let Some(history) = window().history().ok().filter(|_| written.get_value() != code) {
                    let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&code));
                    written.set_value(code);
                    at.set_value(clock());
                }
            };
            // A browser limits the number of changes a minute.
            match WRITTEN_EVERY - (clock() - at.get_value()) {
                wait if wait > 0.0 => set_timeout(write, std::time::Duration::from_secs_f64(wait / 1000.0)),
                _ => write(),
            }
        });
    }

    fn read_address(self) {
        let fragment = window().location().hash().unwrap_or_default();
        let (ShareLink { settings, view }, problems) = ShareLink::from_fragment(&fragment);
        for problem in problems {
            self.report_error(problem + " The default is used.");
        }
        if settings != self.settings.get_untracked() {
            self.reset();
            self.settings.set(settings);
        }
        self.cell_view.set(view.cells);
        self.heat_view.set(view.heat);
        self.cursor.set(view.at);
        self.given.set(view.cell);
        self.compared.set(view.compared);
    }
}
