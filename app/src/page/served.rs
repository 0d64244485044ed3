//! A page served by the command line, with a search that runs there or a recorded run.

use super::{Page, Phase, RunSource};
use crate::browser;
use darts_app::{describe::sentence, messages::Activity, recording::Reader};
use darts_engine::intervention::Control;
use leptos::prelude::*;
use wasm_bindgen::{JsValue, closure::Closure};
use wasm_bindgen_futures::spawn_local;

/// Content of the head of this page as the command line serves it.
fn served(name: &str) -> Option<String> {
    let found = document().query_selector(&format!("meta[name=darts-{name}]")).ok().flatten()?;
    found.get_attribute("content")
}

impl Page {
    /// Opens the search or the recorded run that the server offers, if any.
    pub(super) fn open_served(self) {
        match (served("events"), served("recording")) {
            (Some(address), _) => self.listen(&address),
            (_, Some(address)) => {
                self.open_recording(JsValue::from_str(&address), served("name").unwrap_or(address), None);
            }
            _ => {}
        }
    }

    /// Listens to the events of a command-line search.
    fn listen(self, address: &str) {
        self.source.set(RunSource::Served);
        self.phase.set(Phase::Running);
        let on_event = Closure::<dyn FnMut(String)>::new(move |line: String| self.apply_line(line));
        let on_state = Closure::<dyn FnMut(String)>::new(move |state: String| self.take_state(state == "holding"));
        let on_refusal = Closure::<dyn FnMut(String)>::new(move |reason: String| self.report_error(sentence(&reason)));
        let on_loss = Closure::<dyn FnMut()>::new(move || {
            if self.phase.get_untracked().is_live() {
                self.activity.set(None);
                self.phase.set(Phase::Failed);
                self.report_error("The search no longer responds; its results so far stay on the page.".into());
            }
        });
        browser::listen(address, &on_event, &on_state, &on_refusal, &on_loss);
        on_event.forget();
        on_state.forget();
        on_refusal.forget();
        on_loss.forget();
    }

    /// Applies a line of the log of the search.
    fn apply_line(self, line: String) {
        let (mut event, line) = (None, line + "\n");
        let mut reader = Reader::going_on();
        match reader.feed(line.as_bytes(), |read| event = Some(read)) {
            Ok(()) => event.into_iter().for_each(|event| self.apply_event(&event)),
            Err(problem) => self.report_error(format!("The search sent an unreadable event: {}.", problem.problem)),
        }
    }

    fn take_state(self, paused: bool) {
        self.activity.set(Some(if paused { Activity::Holding } else { Activity::Stepping }));
        if self.phase.get_untracked().is_live() {
            self.phase.set(if paused { Phase::Paused } else { Phase::Running });
        }
    }

    /// Sends a command to the command-line search.
    pub(super) fn control_served(self, control: &Control) {
        let Some(address) = served("control") else { return };
        let Ok(body) = serde_json::to_string(control) else { return };
        spawn_local(async move {
            if let Some(problem) = browser::send(&address, &body).await.as_string() {
                self.report_error(sentence(&problem));
            }
        });
    }
}
