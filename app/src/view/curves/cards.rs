//! The cards of the curves: losses, accuracies or perplexities, shares of the ops, entropies, curvature.

use super::{
    super::{
        math, page,
        parts::{Menu, SavePicture, Term},
    },
    columns::{ColumnsOf, of_entropy, of_epochs, of_shares, of_steps},
    plot::{Line, Plot},
};
use crate::{browser, page::Page};
use darts_app::{
    cells::{Kind, Task},
    chart::PlotSpec,
    names::{cell_title, short_name},
    run::{Point, Run, perplexity},
};
use leptos::prelude::*;

/// A value of a step.
type ValueOf = fn(&Point) -> f32;

/// Size of a plot that fills its card.
const WIDE: (f64, f64) = (340.0, 112.0);
/// Size of one of two plots side by side.
const NARROW: (f64, f64) = (168.0, 112.0);

/// Size of the plots of a card with one for each kind of cell.
fn kind_size(task: Task) -> (f64, f64) {
    if task.kinds().len() > 1 { NARROW } else { WIDE }
}

/// A value at the step pointed at, at the moment shown, or the latest.
fn value_text(page: Page, at: Option<f64>, value: ValueOf, decimals: usize, unit: &str) -> String {
    page.run.with(|run| {
        let point = match at.or_else(|| page.cursor.get().map(|steps| steps as f64)) {
            Some(step) => run.point_at(step),
            None => run.last.as_ref(),
        };
        point.map_or("\u{2013}".into(), |p| format!("{:.decimals$}{unit}", value(p)))
    })
}

/// The lines of train and valid.
fn train_valid_lines() -> Vec<Line> {
    vec![Line::plain("weights"), Line::plain("alphas")]
}

/// The names of train and valid with their values at the step pointed at.
#[component]
fn TrainValid(
    at: RwSignal<Option<f64>>,
    train: ValueOf,
    valid: ValueOf,
    decimals: usize,
    unit: &'static str,
) -> impl IntoView {
    let page = page();
    view! {
        <dl class="halves">
            <div class="weights" title="The split that trains the weights">
                <dt>"train"</dt>
                <dd>{move || value_text(page, at.get(), train, decimals, unit)}</dd>
            </div>
            <div class="alphas" title="The split that trains the alphas; the weights are never trained on it">
                <dt>"validation"</dt>
                <dd>{move || value_text(page, at.get(), valid, decimals, unit)}</dd>
            </div>
        </dl>
    }
}

#[component]
fn SaveCsv(label: &'static str, file: &'static str, text: fn(&Run) -> String) -> impl IntoView {
    let page = page();
    view! {
        <button
            type="button"
            on:click=move |_| browser::save_text(file, "text/csv", &page.run.with_untracked(text))
        >
            {label}
        </button>
    }
}

#[component]
pub fn LossCard(task: Task, at: RwSignal<Option<f64>>) -> impl IntoView {
    let page = page();
    let (train, valid): (ValueOf, ValueOf) = (|p| p.train.loss, |p| p.valid.loss);
    let of_text = task.of_text();
    let empty = if of_text { (5.0, 7.0) } else { (1.5, 2.5) };
    let spec = PlotSpec { empty, limits: (0.0, f64::INFINITY), min_span: 0.2, smooth: true, size: WIDE };
    let pointed = move || {
        page.run.with(|run| {
            let step = at.get().and_then(|step| run.point_at(step)).map(|p| p.step);
            step.map(|step| format!(" Step {step:.0}."))
        })
    };
    let validation = if of_text { "validation text" } else { "valid split" };
    let (second, id) = if of_text { ("Perplexity", "perplexity") } else { ("Accuracy", "accuracy") };
    view! {
        <section class="card" id="loss" aria-labelledby="loss-title">
            <header class="card-head">
                <h2 id="loss-title">"Loss"</h2>
                <TrainValid at=at train=train valid=valid decimals=3 unit="" />
                <Menu label="Save" hint="Save the curves">
                    <SaveCsv label="All curves as CSV" file="curves.csv" text=Run::csv />
                    <SavePicture what="Loss" selector="#loss svg.plot".into() file="loss".into() />
                    <SavePicture what=second selector=format!("#{id} svg.plot") file=id.into() />
                </Menu>
            </header>
            <Plot
                label="Loss on both splits at each step".into()
                lines=train_valid_lines()
                columns=of_steps(vec![train, valid])
                spec=spec
                at=at
            />
            <p class="caption">
                {math::losses()} " of each step\u{2019}s batches; the alphas learn from the " <Term word=validation /> "." {pointed}
            </p>
        </section>
    }
}

