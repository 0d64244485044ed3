//! The top bar: name, transport, settings, figures.

use super::{
    grouped, page,
    parts::{FileField, Menu},
};
use crate::{
    browser,
    page::{EngineState, FilePurpose, Page, Phase, RunSource},
};
use darts_app::{
    cells::Task,
    describe::sentence,
    messages::{Activity, DataChoice, TextChoice},
    run::{Course, End, Plan},
    settings::{IntegerSetting, RateSetting, Settings},
};
use darts_engine::config::Order;
use leptos::{html, prelude::*};
use wasm_bindgen_futures::spawn_local;

#[component]
pub fn Bar() -> impl IntoView {
    view! {
        <header class="bar">
            <div class="bar-top">
                <div class="brand">
                    <h1>"DARTS"</h1>
                    <p>"A network\u{2019}s architecture, learned by gradient descent"</p>
                </div>
                <Transport />
                <Figures />
                <Actions />
            </div>
            <Settings />
        </header>
    }
}

#[component]
fn Transport() -> impl IntoView {
    let page = page();
    let recorded = move || page.phase.get() == Phase::Recorded;
    let native = move || page.source.get() == RunSource::Served;
    let running = move || page.phase.get() == Phase::Running || page.playing.get();
    let over = move || matches!(page.phase.get(), Phase::Finished | Phase::Failed);
    let reset_label = move || match page.phase.get() {
        Phase::Recorded => "Close the recorded run",
        _ if native() => "Stop: end the search",
        _ => "Reset: back to before the first step",
    };
    let label = move || match page.phase.get() {
        Phase::Recorded if page.playing.get() => "Pause the replay",
        Phase::Recorded => "Replay",
        Phase::Finished | Phase::Failed if native() => "Replay",
        Phase::Idle => "Start the search",
        Phase::Running => "Pause",
        Phase::Paused => "Resume",
        Phase::Finished | Phase::Failed => "Start again",
    };
    view! {
        <div class="transport">
            <button
                type="button"
                id="reset"
                class="round"
                aria-label=reset_label
                title=reset_label
                disabled=move || page.phase.get() == Phase::Idle || (native() && over())
                on:click=move |_| page.reset()
            >
                <svg viewBox="0 0 24 24" aria-hidden="true">
                    {move || match (native(), recorded()) {
                        (true, _) => view! { <path d="M6.5 6.5h11v11h-11z" class="icon" /> }.into_any(),
                        (_, true) => view! { <path d="M6.5 6.5l11 11M17.5 6.5l-11 11" class="icon-line" /> }.into_any(),
                        _ => {
                            view! {
                                <path d="M5.5 12a6.5 6.5 0 1 0 2.2-4.9" class="icon-line" />
                                <path d="M8.6 3.2 7.2 7.7l4.6 1z" class="icon" />
                            }
                            .into_any()
                        }
                    }}
                </svg>
            </button>
            <button
                type="button"
                id="play"
                class="round big"
                aria-label=label
                title=label
                on:click=move |_| page.toggle()
            >
                <svg viewBox="0 0 24 24" aria-hidden="true">
                    <path d=move || if running() { "M7 5h3.6v14H7zM13.4 5H17v14h-3.6z" } else { "M8 4.6 19 12 8 19.4z" } class="icon" />
                </svg>
            </button>
            <button
                type="button"
                id="step"
                class="round"
                aria-label="One step"
                title=move || if recorded() { "The next moment" } else { "One search step: alphas, then weights; then hold" }
                disabled=move || over() && !native()
                on:click=move |_| page.step()
            >
                <svg viewBox="0 0 24 24" aria-hidden="true">
                    <path d="M5.5 5H8.3v14H5.5zM10.5 5 20 12l-9.5 7z" class="icon" />
                </svg>
            </button>
        </div>
    }
}

/// Whether this page's engine has a GPU, emulated or not.
fn computes_on_gpu(page: Page) -> bool {
    page.source.get() == RunSource::Worker && matches!(page.engine.get(), EngineState::Ready { cpu_reason: None, .. })
}

