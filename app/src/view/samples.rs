//! Text written by the network of a recurrent search, one word drawn after the other.

use super::{page, parts::Term};
use crate::page::RunSource;
use darts_app::describe::grouped;
use leptos::prelude::*;

/// Temperatures offered.
const TEMPERATURES: [&str; 4] = ["0.5", "0.8", "1", "1.2"];

#[component]
pub fn Samples() -> impl IntoView {
    let page = page();
    let temperature = RwSignal::new(TEMPERATURES[1].to_owned());
    let sample = Memo::new(move |_| page.run.with(|run| run.sample(page.cursor.get()).cloned()));
    let facts = move || {
        sample.with(|sample| {
            let sample = sample.as_ref()?;
            Some(format!(
                "after step {}, temperature {}, seed {}",
                grouped(sample.steps),
                sample.temperature,
                sample.seed
            ))
        })
    };
    let empty = move || match page.source.get() {
        RunSource::Worker => "The network writes after the first step, then after every 25th.",
        _ => "This run has no text.",
    };
    let able = move || {
        page.source.get() == RunSource::Worker
            && page.cursor.get().is_none()
            && page.phase.get().is_live()
            && page.run.with(|run| run.steps > 0)
    };
    view! {
        <section class="card" id="written" aria-labelledby="written-title">
            <header class="card-head">
                <h2 id="written-title">"What the network writes"</h2>
                <p class="caption" id="written-facts">{facts}</p>
                <div class="tools">
                    <label class="beside">
                        <Term word="temperature" />
                        <select id="temperature" aria-label="Temperature" on:change=move |event| temperature.set(event_target_value(&event))>
                            {TEMPERATURES.iter().map(|&value| view! { <option value=value selected=value == TEMPERATURES[1]>{value}</option> }).collect_view()}
                        </select>
                    </label>
                    <button
                        type="button"
                        class="button"
                        id="write"
                        disabled=move || !able()
                        title="Draw new words from the network as it is now"
                        on:click=move |_| page.write_text(temperature.get_untracked().parse().unwrap_or(1.0))
                    >
                        "Write more"
                    </button>
                </div>
            </header>
            {move || match sample.get() {
                Some(sample) => view! { <p class="written" id="sample">{sample.text}</p> }.into_any(),
                None => view! { <p class="caption">{empty}</p> }.into_any(),
            }}
            <p class="caption">
                "The network continues the start of the " <Term word="validation text" /> ": each word is drawn from its predictions. \u{201c}<unk>\u{201d} stands for all rare words."
            </p>
        </section>
    }
}
