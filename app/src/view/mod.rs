//! What is drawn.

mod bar;
mod bench;
mod cell;
mod compare;
mod curves;
mod edge_card;
mod explain;
mod graph;
mod heatmap;
mod math;
mod parts;
mod race;
mod supernet;
mod text;
mod time;
mod tour;

use crate::page::{Page, Phase, RunSource};
use darts_app::{
    cells::Task,
    describe::{self, grouped},
    names::{edge_text, node_number, op_hint, op_label, state_name},
};
use leptos::prelude::*;

fn page() -> Page {
    expect_context()
}

#[component]
pub fn App() -> impl IntoView {
    let page = Page::new();
    provide_context(page);
    // What is below the pictures waits until those are painted.
    let below = RwSignal::new(false);
    request_animation_frame(move || set_timeout(move || below.set(true), std::time::Duration::ZERO));
    view! {
        <bar::TopBar />
        <main
            id="main"
            data-phase=move || page.phase.get().name()
            data-activity=move || page.activity.get().map(|activity| format!("{activity:?}").to_lowercase()).unwrap_or_default()
            data-steps=move || page.run.with(|run| run.steps)
            data-reading=move || matches!(page.source.get(), RunSource::Recording { reading: Some(_), .. }).to_string()
        >
            <Notices />
            <SavedSearch />
            <WithoutGpu />
            {page.shows_benchmark.then(|| view! { <bench::Benchmark /> })}
            <div class="overview">
                <supernet::Supernet />
                <Legend />
            </div>
            <div class="board" id="cells">
                {move || {
                    let task = page.task.get();
                    let cells = task.kinds().iter().map(|&kind| view! { <cell::Cell kind=kind /> }).collect_view();
                    view! {
                        <div class="cells">
                            {cells}
                            {(task == Task::Recurrent).then(|| view! { <text::Written /> })}
                        </div>
                        <curves::Curves task=task />
                    }
                }}
            </div>
            <Show when=move || below.get()>
                <race::Training />
                <compare::Compare />
                <explain::Explain />
            </Show>
        </main>
        <Show when=move || below.get()><explain::Foot /></Show>
        <edge_card::EdgeCard />
        <time::TimeBar />
        <tour::Tour />
    }
}

#[component]
fn Notices() -> impl IntoView {
    let page = page();
    view! {
        <div class="notices" role="status">
            <For each=move || page.notices.get() key=|notice| notice.text.clone() let:notice>
                <p class=if notice.error { "notice error" } else { "notice" }>
                    <span>{notice.text.clone()}</span>
                    <button
                        type="button"
                        class="dismiss"
                        aria-label="Dismiss"
                        on:click=move |_| page.notices.update(|all| all.retain(|other| other.text != notice.text))
                    >
                        "\u{d7}"
                    </button>
                </p>
            </For>
        </div>
    }
}

/// Offers to resume the search that the browser saved.
#[component]
fn SavedSearch() -> impl IntoView {
    let page = page();
    let facts = move || page.saved_search.with(|saved| saved.as_ref().map(describe::saved_search));
    let idle = move || matches!(page.phase.get(), Phase::Idle | Phase::Failed);
    view! {
        <Show when=move || idle() && page.saved_search.with(Option::is_some)>
            <p class="notice" id="kept" role="status">
                <span>{facts}</span>
                <span class="kept-buttons">
                    <button type="button" class="button strong" id="take-up" on:click=move |_| page.resume_saved_search()>"Take it up again"</button>
                    <button type="button" class="button" id="forget-kept" on:click=move |_| page.delete_saved_search()>"Forget it"</button>
                </span>
            </p>
        </Show>
    }
}

#[component]
fn WithoutGpu() -> impl IntoView {
    let page = page();
    let reason = Memo::new(move |_| page.without_gpu());
    // Where there is something else to look at, that comes first.
    let shown = move || reason.with(Option::is_some) && page.source.get() == RunSource::Worker;
    view! {
        <Show when=shown>
            <details class="unsupported">
                <summary>
                    <b>{move || reason.get()}</b>
                    " So the processor computes here, by itself and slowly: small searches are for looking at. What to do for speed"
                </summary>
                <ul>
                    <li><b>"Chrome or Edge"</b>" 113 or later on Windows, macOS or ChromeOS, 121 or later on Android."</li>
                    <li><b>"Chrome on Linux"</b>": open "<code>"chrome://flags/#enable-unsafe-webgpu"</code>", choose Enabled, and restart."</li>
                    <li><b>"Safari"</b>" 26 or later; "<b>"Firefox"</b>" 141 or later on Windows, 145 or later on Macs with Apple silicon."</li>
                    <li><b>"No browser at all"</b>": "<code>"darts search conv --data DIR --out RUN"</code>" runs the same engine natively, on all cores."</li>
                </ul>
                <p>"If your browser is in the list, check that hardware acceleration is switched on in its settings."</p>
            </details>
        </Show>
    }
}

/// The ops and their colours; pointing at one shows it everywhere.
#[component]
fn Legend() -> impl IntoView {
    let page = page();
    view! {
        <ul class="legend" aria-label="Candidate ops of every edge">
            {move || page.task.get()
                .ops()
                .into_iter()
                .enumerate()
                .map(|(i, op)| {
                    let (what, window) = op_label(op);
                    view! {
                        <li>
                            <button
                                type="button"
                                class=format!("op-{} chip", op.colour())
                                title=op_hint(op)
                                aria-pressed=move || (page.op.get() == Some(i)).to_string()
                                on:pointerenter=move |_| page.op.set(Some(i))
                                on:pointerleave=move |_| page.op.set(None)
                                on:click=move |_| page.op.set(Some(i))
                                on:focus=move |_| page.op.set(Some(i))
                                on:blur=move |_| page.op.set(None)
                            >
                                <span class="swatch"></span>
                                {what}
                                {(!window.is_empty()).then(|| format!("\u{a0}{window}"))}
                            </button>
                        </li>
                    }
                })
                .collect_view()}
        </ul>
    }
}
