//! The page's state, the worker it listens to, and what the buttons do.

use crate::browser;
use darts_app::{
    cells::{Cells, Kind, Task},
    messages::{Activity, Command, DataChoice, Message, OwnText, TextChoice, Wanted},
    race::Race,
    recording::Reader,
    run::{End, Moment, Run},
    saved_search::{Manifest, SavedSearch},
    settings::Settings,
    share_link::{CellView, ComparedCells, HeatView, MAX_COMPARED, ShareLink, ViewState},
};
use darts_engine::{
    config::{Kernels, Order, SearchConfig, TrainConfig},
    event::Event,
    intervention::{Control, Steering},
};
use leptos::prelude::*;
use std::cell::{Cell, RefCell};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::spawn_local;
use web_sys::{ErrorEvent, MessageEvent, Worker, js_sys::Uint8Array};

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
    /// Done before: a log is shown.
    Recorded,
}

impl Phase {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Recorded => "recorded",
        }
    }
}

/// Where the worker stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Engine {
    /// Not asked for: without WebGPU it is fetched once a search starts.
    Waiting,
    Loading {
        received: f64,
        total: Option<f64>,
    },
    /// `instead` says why the processor computes, where it does.
    Ready {
        adapter: String,
        backend: String,
        software: bool,
        instead: Option<String>,
    },
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

/// Where the events come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Source {
    /// The engine in this page's worker.
    #[default]
    Engine,
    /// A search of the command line that serves this page.
    Native,
    /// A log that was written before.
    Recording {
        /// What it is called.
        name: String,
        /// How much of it has been read, from 0 to 1, until it is all there.
        reading: Option<f64>,
    },
}

/// What a file that is opened is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be shown.
    Show,
    /// To be compared with what is shown.
    Beside,
    /// To be learned from.
    Learn,
}

/// The most bytes of a text of somebody's own.
const MOST_TEXT: f64 = 16e6;
/// Words that a network writes at a time.
const WRITTEN: usize = 60;

/// Seconds that a run plays, however long it took.
const PLAYED_SECONDS: f64 = 12.0;
/// Milliseconds of reading before the page gets a turn.
const TURN: f64 = 8.0;
/// Milliseconds from one drawing to the next while events come.
const DRAWN_EVERY: f64 = 60.0;
/// Milliseconds without a change after which the engine gets ready for the search that is set.
const REHEARSED_AFTER: u64 = 1000;
/// Milliseconds from one change of the address to the next.
const WRITTEN_EVERY: f64 = 300.0;

/// Everything the views read.
#[derive(Clone, Copy)]
pub struct Page {
    pub settings: RwSignal<Settings>,
    /// What is searched for by the run that is shown, or by what the settings make.
    pub task: Memo<Task>,
    /// The name of the text that is to be learned from, where it is somebody's own.
    pub own_text: RwSignal<Option<String>>,
    /// The name of the text that the current search learns from.
    pub text_name: RwSignal<Option<String>>,
    pub run: RwSignal<Run>,
    /// Tells curves that the run is another: a frame after the pictures are drawn, so that neither frame is long.
    pub plot: RwSignal<()>,
    pub phase: RwSignal<Phase>,
    pub engine: RwSignal<Engine>,
    pub activity: RwSignal<Option<Activity>>,
    pub images: RwSignal<Option<Images>>,
    pub notices: RwSignal<Vec<Notice>>,
    pub source: RwSignal<Source>,
    pub cell_view: RwSignal<CellView>,
    pub heat_view: RwSignal<HeatView>,
    /// The edge pointed at: kind of cell and row of its alphas.
    pub hovered: RwSignal<Option<(Kind, usize)>>,
    /// The edge chosen by a click.
    pub chosen: RwSignal<Option<(Kind, usize)>>,
    /// The one of these that everything shows.
    pub edge: Memo<Option<(Kind, usize)>>,
    /// The op pointed at.
    pub op: RwSignal<Option<usize>>,
    /// The moment looked at, in steps done; the latest without.
    pub cursor: RwSignal<Option<usize>>,
    /// Whether the run plays from moment to moment.
    pub playing: RwSignal<bool>,
    /// Changes tried out on what is shown, where no search takes them.
    pub what_if: RwSignal<Vec<Steering>>,
    /// What the pictures show.
    pub moment: Memo<Option<Moment>>,
    /// The cells drawn.
    pub genotype: Memo<Option<Cells>>,
    /// Cells that came with the address.
    pub given: RwSignal<Option<Cells>>,
    /// Networks that are trained from scratch, side by side.
    pub race: RwSignal<Option<Race>>,
    /// A search that the browser kept, which can be taken up again.
    pub kept: RwSignal<Option<SavedSearch>>,
    /// Cells compared.
    pub compared: RwSignal<Vec<ComparedCells>>,
    /// The step of the guided tour.
    pub tour: RwSignal<Option<usize>>,
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
    static OWN_TEXT: RefCell<Option<OwnText>> = const { RefCell::new(None) };
    /// The settings that the search of this page began with.
    static BEGUN: Cell<Option<Settings>> = const { Cell::new(None) };
    /// Said before the worker could hear.
    static WAITING: RefCell<Vec<Command>> = const { RefCell::new(Vec::new()) };
    /// Lines of the log that are not kept yet, and whether they begin a search.
    static UNKEPT: RefCell<(String, bool)> = const { RefCell::new((String::new(), false)) };
    /// The sizes that the worker was last told to get ready for, and how often they have changed.
    static REHEARSED: Cell<(Option<Settings>, u32)> = const { Cell::new((None, 0)) };
    /// Whether the address asked for no settings.
    static UNASKED: Cell<bool> = const { Cell::new(false) };
    static RACE_NUMBER: Cell<u32> = const { Cell::new(0) };
    static RUN_NUMBER: RefCell<u32> = const { RefCell::new(0) };
    static FRAME_DUE: Cell<bool> = const { Cell::new(false) };
    static PLOT_DUE: Cell<bool> = const { Cell::new(false) };
    static DRAWN_AT: Cell<f64> = const { Cell::new(0.0) };
}

