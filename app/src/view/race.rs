//! Networks of two cells trained from scratch, side by side.

use super::{
    curves::{Axis, Line, Plot},
    grouped, page,
};
use crate::page::{Page, RunSource};
use darts_app::{
    cells::{Cells, Task},
    race::{Race, Runner},
    settings::IntegerSetting,
    share_link::ComparedCells,
};
use leptos::prelude::*;
use std::sync::Arc;

/// The classes of the two networks' lines.
const CLASSES: [&str; 2] = ["weights", "alphas"];

/// The cells that are shown, with what they are called.
fn own(page: Page) -> Option<(String, Cells)> {
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
    let shown = move || page.task.get() == Task::Convolutional && page.genotype.with(Option::is_some);
    let at = RwSignal::new(None::<f64>);
    let (epochs, seed) = (RwSignal::new(5u64), RwSignal::new(0u64));
    // The other is chosen among those compared; without a choice it is random cells of the seed.
    let other = RwSignal::new(String::new());
    let others = move || {
        let beside = page.compared.get().into_iter().filter_map(|other| Some((other.code()?, other.title())));
        beside.collect::<Vec<_>>()
    };
    let going = move || page.race.with(|race| race.as_ref().is_some_and(Race::is_going));
    let start = move || {
        let Some((title, cells)) = untrack(|| own(page)) else { return };
        let code = other.get_untracked();
        let rival = page.compared.get_untracked().into_iter().find(|one| one.code().is_some_and(|known| known == code));
        let rival = rival.unwrap_or(ComparedCells::Random(seed.get_untracked()));
        let Some(against) = rival.cells(Task::Convolutional) else { return };
        let runners = vec![Runner::new(title, cells), Runner::new(rival.title(), against)];
        let (epochs, seed) = (epochs.get_untracked() as usize, seed.get_untracked());
        page.begin_race(Race { epochs, seed, runners, stopped: false });
    };
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
    let number = move |label: &'static str, id: &'static str, count: IntegerSetting, value: RwSignal<u64>| {
        view! {
            <label class="beside">
                {label}
                <input
                    id=id
                    type="number"
                    min=count.min.to_string()
                    max=count.max.to_string()
                    prop:value=move || value.get().to_string()
                    on:change=move |event| match count.parse(&event_target_value(&event)) {
                        Ok(number) => value.set(number),
                        Err(problem) => {
                            value.notify();
                            page.report_error(darts_app::describe::sentence(&problem));
                        }
                    }
                />
            </label>
        }
    };
    let lines = || CLASSES.map(|class| Line { class: class.into(), op: None, edge: None }).to_vec();
    let losses = move || {
        page.race.with(|race| {
            let empty = Vec::new();
            let runners = race.as_ref().map_or(&empty, |race| &race.runners);
            let longest = runners.iter().map(|runner| runner.losses.len()).max().unwrap_or(0);
            let steps = (0..longest).map(|step| step as f64 + 1.0).collect();
            let column = |runner: &Runner| {
                let there = runner.losses.iter().map(|(_, loss)| f64::from(*loss));
                there.chain(std::iter::repeat(f64::NAN)).take(longest).collect()
            };
            (steps, runners.iter().map(column).collect())
        })
    };
    let rights = move || {
        page.race.with(|race| {
            let empty = Vec::new();
            let runners = race.as_ref().map_or(&empty, |race| &race.runners);
            let longest = runners.iter().map(|runner| runner.tests.len()).max().unwrap_or(0);
            let epochs = (0..longest).map(|epoch| epoch as f64 + 1.0).collect();
            let column = |runner: &Runner| {
                let there = runner.tests.iter().map(|(_, test)| 100.0 * (1.0 - test.error()));
                there.chain(std::iter::repeat(f64::NAN)).take(longest).collect()
            };
            (epochs, runners.iter().map(column).collect())
        })
    };
    let wide = (440.0, 136.0);
    let loss = Axis { empty: (1.5, 2.5), limits: (0.0, f64::INFINITY), least: 0.2, smooth: true, size: wide };
    let right = Axis { empty: (0.0, 40.0), limits: (0.0, 100.0), least: 10.0, smooth: false, size: wide };
    let told = move |i: usize| {
        page.race.with(|race| {
            let runner = race.as_ref()?.runners.get(i)?;
            let loss = runner.losses.last().map(|(_, loss)| format!(", loss {loss:.3}")).unwrap_or_default();
            let right = runner.right().map(|(right, _)| format!(", {right:.1}% right")).unwrap_or_default();
            let size = match runner.parameters {
                0 => String::new(),
                weights => format!(", {} weights", grouped(weights)),
            };
            Some((runner.title.clone(), format!("{size}{loss}{right}")))
        })
    };
    let legend = move || {
        (0..2)
            .map(|i| {
                view! {
                    <div class=CLASSES[i]>
                        <dt>{move || told(i).map(|(title, _)| title)}</dt>
                        <dd>{move || told(i).map(|(_, facts)| facts.trim_start_matches(", ").to_owned())}</dd>
                    </div>
                }
            })
            .collect_view()
    };
    let state = move || {
        page.race.with(|race| {
            let race = race.as_ref()?;
            Some(match race.verdict() {
                Some(verdict) => verdict,
                None if race.stopped => "Stopped before the first test.".into(),
                None => "Before the first test: the curves are of what is trained on.".into(),
            })
        })
    };
    view! {
        <Show when=shown>
            <section class="card training" id="training" aria-labelledby="training-title">
                <header class="card-head">
                    <h2 id="training-title">"Train them from scratch"</h2>
                    <p class="caption">{sizes}</p>
                    <div class="tools">
                        <label class="beside">
                            "against"
                            <select id="rival" on:change=move |event| other.set(event_target_value(&event))>
                                <option value="">{move || format!("Random cells, seed {}", seed.get())}</option>
                                {move || others().into_iter().map(|(code, title)| view! { <option value=code>{title}</option> }).collect_view()}
                            </select>
                        </label>
                        {number("epochs", "race-epochs", IntegerSetting::EPOCHS, epochs)}
                        {number("seed", "race-seed", IntegerSetting::SEED, seed)}
                        {move || match going() {
                            true => view! { <button type="button" class="button" id="race-stop" on:click=move |_| page.stop_race()>"Stop"</button> }.into_any(),
                            false => view! { <button type="button" class="button strong" id="race" on:click=move |_| start()>"Train both"</button> }.into_any(),
                        }}
                    </div>
                </header>
                <Show when=move || page.race.with(Option::is_some)>
                    <dl class="halves runners">{legend}</dl>
                    <div class="pair">
                        <figure>
                            <Plot label="Training loss of both networks over the steps".into() lines=lines() columns=Arc::new(move |_| losses()) axis=loss at=at timeline=false />
                            <figcaption>"Training loss of each step"</figcaption>
                        </figure>
                        <figure>
                            <Plot label="Test images that both networks get right after each epoch".into() lines=lines() columns=Arc::new(move |_| rights()) axis=right at=RwSignal::new(None) timeline=false />
                            <figcaption>"Test images right after each epoch, in percent"</figcaption>
                        </figure>
                    </div>
                    <p class="caption" id="verdict" role="status">{state}</p>
                </Show>
            </section>
        </Show>
    }
}
