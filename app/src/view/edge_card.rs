//! The chosen edge: what its ops weigh, and what can be changed about them.

use super::{edge_text, heatmap::place, op_hint, op_name, page};
use darts_app::cells::Kind;
use darts_engine::intervention::{OpName, PRUNED, SteeredCell, Steering};
use leptos::prelude::*;

/// What a press of a button adds to an alpha.
const NUDGE: f32 = 0.05;

/// What a press of a button changes: a cell, the row of an edge, an op.
type Steered = (SteeredCell, usize, OpName);

#[component]
pub fn EdgeCard() -> impl IntoView {
    let page = page();
    // The card stays through steps and from edge to edge, so that a button keeps the focus.
    let chosen = Memo::new(move |_| page.chosen.get().filter(|_| page.moment.with(Option::is_some)));
    let kind = Memo::new(move |_| chosen.get().map(|(kind, _)| kind));
    let row =
        Memo::new(move |known: Option<&usize>| chosen.get().map(|(_, row)| row).or(known.copied()).unwrap_or_default());
    move || kind.get().map(|kind| view! { <Chosen kind=kind row=row /> })
}

#[component]
fn Chosen(kind: Kind, row: Memo<usize>) -> impl IntoView {
    let page = page();
    let edge = move || place(kind, row.get());
    let first = kind.place() * kind.edge_count();
    let bits = move || {
        page.moment.with(|moment| {
            moment.as_ref().map(|m| format!("{:.3} bits", m.entropy.get(first + row.get()).copied().unwrap_or(0.0)))
        })
    };
    let takes = move || {
        if page.steerable() { "Changes go to the search and into its log." } else { "Changes are tried out here only." }
    };
    // Bars are as long as they can be told apart; the numbers beside them say what they are.
    let greatest = move || {
        page.moment.with(|moment| {
            let weights = moment
                .as_ref()
                .and_then(|m| Some(m.weights.of(kind).get(row.get())?.iter().copied().fold(0.0, f32::max)));
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
                    let found = moment.as_ref().and_then(|m| Some((m.weights.at(kind, row.get(), op)?, m.alphas.at(kind, row.get(), op)?)));
                    found.unwrap_or_default()
                })
            };
            let out = move || value().1 <= PRUNED;
            let label = op_name(any);
            let (cell, op) = (kind.steered(), any.steered());
            let act = move |sign: &'static str, text: String, steering: fn(Steered) -> Steering| {
                let press = move |_| page.steer(steering((cell, row.get_untracked(), op)));
                view! {
                    <button type="button" title=text.clone() aria-label=text disabled=out on:click=press>
                        {sign}
                    </button>
                }
            };
            let buttons = [
                act("\u{2212}", format!("Lower the alpha of {label} by {NUDGE}"), |(cell, edge, op)| {
                    Steering::Nudge { cell, edge, op, by: -NUDGE }
                }),
                act("+", format!("Raise the alpha of {label} by {NUDGE}"), |(cell, edge, op)| {
                    Steering::Nudge { cell, edge, op, by: NUDGE }
                }),
                act("only", format!("Leave this edge only {label}"), |(cell, edge, op)| Steering::Pin { cell, edge, op }),
                act("out", format!("Take {label} out of this edge"), |(cell, edge, op)| {
                    Steering::Prune { cell, edge, op }
                }),
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
    let release = move |_| page.steer(Steering::Release { cell: kind.steered(), edge: row.get_untracked() });
    view! {
        <aside class="chosen-edge" id="edge" aria-label="The chosen edge">
            <p class="chosen-head">
                <b>{move || edge_text(kind, edge().state, edge().node)}</b>
                <span>{format!("{} cell \u{b7} ", kind.name())} {bits}</span>
                <button type="button" class="link" on:click=release>
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
