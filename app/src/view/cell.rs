//! One kind of cell: its alphas beside its graph.

use super::{graph::Graph, heatmap::Heatmap, kind_name, page};
use crate::page::CellView;
use darts_engine::space::CellKind;
use leptos::prelude::*;

#[component]
pub fn Cell(kind: CellKind) -> impl IntoView {
    let page = page();
    let name = kind_name(kind);
    let (title, caption) = match kind {
        CellKind::Normal => ("Normal cell", "Keeps height and width; all normal cells share these alphas."),
        CellKind::Reduce => (
            "Reduction cell",
            "Halves height and width: ops that leave an input move two pixels at a time. Two of them, sharing these alphas.",
        ),
    };
    let has_alphas = move || page.run.with(|run| run.alphas.is_some());
    let graph_caption = move || match (has_alphas(), page.cell_view.get()) {
        (false, _) => "Before the search: every edge blends all eight ops about equally.",
        (true, CellView::Derived) => {
            "What would be kept now: for each node its two strongest edges, each with its strongest op."
        }
        (true, CellView::Relaxed) => {
            "The supernet\u{2019}s cell: every strand an op, its strength the op\u{2019}s weight."
        }
    };
    view! {
        <section class="card cell" id=name aria-labelledby=format!("{name}-title")>
            <header class="card-head">
                <h2 id=format!("{name}-title")>{title}</h2>
                <p class="caption">{caption}</p>
                {(kind == CellKind::Normal).then(|| view! { <ViewChoice /> })}
            </header>
            <figure class="alphas">
                <Heatmap kind=kind />
            </figure>
            <figure class="graph">
                <Graph kind=kind />
                <figcaption>{graph_caption}</figcaption>
            </figure>
        </section>
    }
}

#[component]
fn ViewChoice() -> impl IntoView {
    let page = page();
    let choice = |view: CellView, label: &'static str, hint: &'static str| {
        view! {
            <label title=hint>
                <input
                    type="radio"
                    name="cell-view"
                    prop:checked=move || page.cell_view.get() == view
                    on:change=move |_| page.cell_view.set(view)
                />
                <span>{label}</span>
            </label>
        }
    };
    view! {
        <fieldset class="choice">
            <legend class="hidden">"Draw the cells"</legend>
            {choice(CellView::Derived, "Derived", "Only the ops that would be kept now")}
            {choice(CellView::Relaxed, "Relaxed", "Every edge with all its ops, as the supernet computes it")}
        </fieldset>
    }
}
