//! Networks of two cells trained from scratch, side by side.

use super::{
    curves::{Line, Plot},
    page,
};
use crate::page::{Page, RunSource};
use darts_app::{
    cells::{Cells, Task},
    chart::{Columns, PlotSpec},
    describe::{grouped, sentence},
    race::{Race, Runner},
    settings::IntegerSetting,
    share_link::ComparedCells,
};
use leptos::prelude::*;
use std::sync::Arc;

/// The classes of the two networks' lines.
const CLASSES: [&str; 2] = ["weights", "alphas"];
/// Size of a plot.
const SIZE: (f64, f64) = (440.0, 136.0);

/// The cells shown, with their title.
fn own_cells(page: Page) -> Option<(String, Cells)> {
    let cells = page.genotype.get()?;
    let title = match page.source.get() {
        RunSource::Recording { name, .. } => name,
        _ if page.moment.with(Option::is_some) => "The search\u{2019}s cells".into(),
        _ => "The given cells".into(),
    };
    Some((title, cells))
}

#[component]
pub fn Training() -> impl IntoView {
    let page = page();
    let shown = move || page.task.get() == Task::CONVOLUTIONAL && page.genotype.with(Option::is_some);
    let form = RaceForm::new();
    let sizes = move || {
        page.settings.with(|settings| {
            format!(
                "Both networks have {} cells of {} channels at first and learn up to {} images in batches of {}, as set above, in the same order; \
                 test images are never learned from.",
                settings.cells,
                settings.channels,
                grouped(settings.images),
                settings.batch
            )
        })
    };
    view! {
        <Show when=shown>
            <section class="card training" id="training" aria-labelledby="training-title">
                <header class="card-head">
                    <h2 id="training-title">"Train the cells from scratch"</h2>
                    <p class="caption">{sizes}</p>
                    <Controls form=form />
                </header>
                <Show when=move || page.race.with(Option::is_some)>
                    <dl class="halves runners">{(0..2).map(|i| view! { <RunnerFacts index=i /> }).collect_view()}</dl>
                    <RacePlots />
                    <p class="caption" id="verdict" role="status">{move || verdict(page)}</p>
                </Show>
            </section>
        </Show>
    }
}

/// The settings of a race, which stay while it is hidden.
#[derive(Clone, Copy)]
struct RaceForm {
    epochs: RwSignal<u64>,
    seed: RwSignal<u64>,
    /// Code of the cells chosen among those compared; empty for random cells of the seed.
    rival: RwSignal<String>,
}

impl RaceForm {
    fn new() -> Self {
        Self { epochs: RwSignal::new(5), seed: RwSignal::new(0), rival: RwSignal::new(String::new()) }
    }

    /// Trains the cells shown against the rival.
    fn start(self, page: Page) {
        let Some((title, cells)) = untrack(|| own_cells(page)) else { return };
        let (epochs, seed) = (self.epochs.get_untracked() as usize, self.seed.get_untracked());
        let code = self.rival.get_untracked();
        let compared = page.compared.get_untracked();
        let rival = compared.into_iter().find(|cells| cells.code().is_some_and(|known| known == code));
        let rival = rival.unwrap_or(ComparedCells::Random(seed));
        let Some(rival_cells) = rival.cells(Task::CONVOLUTIONAL) else { return };
        let runners = vec![Runner::new(title, cells), Runner::new(rival.title(), rival_cells)];
        page.begin_race(Race { epochs, seed, runners, stopped: false });
    }
}

/// The rival, the settings, and the buttons.
#[component]
fn Controls(form: RaceForm) -> impl IntoView {
    let page = page();
    let RaceForm { epochs, seed, rival } = form;
    let compared = move || {
        let all = page.compared.get().into_iter().filter_map(|cells| Some((cells.code()?, cells.title())));
        all.collect::<Vec<_>>()
    };
    let going = move || page.race.with(|race| race.as_ref().is_some_and(Race::is_going));
    view! {
        <div class="tools">
            <label class="beside">
                "against"
                <select id="rival" on:change=move |event| rival.set(event_target_value(&event))>
                    <option value="">{move || format!("Random cells, seed {}", seed.get())}</option>
                    {move || compared().into_iter().map(|(code, title)| view! { <option value=code>{title}</option> }).collect_view()}
                </select>
            </label>
            <NumberInput label="epochs" id="race-epochs" setting=IntegerSetting::EPOCHS value=epochs />
            <NumberInput label="seed" id="race-seed" setting=IntegerSetting::SEED value=seed />
            {move || match going() {
                true => view! { <button type="button" class="button" id="race-stop" on:click=move |_| page.stop_race()>"Stop"</button> }.into_any(),
                false => view! { <button type="button" class="button strong" id="race" on:click=move |_| form.start(page)>"Train both"</button> }.into_any(),
            }}
        </div>
    }
}

