//! Starting, pausing, stepping and resetting the search.

use super::{BenchState, EngineState, Page, Phase, RunSource, files, saved_search, worker};
use darts_app::{
    describe::sentence,
    messages::{Command, DataRequest, SearchRequest},
    run::Run,
    settings::Settings,
};
use darts_engine::{
    config::{AnySearchConfig, Kernels, Order, SearchConfig},
    intervention::Control,
};
use leptos::prelude::*;

/// Steps of each kind that a benchmark times.
pub(super) const BENCH_STEPS: usize = 3;
/// Words that a network writes at a time.
const WRITTEN_WORDS: usize = 60;

/// The search that these settings describe, or an error if there is none.
pub(super) fn search_request(settings: Settings) -> Result<SearchRequest, String> {
    let config = settings.search_config();
    let config = config.ok_or_else(|| format!("this page cannot start {} searches", settings.task.name()))?;
    config.check().map_err(|error| error.to_string())?;
    if let AnySearchConfig::Convolutional(config) = &config {
        config.split(settings.images).map_err(|error| error.to_string())?;
    }
    if !settings.task.of_text() {
        return Ok(SearchRequest { config, data: DataRequest::Images { choice: settings.data } });
    }
    let own = files::own_text().filter(|_| settings.uses_own_text());
    if settings.uses_own_text() && own.is_none() {
        let text = "These settings need a text file: drop one on the page, or choose The Moonstone.";
        return Err(text.into());
    }
    Ok(SearchRequest { config, data: DataRequest::Text { words: settings.words, own } })
}

impl Page {
    /// Starts a search with the settings of the top bar, paused or not; reports invalid settings instead.
    fn start(self, paused: bool) -> bool {
        let settings = self.settings.get_untracked();
        self.notices.set(Vec::new());
        match search_request(settings) {
            Ok(request) => {
                self.clear_run();
                self.start_in_worker(settings, request, None, paused);
                true
            }
            Err(problem) => {
                self.report_error(sentence(&problem));
                false
            }
        }
    }

    /// Starts a search in the worker, or resumes one from its checkpoint.
    pub(super) fn start_in_worker(
        self,
        settings: Settings,
        request: SearchRequest,
        checkpoint: Option<Vec<u8>>,
        paused: bool,
    ) {
        self.ensure_connected();
        saved_search::begin_with(settings);
        self.send(Command::Start { run: worker::run_number(), request, checkpoint, paused });
    }

    /// Starts, pauses or resumes the search, or plays a recorded run.
    pub fn toggle(self) {
        match self.phase.get_untracked() {
            Phase::Recorded => self.play(),
            Phase::Finished | Phase::Failed if self.source.get_untracked() == RunSource::Served => self.play(),
            Phase::Idle | Phase::Finished | Phase::Failed => {
                if self.start(false) {
                    self.phase.set(Phase::Running);
                }
            }
            Phase::Running => {
                self.phase.set(Phase::Paused);
                self.control(Control::Pause);
            }
            Phase::Paused => {
                self.phase.set(Phase::Running);
                self.look_at(None);
                self.control(Control::Resume);
            }
        }
    }

    /// Takes one search step, then pauses; or shows the next moment of a recorded run.
    pub fn step(self) {
        match self.phase.get_untracked() {
            Phase::Idle => {
                if !self.start(true) {
                    return;
                }
            }
            Phase::Running | Phase::Paused => {}
            Phase::Finished | Phase::Failed | Phase::Recorded => return self.walk(1),
        }
        self.look_at(None);
        self.phase.set(Phase::Paused);
        // Until the worker answers, it may still report an earlier pause.
        if self.source.get_untracked() == RunSource::Worker {
            self.activity.set(None);
        }
        self.control(Control::Step);
    }

    /// Sends a command to the search, wherever it runs.
    pub(super) fn control(self, control: Control) {
        match self.source.get_untracked() {
            RunSource::Served => self.control_served(&control),
            RunSource::Worker | RunSource::Recording { .. } => self.send(Command::Control { control }),
        }
    }

    /// Goes back to before the first step; ends a command-line search, closes a recorded run.
    pub fn reset(self) {
        self.notices.set(Vec::new());
        self.reset_keeping_notices();
    }

    pub(super) fn reset_keeping_notices(self) {
        worker::drop_pending();
        if self.source.get_untracked() == RunSource::Served {
            return self.control(Control::Stop);
        }
        match self.engine.get_untracked() {
            EngineState::Ready { .. } => self.post(&Command::Control { control: Control::Stop }),
            EngineState::Broken => self.connect(),
            EngineState::Loading { .. } | EngineState::Waiting => {}
        }
        self.clear_run();
        self.phase.set(Phase::Idle);
    }

    /// Clears the run; messages about an abandoned search are ignored.
    fn clear_run(self) {
        worker::next_run();
        self.source.set(RunSource::Worker);
        self.run.set(Run::default());
        self.playing.set(false);
        self.cursor.set(None);
        self.what_if.set(Vec::new());
        self.chosen.set(None);
        self.given.set(None);
        self.activity.set(None);
        self.images.set(None);
        self.saved_search.set(None);
        saved_search::drop_unsaved();
        self.text_name.set(None);
        self.bench.set(BenchState::Idle);
    }

    /// Requests text from the network of the search.
    pub fn write_text(self, temperature: f64) {
        // Any number will do; it is reported with the text.
        let seed = (web_sys::js_sys::Math::random() * 1e6) as u64;
        self.send(Command::Sample { words: WRITTEN_WORDS, temperature, seed });
    }

    /// Times steps of this order on these kernels with the sizes of the top bar.
    pub fn time_steps(self, order: Order, kernels: Kernels) {
        let config = SearchConfig { order, kernels, ..self.settings.get_untracked().convolutional_config() };
        self.reset();
        if let Err(error) = config.check() {
            return self.report_error(sentence(&error.to_string()));
        }
        self.bench.set(BenchState::Running("Preparing the engine; the first step compiles the shaders".into()));
        self.send(Command::Bench { run: worker::run_number(), config, steps: BENCH_STEPS });
    }
}
