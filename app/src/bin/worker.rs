//! The engine in a Web Worker: hears commands, computes steps, says what happens.

use darts_app::messages::{Activity, Command, DataChoice, Message, OwnText, Wanted};
use darts_engine::{
    bench::step_benchmark,
    checkpoint::{Checkpoint, CheckpointError, LogMark, Resumable, State},
    config::{RecurrentConfig, SearchConfig, TrainConfig},
    data::{Corpus, Dataset, TEXTURES_TEST, TEXTURES_TRAIN, Vocabulary},
    device::{Compute, DeviceChoice},
    event::Event,
    intervention::{Control, SteerError, Steering},
    search::{ConvSearch, REHEARSALS, RecurrentError, RecurrentSearch, Sampling, SearchError},
    space::Genotype,
    train::Training,
};
use futures::{StreamExt, channel::mpsc};
use js_sys::{Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent, Response};

/// The packed subset of CIFAR-10, beside the page.
const SUBSET: &str = "data/cifar10.packed";
/// The text that is there for everybody, beside the page.
const BOOK: &str = "data/moonstone.txt";
/// What people call it.
const TITLE: &str = "The Moonstone";
/// Steps from one text that a network writes without being asked to the next; the first is written after the first step.
const WRITTEN_EVERY: usize = 25;
/// The number of what is no search, so that nobody hears of it.
const NOBODY: u32 = u32::MAX;
/// How it does.
const UNASKED: Sampling = Sampling { words: 60, temperature: 0.8, seed: 0 };

fn main() {
    darts_app::construct();
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        // After a panic nothing of this module runs again, so this is the last it says.
        say(&Message::Failed { message: format!("the engine broke: {}", panic_text(info)) });
    }));
    let (sender, inbox) = mpsc::unbounded();
    let hear = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        match serde_wasm_bindgen::from_value::<Command>(event.data()) {
            // It cannot fail: the other end lives as long as the worker.
            Ok(command) => drop(sender.unbounded_send(command)),
            Err(error) => say(&Message::Failed { message: format!("the engine heard something unreadable: {error}") }),
        }
    });
    scope().set_onmessage(Some(hear.as_ref().unchecked_ref()));
    hear.forget();
    spawn_local(serve(inbox));
}

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

fn say(message: &Message) {
    let sent =
        serde_wasm_bindgen::to_value(message).map_err(JsValue::from).and_then(|value| scope().post_message(&value));
    if let Err(error) = sent {
        web_sys::console::error_1(&error);
    }
}

