//! The top bar: name, transport, settings, figures.

use super::{grouped, page};
use crate::page::{Engine, Page, Phase, sentence};
use darts_app::{
    messages::{Activity, DataChoice},
    run::End,
    setup::{Count, Rate, Setup},
};
use leptos::prelude::*;

#[component]
pub fn Bar() -> impl IntoView {
    view! {
        <header class="bar">
            <div class="bar-top">
                <div class="brand">
                    <h1>"DARTS"</h1>
                    <p>"A neural network\u{2019}s architecture, learned by gradient descent, in front of you"</p>
                </div>
                <Transport />
                <Figures />
            </div>
            <Settings />
        </header>
    }
}

#[component]
fn Transport() -> impl IntoView {
    let page = page();
    let unable = move || matches!(page.engine.get(), Engine::Unsupported { .. });
    let running = move || page.phase.get() == Phase::Running;
    let label = move || match page.phase.get() {
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
                aria-label="Reset"
                title="Reset: back to before the first step"
                disabled=move || page.phase.get() == Phase::Idle
                on:click=move |_| page.reset()
            >
                <svg viewBox="0 0 24 24" aria-hidden="true">
                    <path d="M5.5 12a6.5 6.5 0 1 0 2.2-4.9" class="icon-line" />
                    <path d="M8.6 3.2 7.2 7.7l4.6 1z" class="icon" />
                </svg>
            </button>
            <button
                type="button"
                id="play"
                class="round big"
                aria-label=label
                title=label
                disabled=unable
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
                title="One search step: alphas, then weights; then hold"
                disabled=move || unable() || matches!(page.phase.get(), Phase::Finished | Phase::Failed)
                on:click=move |_| page.step()
            >
                <svg viewBox="0 0 24 24" aria-hidden="true">
                    <path d="M5.5 5H8.3v14H5.5zM10.5 5 20 12l-9.5 7z" class="icon" />
                </svg>
            </button>
        </div>
    }
}

