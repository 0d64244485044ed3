//! One kind of cell: its alphas beside its graph.

use super::{
    graph::{Graph, cost_text, op_cost},
    heatmap::{Heatmap, place, strongest},
    kind_name, math, op_name, page,
    parts::{Choice, Menu, SavePicture, Term},
    state_name,
};
use crate::{browser, page::Page};
use darts_app::link::{CellView, HeatView};
use darts_engine::space::{CellKind, Genotype, NetworkSize};
use leptos::prelude::*;

#[component]
pub fn Cell(kind: CellKind) -> impl IntoView {
    let page = page();
    let name = kind_name(kind);
    let (title, caption) = match kind {
        CellKind::Normal => ("Normal cell", "keeps height and width"),
        CellKind::Reduce => ("Reduction cell", "halves height and width"),
    };
    let first = kind == CellKind::Normal;
    view! {
        <section class="card cell" id=name aria-labelledby=format!("{name}-title")>
            <header class="card-head">
                <h2 id=format!("{name}-title")>{title}</h2>
                <p class="caption">{caption}</p>
                <div class="tools">
                    {first.then(|| view! { <HeatChoice /> <ViewChoice /> })}
                    <Menu label="Save" hint="Keep these pictures and cells">
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
                <figcaption aria-live="off">{move || caption_of(page, kind)}</figcaption>
            </figure>
        </section>
    }
}

/// What the heatmaps show, with its equation.
fn heat_caption(page: Page) -> impl IntoView {
    move || match page.heat_view.get() {
        HeatView::Weights => {
            view! { <Term word="softmax" /> " " {math::softmax()} " (eq. 2); ringed: kept" }.into_any()
        }
        HeatView::Alphas => view! { "The " <Term word="alphas" /> " as they are; ringed: kept" }.into_any(),
        HeatView::Change => view! { "Change of the weights since the start; red: lost" }.into_any(),
    }
}

/// What the graph shows, or what it shows of the edge pointed at.
fn caption_of(page: Page, kind: CellKind) -> AnyView {
    if let Some((_, row)) = page.edge.get().filter(|(of, _)| *of == kind)
        && page.moment.with(Option::is_some)
    {
        let edge = place(row);
        let kept = page.genotype.with(|genotype| {
            let (ops, _) = genotype.as_ref()?.of(kind);
            let pair = ops.get(2 * edge.node..2 * edge.node + 2)?;
            pair.iter().find(|(_, state)| *state == edge.state).map(|(op, _)| *op)
        });
        let (from, node) = (state_name(edge.state), edge.node);
        return match kept {
            Some(op) => {
                let cost = cost_text(op_cost(op, kind, edge.state));
                view! { <b>{from} " \u{2192} " {node}</b> {format!(": {}, {cost}", op_name(op))} }.into_any()
            }
            None => {
                let best = page.moment.with(|moment| strongest(moment.as_ref(), kind, row));
                view! { <b>{from} " \u{2192} " {node}</b> {format!(": not kept; {best}")} }.into_any()
            }
        };
    }
    let given = page.moment.with(Option::is_none) && page.given.with(Option::is_some);
    match (page.genotype.with(Option::is_some), page.cell_view.get()) {
        (false, _) => "Before the search every edge blends all eight ops about equally.".into_any(),
        (true, CellView::Relaxed) => "Every edge with all its ops; a strand is as strong as its op\u{2019}s weight.".into_any(),
        (true, CellView::Derived) if given => "The cells that came with the address or a file.".into_any(),
        (true, CellView::Derived) if kind == CellKind::Normal => {
            view! { "The " <Term word="derived cell" /> ": each node\u{2019}s two strongest edges, each with its strongest op." }.into_any()
        }
        (true, CellView::Derived) => {
            let cost = move || page.genotype.with(|genotype| genotype.as_ref().map(network_cost));
            view! { {cost} }.into_any()
        }
    }
}

/// What the paper's network of these cells costs.
pub fn network_cost(genotype: &Genotype) -> String {
    let NetworkSize { layers, init_channels, .. } = NetworkSize::CIFAR10;
    let cost = cost_text(genotype.cost(&NetworkSize::CIFAR10).network);
    format!("{layers} such cells of {init_channels} channels, the paper\u{2019}s network: {cost}.")
}

#[component]
fn HeatChoice() -> impl IntoView {
    let page = page();
    let offered = vec![
        (HeatView::Weights, "Weights", "The softmax over the ops of each edge"),
        (HeatView::Alphas, "Alphas", "The numbers that are learned, as they are"),
        (HeatView::Change, "Change", "How far each weight is from where it began"),
    ];
    view! { <Choice name="heat-view" legend="What the heatmaps show" value=page.heat_view offered=offered /> }
}

#[component]
fn ViewChoice() -> impl IntoView {
    let page = page();
    let offered = vec![
        (CellView::Derived, "Derived", "Only the ops that would be kept now"),
        (CellView::Relaxed, "Relaxed", "Every edge with all its ops, as the supernet computes it"),
    ];
    view! { <Choice name="cell-view" legend="Draw the cells" value=page.cell_view offered=offered /> }
}

/// Both cells in every form in which they are passed on.
#[component]
fn SaveCells() -> impl IntoView {
    let page = page();
    type Form = fn(&Genotype) -> String;
    let form = move |label: &'static str, file: &'static str, kind: &'static str, form: Form| {
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
    let json: Form = |genotype| serde_json::to_string_pretty(genotype).unwrap_or_default() + "\n";
    view! {
        {form("Both cells as JSON", "genotype.json", "application/json", json)}
        {form("Both cells as Python", "genotype.py", "text/x-python", |genotype| genotype.to_python() + "\n")}
        {form("Both cells for Graphviz", "genotype.dot", "text/vnd.graphviz", Genotype::dot)}
    }
}
