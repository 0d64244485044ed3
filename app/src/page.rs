//! The page's state, the worker it listens to, and what the buttons do.

use darts_app::{
    messages::{Activity, Command, DataChoice, Message},
    run::{End, Run},
    setup::Setup,
};
use darts_engine::{
    event::Event,
    search::{Kernels, Order, SearchConfig},
    space::CellKind,
};
use leptos::prelude::*;
use std::cell::RefCell;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{ErrorEvent, MessageEvent, Worker};

/// Where the search stands, as the buttons see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No search.
    Idle,
    /// Computing, or about to.
    Running,
    /// Held, or about to be.
    Paused,
    /// All epochs are done.
    Finished,
    /// Stopped with an error.
    Failed,
}

impl Phase {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }
}

/// Where the worker stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Engine {
    Loading { received: f64, total: Option<f64> },
    Ready { adapter: String, backend: String, software: bool },
    Unsupported { reason: String },
    Broken,
}

/// The images that the current search has.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    pub data: DataChoice,
    pub count: usize,
}

/// A sentence above the pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    pub text: String,
    pub error: bool,
}

/// Where the benchmark stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Bench {
    Idle,
    /// What it is doing.
    Running(String),
    /// The figures, as the command line prints them.
    Done(String),
}

/// Steps of each kind that a benchmark times.
const BENCH_STEPS: usize = 3;

/// How the cells are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellView {
    /// The ops that would be kept now.
    Derived,
    /// Every edge with all its ops.
    Relaxed,
}

/// Everything the views read.
#[derive(Clone, Copy)]
pub struct Page {
    pub setup: RwSignal<Setup>,
    pub run: RwSignal<Run>,
    pub phase: RwSignal<Phase>,
    pub engine: RwSignal<Engine>,
    pub activity: RwSignal<Option<Activity>>,
    pub images: RwSignal<Option<Images>>,
    pub notices: RwSignal<Vec<Notice>>,
    pub cell_view: RwSignal<CellView>,
    /// The edge pointed at: kind of cell and row of its alphas.
    pub edge: RwSignal<Option<(CellKind, usize)>>,
    /// The op pointed at.
    pub op: RwSignal<Option<usize>>,
    /// Whether the address asks for the benchmark.
    pub benching: bool,
    pub bench: RwSignal<Bench>,
    /// Narrow enough that cells are drawn top to bottom.
    pub narrow: RwSignal<bool>,
}

struct Link {
    worker: Worker,
    _heard: Closure<dyn FnMut(MessageEvent)>,
    _broken: Closure<dyn FnMut(ErrorEvent)>,
}

thread_local! {
    static LINK: RefCell<Option<Link>> = const { RefCell::new(None) };
    /// Said before the worker could hear.
    static WAITING: RefCell<Vec<Command>> = const { RefCell::new(Vec::new()) };
    static RUN_NUMBER: RefCell<u32> = const { RefCell::new(0) };
    static FRAME_DUE: RefCell<bool> = const { RefCell::new(false) };
}

impl Page {
    pub fn new() -> Self {
        let fragment = window().location().hash().unwrap_or_default();
        let (setup, problems) = Setup::from_fragment(&fragment);
        let notices =
            problems.into_iter().map(|text| Notice { text: text + " The default is used.", error: true }).collect();
        let page = Self {
            setup: RwSignal::new(setup),
            run: RwSignal::new(Run::default()),
            phase: RwSignal::new(Phase::Idle),
            engine: RwSignal::new(Engine::Loading { received: 0.0, total: None }),
            activity: RwSignal::new(None),
            images: RwSignal::new(None),
            notices: RwSignal::new(notices),
            cell_view: RwSignal::new(CellView::Derived),
            edge: RwSignal::new(None),
            op: RwSignal::new(None),
            benching: window().location().search().is_ok_and(|query| query == "?bench"),
            bench: RwSignal::new(Bench::Idle),
            narrow: RwSignal::new(false),
        };
        page.watch_width();
        page.watch_address();
        page.connect();
        page
    }

    fn watch_width(self) {
        let Ok(Some(query)) = window().match_media("(max-width: 640px)") else { return };
        self.narrow.set(query.matches());
        let watched = query.clone();
        let changed = Closure::<dyn FnMut()>::new(move || self.narrow.set(watched.matches()));
        query.set_onchange(Some(changed.as_ref().unchecked_ref()));
        changed.forget();
    }

