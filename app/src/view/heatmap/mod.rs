//! The alphas of one kind of cell, one row per edge and one column per op: the softmax, the raw values, or their change.

mod footer;
mod header;
mod row;

use super::page;
use crate::page::Page;
use darts_app::{cells::Kind, heat::HeatValues};
use footer::Footer;
use header::Header;
use leptos::prelude::*;
use row::Row;

const WIDTH: f32 = 372.0;
const LEFT: f32 = 66.0;
const TOP: f32 = 32.0;
/// Width of all columns together.
const COLUMNS: f32 = 296.0;
const ROW: f32 = 16.0;
/// Gap between the rows of one node and the next.
const GROUP: f32 = 5.0;
/// Height of what is below the rows.
const FOOTER: f32 = 24.0;

fn height(kind: Kind) -> f32 {
    TOP + kind.edge_count() as f32 * ROW + (kind.nodes() - 1) as f32 * GROUP + FOOTER
}

fn column_width(kind: Kind) -> f32 {
    COLUMNS / kind.op_count() as f32
}

fn column_left(kind: Kind, op: usize) -> f32 {
    LEFT + op as f32 * column_width(kind)
}

fn column_middle(kind: Kind, op: usize) -> f32 {
    LEFT + (op as f32 + 0.5) * column_width(kind)
}

/// The values shown, once there is a run.
fn heat_values(page: Page) -> Option<HeatValues> {
    let view = page.heat_view.get();
    page.run.with(|run| page.moment.with(|moment| HeatValues::new(view, run, moment.as_ref()?)))
}

/// For each edge, the op that the derived cell keeps, if any.
fn kept_ops(page: Page, kind: Kind) -> Vec<Option<usize>> {
    let mut kept = vec![None; kind.edge_count()];
    page.moment.with(|moment| {
        for op in moment.iter().flat_map(|moment| moment.genotype.kept(kind)) {
            kept[op.edge] = Some(op.op.index());
        }
    });
    kept
}

#[component]
pub fn Heatmap(kind: Kind) -> impl IntoView {
    let page = page();
    let (name, edge_count) = (kind.name(), kind.edge_count());
    let values = Memo::new(move |_| heat_values(page));
    let kept = Memo::new(move |_| kept_ops(page, kind));
    let rows = kind
        .edges()
        .into_iter()
        .enumerate()
        .map(|(row, edge)| view! { <Row kind=kind row=row edge=edge values=values kept=kept /> })
        .collect_view();
    view! {
        <svg
            viewBox=format!("0 0 {WIDTH} {}", height(kind))
            class="heatmap"
            tabindex="0"
            role="listbox"
            aria-label=format!("The {name} cell\u{2019}s {edge_count} edges; arrow keys move along them, Enter selects one")
            aria-activedescendant=move || page.edge_of(kind).map(|row| format!("{name}-row-{row}"))
            on:keydown=move |event| press_key(page, kind, &event)
            on:blur=move |_| page.hovered.set(None)
        >
            <Header kind=kind />
            {rows}
            <Footer kind=kind values=values />
        </svg>
    }
}

/// Arrow keys move along the rows while the map has the focus; Enter selects one.
fn press_key(page: Page, kind: Kind, event: &leptos::ev::KeyboardEvent) {
    let (at, last) = (page.edge_of(kind), kind.edge_count() - 1);
    let next = match event.key().as_str() {
        "ArrowDown" => at.map_or(0, |row| (row + 1).min(last)),
        "ArrowUp" => at.map_or(last, |row| row.saturating_sub(1)),
        "Home" => 0,
        "End" => last,
        "Enter" | " " => {
            event.prevent_default();
            return at.into_iter().for_each(|row| page.choose(kind, row));
        }
        "Escape" => {
            page.hovered.set(None);
            return page.chosen.set(None);
        }
        _ => return,
    };
    event.prevent_default();
    page.hovered.set(Some((kind, next)));
}
