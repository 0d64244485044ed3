//! Messages above the pictures: notices, the saved search, and the reason for having no GPU.

use super::page;
use crate::page::{Phase, RunSource};
use darts_app::describe;
use leptos::prelude::*;

#[component]
pub fn Notices() -> impl IntoView {
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

/// Offers to resume the saved search.
#[component]
pub fn SavedSearch() -> impl IntoView {
    let page = page();
    let facts = move || page.saved_search.with(|saved| saved.as_ref().map(describe::saved_search));
    let idle = move || matches!(page.phase.get(), Phase::Idle | Phase::Failed);
    view! {
        <Show when=move || idle() && page.saved_search.with(Option::is_some)>
            <p class="notice" id="kept" role="status">
                <span>{facts}</span>
                <span class="kept-buttons">
                    <button type="button" class="button strong" id="take-up" on:click=move |_| page.resume_saved_search()>"Resume it"</button>
                    <button type="button" class="button" id="forget-kept" on:click=move |_| page.delete_saved_search()>"Delete it"</button>
                </span>
            </p>
        </Show>
    }
}

#[component]
pub fn WithoutGpu() -> impl IntoView {
    let page = page();
    let reason = Memo::new(move |_| page.without_gpu());
    // A served or recorded run needs no GPU.
    let shown = move || reason.with(Option::is_some) && page.source.get() == RunSource::Worker;
    view! {
        <Show when=shown>
            <details class="unsupported">
                <summary>
                    <b>{move || reason.get()}</b>
                    " The CPU computes instead, which is slow: choose a small search, or see how to enable a GPU"
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
