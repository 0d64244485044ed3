//! The legend of the ops.

use super::page;
use darts_app::names::{op_hint, op_label};
use leptos::prelude::*;

/// The ops and their colours; pointing at one highlights it everywhere.
#[component]
pub fn Legend() -> impl IntoView {
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
