//! One kind of cell: its alphas beside its graph.

use super::{
    graph::Graph,
    heatmap::Heatmap,
    math, page,
    parts::{Choice, Menu, SavePicture, Term},
};
use crate::{browser, page::Page};
use darts_app::{
    cells::{Cells, Kind, Task},
    describe::{in_words, network_cost, op_cost, strongest_op},
    names::{cell_effect, cell_title, edge_at, node_number, op_name, state_name},
    share_link::{CellView, HeatView},
};
use leptos::prelude::*;

#[component]
pub fn Cell(kind: Kind) -> impl IntoView {
    let page = page();
    let name = kind.name();
    let first = kind.place() == 0;
    view! {
        <section class="card cell" id=name aria-labelledby=format!("{name}-title")>
            <header class="card-head">
                <h2 id=format!("{name}-title")>{cell_title(kind)}</h2>
                <p class="caption">{cell_effect(kind)}</p>
                <div class="tools">
                    {first.then(|| view! { <HeatChoice /> <ViewChoice /> })}
                    <Menu label="Save" hint="Save these pictures and cells">
                        <SavePicture what="Heatmap" selector=format!("#{name} svg.heatmap") file=format!("{name}-alphas") />
                        <SavePicture what="Graph" selector=format!("#{name} svg.cell-graph") file=format!("{name}-cell") />
                        {first.then(|| view! { <SaveCells /> })}
                    </Menu>
                </div>
            </header>
            <figure class="alphas">
                <Heatmap kind=kind />
                <figcaption>
                    {first.then(|| view! { {heat_caption(page)} })}
                </figcaption>
            </figure>
            <figure class="graph">
                <Graph kind=kind />
                <figcaption aria-live="off">{move || graph_caption(page, kind)}</figcaption>
            </figure>
        </section>
    }
}

/// Description of the heatmaps, with their equation.
fn heat_caption(page: Page) -> impl IntoView {
    move || match page.heat_view.get() {
        HeatView::Weights => {
            view! { <Term word="softmax" /> " " {math::softmax()} " (eq. 2); ringed: kept" }.into_any()
        }
        HeatView::Alphas => view! { "The " <Term word="alphas" /> " without the softmax; ringed: kept" }.into_any(),
        HeatView::Change => view! { "Change of the weights since the start; red: decrease" }.into_any(),
    }
}

/// Description of the graph, or of the edge pointed at.
fn graph_caption(page: Page, kind: Kind) -> AnyView {
    if let Some(row) = page.edge_of(kind)
        && page.moment.with(Option::is_some)
    {
        return edge_caption(page, kind, row);
    }
    let given = page.moment.with(Option::is_none) && page.given.with(Option::is_some);
    match (page.genotype.with(Option::is_some), page.cell_view.get()) {
        (false, _) => {
            let ops = in_words(kind.op_count());
            format!("Before the search, every edge blends all {ops} ops about equally.").into_any()
        }
        (true, CellView::Relaxed) => "Every edge with all its ops; the stronger the strand, the greater the op\u{2019}s weight.".into_any(),
        (true, CellView::Derived) if given => "The cells from the address or a file.".into_any(),
        (true, CellView::Derived) if kind.task() == Task::RECURRENT => {
            view! { "The " <Term word="derived cell" /> ": each node\u{2019}s strongest edge with its strongest op; " {math::step()} } .into_any()
        }
        (true, CellView::Derived) if kind.place() == 0 => {
            let edges = match kind.kept_a_node() {
                1 => "strongest edge with its strongest op".to_owned(),
                kept => format!("{} strongest edges, each with its strongest op", in_words(kept)),
            };
            view! { "The " <Term word="derived cell" /> {format!(": each node\u{2019}s {edges}.")} }.into_any()
        }
        (true, CellView::Derived) => {
            let cost = move || page.genotype.with(|genotype| genotype.as_ref().map(network_cost));
            view! { {cost} }.into_any()
        }
    }
}

/// Description of an edge: the op that it keeps with its cost, or its strongest op.
fn edge_caption(page: Page, kind: Kind, row: usize) -> AnyView {
    let edge = edge_at(kind, row);
    let kept = page.genotype.with(|genotype| {
        let kept = genotype.as_ref()?.kept(kind);
        kept.iter().find(|kept| (kept.node, kept.state) == (edge.node, edge.state)).map(|kept| kept.op)
    });
    let text = match kept {
        Some(op) => {
            let cost = op_cost(op, kind, edge.state).map(|cost| format!(", {cost}"));
            format!(": {}{}", op_name(op), cost.unwrap_or_default())
        }
        None => {
            let strongest = page.moment.with(|moment| strongest_op(moment.as_ref(), kind, row));
            format!(": not kept; {strongest}")
        }
    };
    view! { <b>{state_name(kind, edge.state)} " \u{2192} " {node_number(kind, edge.node)}</b> {text} }.into_any()
}

#[component]
fn HeatChoice() -> impl IntoView {
    let page = page();
    let offered = vec![
        (HeatView::Weights, "Weights", "The softmax over the ops of each edge"),
        (HeatView::Alphas, "Alphas", "The numbers that the search learns"),
        (HeatView::Change, "Change", "The change of each weight since the start"),
    ];
    view! { <Choice name="heat-view" legend="Values of the heatmaps" value=page.heat_view offered=offered /> }
}

#[component]
fn ViewChoice() -> impl IntoView {
    let page = page();
    let offered = vec![
        (CellView::Derived, "Derived", "Only the ops that the derived cell keeps now"),
        (CellView::Relaxed, "Relaxed", "Every edge with all its ops, as the supernet computes it"),
    ];
    view! { <Choice name="cell-view" legend="Drawing of the cells" value=page.cell_view offered=offered /> }
}

/// Saves the cells, in all file formats.
#[component]
fn SaveCells() -> impl IntoView {
    let page = page();
    type Form = fn(&Cells) -> String;
    let form = move |label: String, file: &'static str, kind: &'static str, form: Form| {
        view! {
            <button
                type="button"
                disabled=move || page.genotype.with(Option::is_none)
                on:click=move |_| {
                    if let Some(genotype) = page.genotype.get_untracked() {
                        browser::save_text(file, kind, &form(&genotype));
                    }
                }
            >
                {label}
            </button>
        }
    };
    let cells = match page.task.get_untracked().kinds().len() {
        1 => "Cell",
        2 => "Both cells",
        _ => "All cells",
    };
    view! {
        {form(format!("{cells} as JSON"), "genotype.json", "application/json", Cells::to_json)}
        {form(format!("{cells} as Python"), "genotype.py", "text/x-python", |cells| cells.to_python() + "\n")}
        {form(format!("{cells} for Graphviz"), "genotype.dot", "text/vnd.graphviz", Cells::dot)}
    }
}
