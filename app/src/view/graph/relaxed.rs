//! The relaxed cell: each edge has one strand for each op, as strong as the op's weight.

use super::{
    super::page,
    geometry::{STRAND, draw_relaxed, fit, flow},
    states::States,
};
use darts_app::{
    cells::Kind,
    drawing::{Direction, Drawing, curve},
    names::edge_text,
};
use darts_engine::space::Edge;
use leptos::prelude::*;

/// The curve of a connector, shifted across.
fn route(drawing: Memo<Drawing>, connector: usize, flow: Direction, shift: f32) -> String {
    drawing.with(|drawing| curve(&drawing.routes[connector], flow, shift))
}

#[component]
pub fn Relaxed(kind: Kind, direction: Memo<Direction>) -> impl IntoView {
    let page = page();
    let drawing = Memo::new(move |_| draw_relaxed(kind, direction.get()));
    let weights =
        Memo::new(move |_| page.moment.with(|moment| moment.as_ref().map(|moment| moment.weights.of(kind).to_vec())));
    let edge = move |(row, edge)| {
        view! { <RelaxedEdge kind=kind direction=direction drawing=drawing weights=weights row=row edge=edge /> }
    };
    let edges = kind.edges().into_iter().enumerate().map(edge).collect_view();
    let edge_count = kind.edge_count();
    let concat = (0..kind.nodes() + kind.fixed_connectors())
        .map(|i| {
            let path = move || route(drawing, edge_count + i, flow(kind, direction.get()), 0.0);
            view! { <path class="concat" d=path /> }
        })
        .collect_view();
    let centres = Signal::derive(move || drawing.with(|drawing| drawing.centres.clone()));
    let count = kind.nodes() + kind.boxes_before() + 1;
    view! {
        <g transform=move || drawing.with(|drawing| fit(drawing, kind, direction.get()))>
            {concat} {edges} <States kind=kind direction=direction count=count centres=centres />
        </g>
    }
}

#[component]
fn RelaxedEdge(
    kind: Kind,
    direction: Memo<Direction>,
    drawing: Memo<Drawing>,
    /// Softmax weights of all edges.
    weights: Memo<Option<Vec<Vec<f32>>>>,
    row: usize,
    edge: Edge,
) -> impl IntoView {
    let page = page();
    let ops = kind.ops();
    let count = ops.len();
    let strands = ops
        .into_iter()
        .enumerate()
        .map(|(index, op)| {
            let shift = (index as f32 - (count - 1) as f32 / 2.0) * STRAND;
            // Relative to an even share: an op with an even share is thin and pale, one with all the weight thick and full.
            let strength = move || {
                let weight = weights.with(|rows| rows.as_ref()?.get(row)?.get(index).copied());
                weight.unwrap_or(1.0 / count as f32)
            };
            let class = move || {
                let lit = page.op.get() == Some(index) || page.edge.get() == Some((kind, row));
                format!("strand op-{}{}", op.colour(), if lit { " lit" } else { "" })
            };
            view! {
                <path
                    class=class
                    d=move || route(drawing, row, flow(kind, direction.get()), shift)
                    stroke-width=move || format!("{:.2}", (0.5 + 5.0 * strength().sqrt() - 1.2).max(0.1))
                    stroke-opacity=move || format!("{:.2}", (0.12 + 2.6 * strength()).min(1.0))
                />
            }
        })
        .collect_view();
    view! {
        <g
            on:pointerenter=move |_| page.hovered.set(Some((kind, row)))
            on:pointerleave=move |_| page.hovered.set(None)
            on:click=move |_| page.choose(kind, row)
        >
            <title>{edge_text(kind, edge.state, edge.node)}</title>
            <path class="hit-line" d=move || route(drawing, row, flow(kind, direction.get()), 0.0) />
            {strands}
        </g>
    }
}
