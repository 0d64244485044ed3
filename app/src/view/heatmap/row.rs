//! A row: an edge with a square for each of its ops.

use super::{super::page, GROUP, LEFT, ROW, TOP, WIDTH, column_left, column_width};
use crate::page::Page;
use darts_app::{
    cells::Kind,
    describe::strongest_op,
    heat::HeatValues,
    names::{edge_text, input_symbol, node_number, state_name},
};
use darts_engine::space::Edge;
use leptos::prelude::*;

/// The op that the derived cell keeps on each edge, if any.
type KeptOps = Memo<Vec<Option<usize>>>;

fn row_top(row: usize, node: usize) -> f32 {
    TOP + row as f32 * ROW + node as f32 * GROUP
}

/// Left edge and width of the square of an op.
fn square(kind: Kind, op: usize) -> (f32, f32) {
    (column_left(kind, op) + 1.0, column_width(kind) - 2.0)
}

#[component]
pub fn Row(kind: Kind, row: usize, edge: Edge, values: Memo<Option<HeatValues>>, kept: KeptOps) -> impl IntoView {
    let page = page();
    let top = row_top(row, edge.node);
    let chosen = move || page.chosen.get().filter(|(of, _)| *of == kind).map(|(_, row)| row);
    let class = move || match (page.edge_of(kind), chosen()) {
        (Some(pointed), Some(chosen)) if pointed == row && chosen == row => "row lit chosen",
        (Some(pointed), _) if pointed == row => "row lit",
        (Some(_), _) => "row dim",
        (None, _) => "row",
    };
    let squares = (0..kind.op_count())
        .map(|op| view! { <Square kind=kind row=row op=op top=top values=values /> })
        .collect_view();
    let ring = move || {
        let op = kept.with(|kept| kept[row])?;
        let (x, width) = square(kind, op);
        let colour = kind.ops().get(op).map_or(op, |op| op.colour());
        let class = format!("ring op-{colour}");
        Some(view! { <rect x=x y=top + 1.0 width=width height=ROW - 2.0 class=class /> })
    };
    view! {
        <g
            id=format!("{}-row-{row}", kind.name())
            role="option"
            aria-label=move || row_label(page, kind, row, edge, kept)
            aria-selected=move || (page.edge_of(kind) == Some(row)).to_string()
            class=class
            on:pointerenter=move |_| page.hovered.set(Some((kind, row)))
            on:pointerleave=move |_| page.hovered.set(None)
            on:click=move |_| page.choose(kind, row)
        >
            <rect x="0" y=top width=WIDTH height=ROW class="hit" />
            <RowName kind=kind edge=edge top=top />
            {squares}
            {ring}
        </g>
    }
}

/// The edge, its strongest op and the one that it keeps. It begins with the visible label, so that users of voice control
/// can name the row.
fn row_label(page: Page, kind: Kind, row: usize, edge: Edge, kept: KeptOps) -> String {
    let kept = kept.with(|kept| kept[row]).map(|op| format!(", kept with {}", kind.ops()[op].name()));
    format!(
        "{}: {}{}",
        edge_text(kind, edge.state, edge.node),
        page.moment.with(|moment| strongest_op(moment.as_ref(), kind, row)),
        kept.unwrap_or_default()
    )
}

/// The edge as it is written: inputs as in the paper, a letter with an index.
#[component]
fn RowName(kind: Kind, edge: Edge, top: f32) -> impl IntoView {
    let symbol = input_symbol(kind, edge.state);
    let indexed = symbol.is_some();
    let state = match symbol {
        Some((letter, index)) => view! {
            <tspan class="var">{letter}</tspan>
            <tspan class="sub" dy="3">{index}</tspan>
        }
        .into_any(),
        None => state_name(kind, edge.state).into_any(),
    };
    view! {
        <text x=LEFT - 8.0 y=top + 11.5 class="row-label">
            {state}
            <tspan dy=if indexed { "-3" } else { "0" }>{format!(" \u{2192} {}", node_number(kind, edge.node))}</tspan>
        </text>
    }
}

#[component]
fn Square(kind: Kind, row: usize, op: usize, top: f32, values: Memo<Option<HeatValues>>) -> impl IntoView {
    let page = page();
    let (x, width) = square(kind, op);
    let shade = move || values.with(|values| values.as_ref().map_or(0.0, |values| values.shade(kind, row, op)));
    let falls = move || values.with(|values| values.as_ref().is_some_and(|values| values.falls(kind, row, op)));
    let class = move || match (page.op.get().is_none_or(|pointed| pointed == op), falls()) {
        (true, false) => "heat",
        (true, true) => "heat falls",
        (false, false) => "heat dim",
        (false, true) => "heat falls dim",
    };
    view! {
        <rect
            x=x
            y=top + 1.0
            width=width
            height=ROW - 2.0
            class=class
            fill-opacity=move || format!("{:.3}", shade())
        />
    }
}