/// What the page is doing, in a few words.
fn status(page: Page) -> String {
    let loading = match page.engine.get() {
        EngineState::Loading { received, total: Some(total) } if total > 0.0 => {
            Some(format!("Loading engine: {:.0}%", (100.0 * received / total).min(100.0)))
        }
        EngineState::Loading { received, .. } if received > 0.0 => {
            Some(format!("Loading engine: {:.1} MB", received / 1e6))
        }
        EngineState::Loading { .. } => Some("Loading engine".into()),
        EngineState::Waiting | EngineState::Ready { .. } | EngineState::Broken => None,
    };
    let activity = page.activity.get();
    if let RunSource::Recording { reading, .. } = page.source.get() {
        return match reading {
            Some(share) if share > 0.0 => format!("Reading: {:.0}%", 100.0 * share),
            Some(_) => "Reading".into(),
            None if page.playing.get() => "Replaying".into(),
            None => "Recorded run".into(),
        };
    }
    // Until it says what it does, a search of the command line runs.
    let loading = loading.filter(|_| page.source.get() == RunSource::Worker);
    match page.phase.get() {
        Phase::Idle => loading.unwrap_or_else(|| "Ready: press start".into()),
        Phase::Failed => "Stopped with an error".into(),
        Phase::Recorded => "Recorded run".into(),
        Phase::Finished => page.run.with(|run| match run.end {
            Some(End::Finished { seconds }) => format!("Finished in {}", duration(seconds)),
            _ => "Finished".into(),
        }),
        phase => loading.unwrap_or_else(|| match activity {
            None => "Getting ready".into(),
            Some(Activity::Data) if page.task.get() == Task::Recurrent => "Fetching the text".into(),
            Some(Activity::Data) => "Fetching images".into(),
            Some(Activity::Writing) => "Writing text".into(),
            Some(Activity::Building) => "Building the supernet".into(),
            Some(Activity::Holding) => "Paused".into(),
            // Until the first step is done, this is what a GPU does for most of the time.
            Some(Activity::Stepping) if page.run.with(|run| run.steps == 0) && computes_on_gpu(page) => {
                "Compiling shaders".into()
            }
            Some(Activity::Stepping) if phase == Phase::Paused => "Finishing this step".into(),
            Some(Activity::Stepping) => "Searching".into(),
        }),
    }
}

/// A duration as people say it.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{seconds:.1} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[component]
fn Figures() -> impl IntoView {
    let page = page();
    let run = page.run;
    let epoch = move || {
        let now = page
            .moment
            .with(|moment| moment.as_ref().map(|moment| moment.epoch))
            .filter(|_| page.cursor.get().is_some());
        run.with(|run| run.started.as_ref().map(|started| (now.unwrap_or(run.epoch) + 1, started.plan.epochs())))
    };
    let steps = move || page.cursor.get().unwrap_or(usize::MAX).min(run.with(|run| run.steps));
    let speed = move || match run.with(|run| run.speed()) {
        Some(speed) if speed >= 100.0 => format!("{speed:.0}"),
        Some(speed) => format!("{speed:.1}"),
        None => "\u{2013}".into(),
    };
    let of_run = move || {
        run.with(|run| run.started.as_ref().map(|started| format!("{} \u{b7} {}", started.adapter, started.backend)))
    };
    let adapter = move || match page.engine.get() {
        _ if page.source.get() != RunSource::Worker => of_run().unwrap_or("\u{2013}".into()),
        EngineState::Ready { adapter, backend, .. } => format!("{adapter} \u{b7} {backend}"),
        _ => "\u{2013}".into(),
    };
    let software = move || {
        page.source.get() == RunSource::Worker && matches!(page.engine.get(), EngineState::Ready { software: true, .. })
    };
    view! {
        <dl class="figures">
            <div class="figure wide">
                <dt>"Status"</dt>
                <dd><span id="status" role="status" title=move || status(page)>{move || status(page)}</span></dd>
            </div>
            <div class="figure">
                <dt>"Epoch"</dt>
                <dd id="epoch">
                    {move || epoch().map_or("\u{2013}".into(), |(now, _)| now.to_string())}
                    <small>{move || epoch().map(|(_, all)| format!(" of {all}"))}</small>
                </dd>
            </div>
            <div class="figure">
                <dt>"Step"</dt>
                <dd id="steps">
                    {move || grouped(steps())}
                    <small>{move || run.with(|run| run.total_steps().map(|all| format!(" of {}", grouped(all))))}</small>
                </dd>
            </div>
            <div class="figure">
                <dt title="Of both halves through the supernet, forward and backward">
                    {move || if page.task.get() == Task::Recurrent { "Words/s" } else { "Images/s" }}
                </dt>
                <dd id="speed">{speed}</dd>
            </div>
            <div class="figure wide adapter">
                <dt>
                    "Computed by"
                    <Show when=software>
                        {move || match page.without_gpu() {
                            Some(reason) => view! { <span class="badge" title=reason>"no GPU"</span> },
                            None => view! { <span class="badge" title="The processor emulates a GPU: the same arithmetic, slowly. So the page begins with its smallest search.".to_owned()>"software"</span> },
                        }}
                    </Show>
                </dt>
                <dd id="adapter" title=adapter>{adapter}</dd>
            </div>
        </dl>
    }
}