#[component]
pub fn AccuracyCard(at: RwSignal<Option<f64>>) -> impl IntoView {
    // A missing value leaves a gap in the line.
    let (train, valid): (ValueOf, ValueOf) =
        (|p| 100.0 * p.train.accuracy.unwrap_or(f32::NAN), |p| 100.0 * p.valid.accuracy.unwrap_or(f32::NAN));
    let spec = PlotSpec { empty: (0.0, 100.0), limits: (0.0, 100.0), min_span: 20.0, smooth: true, size: WIDE };
    view! {
        <section class="card" id="accuracy" aria-labelledby="accuracy-title">
            <header class="card-head">
                <h2 id="accuracy-title">"Accuracy"</h2>
                <TrainValid at=at train=train valid=valid decimals=1 unit="%" />
            </header>
            <Plot
                label="Accuracy on both splits at each step".into()
                lines=train_valid_lines()
                columns=of_steps(vec![train, valid])
                spec=spec
                at=at
            />
            <p class="caption">"Share of images classified correctly; guessing gets 10%. Bold: running mean."</p>
        </section>
    }
}

#[component]
pub fn PerplexityCard(at: RwSignal<Option<f64>>) -> impl IntoView {
    let page = page();
    let latest = move || {
        let last = page.run.with(|run| run.epochs.iter().rev().find_map(|epoch| epoch.evaluation));
        last.map(|measure| format!("whole text {:.1}", perplexity(measure.loss)))
    };
    let limits = (0.0, f64::INFINITY);
    let spec = PlotSpec { empty: (0.0, 500.0), limits, min_span: 10.0, smooth: false, size: WIDE };
    view! {
        <section class="card" id="perplexity" aria-labelledby="perplexity-title">
            <header class="card-head">
                <h2 id="perplexity-title">"Perplexity"</h2>
                <p class="now" id="valid-perplexity">{latest}</p>
            </header>
            <Plot
                label="Perplexity of the validation text after each epoch".into()
                lines=vec![Line::plain("alphas")]
                columns=of_epochs(|epoch| epoch.evaluation.map(|measure| perplexity(measure.loss)))
                spec=spec
                at=at
            />
            <p class="caption">
                <Term word="perplexity" /> " " {math::perplexity()} " of the whole validation text after each epoch, without dropout."
            </p>
        </section>
    }
}

/// One plot for each kind of cell.
#[component]
fn KindPlots(
    task: Task,
    what: &'static str,
    lines: fn(Kind) -> Vec<Line>,
    columns: fn(Kind) -> ColumnsOf,
    spec: PlotSpec,
    at: RwSignal<Option<f64>>,
) -> impl IntoView {
    let kinds = task.kinds();
    let single = kinds.len() == 1;
    let plots = kinds
        .into_iter()
        .map(|kind| {
            view! {
                <figure>
                    {(!single).then(|| view! { <figcaption>{short_name(kind)}</figcaption> })}
                    <Plot
                        label=format!("{what} of the {} cell", short_name(kind))
                        lines=lines(kind)
                        columns=columns(kind)
                        spec=spec
                        at=at
                    />
                </figure>
            }
        })
        .collect_view();
    view! { <div class=if single { "single" } else { "pair" }>{plots}</div> }
}

/// Saves the plots of the card with this id.
#[component]
fn SaveKindPlots(task: Task, id: &'static str) -> impl IntoView {
    let kinds = task.kinds();
    let single = kinds.len() == 1;
    kinds
        .into_iter()
        .enumerate()
        .map(|(i, kind)| {
            let label =
                if single { "Picture".to_owned() } else { cell_title(kind).trim_end_matches(" cell").to_owned() };
            let selector = format!("#{id} figure:nth-of-type({}) svg.plot", i + 1);
            view! { <SavePicture what=label selector=selector file=format!("{id}-{}", kind.name()) /> }
        })
        .collect_view()
}

#[component]
pub fn SharesCard(task: Task, at: RwSignal<Option<f64>>) -> impl IntoView {
    let even = 1.0 / task.kinds()[0].op_count() as f64;
    let empty = if task.of_text() { (0.15, 0.25) } else { (0.1, 0.15) };
    let spec = PlotSpec { empty, limits: (0.0, 1.0), min_span: 0.01, smooth: false, size: kind_size(task) };
    let thick = match task.of_text() {
        false => view! { <Term word="skip" /> ", which leads to " <Term word="collapse" /> "." }.into_any(),
        true => "identity, which adds no non-linearity.".into_any(),
    };
    view! {
        <section class="card" id="shares" aria-labelledby="shares-title">
            <header class="card-head">
                <h2 id="shares-title">"Share of ops"</h2>
                <SkipCount task=task />
                <Menu label="Save" hint="Save these pictures"><SaveKindPlots task=task id="shares" /></Menu>
            </header>
            <KindPlots task=task what="Mean weight of each op" lines=share_lines columns=of_shares spec=spec at=at />
            <p class="caption">{format!("Mean weight over the edges; even is {even}. Thick: ")} {thick}</p>
        </section>
    }
}