#[component]
fn NumberInput(label: &'static str, id: &'static str, setting: IntegerSetting, value: RwSignal<u64>) -> impl IntoView {
    let page = page();
    view! {
        <label class="beside">
            {label}
            <input
                id=id
                type="number"
                min=setting.min.to_string()
                max=setting.max.to_string()
                prop:value=move || value.get().to_string()
                on:change=move |event| match setting.parse(&event_target_value(&event)) {
                    Ok(number) => value.set(number),
                    Err(problem) => {
                        value.notify();
                        page.report_error(sentence(&problem));
                    }
                }
            />
        </label>
    }
}

/// Title of a runner, its size, and its latest loss and accuracy.
#[component]
fn RunnerFacts(index: usize) -> impl IntoView {
    let page = page();
    let title = move || page.race.with(|race| Some(race.as_ref()?.runners.get(index)?.title.clone()));
    let facts = move || {
        page.race.with(|race| {
            let runner = race.as_ref()?.runners.get(index)?;
            let size = (runner.parameters > 0).then(|| format!("{} weights", grouped(runner.parameters)));
            let loss = runner.losses.last().map(|(_, loss)| format!("loss {loss:.3}"));
            let right = runner.right().map(|(right, _)| format!("{right:.1}% right"));
            Some([size, loss, right].into_iter().flatten().collect::<Vec<_>>().join(", "))
        })
    };
    view! {
        <div class=CLASSES[index]>
            <dt>{title}</dt>
            <dd>{facts}</dd>
        </div>
    }
}

/// Values of both runners, one after the other; a runner that is behind has none at the end.
fn columns<T>(page: Page, of: fn(&Runner) -> &Vec<T>, value: fn(&T) -> f64) -> Columns {
    page.race.with(|race| {
        let runners = race.as_ref().map_or(&[][..], |race| &race.runners);
        let longest = runners.iter().map(|runner| of(runner).len()).max().unwrap_or(0);
        let column = |runner: &Runner| {
            let values = of(runner).iter().map(value);
            values.chain(std::iter::repeat(f64::NAN)).take(longest).collect()
        };
        ((0..longest).map(|at| at as f64 + 1.0).collect(), runners.iter().map(column).collect())
    })
}

#[component]
fn RacePlots() -> impl IntoView {
    let page = page();
    let at = RwSignal::new(None::<f64>);
    let lines = || CLASSES.map(Line::plain).to_vec();
    let losses = move || columns(page, |runner| &runner.losses, |(_, loss)| f64::from(*loss));
    let accuracies = move || columns(page, |runner| &runner.tests, |(_, test)| 100.0 * (1.0 - test.error()));
    let limits = (0.0, f64::INFINITY);
    let loss_spec = PlotSpec { empty: (1.5, 2.5), limits, min_span: 0.2, smooth: true, size: SIZE };
    let limits = (0.0, 100.0);
    let accuracy_spec = PlotSpec { empty: (0.0, 40.0), limits, min_span: 10.0, smooth: false, size: SIZE };
    view! {
        <div class="pair">
            <figure>
                <Plot
                    label="Training loss of both networks at each step".into()
                    lines=lines()
                    columns=Arc::new(move |_| losses())
                    spec=loss_spec
                    at=at
                    timeline=false
                />
                <figcaption>"Training loss of each step"</figcaption>
            </figure>
            <figure>
                <Plot
                    label="Test accuracy of both networks after each epoch".into()
                    lines=lines()
                    columns=Arc::new(move |_| accuracies())
                    spec=accuracy_spec
                    at=RwSignal::new(None)
                    timeline=false
                />
                <figcaption>"Test accuracy after each epoch, in percent"</figcaption>
            </figure>
        </div>
    }
}

/// The outcome so far, in a sentence.
fn verdict(page: Page) -> Option<String> {
    page.race.with(|race| {
        let race = race.as_ref()?;
        Some(match race.verdict() {
            Some(verdict) => verdict,
            None if race.stopped => "Stopped before the first test.".into(),
            None => "No test yet: the curves show the training loss.".into(),
        })
    })
}
