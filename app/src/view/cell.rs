//! One kind of cell: its alphas beside its graph.

use super::{
    graph::{Graph, cost_text, op_cost},
    heatmap::{Heatmap, place, strongest},
    math, node_number, op_name, page,
    parts::{Choice, Menu, SavePicture, Term},
    state_name,
};
use crate::{browser, page::Page};
use darts_app::{
    cells::{Cells, Kind},
    share_link::{CellView, HeatView},
};
use darts_engine::space::{NetworkSize, recurrent_parameters};
use leptos::prelude::*;

#[component]
pub fn Cell(kind: Kind) -> impl IntoView {
    let page = page();
    let name = kind.name();
    let (title, caption) = match kind {
        Kind::Normal => ("Normal cell", "keeps height and width"),
        Kind::Reduce => ("Reduction cell", "halves height and width"),
        Kind::Recurrent => ("Recurrent cell", "reads a word, and what it knows of those before"),
    };
    let first = kind.place() == 0;
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
fn caption_of(page: Page, kind: Kind) -> AnyView {
    if let Some((_, row)) = page.edge.get().filter(|(of, _)| *of == kind)
        && page.moment.with(Option::is_some)
    {
        let edge = place(kind, row);
        let kept = page.genotype.with(|genotype| {
            let kept = genotype.as_ref()?.kept(kind);
            kept.iter().find(|kept| (kept.node, kept.state) == (edge.node, edge.state)).map(|kept| kept.op)
        });
        let (from, node) = (state_name(kind, edge.state), node_number(kind, edge.node));
        return match kept {
            Some(op) => {
                let cost = op_cost(op, kind, edge.state).map(|cost| format!(", {}", cost_text(cost)));
                view! { <b>{from} " \u{2192} " {node}</b> {format!(": {}{}", op_name(op), cost.unwrap_or_default())} }
                    .into_any()
            }
            None => {
                let best = page.moment.with(|moment| strongest(moment.as_ref(), kind, row));
                view! { <b>{from} " \u{2192} " {node}</b> {format!(": not kept; {best}")} }.into_any()
            }
        };
    }
    let given = page.moment.with(Option::is_none) && page.given.with(Option::is_some);
    match (page.genotype.with(Option::is_some), page.cell_view.get()) {
        (false, _) if kind == Kind::Recurrent => "Before the search every edge blends all five ops about equally.".into_any(),
        (false, _) => "Before the search every edge blends all eight ops about equally.".into_any(),
        (true, CellView::Relaxed) => "Every edge with all its ops; a strand is as strong as its op\u{2019}s weight.".into_any(),
        (true, CellView::Derived) if given => "The cells that came with the address or a file.".into_any(),
        (true, CellView::Derived) if kind == Kind::Recurrent => {
            view! { "The " <Term word="derived cell" /> ": each node\u{2019}s strongest edge with its strongest op; " {math::step()} } .into_any()
        }
        (true, CellView::Derived) if kind == Kind::Normal => {
            view! { "The " <Term word="derived cell" /> ": each node\u{2019}s two strongest edges, each with its strongest op." }.into_any()
        }
        (true, CellView::Derived) => {
            let cost = move || page.genotype.with(|genotype| genotype.as_ref().map(network_cost));
            view! { {cost} }.into_any()
        }
    }
}

/// What the paper's network of these cells costs.
pub fn network_cost(cells: &Cells) -> String {
    match cells {
        Cells::Convolutional(genotype) => {
            let NetworkSize { layers, init_channels, .. } = NetworkSize::CIFAR10;
            let cost = cost_text(genotype.cost(&NetworkSize::CIFAR10).network);
            format!("{layers} such cells of {init_channels} channels, the paper\u{2019}s network: {cost}.")
        }
        Cells::Recurrent(genotype) => {
            let parameters = recurrent_parameters(genotype.recurrent.len(), 10_000, 850);
            let millions = parameters as f64 / 1e6;
            format!("The paper\u{2019}s model of 850 units and 10,000 words around it: {millions:.1}M parameters.")
        }
    }
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
    type Form = fn(&Cells) -> String;
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
    let recurrent = page.task.get_untracked() == darts_app::cells::Task::Recurrent;
    let label = |both, one| if recurrent { one } else { both };
    view! {
        {form(label("Both cells as JSON", "Cell as JSON"), "genotype.json", "application/json", Cells::to_json)}
        {form(label("Both cells as Python", "Cell as Python"), "genotype.py", "text/x-python", |cells| cells.to_python() + "\n")}
        {form(label("Both cells for Graphviz", "Cell for Graphviz"), "genotype.dot", "text/vnd.graphviz", Cells::dot)}
    }
}