#[component]
fn Settings() -> impl IntoView {
    let page = page();
    let settings = page.settings;
    let fixed = move || matches!(page.phase.get(), Phase::Running | Phase::Paused);
    let own = move || page.source.get() == RunSource::Worker;
    let task = Memo::new(move |_| settings.with(|settings| settings.task));
    let change_task = move |event| {
        let name = event_target_value(&event);
        if let Some((task, _)) = Task::ALL.into_iter().find(|(_, known)| *known == name) {
            page.reset();
            settings.update(|settings| *settings = Settings { seed: settings.seed, ..Settings::for_task(task) });
        }
    };
    view! {
        <form class="settings" aria-label="Settings" on:submit=|event| event.prevent_default()>
            <Show when=move || !own()><OfRun /></Show>
            <fieldset disabled=fixed hidden=move || !own() title=move || fixed().then_some("Reset to change these")>
                <legend class="hidden">"Settings of the search"</legend>
                <label class="field" title="Cells of a network for images, or the cell of a language model">
                    <span>"Cells"</span>
                    <select id="task" prop:value=move || Task::ALL[task.get() as usize].1 on:change=change_task>
                        <option value="convolutional">"Convolutional"</option>
                        <option value="recurrent">"Recurrent"</option>
                    </select>
                </label>
                {move || match task.get() {
                    Task::Convolutional => view! { <OfImages /> }.into_any(),
                    Task::Recurrent => view! { <OfText /> }.into_any(),
                }}
            </fieldset>
            <Steered />
        </form>
    }
}

#[component]
fn Presets(task: Task) -> impl IntoView {
    let settings = page().settings;
    let preset = move || settings.get().preset().map_or("", |preset| preset.name);
    let chosen = preset();
    view! {
        <label class="field">
            <span>"Preset"</span>
            <select
                id="preset"
                prop:value=preset
                title=move || settings.get().preset().map_or("Your own settings", |preset| preset.hint)
                on:change=move |event| {
                    let name = event_target_value(&event);
                    if let Some(preset) = Settings::presets(task).iter().find(|preset| preset.name == name) {
                        settings.update(|settings| *settings = settings.with_preset(preset));
                    }
                }
            >
                <option value="" disabled hidden>"Custom"</option>
                {Settings::presets(task)
                    .iter()
                    .map(|preset| view! { <option value=preset.name selected=preset.name == chosen>{preset.name}</option> })
                    .collect_view()}
            </select>
        </label>
    }
}

