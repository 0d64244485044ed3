//! The alphas of one kind of cell, an edge a row, an op a column: after the softmax, as they are, or as they changed.

use super::{edge_text, node_number, op_label, page};
use crate::page::Page;
use darts_app::{
    cells::{Kind, Matrices},
    describe::strongest_op,
    run::Moment,
    share_link::HeatView,
};
use darts_engine::{intervention::PRUNED, space::Edge};
use leptos::prelude::*;

const WIDTH: f32 = 372.0;
const LEFT: f32 = 66.0;
const TOP: f32 = 32.0;
/// Width of all columns together.
const COLUMNS: f32 = 296.0;
const ROW: f32 = 16.0;
/// Gap between the rows of one node and the next.
const GROUP: f32 = 5.0;
/// The scale spans at least this much, so that a search's first noise does not look like a result.
const LEAST_SPAN: f32 = 0.01;

fn height(kind: Kind) -> f32 {
    TOP + kind.edge_count() as f32 * ROW + (kind.nodes() - 1) as f32 * GROUP + 24.0
}

/// What the map shows of all kinds of cell, with the range that the shades span.
#[derive(Clone, Debug, PartialEq)]
struct Shown {
    of: Matrices,
    low: f32,
    high: f32,
    view: HeatView,
}

impl Shown {
    fn value(&self, kind: Kind, edge: usize, op: usize) -> f32 {
        self.of.at(kind, edge, op).unwrap_or(0.0)
    }

    /// From 0 to 1; a change is shaded by its size.
    fn shade(&self, kind: Kind, edge: usize, op: usize) -> f32 {
        let value = self.value(kind, edge, op);
        match self.view {
            HeatView::Change => (value.abs() / self.high).clamp(0.0, 1.0),
            _ => ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0),
        }
    }

    fn text(&self, value: f32) -> String {
        match self.view {
            HeatView::Weights => format!("{value:.3}"),
            _ if value <= PRUNED => "out".into(),
            // No sign for what rounds to nothing.
            _ if value.abs() < 5e-4 => "0".into(),
            // Room for a sign in place of the zero before the point.
            _ => format!("{value:+.3}").replace("+0.", "+.").replace("-0.", "-.").replace('-', "\u{2212}"),
        }
    }
}