fn clock() -> f64 {
    window().performance().map_or(0.0, |performance| performance.now())
}

/// Why this browser offers no WebGPU, where it does not.
fn no_gpu() -> Option<&'static str> {
    if web_sys::js_sys::Reflect::has(&window().navigator(), &"gpu".into()).unwrap_or(false) {
        return None;
    }
    Some(match window().is_secure_context() {
        true => "This browser does not offer WebGPU.",
        false => "A browser offers WebGPU only to pages that come over HTTPS or from localhost.",
    })
}

/// What the server of this page says in its head, if it is the command line.
fn served(name: &str) -> Option<String> {
    let found = document().query_selector(&format!("meta[name=darts-{name}]")).ok().flatten()?;
    found.get_attribute("content")
}

impl Page {
    pub fn new() -> Self {
        let fragment = window().location().hash().unwrap_or_default();
        let (ShareLink { mut settings, view }, problems) = ShareLink::from_fragment(&fragment);
        UNASKED.set(fragment.trim_start_matches('#').is_empty());
        // A processor should not begin with more than it can do.
        if no_gpu().is_some() && settings == Settings::default() {
            settings = settings.with_preset(&Settings::presets(settings.task)[0]);
        }
        let notices =
            problems.into_iter().map(|text| Notice { text: text + " The default is used.", error: true }).collect();
        let run = RwSignal::new(Run::default());
        let cursor = RwSignal::new(view.at);
        let what_if = RwSignal::new(Vec::new());
        let given = RwSignal::new(view.cell);
        let (hovered, chosen) = (RwSignal::new(None), RwSignal::new(None));
        let moment = Memo::new(move |_| what_if.with(|what_if| run.with(|run| run.moment(cursor.get(), what_if))));
        let settings = RwSignal::new(settings);
        let page = Self {
            settings,
            task: Memo::new(move |_| run.with(Run::task).unwrap_or_else(|| settings.with(|settings| settings.task))),
            own_text: RwSignal::new(None),
            text_name: RwSignal::new(None),
            run,
            plot: RwSignal::new(()),
            phase: RwSignal::new(Phase::Idle),
            engine: RwSignal::new(Engine::Loading { received: 0.0, total: None }),
            activity: RwSignal::new(None),
            images: RwSignal::new(None),
            notices: RwSignal::new(notices),
            source: RwSignal::new(Source::Engine),
            cell_view: RwSignal::new(view.cells),
            heat_view: RwSignal::new(view.heat),
            hovered,
            chosen,
            edge: Memo::new(move |_| hovered.get().or(chosen.get())),
            op: RwSignal::new(None),
            cursor,
            playing: RwSignal::new(false),
            what_if,
            moment,
            genotype: Memo::new(move |_| {
                moment.with(|moment| moment.as_ref().map(|moment| moment.genotype.clone())).or_else(|| given.get())
            }),
            given,
            race: RwSignal::new(None),
            kept: RwSignal::new(None),
            compared: RwSignal::new(view.compared),
            tour: RwSignal::new(None),
            benching: window().location().search().is_ok_and(|query| query == "?bench"),
            bench: RwSignal::new(Bench::Idle),
            narrow: RwSignal::new(false),
        };
        page.watch_run();
        page.watch_width();
        page.watch_address();
        page.watch_files();
        page.watch_setup();
        match (served("events"), served("recording")) {
            (Some(address), _) => page.listen(&address),
            (_, Some(address)) => page.open(JsValue::from_str(&address), served("name").unwrap_or(address), None),
            _ => {}
        }
        if page.source.get_untracked() == Source::Engine {
            page.look_for_kept();
        }
        if page.source.get_untracked() != Source::Native {
            match no_gpu() {
                None => page.connect(),
                Some(_) => page.engine.set(Engine::Waiting),
            }
        }
        page
    }