#[component]
fn OfImages() -> impl IntoView {
    let settings = page().settings;
    view! {
        <Presets task=Task::Convolutional />
        <label class="field">
            <span>"Images"</span>
            <select
                id="data"
                prop:value=move || settings.get().data.name()
                on:change=move |event| {
                    if let Some(data) = DataChoice::from_name(&event_target_value(&event)) {
                        settings.update(|settings| settings.data = data);
                    }
                }
            >
                <option value="cifar10">"CIFAR-10"</option>
                <option value="textures">"Generated textures"</option>
            </select>
        </label>
        <Number label="How many" hint="Training images; one half trains the weights, the other the alphas" count=IntegerSetting::IMAGES get=|s| s.images as u64 />
        <Number label="Channels" hint="Channels of the first cell; they double at each reduction" count=IntegerSetting::CHANNELS get=|s| s.channels as u64 />
        <Number label="Layers" hint="Cells of the supernet; those at one and two thirds reduce" count=IntegerSetting::CELLS get=|s| s.cells as u64 />
        <Number label="Batch" hint="Images of a minibatch" count=IntegerSetting::BATCH get=|s| s.batch as u64 />
        <Number label="Epochs" hint="Passes over the weight half" count=IntegerSetting::EPOCHS get=|s| s.epochs as u64 />
        <Number label="Seed" hint="Fixes initial weights and alphas, the split, the order and the augmentation" count=IntegerSetting::SEED get=|s| s.seed />
        <Check
            id="measure-curvature"
            label="Curvature"
            hint="After each epoch, measure how sharply the validation loss bends along the alphas: ten more passes"
            checked=Signal::derive(move || settings.get().curvature)
            set=move |curvature| settings.update(|settings| settings.curvature = curvature)
        />
    }
}

#[component]
fn OfText() -> impl IntoView {
    let page = page();
    let settings = page.settings;
    let file: NodeRef<html::Input> = NodeRef::new();
    let own = move || page.own_text.get().unwrap_or("A file of your own\u{2026}".into());
    view! {
        <Presets task=Task::Recurrent />
        <label class="field">
            <span>"Text"</span>
            <select
                id="text"
                prop:value=move || settings.get().text.name()
                on:change=move |event| {
                    let Some(text) = TextChoice::from_name(&event_target_value(&event)) else { return };
                    settings.update(|settings| settings.text = text);
                    if text == TextChoice::Own && page.own_text.with_untracked(Option::is_none) {
                        file.get_untracked().into_iter().for_each(|input| input.click());
                    }
                }
            >
                <option value="book">"The Moonstone"</option>
                <option value="own">{own}</option>
            </select>
        </label>
        <FileField id="text-file" label="A text to learn from" accept=".txt,text/plain" purpose=FilePurpose::Learn node=file />
        <Number label="Words" hint="The most words of the vocabulary; rarer ones become one" count=IntegerSetting::WORDS get=|s| s.words as u64 />
        <Number label="Units" hint="The length of word vectors and of the state" count=IntegerSetting::UNITS get=|s| s.units as u64 />
        <Number label="Back" hint="Words that gradients go back through" count=IntegerSetting::BPTT get=|s| s.bptt as u64 />
        <Number label="Columns" hint="Columns that the text is cut into: a minibatch" count=IntegerSetting::COLUMNS get=|s| s.batch as u64 />
        <Number label="Epochs" hint="Passes over the training text" count=IntegerSetting::EPOCHS get=|s| s.epochs as u64 />
        <Number label="Seed" hint="Fixes initial weights and alphas, and what is dropped" count=IntegerSetting::SEED get=|s| s.seed />
        <Check
            id="dropout"
            label="Dropout"
            hint="Drop as much as the paper: 0.2 of the word vectors\u{2019} components, 0.75 of the cell\u{2019}s input and output, 0.25 of its states"
            checked=Signal::derive(move || settings.get().dropout)
            set=move |dropout| settings.update(|settings| settings.dropout = dropout)
        />
    }
}

/// Takes what was typed; where it makes no sense, says so and puts the old value back.
fn take(page: Page, key: &'static str, input: &web_sys::HtmlInputElement, old: String) {
    let mut settings = page.settings.get_untracked();
    match settings.set(key, &input.value()) {
        Ok(()) => {
            page.notices.set(Vec::new());
            page.settings.set(settings);
        }
        Err(problem) => {
            input.set_value(&old);
            page.report_error(sentence(&problem));
        }
    }
}

