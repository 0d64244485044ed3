//! The names of the ops above their columns.

use super::{super::page, TOP, column_left, column_middle, column_width};
use darts_app::{
    cells::{AnyOp, Kind},
    names::op_label,
};
use leptos::prelude::*;

#[component]
pub fn Header(kind: Kind) -> impl IntoView {
    let ops = kind.ops().into_iter().enumerate();
    let columns = ops.map(|(index, op)| view! { <ColumnHead kind=kind index=index op=op /> }).collect_view();
    view! { <g role="presentation">{columns}</g> }
}

#[component]
fn ColumnHead(kind: Kind, index: usize, op: AnyOp) -> impl IntoView {
    let page = page();
    let (what, window) = op_label(op);
    let (left, middle, width) = (column_left(kind, index), column_middle(kind, index), column_width(kind));
    let class = move || format!("column op-{}{}", op.colour(), if page.op.get() == Some(index) { " lit" } else { "" });
    view! {
        <g
            class=class
            on:pointerenter=move |_| page.op.set(Some(index))
            on:pointerleave=move |_| page.op.set(None)
        >
            <rect x=left y="0" width=width height=TOP class="hit" />
            <text x=middle y="11" class="head">{what}</text>
            <text x=middle y="22" class="head">{window}</text>
            <rect x=left + 1.0 y=TOP - 6.0 width=width - 2.0 height="3" class="fill-op" />
        </g>
    }
}
