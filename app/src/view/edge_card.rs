//! The chosen edge: what its ops weigh, and what can be changed about them.

use super::{heatmap::place, node_number, op_hint, op_name, page, state_name};
use darts_app::cells::Kind;
use darts_engine::search::{PRUNED, Steering};
use leptos::prelude::*;

/// What a press of a button adds to an alpha.
const NUDGE: f32 = 0.05;

#[component]
pub fn EdgeCard() -> impl IntoView {
    let page = page();
    let chosen = move || page.chosen.get().filter(|_| page.moment.with(Option::is_some));
    move || chosen().map(|(kind, row)| view! { <Chosen kind=kind row=row /> })
}

#[component]
fn Chosen(kind: Kind, row: usize) -> impl IntoView {
    let page = page();
    let edge = place(kind, row);
    let first = kind.place() * kind.edge_count();
    let bits = move || {
        page.moment.with(|moment| {
            moment.as_ref().map(|m| format!("{:.3} bits", m.entropy.get(first + row).copied().unwrap_or(0.0)))
        })
    };
    let takes = move || {
        if page.steerable() { "Changes go to the search and into its log." } else { "Changes are tried out here only." }
    };
    // Bars are as long as they can be told apart; the numbers beside them say what they are.
    let greatest = move || {
        page.moment.with(|moment| {
            let weights =
                moment.as_ref().and_then(|m| Some(m.weights.of(kind).get(row)?.iter().copied().fold(0.0, f32::max)));
            weights.filter(|greatest| *greatest > 0.0).unwrap_or(1.0)
        })
    };
    let ops = kind
        .task()
        .ops()
        .into_iter()
        .enumerate()
        .map(|(op, any)| {
            let value = move || {
                page.moment.with(|moment| {
                    let found = moment.as_ref().and_then(|m| Some((m.weights.at(kind, row, op)?, m.alphas.at(kind, row, op)?)));
                    found.unwrap_or_default()
                })
            };
            let out = move || value().1 <= PRUNED;
            let label = op_name(any);
            let act = move |sign: &'static str, text: String, steering: Steering| {
                view! {
                    <button type="button" title=text.clone() aria-label=text disabled=out on:click=move |_| page.steer(steering)>
                        {sign}
                    </button>
                }
            };
            let (cell, op) = (kind.steered(), any.steered());
            let buttons = [
                act("\u{2212}", format!("Lower the alpha of {label} by {NUDGE}"), Steering::Nudge { cell, edge: row, op, by: -NUDGE }),
                act("+", format!("Raise the alpha of {label} by {NUDGE}"), Steering::Nudge { cell, edge: row, op, by: NUDGE }),
                act("only", format!("Leave this edge only {label}"), Steering::Pin { cell, edge: row, op }),
                act("out", format!("Take {label} out of this edge"), Steering::Prune { cell, edge: row, op }),
            ];
            view! {
                <tr class=format!("op-{}", any.colour()) class:out=out>
                    <th scope="row" title=op_hint(any)><span class="swatch"></span>{label.clone()}</th>
                    <td class="bar"><div style:width=move || format!("{:.1}%", 100.0 * value().0 / greatest())></div></td>
                    <td class="number">{move || if out() { "out".to_owned() } else { format!("{:.3}", value().0) }}</td>
                    <td class="acts">{buttons}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <aside class="chosen-edge" id="edge" aria-label="The chosen edge">
            <p class="chosen-head">
                <b>{state_name(kind, edge.state)} " \u{2192} " {node_number(kind, edge.node)}</b>
                <span>{format!("{} cell \u{b7} ", kind.name())} {bits}</span>
                <button type="button" class="link" on:click=move |_| page.steer(Steering::Release { cell: kind.steered(), edge: row })>
                    "Release"
                </button>
                <button type="button" class="dismiss" aria-label="Close" on:click=move |_| page.chosen.set(None)>"\u{d7}"</button>
            </p>
            <table>
                <caption class="hidden">"The ops of the chosen edge"</caption>
                <tbody>{ops}</tbody>
            </table>
            <p class="caption">{takes}</p>
        </aside>
    }
}