fn shown(page: Page) -> Option<Shown> {
    let view = page.heat_view.get();
    let start = page.run.with(|run| run.started.as_ref().map(|started| started.alphas.softmax()))?;
    page.moment.with(|moment| {
        let Moment { alphas, weights, .. } = moment.as_ref()?;
        let of = match view {
            HeatView::Weights => weights.clone(),
            HeatView::Alphas => alphas.clone(),
            HeatView::Change => weights.less(&start),
        };
        let all = || of.rows().flatten().copied().filter(|&v| v.is_finite() && v > PRUNED);
        let (low, high) = (all().fold(f32::INFINITY, f32::min), all().fold(f32::NEG_INFINITY, f32::max));
        let (low, high) = match view {
            HeatView::Change => {
                let most = low.abs().max(high.abs()).max(LEAST_SPAN / 2.0);
                (-most, most)
            }
            _ => {
                let short = (LEAST_SPAN - (high - low)).max(0.0) / 2.0;
                (low - short, high + short)
            }
        };
        Some(Shown { of, low, high, view })
    })
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
pub fn Heatmap(kind: Kind) -> impl IntoView {
    let page = page();
    let name = kind.name();
    let (edge_count, op_count, height) = (kind.edge_count(), kind.op_count(), height(kind));
    let column = COLUMNS / op_count as f32;
    let ops = StoredValue::new(kind.task().ops());
    let colour = move |op: usize| ops.with_value(|ops| ops.get(op).map_or(op, |op| op.colour()));
    let shown = Memo::new(move |_| shown(page));
    // For each edge the op that would be kept, if any.
    let kept = Memo::new(move |_| {
        let mut kept = vec![None; edge_count];
        page.moment.with(|moment| {
            let Some(moment) = moment else { return };
            for one in moment.genotype.kept(kind) {
                kept[one.edge] = Some(one.op.index());
            }
        });
        kept
    });
    let indexed = move |state: usize| kind.convolutional().is_some() && state < 2;
    let pointed = move || page.edge.get().filter(|(of, _)| *of == kind).map(|(_, edge)| edge);
    let chosen = move || page.chosen.get().filter(|(of, _)| *of == kind).map(|(_, edge)| edge);

    let columns = ops
        .get_value()
        .into_iter()
        .enumerate()
        .map(|(i, op)| {
            let (what, window) = op_label(op);
            let x = LEFT + (i as f32 + 0.5) * column;
            let class =
                move || format!("column op-{}{}", op.colour(), if page.op.get() == Some(i) { " lit" } else { "" });
            view! {
                <g class=class on:pointerenter=move |_| page.op.set(Some(i)) on:pointerleave=move |_| page.op.set(None)>
                    <rect x=LEFT + i as f32 * column y="0" width=column height=TOP class="hit" />
                    <text x=x y="11" class="head">{what}</text>
                    <text x=x y="22" class="head">{window}</text>
                    <rect x=LEFT + i as f32 * column + 1.0 y=TOP - 6.0 width=column - 2.0 height="3" class="fill-op" />
                </g>
            }
        })
        .collect_view();

    let rows = kind
        .edges()
        .into_iter()
        .enumerate()
        .map(|(row, Edge { state, node })| {
            let top = row_top(row, node);
            let cells = (0..op_count)
                .map(|op| {
                    let shade = move || shown.with(|w| w.as_ref().map_or(0.0, |w| w.shade(kind, row, op)));
                    let falls = move || {
                        shown.with(|w| {
                            w.as_ref().is_some_and(|w| w.view == HeatView::Change && w.value(kind, row, op) < 0.0)
                        })
                    };
                    let class = move || match (page.op.get().is_none_or(|pointed| pointed == op), falls()) {
                        (true, false) => "heat",
                        (true, true) => "heat falls",
                        (false, false) => "heat dim",
                        (false, true) => "heat falls dim",
                    };
                    view! {
                        <rect
                            x=LEFT + op as f32 * column + 1.0
                            y=top + 1.0
                            width=column - 2.0
                            height=ROW - 2.0
                            class=class
                            fill-opacity=move || format!("{:.3}", shade())
                        />
                    }
                })
                .collect_view();
            let ring = move || {
                kept.get()[row].map(|op| {
                    view! {
                        <rect
                            x=LEFT + op as f32 * column + 1.0
                            y=top + 1.0
                            width=column - 2.0
                            height=ROW - 2.0
                            class=format!("ring op-{}", colour(op))
                        />
                    }
                })
            };
            let label = move || {
                let kept =
                    kept.get()[row].map(|op| format!(", kept with {}", ops.with_value(|ops| ops[op].name()))).unwrap_or_default();
                // As it is written on the row, so that who speaks to the page can name what is seen.
                format!(
                    "{}: {}{kept}",
                    edge_text(kind, state, node),
                    page.moment.with(|moment| strongest_op(moment.as_ref(), kind, row))
                )
            };
            view! {
                <g
                    id=format!("{name}-row-{row}")
                    role="option"
                    aria-label=label
                    aria-selected=move || (pointed() == Some(row)).to_string()
                    class=move || match (pointed(), chosen()) {
                        (Some(edge), Some(chosen)) if edge == row && chosen == row => "row lit chosen",
                        (Some(edge), _) if edge == row => "row lit",
                        (Some(_), _) => "row dim",
                        (None, _) => "row",
                    }
                    on:pointerenter=move |_| page.hovered.set(Some((kind, row)))
                    on:pointerleave=move |_| page.hovered.set(None)
                    on:click=move |_| page.choose(kind, row)
                >
                    <rect x="0" y=top width=WIDTH height=ROW class="hit" />
                    <text x=LEFT - 8.0 y=top + 11.5 class="row-label">
                        {if indexed(state) { input_label(state).into_any() } else { super::state_name(kind, state).into_any() }}
                        <tspan dy=if indexed(state) { "-3" } else { "0" }>{format!(" \u{2192} {}", node_number(kind, node))}</tspan>
                    </text>
                    {cells}
                    {ring}
                </g>
            }
        })
        .collect_view();

    // Arrow keys move along the rows while the map has the focus; Enter chooses one.
    let on_key = move |event: leptos::ev::KeyboardEvent| {
        let at = pointed();
        let next = match event.key().as_str() {
            "ArrowDown" => at.map_or(0, |row| (row + 1).min(edge_count - 1)),
            "ArrowUp" => at.map_or(edge_count - 1, |row| row.saturating_sub(1)),
            "Home" => 0,
            "End" => edge_count - 1,
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
    };
    let readout = move || match (pointed(), shown.get()) {
        (Some(row), Some(shown)) => {
            Some(shown.of.of(kind).get(row)?.iter().map(|&value| shown.text(value)).collect::<Vec<_>>())
        }
        _ => None,
    };
    let scale = move || {
        const PARTS: usize = 13;
        let y = height - 13.0;
        let parts = (0..PARTS)
            .map(|part| {
                let share = part as f32 / (PARTS - 1) as f32;
                let shade = move || match page.heat_view.get() {
                    HeatView::Change => format!("{:.3}", (2.0 * share - 1.0).abs()),
                    _ => format!("{share:.3}"),
                };
                let class = move || match page.heat_view.get() {
                    HeatView::Change if share < 0.5 => "scale-part falls",
                    _ => "scale-part",
                };
                view! { <rect x=LEFT + 70.0 + 10.0 * part as f32 y=y width="10" height="8" fill-opacity=shade class=class /> }
            })
            .collect_view();
        view! {
            {parts}
            <rect x=LEFT + 70.0 y=y width=10.0 * PARTS as f32 height="8" class="scale" />
        }
    };
    let bound = move |high: bool| shown.with(|w| w.as_ref().map(|w| w.text(if high { w.high } else { w.low })));
    view! {
        <svg
            viewBox=format!("0 0 {WIDTH} {height}")
            class="heatmap"
            tabindex="0"
            role="listbox"
            aria-label=format!("The {name} cell\u{2019}s {edge_count} edges; arrow keys move along them, Enter chooses one")
            aria-activedescendant=move || pointed().map(|row| format!("{name}-row-{row}"))
            on:keydown=on_key
            on:blur=move |_| page.hovered.set(None)
        >
            <g role="presentation">{columns}</g>
            {rows}
            {move || match readout() {
                Some(row) => {
                    row.into_iter()
                        .enumerate()
                        .map(|(op, value)| {
                            view! { <text x=LEFT + (op as f32 + 0.5) * column y=height - 5.0 class="value">{value}</text> }
                        })
                        .collect_view()
                        .into_any()
                }
                None => {
                    view! {
                        <Show when=move || shown.with(Option::is_some)>
                            <text x=LEFT + 64.0 y=height - 5.0 class="value end">{move || bound(false)}</text>
                            {scale()}
                            <text x=LEFT + 206.0 y=height - 5.0 class="value start">{move || bound(true)}</text>
                        </Show>
                    }
                    .into_any()
                }
            }}
        </svg>
    }
}
