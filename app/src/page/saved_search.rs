//! The search that the browser saves, so that it can be resumed after a reload.

use super::{Page, Phase, RunSource, events::Part, files};
use crate::browser;
use darts_app::{
    messages::DataRequest,
    saved_search::{Manifest, SavedSearch},
    settings::Settings,
};
use darts_engine::event::Event;
use leptos::prelude::*;
use std::cell::{Cell, RefCell};
use wasm_bindgen_futures::spawn_local;
use web_sys::js_sys::{Reflect, Uint8Array};

/// The part of the log that is not saved yet.
#[derive(Default)]
struct Unsaved {
    lines: String,
    /// Whether it begins a search.
    fresh: bool,
}

thread_local! {
    static UNSAVED: RefCell<Unsaved> = const { RefCell::new(Unsaved { lines: String::new(), fresh: false }) };
    /// The initial settings of the page's search.
    static BEGAN_WITH: Cell<Option<Settings>> = const { Cell::new(None) };
}

/// Records the settings of a search that begins.
pub(super) fn begin_with(settings: Settings) {
    BEGAN_WITH.set(Some(settings));
}

/// Drops the part of the log that is not saved.
pub(super) fn drop_unsaved() {
    UNSAVED.take();
}

impl Page {
    /// Records an event of a search for the saved log.
    pub(super) fn log_event(self, event: &Event) {
        let part = Part::of(event);
        if self.source.get_untracked() != RunSource::Worker || !matches!(part, Part::Start | Part::Progress) {
            return;
        }
        let Ok(line) = serde_json::to_string(event) else { return };
        UNSAVED.with_borrow_mut(|unsaved| {
            if matches!(part, Part::Start) {
                *unsaved = Unsaved { lines: String::new(), fresh: true };
            }
            unsaved.lines.push_str(&line);
            unsaved.lines.push('\n');
        });
    }

    /// Saves the search in the browser, as it is now.
    pub(super) fn save_search(self, checkpoint: &[u8]) {
        let Some(settings) = BEGAN_WITH.get() else { return };
        let own = files::own_text().filter(|_| settings.uses_own_text());
        let manifest = Manifest::new(
            settings.to_fragment(),
            self.images.with_untracked(|images| images.as_ref().map(|images| images.data)).unwrap_or_default(),
            own.as_ref().map(|own| own.name.clone()),
            self.run.with_untracked(|run| run.steps),
        );
        let Ok(manifest) = serde_json::to_string(&manifest) else { return };
        let Unsaved { lines, fresh } = UNSAVED.take();
        let checkpoint = Uint8Array::from(checkpoint);
        // The text does not change, so it is saved once.
        let text = own.filter(|_| fresh).map(|own| Uint8Array::from(own.bytes.as_slice()));
        spawn_local(async move {
            // A browser that cannot save, or has no room, is no reason to stop.
            if let Err(error) = browser::save_search(&manifest, &checkpoint, &lines, fresh, text).await {
                web_sys::console::warn_1(&error);
            }
        });
    }

    /// Deletes the saved search.
    pub fn delete_saved_search(self) {
        self.saved_search.set(None);
        drop_unsaved();
        spawn_local(async {
            if let Err(error) = browser::delete_saved_search().await {
                web_sys::console::warn_1(&error);
            }
        });
    }

    /// Looks for a saved search; an unreadable one is deleted.
    pub(super) fn find_saved_search(self) {
        spawn_local(async move {
            let Ok(found) = browser::saved_search().await else { return };
            let field = |name: &str| Reflect::get(&found, &name.into()).ok();
            let (Some(manifest), Some(log), Some(checkpoint)) = (field("about"), field("log"), field("checkpoint"))
            else {
                return;
            };
            let (Some(manifest), Some(log)) = (manifest.as_string(), log.as_string()) else { return };
            let text = field("text").filter(|text| !text.is_undefined()).map(|text| Uint8Array::new(&text).to_vec());
            match SavedSearch::read(&manifest, &log, Uint8Array::new(&checkpoint).to_vec(), text) {
                Ok(saved) => self.saved_search.set(Some(saved)),
                Err(problem) => {
                    self.report_error(format!("The saved search cannot be read and was deleted: {problem}."));
                    self.delete_saved_search();
                }
            }
        });
    }

    /// Resumes the saved search, paused at first.
    pub fn resume_saved_search(self) {
        let Some(SavedSearch { settings, request, run, checkpoint }) = self.saved_search.get_untracked() else {
            return;
        };
        self.reset();
        if let DataRequest::Text { own: Some(own), .. } = &request.data {
            self.own_text.set(Some(own.name.clone()));
            files::set_own_text(own.clone());
        }
        self.settings.set(settings);
        self.run.set(run);
        self.phase.set(Phase::Paused);
        self.start_in_worker(settings, request, Some(checkpoint), true);
    }
}
