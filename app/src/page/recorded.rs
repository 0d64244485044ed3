//! Recorded runs, read in pieces, so that the page stays responsive.

use super::{FilePurpose, Page, Phase, RunSource, clock, events::DRAWN_EVERY, worker::run_number};
use crate::browser;
use darts_app::{describe::sentence, recording::Reader, run::Run, share_link::ComparedCells};
use darts_engine::event::Event;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::js_sys::Uint8Array;

/// Milliseconds of reading before the page gets a turn.
const TURN: f64 = 8.0;
/// Bytes read between looks at the clock.
const PIECE: usize = 1 << 14;

/// A log that is being read.
struct Recording {
    page: Page,
    /// Number of the run that was current when it was opened; reading stops once another is.
    number: u32,
    /// Whether it becomes the run of the page, instead of one apart.
    shown: bool,
    /// The run apart.
    apart: Run,
    /// Size in bytes, where it is known.
    size: Option<f64>,
    /// Bytes read.
    read: f64,
    /// Beginning of this turn, and the last drawing.
    turn: f64,
    drawn: f64,
}

impl Page {
    /// Reads the log of a run, to be shown or compared.
    pub(super) fn open_recording(self, source: JsValue, name: String, purpose: Option<FilePurpose>) {
        let shown = purpose != Some(FilePurpose::Compare);
        if shown {
            let at = self.cursor.get_untracked().filter(|_| self.run.with_untracked(|run| run.started.is_none()));
            self.reset();
            self.cursor.set(at);
            self.source.set(RunSource::Recording { name: name.clone(), reading: Some(0.0) });
            self.phase.set(Phase::Recorded);
        }
        let size = source.dyn_ref::<web_sys::File>().map(|file| file.size());
        let (number, turn, drawn) = (run_number(), clock(), clock());
        let mut recording =
            Recording { page: self, number, shown, apart: Run::default(), size, read: 0.0, turn, drawn };
        spawn_local(async move {
            let outcome = recording.read_all(&source).await;
            recording.finish(&name, outcome);
        });
    }
}

impl Recording {
    /// Whether nothing else has been opened or started since.
    fn is_current(&self) -> bool {
        run_number() == self.number
    }

    /// Reads until the log ends, or something else is current.
    ///
    /// # Errors
    /// A clause that names the problem.
    async fn read_all(&mut self, source: &JsValue) -> Result<(), String> {
        let unreadable = |error: JsValue| format!("it cannot be read: {}", browser::reason(&error));
        let pieces = browser::open_pieces(source).await.map_err(unreadable)?;
        let mut reader = Reader::default();
        (self.turn, self.drawn) = (clock(), clock());
        loop {
            let piece = browser::next_piece(&pieces).await.map_err(unreadable)?;
            if !self.is_current() {
                return Ok(());
            }
            if piece.is_undefined() {
                return reader.end().map_err(|problem| problem.to_string());
            }
            for bytes in Uint8Array::new(&piece).to_vec().chunks(PIECE) {
                reader.feed(bytes, |event| self.apply(&event)).map_err(|problem| problem.to_string())?;
                self.read += bytes.len() as f64;
                if clock() - self.turn > TURN {
                    self.draw();
                    browser::breathe().await;
                    if !self.is_current() {
                        return Ok(());
                    }
                    self.turn = clock();
                }
            }
        }
    }

    fn apply(&mut self, event: &Event) {
        match self.shown {
            true => self.page.run.update_untracked(|run| run.apply(event)),
            false => self.apart.apply(event),
        }
    }

    /// Draws what was read, now and then.
    fn draw(&mut self) {
        if !self.shown || clock() - self.drawn <= 8.0 * DRAWN_EVERY {
            return;
        }
        let (page, share) = (self.page, self.size.map_or(0.0, |size| self.read / size));
        // In a later turn, as this one has read.
        request_animation_frame(move || page.run.notify());
        page.source.update(|source| {
            if let RunSource::Recording { reading, .. } = source {
                *reading = Some(share);
            }
        });
        self.drawn = clock();
    }

    /// Shows or compares the run, and reports a problem with its end.
    fn finish(self, name: &str, outcome: Result<(), String>) {
        if !self.is_current() {
            return;
        }
        let page = self.page;
        if self.shown {
            page.run.notify();
            page.source.set(RunSource::Recording { name: name.to_owned(), reading: None });
        } else if let Some(cells) = self.apart.genotype {
            let compared = ComparedCells::Recorded { file: name.to_owned(), cells: cells.clone() };
            page.compare_if_alike(compared, name, &cells);
        }
        let Err(problem) = outcome else { return };
        let something = self.shown && page.run.with_untracked(|run| run.started.is_some());
        let rest = if something { " The part before it is shown." } else { "" };
        page.report_error(format!("{name}, {}{rest}", sentence(&problem)));
        if self.shown && !something {
            page.reset_keeping_notices();
        }
    }
}
