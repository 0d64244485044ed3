//! A cell as a graph: the derived cell, or the relaxed cell with all its ops.

mod derived;
mod geometry;
mod relaxed;
mod states;

use super::page;
use crate::page::Page;
use darts_app::{
    cells::{Cells, Kind},
    drawing::Direction,
    share_link::CellView,
};
use derived::Derived;
use geometry::view_box;
use leptos::prelude::*;
use relaxed::Relaxed;

/// The direction of graphs on this page: down where it is narrow.
fn direction(page: Page) -> Memo<Direction> {
    Memo::new(move |_| if page.narrow.get() { Direction::Down } else { Direction::Right })
}

#[component]
pub fn Graph(kind: Kind) -> impl IntoView {
    let page = page();
    let direction = direction(page);
    let relaxed = Memo::new(move |_| page.cell_view.get() == CellView::Relaxed || page.genotype.with(Option::is_none));
    let label = move || match relaxed.get() {
        true => {
            format!("The relaxed {} cell: {} edges, each with {} ops", kind.name(), kind.edge_count(), kind.op_count())
        }
        false => format!("The {} cell that would be derived now", kind.name()),
    };
    let pointed = move || page.edge_of(kind).is_some() || page.op.get().is_some();
    view! {
        <svg
            viewBox=move || view_box(kind, direction.get())
            class=move || if pointed() { "cell-graph pointed" } else { "cell-graph" }
            role="group"
            aria-label=label
        >
            {move || match relaxed.get() {
                true => view! { <Relaxed kind=kind direction=direction /> }.into_any(),
                false => view! { <Derived kind=kind direction=direction genotype=page.genotype reference=None /> }.into_any(),
            }}
        </svg>
    }
}

/// Cells as a picture to compare; ops that the reference does not have are marked.
#[component]
pub fn Still(
    kind: Kind,
    genotype: Memo<Option<Cells>>,
    reference: Memo<Option<Cells>>,
    title: String,
) -> impl IntoView {
    let page = page();
    let direction = direction(page);
    view! {
        <svg
            viewBox=move || view_box(kind, direction.get())
            class=move || if page.op.get().is_some() { "still pointed" } else { "still" }
            role="group"
            aria-label=format!("{title}, {} cell", kind.name())
        >
            <Derived kind=kind direction=direction genotype=genotype reference=Some(reference) />
        </svg>
    }
}
