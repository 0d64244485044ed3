//! The alphas of one kind of cell after the softmax: an edge a row, an op a column.

use super::{kind_name, op_index, op_label, page};
use crate::page::Page;
use darts_app::{layout::edge_index, run::OPS};
use darts_engine::space::{Alphas, CellKind, EDGES, Edge, Op, edges};
use leptos::prelude::*;

const WIDTH: f32 = 372.0;
const LEFT: f32 = 66.0;
const TOP: f32 = 32.0;
const COLUMN: f32 = 37.0;
const ROW: f32 = 16.0;
/// Gap between the rows of one node and the next.
const GROUP: f32 = 5.0;
const HEIGHT: f32 = TOP + EDGES as f32 * ROW + 3.0 * GROUP + 24.0;
/// The scale spans at least this much, so that a search's first noise does not look like a result.
const LEAST_SPAN: f32 = 0.01;

/// Softmax weights of both kinds of cell, with the range that the shades span.
#[derive(Clone, Debug, PartialEq)]
struct Weights {
    of: Alphas,
    low: f32,
    high: f32,
}

impl Weights {
    fn shade(&self, kind: CellKind, edge: usize, op: usize) -> f32 {
        ((self.of.of(kind)[edge][op] - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

fn weights(page: Page) -> Option<Weights> {
    let of = page.run.with(|run| run.alphas.as_ref().map(Alphas::softmax))?;
    let all = || of.normal.iter().chain(&of.reduce).flatten().copied().filter(|w| w.is_finite());
    let (low, high) = (all().fold(1.0, f32::min), all().fold(0.0, f32::max));
    let short = (LEAST_SPAN - (high - low)).max(0.0) / 2.0;
    Some(Weights { of, low: low - short, high: high + short })
}

fn row_top(edge: usize, node: usize) -> f32 {
    TOP + edge as f32 * ROW + node as f32 * GROUP
}

/// `c` with its index, as the paper writes the cell's inputs.
fn input_label(state: usize) -> impl IntoView {
    view! {
        <tspan class="var">"c"</tspan>
        <tspan class="sub" dy="3">{if state == 0 { "k\u{2212}2" } else { "k\u{2212}1" }}</tspan>
    }
}

#[component]
pub fn Heatmap(kind: CellKind) -> impl IntoView {
    let page = page();
    let name = kind_name(kind);
    let weights = Memo::new(move |_| weights(page));
    // For each edge the op that would be kept, if any.
    let kept = Memo::new(move |_| {
        let mut kept = [None; EDGES];
        page.run.with(|run| {
            let Some(genotype) = &run.genotype else { return };
            let ops = if kind == CellKind::Normal { &genotype.normal } else { &genotype.reduce };
            for (i, &(op, state)) in ops.iter().enumerate() {
                kept[edge_index(state, i / 2)] = Some(op_index(op));
            }
        });
        kept
    });
    let pointed = move || page.edge.get().filter(|(of, _)| *of == kind).map(|(_, edge)| edge);

    let columns = Op::CANDIDATES
        .into_iter()
        .enumerate()
        .map(|(i, op)| {
            let (what, window) = op_label(op);
            let x = LEFT + (i as f32 + 0.5) * COLUMN;
            let class = move || format!("column op-{i}{}", if page.op.get() == Some(i) { " lit" } else { "" });
            view! {
                <g class=class on:pointerenter=move |_| page.op.set(Some(i)) on:pointerleave=move |_| page.op.set(None)>
                    <rect x=LEFT + i as f32 * COLUMN y="0" width=COLUMN height=TOP class="hit" />
                    <text x=x y="11" class="head">{what}</text>
                    <text x=x y="22" class="head">{window}</text>
                    <rect x=LEFT + i as f32 * COLUMN + 1.0 y=TOP - 6.0 width=COLUMN - 2.0 height="3" class="fill-op" />
                </g>
            }
        })
        .collect_view();

    let rows = edges()
        .enumerate()
        .map(|(row, Edge { state, node })| {
            let top = row_top(row, node);
            let cells = (0..OPS)
                .map(|op| {
                    let shade = move || weights.with(|w| w.as_ref().map_or(0.0, |w| w.shade(kind, row, op)));
                    view! {
                        <rect
                            x=LEFT + op as f32 * COLUMN + 1.0
                            y=top + 1.0
                            width=COLUMN - 2.0
                            height=ROW - 2.0
                            class=move || if page.op.get().is_none_or(|pointed| pointed == op) { "heat" } else { "heat dim" }
                            fill-opacity=move || format!("{:.3}", shade())
                        />
                    }
                })
                .collect_view();
            let ring = move || {
                kept.get()[row].map(|op| {
                    view! {
                        <rect
                            x=LEFT + op as f32 * COLUMN + 1.0
                            y=top + 1.0
                            width=COLUMN - 2.0
                            height=ROW - 2.0
                            class=format!("ring op-{op}")
                        />
                    }
                })
            };
            let label = move || {
                let kept = kept.get()[row].map(|op| format!(", kept with {}", Op::CANDIDATES[op].name())).unwrap_or_default();
                // As it is written on the row, so that who speaks to the page can name what is seen.
                let written = match state {
                    0 => "ck\u{2212}2".to_owned(),
                    1 => "ck\u{2212}1".to_owned(),
                    node => (node - 2).to_string(),
                };
                format!("{written} \u{2192} {node}: {}{kept}", strongest(weights.get(), kind, row))
            };
            view! {
                <g
                    id=format!("{name}-row-{row}")
                    role="option"
                    aria-label=label
                    aria-selected=move || (pointed() == Some(row)).to_string()
                    class=move || match pointed() {
                        Some(edge) if edge == row => "row lit",
                        Some(_) => "row dim",
                        None => "row",
                    }
                    on:pointerenter=move |_| page.edge.set(Some((kind, row)))
                    on:pointerleave=move |_| page.edge.set(None)
                    on:click=move |_| page.edge.set(Some((kind, row)))
                >
                    <rect x="0" y=top width=WIDTH height=ROW class="hit" />
                    <text x=LEFT - 8.0 y=top + 11.5 class="row-label">
                        {if state < 2 { input_label(state).into_any() } else { (state - 2).to_string().into_any() }}
                        <tspan dy=if state < 2 { "-3" } else { "0" }>{format!(" \u{2192} {node}")}</tspan>
                    </text>
                    {cells}
                    {ring}
                </g>
            }
        })
        .collect_view();

    // Arrow keys move along the rows while the map has the focus.
    let on_key = move |event: leptos::ev::KeyboardEvent| {
        let at = pointed();
        let next = match event.key().as_str() {
            "ArrowDown" => at.map_or(0, |row| (row + 1).min(EDGES - 1)),
            "ArrowUp" => at.map_or(EDGES - 1, |row| row.saturating_sub(1)),
            "Home" => 0,
            "End" => EDGES - 1,
            "Escape" => return page.edge.set(None),
            _ => return,
        };
        event.prevent_default();
        page.edge.set(Some((kind, next)));
    };
    let readout = move || match (pointed(), weights.get()) {
        (Some(row), Some(weights)) => Some(weights.of.of(kind)[row].clone()),
        _ => None,
    };
    let scale = || {
        const PARTS: usize = 13;
        let y = HEIGHT - 13.0;
        let parts = (0..PARTS)
            .map(|part| {
                let shade = format!("{:.3}", part as f32 / (PARTS - 1) as f32);
                view! { <rect x=LEFT + 70.0 + 10.0 * part as f32 y=y width="10" height="8" fill-opacity=shade class="scale-part" /> }
            })
            .collect_view();
        view! {
            {parts}
            <rect x=LEFT + 70.0 y=y width=10.0 * PARTS as f32 height="8" class="scale" />
        }
    };
    let bound =
        move |high: bool| weights.with(|w| w.as_ref().map(|w| format!("{:.3}", if high { w.high } else { w.low })));
    view! {
        <svg
            viewBox=format!("0 0 {WIDTH} {HEIGHT}")
            class="heatmap"
            tabindex="0"
            role="listbox"
            aria-label=format!("Softmax weights of the {name} cell\u{2019}s 14 edges; arrow keys move along them")
            aria-activedescendant=move || pointed().map(|row| format!("{name}-row-{row}"))
            on:keydown=on_key
            on:blur=move |_| page.edge.set(None)
        >
            <g role="presentation">{columns}</g>
            {rows}
            {move || match readout() {
                Some(row) => {
                    row.into_iter()
                        .enumerate()
                        .map(|(op, weight)| {
                            view! {
                                <text x=LEFT + (op as f32 + 0.5) * COLUMN y=HEIGHT - 5.0 class="value">{format!("{weight:.3}")}</text>
                            }
                        })
                        .collect_view()
                        .into_any()
                }
                None => {
                    view! {
                        <Show when=move || weights.with(Option::is_some)>
                            <text x=LEFT + 64.0 y=HEIGHT - 5.0 class="value end">{move || bound(false)}</text>
                            {scale()}
                            <text x=LEFT + 206.0 y=HEIGHT - 5.0 class="value start">{move || bound(true)}</text>
                        </Show>
                    }
                    .into_any()
                }
            }}
        </svg>
    }
}

/// The edge's strongest op and its weight.
fn strongest(weights: Option<Weights>, kind: CellKind, edge: usize) -> String {
    let Some(weights) = weights else { return "no weights yet".into() };
    let row = &weights.of.of(kind)[edge];
    let best = (0..OPS).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
    format!("strongest is {} with {:.3}", Op::CANDIDATES[best].name(), row[best])
}