fn share_lines(kind: Kind) -> Vec<Line> {
    let line = |(index, op): (usize, darts_app::cells::AnyOp)| {
        let skip = if op.skips() { " skip" } else { "" };
        Line { class: format!("op-{}{skip}", op.colour()), op: Some(index), edge: None }
    };
    kind.ops().into_iter().enumerate().map(line).collect()
}

/// Number of skip connections in the derived cells, with a warning where they have collapsed.
#[component]
fn SkipCount(task: Task) -> impl IntoView {
    let page = page();
    let skips = move || {
        page.genotype.with(|cells| cells.as_ref().filter(|cells| cells.task() == task).map(|cells| cells.skips()))
    };
    move || {
        let counts = skips()?;
        let text = counts.iter().map(usize::to_string).collect::<Vec<_>>().join(" + ");
        // The literature calls cells with more than two skips collapsed (DARTS+, Liang et al., 2019).
        let collapsed = task == Task::CONVOLUTIONAL && counts[0] > 2;
        let class = if collapsed { "now collapse" } else { "now" };
        let warning = if collapsed { "collapse: " } else { "" };
        let what = match task.of_text() {
            false => "skips kept".to_owned(),
            true => format!("of {} identity", task.kinds().iter().map(|kind| kind.nodes()).sum::<usize>()),
        };
        Some(view! { <p class=class id="skips">{format!("{warning}{text} {what}")}</p> })
    }
}

#[component]
pub fn EntropyCard(task: Task, at: RwSignal<Option<f64>>) -> impl IntoView {
    let page = page();
    let bits = f64::from(task.kinds()[0].op_count() as u32).log2();
    let spec = PlotSpec {
        empty: (bits - 0.1, bits),
        limits: (0.0, bits),
        min_span: 0.01,
        smooth: false,
        size: kind_size(task),
    };
    let mean = move || {
        page.moment.with(|moment| {
            let moment = moment.as_ref()?;
            let mean = moment.entropy.iter().sum::<f32>() / moment.entropy.len() as f32;
            Some(format!("mean {mean:.3} bits"))
        })
    };
    view! {
        <section class="card" id="entropy" aria-labelledby="entropy-title">
            <header class="card-head">
                <h2 id="entropy-title">"Undecided edges"</h2>
                <p class="now">{mean}</p>
                <Menu label="Save" hint="Save these pictures and figures">
                    <SaveCsv label="Entropy as CSV" file="entropy.csv" text=Run::entropy_csv />
                    <SaveKindPlots task=task id="entropy" />
                </Menu>
            </header>
            <KindPlots task=task what="Entropy of each edge" lines=edge_lines columns=of_entropy spec=spec at=at />
            <p class="caption">
                <Term word="entropy" /> " " {math::entropy()} " of each " <Term word="edge" /> " in bits; click a line or a row."
            </p>
        </section>
    }
}

fn edge_lines(kind: Kind) -> Vec<Line> {
    let line = |row| Line { edge: Some((kind, row)), ..Line::plain("entropy") };
    (0..kind.edge_count()).map(line).collect()
}

#[component]
pub fn CurvatureCard(at: RwSignal<Option<f64>>) -> impl IntoView {
    let page = page();
    let latest = move || page.run.with(|run| run.epochs.iter().rev().find_map(|epoch| epoch.curvature));
    let limits = (f64::NEG_INFINITY, f64::INFINITY);
    let spec = PlotSpec { empty: (0.0, 1.0), limits, min_span: 0.01, smooth: false, size: WIDE };
    view! {
        <section class="card" id="curvature" aria-labelledby="curvature-title">
            <header class="card-head">
                <h2 id="curvature-title">"Curvature"</h2>
                <p class="now">{move || latest().map(|value| format!("{value:.3}"))}</p>
                <Menu label="Save" hint="Save this picture">
                    <SavePicture what="Curvature" selector="#curvature svg.plot".into() file="curvature".into() />
                </Menu>
            </header>
            <Plot
                label="Curvature of the validation loss along the alphas after each epoch".into()
                lines=vec![Line::plain("alphas")]
                columns=of_epochs(|epoch| epoch.curvature)
                spec=spec
                at=at
            />
            <p class="caption">
                <Term word="curvature" /> " " {math::curvature()} " after each epoch; where it grows, " <Term word="collapse" /> " often follows."
            </p>
        </section>
    }
}
