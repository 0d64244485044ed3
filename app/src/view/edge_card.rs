//! The selected edge: the weights of its ops, and the interventions on them.

use super::page;
use crate::page::Page;
use darts_app::{
    cells::{AnyOp, Kind},
    heat::is_pruned,
    names::{op_hint, op_name, row_text},
    run::Moment,
};
use leptos::prelude::*;

/// Added to an alpha by a press of a button.
const NUDGE: f32 = 0.05;

/// An intervention on an op of the selected edge.
type Intervene = fn(Page, Kind, usize, AnyOp);

#[component]
pub fn EdgeCard() -> impl IntoView {
    let page = page();
    // The card stays across steps and edges, so that a button keeps the focus.
    let chosen = Memo::new(move |_| page.chosen.get().filter(|_| page.moment.with(Option::is_some)));
    let kind = Memo::new(move |_| chosen.get().map(|(kind, _)| kind));
    let row =
        Memo::new(move |known: Option<&usize>| chosen.get().map(|(_, row)| row).or(known.copied()).unwrap_or_default());
    move || kind.get().map(|kind| view! { <ChosenEdge kind=kind row=row /> })
}

#[component]
fn ChosenEdge(kind: Kind, row: Memo<usize>) -> impl IntoView {
    let page = page();
    let first = kind.rows().start;
    let bits = move || {
        page.moment.with(|moment| {
            moment.as_ref().map(|m| format!("{:.3} bits", m.entropy.get(first + row.get()).copied().unwrap_or(0.0)))
        })
    };
    let effect = move || match page.takes_interventions() {
        true => "Changes go to the search and into its log.",
        false => "Changes are only tried out here; no search is affected.",
    };
    let ops = kind.ops().into_iter().enumerate();
    let ops = ops.map(|(index, op)| view! { <OpRow kind=kind row=row index=index op=op /> }).collect_view();
    view! {
        <aside class="chosen-edge" id="edge" aria-label="The selected edge">
            <p class="chosen-head">
                <b>{move || row_text(kind, row.get())}</b>
                <span>{format!("{} cell \u{b7} ", kind.name())} {bits}</span>
                <button type="button" class="link" on:click=move |_| page.release(kind, row.get_untracked())>
                    "Release"
                </button>
                <button type="button" class="dismiss" aria-label="Close" on:click=move |_| page.chosen.set(None)>"\u{d7}"</button>
            </p>
            <table>
                <caption class="hidden">"The ops of the selected edge"</caption>
                <tbody>{ops}</tbody>
            </table>
            <p class="caption">{effect}</p>
        </aside>
    }
}

/// The greatest weight of an edge, which bars are measured against; the numbers beside them give the weights.
fn greatest_weight(page: Page, kind: Kind, row: usize) -> f32 {
    page.moment.with(|moment| {
        let weights =
            moment.as_ref().and_then(|m| Some(m.weights.of(kind).get(row)?.iter().copied().fold(0.0, f32::max)));
        weights.filter(|greatest| *greatest > 0.0).unwrap_or(1.0)
    })
}

/// An op of the edge, with its weight and its interventions.
#[component]
fn OpRow(kind: Kind, row: Memo<usize>, index: usize, op: AnyOp) -> impl IntoView {
    let page = page();
    // Its weight and its alpha.
    let value = move || {
        page.moment.with(|moment| {
            let entry =
                |m: &Moment| Some((m.weights.at(kind, row.get(), index)?, m.alphas.at(kind, row.get(), index)?));
            moment.as_ref().and_then(entry).unwrap_or_default()
        })
    };
    let out = move || is_pruned(value().1);
    let label = op_name(op);
    let button = move |sign: &'static str, text: String, intervene: Intervene| {
        view! {
            <button
                type="button"
                title=text.clone()
                aria-label=text
                disabled=out
                on:click=move |_| intervene(page, kind, row.get_untracked(), op)
            >
                {sign}
            </button>
        }
    };
    let buttons = [
        button("\u{2212}", format!("Lower the alpha of {label} by {NUDGE}"), |page, kind, row, op| {
            page.nudge(kind, row, op, -NUDGE);
        }),
        button("+", format!("Raise the alpha of {label} by {NUDGE}"), |page, kind, row, op| {
            page.nudge(kind, row, op, NUDGE);
        }),
        button("only", format!("Keep only {label} on this edge"), Page::pin),
        button("out", format!("Take {label} out of this edge"), Page::prune),
    ];
    view! {
        <tr class=format!("op-{}", op.colour()) class:out=out>
            <th scope="row" title=op_hint(op)><span class="swatch"></span>{label.clone()}</th>
            <td class="bar">
                <div style:width=move || format!("{:.1}%", 100.0 * value().0 / greatest_weight(page, kind, row.get()))></div>
            </td>
            <td class="number">{move || if out() { "out".to_owned() } else { format!("{:.3}", value().0) }}</td>
            <td class="acts">{buttons}</td>
        </tr>
    }
}