    /// The address of what is looked at now; `with_cells` for somebody who has not the run.
    pub fn address(self, with_cells: bool) -> String {
        let cell = if with_cells { self.genotype.get() } else { self.given.get() };
        let at = if with_cells { None } else { self.cursor.get() };
        let view = ViewState {
            cells: self.cell_view.get(),
            heat: self.heat_view.get(),
            at,
            cell,
            compared: self.compared.get(),
        };
        format!("#{}", ShareLink { settings: self.settings.get(), view }.to_fragment())
    }

    fn watch_run(self) {
        Effect::new(move || {
            self.run.track();
            if !PLOT_DUE.replace(true) {
                request_animation_frame(move || {
                    PLOT_DUE.set(false);
                    self.plot.notify();
                });
            }
        });
    }

    /// Has the shaders of the next search compiled before somebody presses start.
    fn watch_setup(self) {
        let idle = move || {
            let gpu = matches!(self.engine.get(), Engine::Ready { instead: None, .. });
            gpu && self.phase.get() == Phase::Idle && self.race.with(Option::is_none) && !self.benching
        };
        Effect::new(move || {
            let settings = self.settings.get();
            // What no shader depends on.
            let sizes =
                Settings { seed: 0, epochs: 1, images: 0, data: DataChoice::Cifar10, curvature: false, ..settings };
            let (known, changes) = REHEARSED.get();
            let changes = changes.wrapping_add(1);
            REHEARSED.set((known, changes));
            if !idle() || known == Some(sizes) {
                return;
            }
            let begin = move || {
                let Ok(wanted) = Self::wanted(settings) else { return };
                if REHEARSED.get().1 == changes && untrack(idle) {
                    REHEARSED.set((Some(sizes), changes));
                    self.send(Command::Rehearse { wanted });
                }
            };
            set_timeout(begin, std::time::Duration::from_millis(REHEARSED_AFTER));
        });
    }

    fn watch_width(self) {
        let Ok(Some(query)) = window().match_media("(max-width: 640px)") else { return };
        self.narrow.set(query.matches());
        let watched = query.clone();
        let changed = Closure::<dyn FnMut()>::new(move || self.narrow.set(watched.matches()));
        query.set_onchange(Some(changed.as_ref().unchecked_ref()));
        changed.forget();
    }