fn panic_text(info: &std::panic::PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no reason given").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Milliseconds from one checkpoint to the next while a search runs.
const KEPT_EVERY: f64 = 10_000.0;

/// What tells whether a checkpoint belongs to a search: its settings, data and device.
fn fingerprint(started: &Event) -> String {
    serde_json::to_string(started).unwrap_or_default()
}

/// A search of either task.
enum Search {
    Images(Box<ConvSearch>),
    /// With the words that its network knows.
    Text(Box<RecurrentSearch>, Vocabulary),
}

impl Search {
    fn started(&self) -> Event {
        match self {
            Self::Images(search) => search.started(),
            Self::Text(search, _) => search.started(),
        }
    }

    fn is_finished(&self) -> bool {
        match self {
            Self::Images(search) => search.is_finished(),
            Self::Text(search, _) => search.is_finished(),
        }
    }

    fn steps_done(&self) -> usize {
        match self {
            Self::Images(search) => search.steps_done(),
            Self::Text(search, _) => search.steps_done(),
        }
    }

    fn ends_epoch(&self) -> bool {
        match self {
            Self::Images(search) => search.ends_epoch(),
            Self::Text(search, _) => search.ends_epoch(),
        }
    }

    async fn state(&self) -> Result<State, String> {
        match self {
            Self::Images(search) => search.state().await.map_err(|error| error.to_string()),
            Self::Text(search, _) => search.state().await.map_err(|error| error.to_string()),
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), CheckpointError> {
        match self {
            Self::Images(search) => search.restore(state),
            Self::Text(search, _) => search.restore(state),
        }
    }

    /// Changes it, or says why that is refused; an error is the device's.
    async fn steer(&mut self, steering: Steering) -> Result<Result<Event, SteerError>, String> {
        match self {
            Self::Images(search) => match search.steer(steering).await {
                Err(SearchError::Steering(refused)) => Ok(Err(refused)),
                told => told.map(Ok).map_err(|error| error.to_string()),
            },
            Self::Text(search, _) => match search.steer(steering).await {
                Err(RecurrentError::Steering(refused)) => Ok(Err(refused)),
                told => told.map(Ok).map_err(|error| error.to_string()),
            },
        }
    }

    async fn step(&mut self) -> Result<Vec<Event>, String> {
        match self {
            Self::Images(search) => search.step().await.map_err(|error| error.to_string()),
            Self::Text(search, _) => search.step().await.map_err(|error| error.to_string()),
        }
    }

    async fn rehearse(&self, part: usize) -> Result<(), String> {
        match self {
            Self::Images(search) => search.rehearse(part).await.map_err(|error| error.to_string()),
            Self::Text(search, _) => search.rehearse(part).await.map_err(|error| error.to_string()),
        }
    }

    /// Text that the network writes, where it is one that does.
    async fn write(&self, sampling: Sampling) -> Result<Option<Event>, String> {
        match self {
            Self::Images(_) => Ok(None),
            Self::Text(search, words) => {
                search.sample(words, sampling).await.map(Some).map_err(|error| error.to_string())
            }
        }
    }
}

/// A search that may come, and how many parts of its shaders are compiled.
struct Rehearsal {
    search: Search,
    parts: usize,
}

impl Rehearsal {
    /// Sets up the search that is wanted, on made-up images where it is one on images: only their size counts.
    async fn begin(wanted: Wanted, compute: &Compute) -> Result<Self, String> {
        let search = match wanted {
            Wanted::Images { config, .. } => {
                let images = 4 * config.batch_size;
                let config = SearchConfig { train_images: Some(images), ..config };
                let made_up = Dataset::textures(0, images, 0);
                let search = ConvSearch::new(config, &made_up, compute).await.map_err(|error| error.to_string())?;
                Search::Images(search.into())
            }
            Wanted::Text { config, words, own } => begin_text(NOBODY, config, words, own, compute).await?,
        };
        Ok(Self { search, parts: 0 })
    }

    /// Has the next part compiled; whether there are more.
    async fn go_on(&mut self) -> Result<bool, String> {
        self.search.rehearse(self.parts).await?;
        self.parts += 1;
        Ok(self.parts < REHEARSALS)
    }
}

/// A search and how far it may go.
struct Current {
    /// What it is, before anybody changed it.
    began: String,
    /// Milliseconds at which it was kept, and the steps done by then.
    kept: (f64, usize),
    run: u32,
    search: Search,
    going: bool,
    /// Single steps asked for.
    owed: usize,
    activity: Activity,
}

impl Current {
    fn is(&mut self, activity: Activity) {
        if self.activity != activity {
            self.activity = activity;
            say(&Message::Status { run: self.run, activity });
        }
    }

    /// Tells what it can be taken up again from, if anything was done since; not more often than is worth its while, unless
    /// it is `due`.
    async fn keep(&mut self, due: bool) -> Result<(), String> {
        let search = &self.search;
        let (now, steps) = (js_sys::Date::now(), search.steps_done());
        let (then, known) = self.kept;
        if steps == known || search.is_finished() || !(due || search.ends_epoch() || now - then > KEPT_EVERY) {
            return Ok(());
        }
        let state = search.state().await?;
        // The page has the log; that both are kept together is its business.
        let checkpoint = Checkpoint { step: steps, config: self.began.clone(), log: LogMark::default(), state };
        say(&Message::Kept { run: self.run, checkpoint: checkpoint.to_bytes() });
        self.kept = (js_sys::Date::now(), steps);
        Ok(())
    }

    /// Has the network write, and tells what it wrote.
    async fn write(&mut self, sampling: Sampling) -> Result<(), String> {
        let before = self.activity;
        self.is(Activity::Writing);
        if let Some(event) = self.search.write(sampling).await? {
            say(&Message::Event { run: self.run, event: event.into() });
        }
        self.is(before);
        Ok(())
    }

    fn may_step(&self) -> bool {
        (self.going || self.owed > 0) && !self.search.is_finished()
    }
}

/// Networks that are trained side by side, a step of each in turn.
struct Race {
    number: u32,
    runners: Vec<Training>,
    next: usize,
}

impl Race {
    async fn begin(
        number: u32,
        config: TrainConfig,
        data: DataChoice,
        cells: Vec<Genotype>,
        compute: &Compute,
    ) -> Result<Self, String> {
        let dataset = match data {
            DataChoice::Textures => {
                Dataset::textures(config.seed, config.train_images.unwrap_or(TEXTURES_TRAIN), TEXTURES_TEST)
            }
            DataChoice::Cifar10 => subset().await?,
        };
        // No more than there are.
        let images = config.train_images.map(|images| images.min(dataset.train.len()));
        let config = TrainConfig { train_images: images, ..config };
        let runner = |cells| Training::new(config.clone(), cells, &dataset, compute).map_err(|error| error.to_string());
        let runners = cells.into_iter().map(runner).collect::<Result<Vec<_>, _>>()?;
        for (runner, training) in runners.iter().enumerate() {
            say(&Message::Raced { race: number, runner, event: training.started().into() });
        }
        Ok(Self { number, runners, next: 0 })
    }

    fn is_over(&self) -> bool {
        self.runners.iter().all(Training::is_finished)
    }

    async fn step(&mut self) -> Result<(), String> {
        let runner = self.next;
        self.next = (runner + 1) % self.runners.len();
        if !self.runners[runner].is_finished() {
            let events = self.runners[runner].step().await.map_err(|error| error.to_string())?;
            for event in events {
                say(&Message::Raced { race: self.number, runner, event: event.into() });
            }
        }
        Ok(())
    }
}

async fn serve(mut inbox: mpsc::UnboundedReceiver<Command>) {
    // Without an adapter there is nothing to acquire, and the runtime would break in trying.
    let told = adapter_info().await;
    let acquired = match &told {
        Some(_) => {
            Compute::acquire(DeviceChoice::Auto).await.map_err(|error| format!("WebGPU does not start: {error}."))
        }
        None => Err("WebGPU has no adapter here.".to_owned()),
    };
    let (compute, instead) = match acquired {
        Ok(compute) => (compute, None),
        Err(reason) => (Compute::cpu(), Some(reason)),
    };
    let told = told.filter(|_| instead.is_none()).unwrap_or_default();
    say(&Message::Ready {
        adapter: told.name.unwrap_or_else(|| compute.adapter.clone()),
        backend: compute.backend.clone(),
        software: compute.software || told.software,
        instead,
    });
    let mut current: Option<Current> = None;
    let mut race: Option<Race> = None;
    let mut rehearsal: Option<Rehearsal> = None;
    loop {
        if let Some(current) = current.as_mut().filter(|current| !current.may_step()) {
            if let Err(message) = current.keep(true).await {
                return say(&Message::Failed { message });
            }
            current.is(Activity::Holding);
        }
        race = race.filter(|race| !race.is_over());
        // Whatever has been said is heard before the next step; with no step to do, wait for the next word.
        let busy = race.is_some() || current.as_ref().is_some_and(Current::may_step);
        let command = match busy || rehearsal.is_some() {
            true => inbox.try_recv().ok(),
            false => match inbox.next().await {
                Some(command) => Some(command),
                None => return,
            },
        };
        if let Some(command) = command {
            // After an error the device may be gone, so the page replaces this worker.
            rehearsal = None;
            if let Command::Rehearse { wanted } = command {
                // What is wrong with it is told when it is begun.
                rehearsal = Rehearsal::begin(wanted, &compute).await.ok();
            } else if let Err(message) = obey(command, &mut current, &mut race, &compute).await {
                return say(&Message::Failed { message });
            }
            continue;
        }
        if let Some(rehearsed) = rehearsal.as_mut().filter(|_| !busy) {
            if !rehearsed.go_on().await.unwrap_or(false) {
                rehearsal = None;
            }
            breathe().await;
            continue;
        }
        if let Some(Err(message)) = match &mut race {
            Some(race) => Some(race.step().await),
            None => None,
        } {
            return say(&Message::Failed { message });
        }
        breathe().await;
        let Some(now) = current.as_mut().filter(|current| current.may_step()) else { continue };
        now.is(Activity::Stepping);
        let done = async {
            let events = now.search.step().await?;
            now.owed = now.owed.saturating_sub(1);
            let due = events.iter().find_map(|event| match event {
                Event::RecurrentStep { step, .. } if *step == 0 || (step + 1).is_multiple_of(WRITTEN_EVERY) => {
                    Some(step + 1)
                }
                _ => None,
            });
            let (over, events): (Vec<Event>, Vec<Event>) =
                events.into_iter().partition(|event| matches!(event, Event::RecurrentFinished { .. }));
            let tell = |event: Event, run| say(&Message::Event { run, event: event.into() });
            events.into_iter().for_each(|event| tell(event, now.run));
            if let Some(seed) = due {
                now.write(Sampling { seed: seed as u64, ..UNASKED }).await?;
            }
            over.into_iter().for_each(|event| tell(event, now.run));
            now.keep(false).await
        };
        if let Err(message) = done.await {
            // The device may be gone, so the page replaces this worker before the next search.
            say(&Message::Event { run: now.run, event: Event::Failed { message: message.clone() }.into() });
            return say(&Message::Failed { message });
        }
        breathe().await;
    }
}

/// What the browser tells of its adapter and the engine does not hear.
#[derive(Default)]
struct AdapterInfo {
    name: Option<String>,
    software: bool,
}

async fn adapter_info() -> Option<AdapterInfo> {
    let get = |object: &JsValue, key: &str| Reflect::get(object, &key.into()).ok();
    let gpu = get(&get(&js_sys::global(), "navigator")?, "gpu")?;
    let request: Function = get(&gpu, "requestAdapter")?.dyn_into().ok()?;
    let adapter = JsFuture::from(Promise::resolve(&request.call0(&gpu).ok()?)).await.ok()?;
    let info = get(&adapter, "info")?;
    let text = |key| get(&info, key).and_then(|value| value.as_string()).filter(|text| !text.is_empty());
    let architecture = text("architecture");
    let software = get(&info, "isFallbackAdapter").is_some_and(|value| value.is_truthy())
        || architecture.as_deref() == Some("swiftshader");
    // Browsers that keep the device's name to themselves still tell its maker and family.
    let made: Vec<String> = text("vendor").into_iter().chain(architecture).collect();
    let name = text("description").or_else(|| (!made.is_empty()).then(|| made.join(" ")));
    Some(AdapterInfo { name, software })
}

/// Does what it is told.
///
/// # Errors
/// The device failed.
async fn obey(
    command: Command,
    current: &mut Option<Current>,
    race: &mut Option<Race>,
    compute: &Compute,
) -> Result<(), String> {
    match command {
        Command::Start { run, wanted, checkpoint, held } => {
            *current = None;
            match start(run, wanted, checkpoint.as_deref(), compute).await {
                Ok(begun) => *current = Some(Current { going: !held, ..begun }),
                Err(message) => say(&Message::Event { run, event: Event::Failed { message }.into() }),
            }
        }
        Command::Sample { words, temperature, seed } => {
            if let Some(current) = current {
                current.write(Sampling { words, temperature, seed }).await?;
            }
        }
        Command::Race { race: number, config, data, cells } => {
            *race = None;
            match Race::begin(number, config, data, cells, compute).await {
                Ok(begun) => *race = Some(begun),
                Err(message) => {
                    let event = Event::Failed { message }.into();
                    say(&Message::Raced { race: number, runner: 0, event });
                }
            }
        }
        Command::StopRace => *race = None,
        Command::Rehearse { .. } => {}
        Command::Control { control: Control::Stop } => *current = None,
        Command::Control { control } => {
            if let Some(current) = current {
                asked(control, current).await?;
            }
        }
        Command::Bench { run, config, steps } => {
            (*current, *race) = (None, None);
            let told = |kind: &str, done| say(&Message::Timing { run, kind: kind.to_owned(), done });
            let figures =
                step_benchmark(config, steps, false, compute, told).await.map_err(|error| error.to_string())?;
            say(&Message::Benchmark { run, figures: Box::new(figures) });
        }
    }
    Ok(())
}

/// Begins a search, which is told; or takes one up from its checkpoint.
async fn start(run: u32, wanted: Wanted, checkpoint: Option<&[u8]>, compute: &Compute) -> Result<Current, String> {
    let refused = |why: String| format!("the search that was kept cannot be taken up again: what was kept {why}");
    let checkpoint = checkpoint.map(Checkpoint::from_bytes).transpose().map_err(|error| refused(error.to_string()))?;
    let mut search = match wanted {
        Wanted::Images { config, data } => begin(run, config, data, compute).await?,
        Wanted::Text { config, words, own } => begin_text(run, config, words, own, compute).await?,
    };
    let event = search.started();
    let began = fingerprint(&event);
    match checkpoint {
        None => say(&Message::Event { run, event: event.into() }),
        Some(checkpoint) if checkpoint.config == began => {
            search.restore(&checkpoint.state).map_err(|error| refused(error.to_string()))?;
        }
        Some(_) => return Err(refused("is of other data, another device or another version of this page".into())),
    }
    let kept = (js_sys::Date::now(), search.steps_done());
    Ok(Current { began, kept, run, search, going: false, owed: 0, activity: Activity::Building })
}

/// What is asked of a search that is there.
async fn asked(control: Control, current: &mut Current) -> Result<(), String> {
    match control {
        Control::Pause => (current.going, current.owed) = (false, 0),
        Control::Resume => current.going = true,
        Control::Step => (current.going, current.owed) = (false, current.owed + 1),
        Control::Steer { steering } => {
            match current.search.steer(steering).await? {
                Ok(event) => {
                    say(&Message::Event { run: current.run, event: event.into() });
                    // No step was done, and yet it is another search.
                    current.kept.1 = usize::MAX;
                }
                Err(refused) => say(&Message::Refused { run: current.run, reason: refused.to_string() }),
            }
        }
        Control::Stop => {}
    }
    Ok(())
}

async fn begin(run: u32, config: SearchConfig, data: DataChoice, compute: &Compute) -> Result<Search, String> {
    say(&Message::Status { run, activity: Activity::Data });
    let textures = || Dataset::textures(config.seed, config.train_images.unwrap_or(TEXTURES_TRAIN), 0);
    let (dataset, data, notice) = match data {
        DataChoice::Textures => (textures(), data, None),
        DataChoice::Cifar10 => match subset().await {
            Ok(dataset) => (dataset, data, None),
            Err(why) => {
                let notice = format!("{why}; the search learns from generated textures instead.");
                (textures(), DataChoice::Textures, Some(notice))
            }
        },
    };
    say(&Message::Data { run, data, images: dataset.train.len(), notice });
    say(&Message::Status { run, activity: Activity::Building });
    let search = ConvSearch::new(config, &dataset, compute).await.map_err(|error| error.to_string())?;
    Ok(Search::Images(search.into()))
}

async fn begin_text(
    run: u32,
    config: RecurrentConfig,
    words: usize,
    own: Option<OwnText>,
    compute: &Compute,
) -> Result<Search, String> {
    say(&Message::Status { run, activity: Activity::Data });
    let OwnText { name, bytes } = match own {
        Some(own) => own,
        None => {
            let bytes =
                fetched(BOOK).await.map_err(|why| format!("{why}: drop a text file of your own on the page"))?;
            OwnText { name: TITLE.into(), bytes }
        }
    };
    let corpus = Corpus::from_prose(&name, &bytes, words).map_err(|error| error.to_string())?;
    say(&Message::Text { run, name });
    say(&Message::Status { run, activity: Activity::Building });
    let search = RecurrentSearch::new(config, &corpus, compute).await.map_err(|error| error.to_string())?;
    Ok(Search::Text(search.into(), corpus.vocabulary))
}

/// The subset of CIFAR-10 beside the page, or a clause that says why there is none.
async fn subset() -> Result<Dataset, String> {
    Dataset::from_packed(&fetched(SUBSET).await?).map_err(|error| format!("{SUBSET} cannot be read ({error})"))
}

/// A file beside the page, or a clause that says why there is none.
async fn fetched(file: &str) -> Result<Vec<u8>, String> {
    let reason = |error: JsValue| match error.dyn_into::<js_sys::Error>() {
        Ok(error) => format!("{file} cannot be fetched ({})", String::from(error.message())),
        Err(_) => format!("{file} cannot be fetched"),
    };
    let response: Response =
        JsFuture::from(scope().fetch_with_str(file)).await.map_err(reason)?.dyn_into().map_err(reason)?;
    let kind = response.headers().get("content-type").ok().flatten().unwrap_or_default();
    // A server of single-page applications answers with the page itself where there is no file.
    if response.status() == 404 || kind.starts_with("text/html") {
        return Err(format!("{file} is missing"));
    }
    if !response.ok() {
        return Err(format!("{file} cannot be fetched (status {})", response.status()));
    }
    let buffer = JsFuture::from(response.array_buffer().map_err(reason)?).await.map_err(reason)?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// Lets the worker hear what was said meanwhile.
async fn breathe() {
    let turn = Promise::new(&mut |resolve, _| {
        let set_timeout = Reflect::get(&js_sys::global(), &"setTimeout".into()).map(JsCast::unchecked_into::<Function>);
        if let Ok(set_timeout) = set_timeout {
            let _ = set_timeout.call1(&JsValue::NULL, &resolve);
        }
    });
    let _ = JsFuture::from(turn).await;
}
