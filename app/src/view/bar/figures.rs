//! Status, epoch, step, speed and adapter of the search.

use super::{super::page, status::status};
use crate::page::{EngineState, Page, RunSource};
use darts_app::describe::grouped;
use leptos::prelude::*;

/// Placeholder for a missing figure.
const NONE: &str = "\u{2013}";

#[component]
pub fn Figures() -> impl IntoView {
    let page = page();
    let run = page.run;
    let epoch = move || {
        let now = page
            .moment
            .with(|moment| moment.as_ref().map(|moment| moment.epoch))
            .filter(|_| page.cursor.get().is_some());
        run.with(|run| run.started.as_ref().map(|started| (now.unwrap_or(run.epoch) + 1, started.epochs())))
    };
    let steps = move || page.cursor.get().unwrap_or(usize::MAX).min(run.with(|run| run.steps));
    let speed = move || match run.with(|run| run.speed()) {
        Some(speed) if speed >= 100.0 => format!("{speed:.0}"),
        Some(speed) => format!("{speed:.1}"),
        None => NONE.into(),
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
                    {move || epoch().map_or(NONE.into(), |(now, _)| now.to_string())}
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
                <dt title="Through the supernet, forward and backward, from both splits">
                    {move || if page.task.get().of_text() { "Words/s" } else { "Images/s" }}
                </dt>
                <dd id="speed">{speed}</dd>
            </div>
            <Adapter />
        </dl>
    }
}

/// The adapter that computes, and its interface.
fn adapter(page: Page) -> String {
    if page.source.get() != RunSource::Worker {
        let of_run = page
            .run
            .with(|run| run.started.as_ref().map(|started| format!("{} \u{b7} {}", started.adapter, started.backend)));
        return of_run.unwrap_or(NONE.into());
    }
    match page.engine.get() {
        EngineState::Ready { adapter, backend, .. } => format!("{adapter} \u{b7} {backend}"),
        _ => NONE.into(),
    }
}

#[component]
fn Adapter() -> impl IntoView {
    let page = page();
    let software = move || {
        page.source.get() == RunSource::Worker && matches!(page.engine.get(), EngineState::Ready { software: true, .. })
    };
    view! {
        <div class="figure wide adapter">
            <dt>
                "Computed by"
                <Show when=software>
                    {move || match page.without_gpu() {
                        Some(reason) => view! { <span class="badge" title=reason>"no GPU"</span> },
                        None => view! { <span class="badge" title="A software adapter: the CPU emulates a GPU, with the same results but slowly. So the page starts with its smallest search.".to_owned()>"software"</span> },
                    }}
                </Show>
            </dt>
            <dd id="adapter" title=move || adapter(page)>{move || adapter(page)}</dd>
        </div>
    }
}