    /// Keeps the address and what is looked at the same, in both directions.
    fn watch_address(self) {
        let (written, latest) = (StoredValue::new(String::new()), StoredValue::new(String::new()));
        let at = StoredValue::new(f64::NEG_INFINITY);
        Effect::new(move || {
            // While it plays, the moment is none to come back to.
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
            // A browser takes only so many a minute.
            match WRITTEN_EVERY - (clock() - at.get_value()) {
                wait if wait > 0.0 => set_timeout(write, std::time::Duration::from_secs_f64(wait / 1000.0)),
                _ => write(),
            }
        });
        let handle = window_event_listener(leptos::ev::hashchange, move |_| {
            let (ShareLink { settings, view }, problems) =
                ShareLink::from_fragment(&window().location().hash().unwrap_or_default());
            for problem in problems {
                self.tell(problem + " The default is used.", true);
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
        });
        std::mem::forget(handle);
    }

    /// Takes files that are dropped anywhere.
    fn watch_files(self) {
        let over = window_event_listener(leptos::ev::dragover, |event| event.prevent_default());
        let dropped = window_event_listener(leptos::ev::drop, move |event| {
            event.prevent_default();
            if let Some(file) = event.data_transfer().and_then(|data| data.files()).and_then(|files| files.get(0)) {
                self.open_file(&file, Purpose::Show);
            }
        });
        std::mem::forget((over, dropped));
    }

    /// Reads a file: a log of events, or cells in any form.
    pub fn open_file(self, file: &web_sys::File, purpose: Purpose) {
        let name = file.name();
        self.notices.set(Vec::new());
        if name.ends_with(".jsonl") && purpose != Purpose::Learn {
            return self.open(file.clone().into(), name, Some(purpose));
        }
        // Cells may be in a text file, too.
        let may_be_text = purpose == Purpose::Learn || (purpose == Purpose::Show && name.ends_with(".txt"));
        let file = file.clone();
        spawn_local(async move {
            if file.size() > if may_be_text { MOST_TEXT } else { f64::from(1 << 20) } {
                let hint = match may_be_text {
                    true => "a text to learn from has at most 16 MB",
                    false => "a run\u{2019}s log is called events.jsonl, and a file of cells is smaller",
                };
                return self.tell(format!("{name} cannot be read: {hint}."), true);
            }
            let bytes = match wasm_bindgen_futures::JsFuture::from(file.array_buffer()).await {
                Ok(buffer) => Uint8Array::new(&buffer).to_vec(),
                Err(error) => return self.tell(format!("{name} cannot be read: {}.", browser::reason(&error)), true),
            };
            let text = String::from_utf8_lossy(&bytes);
            match darts_app::import::parse_cells(&text, self.task.get_untracked()) {
                Ok(cells) if purpose == Purpose::Show => self.show_cells(cells),
                Ok(cells) if purpose == Purpose::Beside => {
                    self.compare_if_alike(ComparedCells::Given(cells.clone()), &name, &cells)
                }
                _ if may_be_text => self.learn_from(name, bytes),
                Ok(_) => {}
                Err(problem) => self.tell(format!("{name}: {problem}"), true),
            }
        });
    }

    /// Takes a text that a recurrent search is to learn from.
    fn learn_from(self, name: String, bytes: Vec<u8>) {
        if let Some(problem) = darts_app::import::text_problem(&bytes) {
            return self.tell(format!("{name} {problem}."), true);
        }
        self.reset();
        self.settings.update(|settings| {
            if settings.task != Task::Recurrent {
                *settings = Settings { seed: settings.seed, ..Settings::for_task(Task::Recurrent) };
            }
            settings.text = TextChoice::Own;
        });
        self.own_text.set(Some(name.clone()));
        self.tell(format!("{name} is what a search learns from now: press start."), false);
        OWN_TEXT.set(Some(OwnText { name, bytes }));
    }

    /// Shows cells without a run.
    pub fn show_cells(self, cells: Cells) {
        self.reset();
        self.settings.update(|settings| {
            if settings.task != cells.task() {
                *settings = Settings { seed: settings.seed, ..Settings::for_task(cells.task()) };
            }
        });
        self.given.set(Some(cells));
    }

    /// Puts cells of a file beside those that are shown, if they are of the same kind.
    fn compare_if_alike(self, other: ComparedCells, name: &str, cells: &Cells) {
        match cells.task() == self.task.get_untracked() {
            true => self.compare(other),
            false => self.tell(
                format!("{name} has cells of the other kind of search, which cannot be compared with these."),
                true,
            ),
        }
    }

    /// Puts cells beside those that are shown.
    pub fn compare(self, other: ComparedCells) {
        self.compared.update(|beside| {
            if beside.len() < MAX_COMPARED && !beside.contains(&other) {
                beside.push(other);
            }
        });
    }

    /// Reads a log, a piece at a time, with a turn for the page in between.
    fn open(self, source: JsValue, name: String, purpose: Option<Purpose>) {
        let shown = purpose != Some(Purpose::Beside);
        if shown {
            let at = self.cursor.get_untracked().filter(|_| self.run.with_untracked(|run| run.started.is_none()));
            self.reset();
            self.cursor.set(at);
            self.source.set(Source::Recording { name: name.clone(), reading: Some(0.0) });
            self.phase.set(Phase::Recorded);
        }
        let number = RUN_NUMBER.with_borrow(|number| *number);
        let current = move || RUN_NUMBER.with_borrow(|now| *now) == number;
        let size = source.dyn_ref::<web_sys::File>().map(|file| file.size());
        spawn_local(async move {
            let mut apart = Run::default();
            let outcome = self.read(source, size, shown, &current, &mut apart).await;
            if !current() {
                return;
            }
            if shown {
                self.run.notify();
                self.source.set(Source::Recording { name: name.clone(), reading: None });
            } else if let Some(cells) = apart.genotype {
                self.compare_if_alike(
                    ComparedCells::Recorded { file: name.clone(), cells: cells.clone() },
                    &name,
                    &cells,
                );
            }
            if let Err(problem) = outcome {
                let kept = if shown && self.run.with_untracked(|run| run.started.is_some()) {
                    " What comes before is shown."
                } else {
                    ""
                };
                self.tell(format!("{name}, {}{kept}", sentence(&problem)), true);
                if shown && kept.is_empty() {
                    self.reset_keeping_notices();
                }
            }
        });
    }

    async fn read(
        self,
        source: JsValue,
        size: Option<f64>,
        shown: bool,
        current: &impl Fn() -> bool,
        apart: &mut Run,
    ) -> Result<(), String> {
        let told = |error: JsValue| format!("it cannot be read: {}", browser::reason(&error));
        let pieces = browser::open_pieces(&source).await.map_err(told)?;
        let (mut reader, mut read) = (Reader::default(), 0.0);
        let (mut turn, mut drawn) = (clock(), clock());
        loop {
            let piece = browser::next_piece(&pieces).await.map_err(told)?;
            if !current() {
                return Ok(());
            }
            if piece.is_undefined() {
                return reader.end().map_err(|problem| problem.to_string());
            }
            for bytes in Uint8Array::new(&piece).to_vec().chunks(1 << 14) {
                let fed = reader.feed(bytes, |event| match shown {
                    true => self.run.update_untracked(|run| run.apply(&event)),
                    false => apart.apply(&event),
                });
                fed.map_err(|problem| problem.to_string())?;
                read += bytes.len() as f64;
                if clock() - turn > TURN {
                    if shown && clock() - drawn > 8.0 * DRAWN_EVERY {
                        // Not in this turn, which has read.
                        request_animation_frame(move || self.run.notify());
                        self.source.update(|source| {
                            if let Source::Recording { reading, .. } = source {
                                *reading = Some(size.map_or(0.0, |size| read / size));
                            }
                        });
                        drawn = clock();
                    }
                    browser::breathe().await;
                    if !current() {
                        return Ok(());
                    }
                    turn = clock();
                }
            }
        }
    }

    /// Hears a search of the command line that serves this page.
    fn listen(self, address: &str) {
        self.source.set(Source::Native);
        self.phase.set(Phase::Running);
        let told = Closure::<dyn FnMut(String)>::new(move |line: String| {
            let (mut event, line) = (None, line + "\n");
            let mut reader = Reader::going_on();
            match reader.feed(line.as_bytes(), |told| event = Some(told)) {
                Ok(()) => event.into_iter().for_each(|event| self.take(event)),
                Err(problem) => self.tell(format!("The search said something unreadable: {}.", problem.problem), true),
            }
        });
        let state = Closure::<dyn FnMut(String)>::new(move |state: String| {
            let held = state == "holding";
            self.activity.set(Some(if held { Activity::Holding } else { Activity::Stepping }));
            if matches!(self.phase.get_untracked(), Phase::Running | Phase::Paused) {
                self.phase.set(if held { Phase::Paused } else { Phase::Running });
            }
        });
        let lost = Closure::<dyn FnMut()>::new(move || {
            if matches!(self.phase.get_untracked(), Phase::Running | Phase::Paused) {
                self.activity.set(None);
                self.phase.set(Phase::Failed);
                self.tell("The search does not answer any more; what it told so far stays.".into(), true);
            }
        });
        let refused = Closure::<dyn FnMut(String)>::new(move |reason: String| self.tell(sentence(&reason), true));
        browser::listen(address, &told, &state, &refused, &lost);
        refused.forget();
        told.forget();
        state.forget();
        lost.forget();
    }

    fn connect(self) {
        REHEARSED.set((None, REHEARSED.get().1));
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
            Message::Ready { adapter, backend, software, instead } => {
                let instead = instead.map(|reason| no_gpu().map_or(reason, str::to_owned));
                self.engine.set(Engine::Ready { adapter, backend, software, instead });
                self.begin_small(software);
                for command in WAITING.take() {
                    self.post(&command);
                }
            }
            Message::Data { run, data, images, notice } if current(run) => {
                self.images.set(Some(Images { data, count: images }));
                if let Some(text) = notice {
                    self.tell(text, false);
                }
            }
            Message::Text { run, name } if current(run) => self.text_name.set(Some(name)),
            Message::Status { run, activity } if current(run) => self.activity.set(Some(activity)),
            Message::Event { run, event } if current(run) => self.take(*event),
            Message::Raced { race, runner, event } if race == RACE_NUMBER.get() => {
                self.race.update(|race| race.iter_mut().for_each(|race| race.apply(runner, &event)));
                if let Event::Failed { message } = *event {
                    self.tell(sentence(&message), true);
                }
            }
            Message::Kept { run, checkpoint } if current(run) => self.keep(&checkpoint),
            Message::Refused { run, reason } if current(run) => self.tell(sentence(&reason), true),
            Message::Timing { run, kind, done } if current(run) => {
                self.bench.set(Bench::Running(format!("{kind}: {done} of {BENCH_STEPS} timed")));
            }
            Message::Benchmark { run, figures } if current(run) => self.bench.set(Bench::Done(figures.to_string())),
            Message::Failed { message } => self.lose(message),
            Message::Data { .. }
            | Message::Text { .. }
            | Message::Status { .. }
            | Message::Event { .. }
            | Message::Kept { .. }
            | Message::Raced { .. }
            | Message::Refused { .. }
            | Message::Timing { .. }
            | Message::Benchmark { .. } => {}
        }
    }

