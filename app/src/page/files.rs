//! Files that the user opens or drops on the page: logs of runs, cells in any form, texts to learn.

use super::{FilePurpose, Page};
use crate::browser;
use darts_app::{
    cells::{Cells, Task},
    import::{parse_cells, text_problem},
    messages::{OwnText, TextChoice},
    share_link::ComparedCells,
};
use leptos::prelude::*;
use std::cell::RefCell;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::js_sys::Uint8Array;

/// Limit of the user's own text, in bytes.
const MAX_TEXT: f64 = 16e6;
/// Limit of a file of cells, in bytes.
const MAX_CELLS: f64 = (1 << 20) as f64;

thread_local! {
    static OWN_TEXT: RefCell<Option<OwnText>> = const { RefCell::new(None) };
}

/// The user's own text, if any.
pub(super) fn own_text() -> Option<OwnText> {
    OWN_TEXT.with_borrow(Clone::clone)
}

pub(super) fn set_own_text(text: OwnText) {
    OWN_TEXT.set(Some(text));
}

impl Page {
    /// Opens files that are dropped anywhere.
    pub(super) fn accept_dropped_files(self) {
        let over = window_event_listener(leptos::ev::dragover, |event| event.prevent_default());
        let dropped = window_event_listener(leptos::ev::drop, move |event| {
            event.prevent_default();
            if let Some(file) = event.data_transfer().and_then(|data| data.files()).and_then(|files| files.get(0)) {
                self.open_file(&file, FilePurpose::Show);
            }
        });
        std::mem::forget((over, dropped));
    }

    /// Reads a file: a log of events, cells in any form, or a text.
    pub fn open_file(self, file: &web_sys::File, purpose: FilePurpose) {
        let name = file.name();
        self.notices.set(Vec::new());
        if name.ends_with(".jsonl") && purpose != FilePurpose::Learn {
            return self.open_recording(file.clone().into(), name, Some(purpose));
        }
        let file = file.clone();
        spawn_local(async move {
            if let Err(problem) = self.read_file(&file, name, purpose).await {
                self.report_error(problem);
            }
        });
    }

    /// Reads a file of cells or a text.
    ///
    /// # Errors
    /// A sentence that names the file.
    async fn read_file(self, file: &web_sys::File, name: String, purpose: FilePurpose) -> Result<(), String> {
        // Cells may be in a text file, too.
        let may_be_text = purpose == FilePurpose::Learn || (purpose == FilePurpose::Show && name.ends_with(".txt"));
        if file.size() > if may_be_text { MAX_TEXT } else { MAX_CELLS } {
            let hint = match may_be_text {
                true => "a text may have at most 16 MB",
                false => "the log of a run is called events.jsonl, and a file of cells is smaller",
            };
            return Err(format!("{name} cannot be read: {hint}."));
        }
        let buffer = JsFuture::from(file.array_buffer()).await;
        let buffer = buffer.map_err(|error| format!("{name} cannot be read: {}.", browser::reason(&error)))?;
        let bytes = Uint8Array::new(&buffer).to_vec();
        match parse_cells(&String::from_utf8_lossy(&bytes), self.task.get_untracked()) {
            Ok(cells) if purpose == FilePurpose::Show => self.show_cells(cells),
            Ok(cells) if purpose == FilePurpose::Compare => {
                self.compare_if_alike(ComparedCells::Given(cells.clone()), &name, &cells);
            }
            _ if may_be_text => self.learn_from(name, bytes),
            Ok(_) => {}
            Err(problem) => return Err(format!("{name}: {problem}")),
        }
        Ok(())
    }

    /// Takes a text for the next search.
    fn learn_from(self, name: String, bytes: Vec<u8>) {
        if let Some(problem) = text_problem(&bytes) {
            return self.report_error(format!("{name} {problem}."));
        }
        self.reset();
        if !self.settings.with_untracked(|settings| settings.task.of_text()) {
            self.switch_task(Task::RECURRENT);
        }
        self.settings.update(|settings| settings.text = TextChoice::Own);
        self.own_text.set(Some(name.clone()));
        self.inform(format!("The next search learns from {name}: press start."));
        set_own_text(OwnText { name, bytes });
    }

    /// Compares the cells of a file with those shown, if they are of the same task.
    pub(super) fn compare_if_alike(self, compared: ComparedCells, name: &str, cells: &Cells) {
        match cells.task() == self.task.get_untracked() {
            true => self.compare(compared),
            false => self.report_error(format!(
                "{name} has cells of another search space, which cannot be compared with these."
            )),
        }
    }
}