    /// Keeps the address and the setup the same, in both directions.
    fn watch_address(self) {
        Effect::new(move || {
            let code = format!("#{}", self.setup.with(Setup::to_fragment));
            if let Ok(history) = window().history() {
                let _ = history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(&code));
            }
        });
        let handle = window_event_listener(leptos::ev::hashchange, move |_| {
            let (setup, problems) = Setup::from_fragment(&window().location().hash().unwrap_or_default());
            for problem in problems {
                self.tell(problem + " The default is used.", true);
            }
            if setup != self.setup.get_untracked() {
                self.reset();
                self.setup.set(setup);
            }
        });
        std::mem::forget(handle);
    }

    fn connect(self) {
        if !web_sys::js_sys::Reflect::has(&window().navigator(), &"gpu".into()).unwrap_or(false) {
            let reason = if window().is_secure_context() {
                "This browser does not offer WebGPU."
            } else {
                "A browser offers WebGPU only to pages that come over HTTPS or from localhost."
            };
            self.engine.set(Engine::Unsupported { reason: reason.into() });
            return;
        }
        self.engine.set(Engine::Loading { received: 0.0, total: None });
        let worker = match Worker::new("engine.js") {
            Ok(worker) => worker,
            Err(error) => return self.lose(format!("The engine\u{2019}s worker cannot be started: {error:?}")),
        };
        let heard = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            match serde_wasm_bindgen::from_value(event.data()) {
                Ok(message) => self.hear(message),
                Err(error) => self.lose(format!("The engine said something unreadable: {error}.")),
            }
        });
        let broken = Closure::<dyn FnMut(ErrorEvent)>::new(move |event: ErrorEvent| {
            let message = event.message();
            let why = if message.is_empty() { "its script could not be loaded".into() } else { message };
            self.lose(format!("The engine stopped: {why}."));
        });
        worker.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        worker.set_onerror(Some(broken.as_ref().unchecked_ref()));
        LINK.set(Some(Link { worker, _heard: heard, _broken: broken }));
    }

    fn hear(self, message: Message) {
        let current = |run: u32| run == RUN_NUMBER.with_borrow(|number| *number);
        match message {
            Message::Loading { received, total } => self.engine.set(Engine::Loading { received, total }),
            Message::Ready { adapter, backend, software } => {
                self.engine.set(Engine::Ready { adapter, backend, software });
                for command in WAITING.take() {
                    self.post(&command);
                }
            }
            Message::Unsupported { reason } => {
                WAITING.take();
                self.phase.set(Phase::Idle);
                self.engine.set(Engine::Unsupported { reason });
            }
            Message::Data { run, data, images, notice } if current(run) => {
                self.images.set(Some(Images { data, count: images }));
                if let Some(text) = notice {
                    self.tell(text, false);
                }
            }
            Message::Status { run, activity } if current(run) => self.activity.set(Some(activity)),
            Message::Event { run, event } if current(run) => self.take(event),
            Message::Timing { run, kind, done } if current(run) => {
                self.bench.set(Bench::Running(format!("{kind}: {done} of {BENCH_STEPS} timed")));
            }
            Message::Benchmark { run, figures } if current(run) => self.bench.set(Bench::Done(figures.to_string())),
            Message::Failed { message } => self.lose(message),
            Message::Data { .. }
            | Message::Status { .. }
            | Message::Event { .. }
            | Message::Timing { .. }
            | Message::Benchmark { .. } => {}
        }
    }

    /// Folds an event in at once, and draws at the next frame.
    fn take(self, event: Event) {
        self.run.update_untracked(|run| run.apply(&event));
        match &event {
            Event::Finished { .. } => self.phase.set(Phase::Finished),
            Event::Failed { message } => {
                self.phase.set(Phase::Failed);
                self.tell(sentence(message), true);
            }
            _ => {}
        }
        if !FRAME_DUE.replace(true) {
            request_animation_frame(move || {
                FRAME_DUE.set(false);
                self.run.notify();
            });
        }
    }

    /// The worker is of no use any more. What it has shown stays.
    fn lose(self, message: String) {
        disconnect();
        self.engine.set(Engine::Broken);
        self.activity.set(None);
        self.bench.set(Bench::Idle);
        if self.phase.get_untracked() != Phase::Failed {
            self.run.update(|run| run.end = Some(End::Failed { message: message.clone() }));
            self.phase.set(Phase::Failed);
            self.tell(sentence(&message), true);
        }
    }

    pub fn tell(self, text: String, error: bool) {
        self.notices.update(|notices| {
            let notice = Notice { text, error };
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        });
    }

    fn send(self, command: Command) {
        match self.engine.get_untracked() {
            Engine::Ready { .. } => self.post(&command),
            Engine::Loading { .. } => WAITING.with_borrow_mut(|waiting| waiting.push(command)),
            Engine::Unsupported { .. } | Engine::Broken => {}
        }
    }

    fn post(self, command: &Command) {
        let sent = serde_wasm_bindgen::to_value(command).map_err(|error| error.to_string()).and_then(|value| {
            LINK.with_borrow(|link| match link {
                Some(link) => link.worker.post_message(&value).map_err(|error| format!("{error:?}")),
                None => Err("it has no worker".into()),
            })
        });
        if let Err(error) = sent {
            self.lose(format!("The engine cannot be reached: {error}."));
        }
    }

    /// Begins a search with the settings of the top bar; says what is wrong with them instead where something is.
    fn start(self) -> bool {
        let setup = self.setup.get_untracked();
        let config = setup.config();
        self.notices.set(Vec::new());
        if let Err(error) = config.check().and_then(|()| config.split(setup.images).map(drop)) {
            self.tell(sentence(&error.to_string()), true);
            return false;
        }
        if self.engine.get_untracked() == Engine::Broken {
            self.connect();
        }
        self.forget();
        let run = RUN_NUMBER.with_borrow(|number| *number);
        self.send(Command::Start { run, config, data: setup.data });
        true
    }

    /// Start, pause or resume.
    pub fn toggle(self) {
        match self.phase.get_untracked() {
            Phase::Idle | Phase::Finished | Phase::Failed => {
                if self.start() {
                    self.phase.set(Phase::Running);
                }
            }
            Phase::Running => {
                self.phase.set(Phase::Paused);
                self.send(Command::Pause);
            }
            Phase::Paused => {
                self.phase.set(Phase::Running);
                self.send(Command::Resume);
            }
        }
    }

    /// One search step, then hold.
    pub fn step(self) {
        match self.phase.get_untracked() {
            Phase::Idle => {
                if !self.start() {
                    return;
                }
            }
            Phase::Running | Phase::Paused => {}
            Phase::Finished | Phase::Failed => return,
        }
        self.phase.set(Phase::Paused);
        // Until the worker answers, it may still report that it holds from before.
        self.activity.set(None);
        self.send(Command::Step);
    }

    /// Back to before the first step.
    pub fn reset(self) {
        WAITING.take();
        match self.engine.get_untracked() {
            Engine::Ready { .. } => self.post(&Command::Stop),
            Engine::Broken => self.connect(),
            Engine::Loading { .. } | Engine::Unsupported { .. } => {}
        }
        self.notices.set(Vec::new());
        self.forget();
        self.phase.set(Phase::Idle);
    }

    /// Times steps of this order on these kernels with the sizes of the top bar.
    pub fn time_steps(self, order: Order, kernels: Kernels) {
        let config = SearchConfig { order, kernels, ..self.setup.get_untracked().config() };
        self.reset();
        if let Err(error) = config.check() {
            return self.tell(sentence(&error.to_string()), true);
        }
        let run = RUN_NUMBER.with_borrow(|number| *number);
        self.bench.set(Bench::Running("The engine gets ready; the first step compiles the shaders".into()));
        self.send(Command::Bench { run, config, steps: BENCH_STEPS });
    }

    /// Forgets the run; what an abandoned search still says is not heard.
    fn forget(self) {
        RUN_NUMBER.with_borrow_mut(|number| *number += 1);
        self.run.set(Run::default());
        self.activity.set(None);
        self.images.set(None);
        self.bench.set(Bench::Idle);
    }
}

fn disconnect() {
    // Its closures may be running right now, so they are left to the collector of a later turn.
    if let Some(link) = LINK.take() {
        link.worker.set_onmessage(None);
        link.worker.set_onerror(None);
        link.worker.terminate();
        set_timeout(move || drop(link), std::time::Duration::ZERO);
    }
}

/// An error message as a sentence: capital first, full stop last.
pub fn sentence(message: &str) -> String {
    let mut chars = message.trim().chars();
    let mut text: String = chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default();
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}
