//! Below the rows: the values of the edge pointed at, or the scale of the shades.

use super::{super::page, LEFT, column_middle, height};
use darts_app::{cells::Kind, heat::HeatValues, share_link::HeatView};
use leptos::prelude::*;

/// Parts of the scale.
const PARTS: usize = 13;
/// Where the scale begins.
const SCALE: f32 = LEFT + 70.0;
/// Width of a part of the scale.
const PART: f32 = 10.0;

#[component]
pub fn Footer(kind: Kind, values: Memo<Option<HeatValues>>) -> impl IntoView {
    let page = page();
    let base = height(kind) - 5.0;
    let row = move || {
        let row = page.edge_of(kind)?;
        values.with(|values| values.as_ref()?.row_texts(kind, row))
    };
    let bound = move |which: usize| values.with(|values| values.as_ref().map(|values| values.bounds()[which].clone()));
    move || match row() {
        Some(row) => row
            .into_iter()
            .enumerate()
            .map(|(op, value)| view! { <text x=column_middle(kind, op) y=base class="value">{value}</text> })
            .collect_view()
            .into_any(),
        None => view! {
            <Show when=move || values.with(Option::is_some)>
                <text x=SCALE - 6.0 y=base class="value end">{move || bound(0)}</text>
                <ScaleBar top=height(kind) - 13.0 />
                <text x=SCALE + 136.0 y=base class="value start">{move || bound(1)}</text>
            </Show>
        }
        .into_any(),
    }
}

/// The shades from the least value to the greatest.
#[component]
fn ScaleBar(top: f32) -> impl IntoView {
    let page = page();
    let parts = (0..PARTS)
        .map(|part| {
            let share = part as f32 / (PARTS - 1) as f32;
            let shade = move || match page.heat_view.get() {
                HeatView::Change => format!("{:.3}", (2.0 * share - 1.0).abs()),
                HeatView::Weights | HeatView::Alphas => format!("{share:.3}"),
            };
            let class = move || match page.heat_view.get() {
                HeatView::Change if share < 0.5 => "scale-part falls",
                _ => "scale-part",
            };
            view! { <rect x=SCALE + PART * part as f32 y=top width="10" height="8" fill-opacity=shade class=class /> }
        })
        .collect_view();
    view! {
        {parts}
        <rect x=SCALE y=top width=PART * PARTS as f32 height="8" class="scale" />
    }
}
