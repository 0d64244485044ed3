//! The views.

mod bar;
mod bench;
mod cell;
mod compare;
mod curves;
mod edge_card;
mod explain;
mod graph;
mod heatmap;
mod legend;
mod math;
mod notices;
mod parts;
mod race;
mod samples;
mod supernet;
mod time;
mod tour;

use crate::page::{Page, RunSource};
use leptos::prelude::*;

fn page() -> Page {
    expect_context()
}

#[component]
pub fn App() -> impl IntoView {
    let page = Page::new();
    provide_context(page);
    // The parts below the pictures wait until those are painted.
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
            <notices::Notices />
            <notices::SavedSearch />
            <notices::WithoutGpu />
            {page.shows_benchmark.then(|| view! { <bench::Benchmark /> })}
            <div class="overview">
                <supernet::Supernet />
                <legend::Legend />
            </div>
            <div class="board" id="cells">
                {move || {
                    let task = page.task.get();
                    let cells = task.kinds().iter().map(|&kind| view! { <cell::Cell kind=kind /> }).collect_view();
                    view! {
                        <div class="cells">
                            {cells}
                            {task.of_text().then(|| view! { <samples::Samples /> })}
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
