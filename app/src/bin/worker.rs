//! The engine in a Web Worker: hears commands, computes steps, says what happens.

use darts_app::messages::{Activity, Command, DataChoice, Message};
use darts_engine::{
    bench::step_benchmark,
    data::{Dataset, TEXTURES_TRAIN},
    device::{Compute, DeviceChoice},
    event::Event,
    search::{Control, ConvSearch, SearchConfig, SearchError},
};
use futures::{StreamExt, channel::mpsc};
use js_sys::{Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent, Response};

/// The packed subset of CIFAR-10, beside the page.
const SUBSET: &str = "data/cifar10.packed";

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

/// A search and how far it may go.
struct Current {
    run: u32,
    search: ConvSearch,
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

    fn may_step(&self) -> bool {
        (self.going || self.owed > 0) && !self.search.is_finished()
    }
}

async fn serve(mut inbox: mpsc::UnboundedReceiver<Command>) {
    let compute = match Compute::acquire(DeviceChoice::Auto).await {
        Ok(compute) => compute,
        Err(error) => return say(&Message::Unsupported { reason: format!("WebGPU does not start: {error}.") }),
    };
    let told = adapter_info().await.unwrap_or_default();
    say(&Message::Ready {
        adapter: told.name.unwrap_or_else(|| compute.adapter.clone()),
        backend: compute.backend.clone(),
        software: compute.software || told.software,
    });
    let mut current: Option<Current> = None;
    loop {
        // Whatever has been said is heard before the next step; with no step to do, wait for the next word.
        let command = match &mut current {
            Some(current) if current.may_step() => inbox.try_recv().ok(),
            other => {
                if let Some(current) = other {
                    current.is(Activity::Holding);
                }
                match inbox.next().await {
                    Some(command) => Some(command),
                    None => return,
                }
            }
        };
        if let Some(command) = command {
            obey(command, &mut current, &compute).await;
            continue;
        }
        let Some(now) = &mut current else { continue };
        now.is(Activity::Stepping);
        match now.search.step().await {
            Ok(events) => {
                let run = now.run;
                events.into_iter().for_each(|event| say(&Message::Event { run, event: event.into() }));
                now.owed = now.owed.saturating_sub(1);
            }
            Err(error) => {
                // The device may be gone, so the page replaces this worker before the next search.
                let message = error.to_string();
                say(&Message::Event { run: now.run, event: Event::Failed { message: message.clone() }.into() });
                return say(&Message::Failed { message });
            }
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

async fn obey(command: Command, current: &mut Option<Current>, compute: &Compute) {
    match command {
        Command::Start { run, config, data } => {
            *current = None;
            match begin(run, config, data, compute).await {
                Ok(search) => {
                    say(&Message::Event { run, event: search.started().into() });
                    *current = Some(Current { run, search, going: true, owed: 0, activity: Activity::Building });
                }
                Err(message) => say(&Message::Event { run, event: Event::Failed { message }.into() }),
            }
        }
        Command::Control { control: Control::Stop } => *current = None,
        Command::Control { control } => {
            if let Some(current) = current {
                asked(control, current).await;
            }
        }
        Command::Bench { run, config, steps } => {
            *current = None;
            let told = |kind: &str, done| say(&Message::Timing { run, kind: kind.to_owned(), done });
            match step_benchmark(config, steps, false, compute, told).await {
                Ok(figures) => say(&Message::Benchmark { run, figures: Box::new(figures) }),
                // The device may be gone, so the page replaces this worker.
                Err(error) => say(&Message::Failed { message: error.to_string() }),
            }
        }
    }
}

/// What is asked of a search that is there.
async fn asked(control: Control, current: &mut Current) {
    match control {
        Control::Pause => (current.going, current.owed) = (false, 0),
        Control::Resume => current.going = true,
        Control::Step => (current.going, current.owed) = (false, current.owed + 1),
        Control::Steer { steering } => match current.search.steer(steering).await {
            Ok(event) => say(&Message::Event { run: current.run, event: event.into() }),
            Err(error @ SearchError::Steering(_)) => {
                say(&Message::Refused { run: current.run, reason: error.to_string() });
            }
            // The device may be gone, so the page replaces this worker.
            Err(error) => say(&Message::Failed { message: error.to_string() }),
        },
        Control::Stop => {}
    }
}

async fn begin(run: u32, config: SearchConfig, data: DataChoice, compute: &Compute) -> Result<ConvSearch, String> {
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
    ConvSearch::new(config, &dataset, compute).await.map_err(|error| error.to_string())
}

/// The subset of CIFAR-10 beside the page, or a clause that says why there is none.
async fn subset() -> Result<Dataset, String> {
    let reason = |error: JsValue| match error.dyn_into::<js_sys::Error>() {
        Ok(error) => format!("{SUBSET} cannot be fetched ({})", String::from(error.message())),
        Err(_) => format!("{SUBSET} cannot be fetched"),
    };
    let response: Response =
        JsFuture::from(scope().fetch_with_str(SUBSET)).await.map_err(reason)?.dyn_into().map_err(reason)?;
    let kind = response.headers().get("content-type").ok().flatten().unwrap_or_default();
    // A server of single-page applications answers with the page itself where there is no file.
    if response.status() == 404 || kind.starts_with("text/html") {
        return Err(format!("The CIFAR-10 images are not here ({SUBSET} is missing)"));
    }
    if !response.ok() {
        return Err(format!("{SUBSET} cannot be fetched (status {})", response.status()));
    }
    let buffer = JsFuture::from(response.array_buffer().map_err(reason)?).await.map_err(reason)?;
    Dataset::from_packed(&Uint8Array::new(&buffer).to_vec())
        .map_err(|error| format!("{SUBSET} cannot be read ({error})"))
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
