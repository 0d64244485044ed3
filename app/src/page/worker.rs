//! The connection to the engine's worker: commands to it, messages from it.

use super::{BenchState, EngineState, Images, Page, Phase, control::BENCH_STEPS, no_gpu, race::race_number};
use darts_app::{
    describe::sentence,
    messages::{Command, Message},
    settings::Settings,
};
use leptos::prelude::*;
use std::cell::{Cell, RefCell};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{ErrorEvent, MessageEvent, Worker};

struct Connection {
    worker: Worker,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(ErrorEvent)>,
}

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
    /// Commands sent before the worker was ready.
    static PENDING: RefCell<Vec<Command>> = const { RefCell::new(Vec::new()) };
    static RUN_NUMBER: Cell<u32> = const { Cell::new(0) };
}

/// Number of the current search; messages about any other are ignored.
pub(super) fn run_number() -> u32 {
    RUN_NUMBER.get()
}

/// Abandons the current search: from now on another number is current.
pub(super) fn next_run() {
    RUN_NUMBER.set(RUN_NUMBER.get() + 1);
}

/// Drops the commands that the worker has not received yet.
pub(super) fn drop_pending() {
    PENDING.take();
}

/// Whether a message is about the current search or race, or about the worker itself.
fn is_current(message: &Message) -> bool {
    match message {
        Message::Loading { .. } | Message::Ready { .. } | Message::Failed { .. } => true,
        Message::Raced { race, .. } => *race == race_number(),
        Message::Data { run, .. }
        | Message::Text { run, .. }
        | Message::Status { run, .. }
        | Message::Event { run, .. }
        | Message::Snapshot { run, .. }
        | Message::Refused { run, .. }
        | Message::Timing { run, .. }
        | Message::Benchmark { run, .. } => *run == run_number(),
    }
}

impl Page {
    /// Starts the worker, which downloads the engine.
    pub(super) fn connect(self) {
        super::rehearsal::forget();
        self.engine.set(EngineState::Loading { received: 0.0, total: None });
        let worker = match Worker::new("engine.js") {
            Ok(worker) => worker,
            Err(error) => return self.lose_worker(format!("The engine\u{2019}s worker cannot be started: {error:?}")),
        };
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            match serde_wasm_bindgen::from_value(event.data()) {
                Ok(message) => self.receive(message),
                Err(error) => self.lose_worker(format!("The engine sent an unreadable message: {error}.")),
            }
        });
        let on_error = Closure::<dyn FnMut(ErrorEvent)>::new(move |event: ErrorEvent| {
            let message = event.message();
            let why = if message.is_empty() { "its script could not be loaded".into() } else { message };
            self.lose_worker(format!("The engine stopped: {why}."));
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        CONNECTION.set(Some(Connection { worker, _on_message: on_message, _on_error: on_error }));
    }

    /// Starts the worker if there is none.
    pub(super) fn ensure_connected(self) {
        if matches!(self.engine.get_untracked(), EngineState::Broken | EngineState::Waiting) {
            self.connect();
        }
    }

    /// Sends a command now, or as soon as the worker is ready.
    pub(super) fn send(self, command: Command) {
        match self.engine.get_untracked() {
            EngineState::Ready { .. } => self.post(&command),
            EngineState::Loading { .. } => PENDING.with_borrow_mut(|pending| pending.push(command)),
            EngineState::Waiting | EngineState::Broken => {}
        }
    }

    /// Sends a command to a worker that is ready.
    pub(super) fn post(self, command: &Command) {
        let sent = serde_wasm_bindgen::to_value(command).map_err(|error| error.to_string()).and_then(|value| {
            CONNECTION.with_borrow(|connection| match connection {
                Some(connection) => connection.worker.post_message(&value).map_err(|error| format!("{error:?}")),
                None => Err("it has no worker".into()),
            })
        });
        if let Err(error) = sent {
            self.lose_worker(format!("The engine cannot be reached: {error}."));
        }
    }

    fn receive(self, message: Message) {
        if !is_current(&message) {
            return;
        }
        match message {
            Message::Loading { received, total } => self.engine.set(EngineState::Loading { received, total }),
            Message::Ready { adapter, backend, software, instead } => {
                let cpu_reason = instead.map(|reason| no_gpu().map_or(reason, str::to_owned));
                self.engine.set(EngineState::Ready { adapter, backend, software, cpu_reason });
                self.begin_small(software);
                for command in PENDING.take() {
                    self.post(&command);
                }
            }
            Message::Data { data, images, notice, .. } => {
                self.images.set(Some(Images { data, count: images }));
                if let Some(text) = notice {
                    self.inform(text);
                }
            }
            Message::Text { name, .. } => self.text_name.set(Some(name)),
            Message::Status { activity, .. } => self.activity.set(Some(activity)),
            Message::Event { event, .. } => self.apply_event(&event),
            Message::Raced { runner, event, .. } => self.apply_race_event(runner, &event),
            Message::Snapshot { checkpoint, .. } => self.save_search(&checkpoint),
            Message::Refused { reason, .. } => self.report_error(sentence(&reason)),
            Message::Timing { kind, done, .. } => {
                self.bench.set(BenchState::Running(format!("{kind}: {done} of {BENCH_STEPS} timed")));
            }
            Message::Benchmark { figures, .. } => self.bench.set(BenchState::Done(figures.to_string())),
            Message::Failed { message } => self.lose_worker(message),
        }
    }

    /// Chooses the smallest search on a software adapter, which is slow, unless the user asked for other settings.
    fn begin_small(self, software: bool) {
        let untouched = self.bare_address && self.settings.with_untracked(|settings| *settings == Settings::default());
        if software && untouched && self.phase.get_untracked() == Phase::Idle {
            self.settings.update(|settings| *settings = settings.with_preset(&Settings::presets(settings.task)[0]));
        }
    }

    /// Gives up the worker; its results stay on the page.
    fn lose_worker(self, message: String) {
        disconnect();
        self.engine.set(EngineState::Broken);
        self.activity.set(None);
        self.bench.set(BenchState::Idle);
        self.race.update(|race| race.iter_mut().for_each(|race| race.stopped = true));
        self.find_saved_search();
        // Without a search, nothing has failed.
        if matches!(self.phase.get_untracked(), Phase::Idle | Phase::Recorded | Phase::Finished) {
            self.report_error(sentence(&message));
        } else if self.phase.get_untracked() != Phase::Failed {
            self.fail_run(message);
        }
    }

    /// Reason for having no GPU, if known.
    pub fn without_gpu(self) -> Option<String> {
        match self.engine.get() {
            EngineState::Ready { cpu_reason, .. } => cpu_reason,
            EngineState::Waiting | EngineState::Loading { .. } => no_gpu().map(str::to_owned),
            EngineState::Broken => None,
        }
    }
}

fn disconnect() {
    // Its closures may be running now, so they are left for later collection.
    if let Some(connection) = CONNECTION.take() {
        connection.worker.set_onmessage(None);
        connection.worker.set_onerror(None);
        connection.worker.terminate();
        set_timeout(move || drop(connection), std::time::Duration::ZERO);
    }
}