/// What the page is doing, in a few words.
fn status(page: Page) -> String {
    let loading = match page.engine.get() {
        Engine::Loading { received, total: Some(total) } if total > 0.0 => {
            Some(format!("Loading the engine: {:.0}%", (100.0 * received / total).min(100.0)))
        }
        Engine::Loading { received, .. } if received > 0.0 => {
            Some(format!("Loading the engine: {:.1} MB", received / 1e6))
        }
        Engine::Loading { .. } => Some("Loading the engine".into()),
        Engine::Unsupported { .. } => Some("No WebGPU here".into()),
        Engine::Ready { .. } | Engine::Broken => None,
    };
    let activity = page.activity.get();
    match page.phase.get() {
        Phase::Idle => loading.unwrap_or_else(|| "Ready: press start".into()),
        Phase::Failed => "Stopped with an error".into(),
        Phase::Finished => page.run.with(|run| match run.end {
            Some(End::Finished { seconds }) => format!("Finished in {}", duration(seconds)),
            _ => "Finished".into(),
        }),
        phase => loading.unwrap_or_else(|| match activity {
            None => "Getting ready".into(),
            Some(Activity::Data) => "Fetching images".into(),
            Some(Activity::Building) => "Building the supernet".into(),
            Some(Activity::Holding) => "Paused".into(),
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
    let epoch = move || run.with(|run| run.started.as_ref().map(|started| (run.epoch + 1, started.config.epochs)));
    let speed = move || match run.with(|run| run.images_per_second()) {
        Some(speed) if speed >= 100.0 => format!("{speed:.0}"),
        Some(speed) => format!("{speed:.1}"),
        None => "\u{2013}".into(),
    };
    let adapter = move || match page.engine.get() {
        Engine::Ready { adapter, backend, .. } => format!("{adapter} \u{b7} {backend}"),
        _ => "\u{2013}".into(),
    };
    let software = move || matches!(page.engine.get(), Engine::Ready { software: true, .. });
    view! {
        <dl class="figures">
            <div class="figure wide">
                <dt>"Status"</dt>
                <dd><span id="status" role="status">{move || status(page)}</span></dd>
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
                    {move || run.with(|run| grouped(run.steps))}
                    <small>{move || run.with(|run| run.total_steps().map(|all| format!(" of {}", grouped(all))))}</small>
                </dd>
            </div>
            <div class="figure">
                <dt title="Images of both halves through the supernet, forward and backward">"Images/s"</dt>
                <dd id="speed">{speed}</dd>
            </div>
            <div class="figure wide adapter">
                <dt>
                    "Computed by"
                    <Show when=software>
                        <span class="badge" title="The processor emulates a GPU: slow, but the same arithmetic">"software"</span>
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
    let setup = page.setup;
    let fixed = move || matches!(page.phase.get(), Phase::Running | Phase::Paused);
    let preset = move || setup.get().preset().map_or("", |preset| preset.name);
    view! {
        <form class="settings" aria-label="Settings" on:submit=|event| event.prevent_default()>
            <fieldset disabled=fixed>
                <legend class="hidden">"Settings of the search"</legend>
                <label class="field">
                    <span>"Preset"</span>
                    <select
                        id="preset"
                        prop:value=preset
                        title=move || setup.get().preset().map_or("Your own settings", |preset| preset.hint)
                        on:change=move |event| {
                            let name = event_target_value(&event);
                            if let Some(preset) = Setup::PRESETS.iter().find(|preset| preset.name == name) {
                                setup.update(|setup| *setup = setup.with_preset(preset));
                            }
                        }
                    >
                        <option value="" disabled hidden>"Custom"</option>
                        {Setup::PRESETS
                            .iter()
                            .map(|preset| view! { <option value=preset.name selected=preset.name == self::Setup::default().preset().map_or("", |p| p.name)>{preset.name}</option> })
                            .collect_view()}
                    </select>
                </label>
                <label class="field">
                    <span>"Images"</span>
                    <select
                        id="data"
                        prop:value=move || setup.get().data.name()
                        on:change=move |event| {
                            if let Some(data) = DataChoice::from_name(&event_target_value(&event)) {
                                setup.update(|setup| setup.data = data);
                            }
                        }
                    >
                        <option value="cifar10">"CIFAR-10"</option>
                        <option value="textures">"Generated textures"</option>
                    </select>
                </label>
                <Number label="How many" hint="Training images; one half trains the weights, the other the alphas" count=Count::IMAGES get=|s| s.images as u64 />
                <Number label="Channels" hint="Channels of the first cell; they double at each reduction" count=Count::CHANNELS get=|s| s.channels as u64 />
                <Number label="Cells" hint="Cells of the supernet; those at one and two thirds reduce" count=Count::CELLS get=|s| s.cells as u64 />
                <Number label="Batch" hint="Images of a minibatch" count=Count::BATCH get=|s| s.batch as u64 />
                <Number label="Epochs" hint="Passes over the weight half" count=Count::EPOCHS get=|s| s.epochs as u64 />
                <RateField label="Weight rate" hint="First learning rate of the weights (SGD with momentum, annealed along a cosine)" rate=Rate::WEIGHTS get=|s| s.weight_rate />
                <RateField label="Alpha rate" hint="Learning rate of the alphas (Adam)" rate=Rate::ALPHAS get=|s| s.alpha_rate />
                <Number label="Seed" hint="Fixes initial weights and alphas, the split, the order and the augmentation" count=Count::SEED get=|s| s.seed />
                <p class="settings-hint">{move || fixed().then_some("Reset to change these.")}</p>
            </fieldset>
        </form>
    }
}

/// Takes what was typed; where it makes no sense, says so and puts the old value back.
fn take(page: Page, key: &'static str, input: &web_sys::HtmlInputElement, old: String) {
    let mut setup = page.setup.get_untracked();
    match setup.set(key, &input.value()) {
        Ok(()) => {
            page.notices.set(Vec::new());
            page.setup.set(setup);
        }
        Err(problem) => {
            input.set_value(&old);
            page.tell(sentence(&problem), true);
        }
    }
}

#[component]
fn Number(label: &'static str, hint: &'static str, count: Count, get: fn(&Setup) -> u64) -> impl IntoView {
    let page = page();
    let setup = page.setup;
    view! {
        <label class="field number" title=hint>
            <span>{label}</span>
            <input
                id=count.key
                type="number"
                inputmode="numeric"
                min=count.min.to_string()
                max=count.max.to_string()
                prop:value=move || setup.with(get).to_string()
                on:change=move |event| take(page, count.key, &event_target(&event), setup.with_untracked(get).to_string())
            />
        </label>
    }
}

#[component]
fn RateField(label: &'static str, hint: &'static str, rate: Rate, get: fn(&Setup) -> f64) -> impl IntoView {
    let page = page();
    let setup = page.setup;
    let list = format!("{}-offered", rate.key);
    view! {
        <label class="field rate" title=hint>
            <span>{label}</span>
            <input
                id=rate.key
                type="text"
                inputmode="decimal"
                list=list.clone()
                prop:value=move || setup.with(get).to_string()
                on:change=move |event| take(page, rate.key, &event_target(&event), setup.with_untracked(get).to_string())
            />
            <datalist id=list>
                {rate.offered.iter().map(|value| view! { <option value=value.to_string()></option> }).collect_view()}
            </datalist>
        </label>
    }
}