#[component]
fn Number(label: &'static str, hint: &'static str, count: IntegerSetting, get: fn(&Settings) -> u64) -> impl IntoView {
    let page = page();
    let settings = page.settings;
    view! {
        <label class="field number" title=hint>
            <span>{label}</span>
            <input
                id=count.key
                type="number"
                inputmode="numeric"
                min=count.min.to_string()
                max=count.max.to_string()
                prop:value=move || settings.with(get).to_string()
                on:change=move |event| take(page, count.key, &event_target(&event), settings.with_untracked(get).to_string())
            />
        </label>
    }
}

/// The settings of a run that is not this page's.
#[component]
fn OfRun() -> impl IntoView {
    let page = page();
    let name = move || match page.source.get() {
        RunSource::Recording { name, .. } => name,
        _ => "Search of the command line".into(),
    };
    let facts = move || {
        page.run.with(|run| {
            let started = run.started.as_ref()?;
            Some(match &started.plan {
                Plan::Images { config, weight_images, alpha_images, steps_per_epoch } => format!(
                    "{} cells of {} channels, batch {}, {} epochs of {} steps, {} images, seed {}",
                    config.layers,
                    config.init_channels,
                    config.batch_size,
                    grouped(config.epochs),
                    grouped(*steps_per_epoch),
                    grouped(weight_images + alpha_images),
                    config.seed
                ),
                Plan::Text { config, vocabulary, train_words, valid_words } => format!(
                    "recurrent cell of {} units, {} columns, {} words back, {} epochs, {} distinct of {} words, seed {}",
                    config.hidden,
                    config.batch_size,
                    config.bptt,
                    grouped(config.epochs),
                    grouped(*vocabulary),
                    grouped(train_words + valid_words),
                    config.seed
                ),
            })
        })
    };
    view! { <p class="of-run" id="of-run"><b>{name}</b> " " {facts}</p> }
}

/// What can be changed while a search runs.
#[component]
fn Steered() -> impl IntoView {
    let page = page();
    let settings = page.settings;
    let runs = move || {
        matches!(page.phase.get(), Phase::Running | Phase::Paused) && page.run.with(|run| run.started.is_some())
    };
    let fixed = move || page.source.get() != RunSource::Worker && !runs();
    let recorded = move || matches!(page.source.get(), RunSource::Recording { .. });
    // That of the run while there is one, of the settings before.
    let course = Memo::new(move |_| {
        let Settings { weight_rate, alpha_rate, order, .. } = settings.get();
        let of_run = page.run.with(|run| run.started.as_ref().map(|_| run.course));
        let shows_run =
            page.source.get() != RunSource::Worker || !matches!(page.phase.get(), Phase::Finished | Phase::Failed);
        of_run.filter(|_| shows_run).unwrap_or(Course { weight_rate, alpha_rate, order, frozen: false })
    });
    let choose_order = move |event| {
        let order = if event_target_value(&event) == "second" { Order::Second } else { Order::First };
        if runs() { page.set_order(order) } else { settings.update(|settings| settings.order = order) }
    };
    view! {
        <fieldset disabled=fixed class="steered" hidden=recorded>
            <legend class="hidden">"What can be changed while a search runs"</legend>
            <RateField
                label="Weight rate"
                hint="Where the learning rate of the weights starts (SGD; on images with momentum and annealed along a cosine)"
                rate=Signal::derive(move || Settings::weight_rate_setting(page.task.get()))
                value=Signal::derive(move || course.get().weight_rate)
                change=move |weights| page.set_rates(weights, course.get_untracked().alpha_rate)
                runs=Signal::derive(runs)
            />
            <RateField
                label="Alpha rate"
                hint="Learning rate of the alphas (Adam)"
                rate=Signal::derive(|| RateSetting::ALPHAS)
                value=Signal::derive(move || course.get().alpha_rate)
                change=move |alphas| page.set_rates(course.get_untracked().weight_rate, alphas)
                runs=Signal::derive(runs)
            />
            <label class="field" title="First order takes the weights as they are; second order those one step ahead, at several times the cost">
                <span>"Order"</span>
                <select id="search-order" prop:value=move || if course.get().order == Order::Second { "second" } else { "first" } on:change=choose_order>
                    <option value="first">"First"</option>
                    <option value="second">"Second"</option>
                </select>
            </label>
            <Check
                id="freeze"
                label="Hold alphas"
                hint="Only the weights learn while the alphas are held: a warm-up"
                checked=Signal::derive(move || course.get().frozen)
                set=move |frozen| page.freeze_alphas(frozen)
                disabled=Signal::derive(move || !runs())
            />
        </fieldset>
    }
}