    /// A processor that emulates a GPU should not begin with more than it can do, unless somebody asks for it.
    fn begin_small(self, software: bool) {
        let untouched = UNASKED.get() && self.settings.with_untracked(|settings| *settings == Settings::default());
        if software && untouched && self.phase.get_untracked() == Phase::Idle {
            self.settings.update(|settings| *settings = settings.with_preset(&Settings::presets(settings.task)[0]));
        }
    }

    /// Folds an event in at once, and draws at the next frame.
    fn take(self, event: Event) {
        self.run.update_untracked(|run| run.apply(&event));
        self.note(&event);
        match &event {
            Event::Finished { .. } | Event::RecurrentFinished { .. } => {
                self.phase.set(Phase::Finished);
                self.forget_kept();
            }
            Event::Failed { message } => {
                self.phase.set(Phase::Failed);
                self.tell(sentence(message), true);
            }
            _ => {}
        }
        if !FRAME_DUE.replace(true) {
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
    }

    /// Notes an event of a search for the log that is kept.
    fn note(self, event: &Event) {
        let begins = matches!(event, Event::Started { .. } | Event::RecurrentStarted { .. });
        let goes_on = matches!(
            event,
            Event::Step { .. }
                | Event::Epoch { .. }
                | Event::Steered { .. }
                | Event::RecurrentStep { .. }
                | Event::RecurrentEpoch { .. }
                | Event::RecurrentSteered { .. }
                | Event::Sampled { .. }
        );
        if self.source.get_untracked() != Source::Engine || !(begins || goes_on) {
            return;
        }
        let Ok(line) = serde_json::to_string(event) else { return };
        UNKEPT.with_borrow_mut(|(lines, fresh)| {
            if begins {
                lines.clear();
                *fresh = true;
            }
            lines.push_str(&line);
            lines.push('\n');
        });
    }

    /// Has the browser keep the search as it is now.
    fn keep(self, checkpoint: &[u8]) {
        let Some(settings) = BEGUN.get() else { return };
        let own = OWN_TEXT.with_borrow(Clone::clone).filter(|_| settings.uses_own_text());
        let about = Manifest {
            settings: settings.to_fragment(),
            data: self.images.with_untracked(|images| images.as_ref().map(|images| images.data)).unwrap_or_default(),
            text: own.as_ref().map(|own| own.name.clone()),
            steps: self.run.with_untracked(|run| run.steps),
        };
        let Ok(about) = serde_json::to_string(&about) else { return };
        let (lines, fresh) = UNKEPT.take();
        let checkpoint = Uint8Array::from(checkpoint);
        // The text does not change: once is enough.
        let text = own.filter(|_| fresh).map(|own| Uint8Array::from(own.bytes.as_slice()));
        spawn_local(async move {
            // A browser that keeps nothing, or has no room, is no reason to stop.
            if let Err(error) = browser::keep(&about, &checkpoint, &lines, fresh, text).await {
                web_sys::console::warn_1(&error);
            }
        });
    }

    /// Forgets the search that the browser keeps.
    pub fn forget_kept(self) {
        self.kept.set(None);
        UNKEPT.take();
        spawn_local(async {
            if let Err(error) = browser::forget_kept().await {
                web_sys::console::warn_1(&error);
            }
        });
    }

    /// Looks whether the browser kept a search; what cannot be read is forgotten.
    fn look_for_kept(self) {
        spawn_local(async move {
            let Ok(found) = browser::kept().await else { return };
            let field = |name: &str| web_sys::js_sys::Reflect::get(&found, &name.into()).ok();
            let (Some(about), Some(log), Some(checkpoint)) = (field("about"), field("log"), field("checkpoint")) else {
                return;
            };
            let (Some(about), Some(log)) = (about.as_string(), log.as_string()) else { return };
            let text = field("text").filter(|text| !text.is_undefined()).map(|text| Uint8Array::new(&text).to_vec());
            match SavedSearch::read(&about, &log, Uint8Array::new(&checkpoint).to_vec(), text) {
                Ok(kept) => self.kept.set(Some(kept)),
                Err(problem) => {
                    self.tell(
                        format!("The search that this browser kept cannot be read and is forgotten: {problem}."),
                        true,
                    );
                    self.forget_kept();
                }
            }
        });
    }

    /// Takes up the search that the browser kept, and holds it.
    pub fn take_up(self) {
        let Some(SavedSearch { settings, request: wanted, run, checkpoint }) = self.kept.get_untracked() else {
            return;
        };
        self.reset();
        if let Wanted::Text { own: Some(own), .. } = &wanted {
            self.own_text.set(Some(own.name.clone()));
            OWN_TEXT.set(Some(own.clone()));
        }
        self.settings.set(settings);
        self.run.set(run);
        self.phase.set(Phase::Paused);
        self.begin(settings, wanted, Some(checkpoint), true);
    }

    /// Has the worker begin a search, or take one up from its checkpoint.
    fn begin(self, settings: Settings, wanted: Wanted, checkpoint: Option<Vec<u8>>, held: bool) {
        if matches!(self.engine.get_untracked(), Engine::Broken | Engine::Waiting) {
            self.connect();
        }
        BEGUN.set(Some(settings));
        let run = RUN_NUMBER.with_borrow(|number| *number);
        self.send(Command::Start { run, wanted, checkpoint, held });
    }

    /// The worker is of no use any more. What it has shown stays.
    fn lose(self, message: String) {
        disconnect();
        self.engine.set(Engine::Broken);
        self.activity.set(None);
        self.bench.set(Bench::Idle);
        self.race.update(|race| race.iter_mut().for_each(|race| race.stopped = true));
        self.look_for_kept();
        // Where nothing was searched, nothing has failed.
        if matches!(self.phase.get_untracked(), Phase::Idle | Phase::Recorded | Phase::Finished) {
            self.tell(sentence(&message), true);
        } else if self.phase.get_untracked() != Phase::Failed {
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
            Engine::Waiting | Engine::Broken => {}
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

    /// Begins a search with the settings of the top bar, held or not; says what is wrong with them instead where something is.
    fn start(self, held: bool) -> bool {
        let settings = self.settings.get_untracked();
        self.notices.set(Vec::new());
        let wanted = match Self::wanted(settings) {
            Ok(wanted) => wanted,
            Err(problem) => {
                self.tell(sentence(&problem), true);
                return false;
            }
        };
        self.forget();
        self.begin(settings, wanted, None, held);
        true
    }

    /// What these settings search, or why there is no such search.
    fn wanted(settings: Settings) -> Result<Wanted, String> {
        if settings.task == Task::Convolutional {
            let config = settings.search_config();
            config.check().and_then(|()| config.split(settings.images).map(drop)).map_err(|error| error.to_string())?;
            return Ok(Wanted::Images { config, data: settings.data });
        }
        let config = settings.recurrent_config();
        config.check().map_err(|error| error.to_string())?;
        let own = OWN_TEXT.with_borrow(Clone::clone).filter(|_| settings.uses_own_text());
        if settings.uses_own_text() && own.is_none() {
            let text =
                "These settings are for a text file that is not here: drop one on the page, or choose The Moonstone.";
            return Err(text.into());
        }
        Ok(Wanted::Text { config, words: settings.words, own })
    }

    /// Start, pause or resume; plays what is recorded.
    pub fn toggle(self) {
        match self.phase.get_untracked() {
            Phase::Recorded => self.play(),
            Phase::Finished | Phase::Failed if self.source.get_untracked() == Source::Native => self.play(),
            Phase::Idle | Phase::Finished | Phase::Failed => {
                if self.start(false) {
                    self.phase.set(Phase::Running);
                }
            }
            Phase::Running => {
                self.phase.set(Phase::Paused);
                self.ask(Control::Pause);
            }
            Phase::Paused => {
                self.phase.set(Phase::Running);
                self.look_at(None);
                self.ask(Control::Resume);
            }
        }
    }

    /// One search step, then hold; the next moment of what is recorded.
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
        // Until the worker answers, it may still report that it holds from before.
        if self.source.get_untracked() == Source::Engine {
            self.activity.set(None);
        }
        self.ask(Control::Step);
    }

    /// Asks something of the search, wherever it runs.
    fn ask(self, control: Control) {
        if self.source.get_untracked() != Source::Native {
            return self.send(Command::Control { control });
        }
        let Some(address) = served("control") else { return };
        let Ok(body) = serde_json::to_string(&control) else { return };
        spawn_local(async move {
            if let Some(problem) = browser::send(&address, &body).await.as_string() {
                self.tell(sentence(&problem), true);
            }
        });
    }

    /// Trains networks of these cells from scratch, of the sizes of the top bar.
    pub fn begin_race(self, race: Race) {
        let settings = self.settings.get_untracked();
        let config = TrainConfig {
            epochs: race.epochs,
            batch_size: settings.batch,
            init_channels: settings.channels,
            layers: settings.cells,
            train_images: Some(settings.images),
            seed: race.seed,
            // What helps large networks against learning by heart only slows small ones down.
            auxiliary_weight: 0.0,
            drop_path: 0.0,
            cutout: 0,
            report_every: 1,
            ..TrainConfig::default()
        };
        if let Err(error) = config.check() {
            return self.tell(sentence(&error.to_string()), true);
        }
        if matches!(self.engine.get_untracked(), Engine::Broken | Engine::Waiting) {
            self.connect();
        }
        let cells = race.runners.iter().filter_map(|runner| match &runner.cells {
            Cells::Convolutional(genotype) => Some(genotype.clone()),
            Cells::Recurrent(_) => None,
        });
        let cells = cells.collect();
        RACE_NUMBER.set(RACE_NUMBER.get() + 1);
        self.race.set(Some(race));
        self.send(Command::Race { race: RACE_NUMBER.get(), config, data: settings.data, cells });
    }

    /// Ends the training of those networks; what was drawn stays.
    pub fn stop_race(self) {
        RACE_NUMBER.set(RACE_NUMBER.get() + 1);
        self.race.update(|race| race.iter_mut().for_each(|race| race.stopped = true));
        self.send(Command::StopRace);
    }

    /// Has the network of the search write text.
    pub fn write(self, temperature: f64) {
        // Any other number would do; it is told with the text.
        let seed = (web_sys::js_sys::Math::random() * 1e6) as u64;
        self.send(Command::Sample { words: WRITTEN, temperature, seed });
    }

    /// Whether there is a search that takes changes.
    pub fn steerable(self) -> bool {
        matches!(self.phase.get(), Phase::Running | Phase::Paused) && self.cursor.get().is_none()
    }

    /// Changes the search; where none runs, or a moment of the past is looked at, tries the change out on what is shown.
    pub fn steer(self, steering: Steering) {
        if untrack(move || self.steerable()) {
            self.ask(Control::Steer { steering });
        } else if self.run.with_untracked(|run| run.started.is_some()) {
            self.what_if.update(|changes| changes.push(steering));
        }
    }

    /// Asks the search for a change of its course, whatever moment is looked at.
    pub fn ask_change(self, steering: Steering) {
        self.ask(Control::Steer { steering });
    }

    /// Chooses an edge, or lets go of it.
    pub fn choose(self, kind: Kind, row: usize) {
        self.chosen.update(|chosen| *chosen = Some((kind, row)).filter(|new| *chosen != Some(*new)));
    }

    /// Looks at a moment, or goes along with the latest.
    pub fn look_at(self, steps: Option<usize>) {
        self.playing.set(false);
        self.cursor.set(steps);
    }

    /// Goes some moments on or back.
    pub fn walk(self, by: isize) {
        let target = self.run.with_untracked(|run| {
            let frames = run.frames.all();
            let at = self.cursor.get_untracked().and_then(|steps| run.frames.at(steps));
            let at = at.unwrap_or(frames.len().saturating_sub(1)).saturating_add_signed(by);
            frames.get(at).filter(|_| at + 1 < frames.len()).map(|frame| frame.steps)
        });
        self.look_at(target);
    }

    /// Goes to the next moment at which the derived cells changed, or to the one before.
    pub fn walk_to_change(self, forward: bool) {
        let target = self.run.with_untracked(|run| {
            let now = self.cursor.get_untracked().unwrap_or(run.steps);
            let mut changes = run.changes.iter().copied();
            if forward { changes.find(|&steps| steps > now) } else { changes.rfind(|&steps| steps < now) }
        });
        if forward || target.is_some() {
            self.look_at(target);
        }
    }

    /// Plays the run from the moment looked at, from its beginning where that is the last; or stops.
    pub fn play(self) {
        if self.playing.get_untracked() {
            return self.playing.set(false);
        }
        let last = self.run.with_untracked(|run| run.steps);
        if last == 0 {
            return;
        }
        let from = self.cursor.get_untracked().filter(|&steps| steps < last).unwrap_or(0);
        self.cursor.set(Some(from));
        self.playing.set(true);
        self.play_on(from as f64, clock());
    }

    fn play_on(self, at: f64, since: f64) {
        request_animation_frame(move || {
            if !self.playing.get_untracked() {
                return;
            }
            let now = clock();
            let last = self.run.with_untracked(|run| run.steps) as f64;
            let at = at + last * (now - since).min(250.0) / 1000.0 / PLAYED_SECONDS;
            if at >= last {
                self.playing.set(false);
                return self.cursor.set(None);
            }
            if self.cursor.get_untracked() != Some(at as usize) {
                self.cursor.set(Some(at as usize));
            }
            self.play_on(at, now);
        });
    }

    /// Films the run from its beginning to its end.
    pub fn film(self) {
        const MOMENTS: usize = 100;
        self.playing.set(false);
        let seek = Closure::<dyn FnMut(usize) -> String>::new(move |moment: usize| {
            let last = self.run.with_untracked(|run| run.steps);
            let at = (last as f64 * moment as f64 / (MOMENTS - 1) as f64).round() as usize;
            self.cursor.set(Some(at));
            self.moment.with_untracked(|moment| match moment {
                Some(moment) => format!("step {} of {last}, epoch {}", moment.steps, moment.epoch + 1),
                None => String::new(),
            })
        });
        self.tell("The film takes about ten seconds; it is saved when it is done.".into(), false);
        spawn_local(async move {
            let made = browser::save_film("search.webm", "svg.heatmap, svg.cell-graph", MOMENTS, &seek).await;
            self.look_at(None);
            self.notices.set(Vec::new());
            if let Err(error) = made {
                self.tell(format!("The film cannot be made: {}.", browser::reason(&error)), true);
            }
        });
    }

    /// Back to before the first step; a search of the command line ends, a recording is closed.
    pub fn reset(self) {
        self.notices.set(Vec::new());
        self.reset_keeping_notices();
    }

    fn reset_keeping_notices(self) {
        WAITING.take();
        if self.source.get_untracked() == Source::Native {
            return self.ask(Control::Stop);
        }
        match self.engine.get_untracked() {
            Engine::Ready { .. } => self.post(&Command::Control { control: Control::Stop }),
            Engine::Broken => self.connect(),
            Engine::Loading { .. } | Engine::Waiting => {}
        }
        self.forget();
        self.phase.set(Phase::Idle);
    }

    /// Why there is no GPU, where that is known.
    pub fn without_gpu(self) -> Option<String> {
        match self.engine.get() {
            Engine::Ready { instead, .. } => instead,
            Engine::Waiting | Engine::Loading { .. } => no_gpu().map(str::to_owned),
            Engine::Broken => None,
        }
    }

    /// Times steps of this order on these kernels with the sizes of the top bar.
    pub fn time_steps(self, order: Order, kernels: Kernels) {
        let config = SearchConfig { order, kernels, ..self.settings.get_untracked().search_config() };
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
        self.source.set(Source::Engine);
        self.run.set(Run::default());
        self.playing.set(false);
        self.cursor.set(None);
        self.what_if.set(Vec::new());
        self.chosen.set(None);
        self.given.set(None);
        self.activity.set(None);
        self.images.set(None);
        self.kept.set(None);
        UNKEPT.take();
        self.text_name.set(None);
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