#[component]
fn Check(
    id: &'static str,
    label: &'static str,
    hint: &'static str,
    checked: Signal<bool>,
    set: impl Fn(bool) + Send + 'static,
    #[prop(optional)] disabled: Signal<bool>,
) -> impl IntoView {
    view! {
        <label class="field check" title=hint>
            <span>{label}</span>
            <input
                id=id
                type="checkbox"
                disabled=disabled
                prop:checked=checked
                on:change=move |event| set(event_target_checked(&event))
            />
        </label>
    }
}

#[component]
fn RateField(
    label: &'static str,
    hint: &'static str,
    rate: Signal<RateSetting>,
    value: Signal<f64>,
    /// Changes the search that runs.
    change: impl Fn(f64) + Send + Sync + 'static,
    /// Whether one does.
    runs: Signal<bool>,
) -> impl IntoView {
    let page = page();
    let key = rate.get_untracked().key;
    let list = format!("{key}-offered");
    // What is being typed stays while other things change.
    let value = Memo::new(move |_| value.get());
    let changed = move |event| {
        let input: web_sys::HtmlInputElement = event_target(&event);
        let old = value.get_untracked().to_string();
        if !runs.get_untracked() {
            return take(page, key, &input, old);
        }
        match rate.get_untracked().parse(&input.value()) {
            Ok(value) => change(value),
            Err(problem) => {
                input.set_value(&old);
                page.report_error(sentence(&problem));
            }
        }
    };
    view! {
        <label class="field rate" title=hint>
            <span>{label}</span>
            <input
                id=key
                type="text"
                inputmode="decimal"
                list=list.clone()
                prop:value=move || value.get().to_string()
                on:change=changed
            />
            <datalist id=list>
                {move || rate.get().offered.iter().map(|value| view! { <option value=value.to_string()></option> }).collect_view()}
            </datalist>
        </label>
    }
}

/// What leads beyond the search: other runs, a link, the tour.
#[component]
fn Actions() -> impl IntoView {
    let page = page();
    let file: NodeRef<html::Input> = NodeRef::new();
    let copied = RwSignal::new(false);
    let copy = move |with_cells: bool| {
        let location = window().location();
        let base = location.href().unwrap_or_default();
        let base = base.split('#').next().unwrap_or_default().to_owned();
        let link = base + &untrack(move || page.address(with_cells));
        spawn_local(async move {
            if browser::copy_text(&link).await.is_truthy() {
                copied.set(true);
                set_timeout(move || copied.set(false), std::time::Duration::from_secs(2));
            } else {
                page.inform(format!("The browser lets no page copy here; this is the link: {link}"));
            }
        });
    };
    view! {
        <div class="actions">
            <button type="button" class="button" id="open" title="Show a recorded run (events.jsonl) or cells from a file; dropping it on the page does the same"
                on:click=move |_| file.get_untracked().into_iter().for_each(|input| input.click())
            >
                "Open\u{2026}"
            </button>
            <FileField id="open-file" label="A recorded run or a file of cells" accept=".jsonl,.json,.py,.txt" purpose=FilePurpose::Show node=file />
            <Menu label="Link" hint="An address that brings this back">
                <button type="button" id="copy-link" on:click=move |_| copy(false)>"Copy a link to these settings"</button>
                <button type="button" id="copy-cells" disabled=move || page.genotype.with(Option::is_none) on:click=move |_| copy(true)>
                    "Copy a link to these cells"
                </button>
            </Menu>
            <button type="button" class="button" id="start-tour" on:click=move |_| page.tour.set(Some(0))>"Tour"</button>
            <span class="hidden" role="status">{move || copied.get().then_some("The link is copied")}</span>
            <span class="copied" aria-hidden="true" class:shown=move || copied.get()>"copied"</span>
        </div>
    }
}
