//! Losses, accuracies and op shares over the steps of the search.

use super::{op_label, page};
use darts_app::{
    chart::{Scale, nice_range, path, thin, tick_label, ticks},
    run::{OPS, Point},
};
use darts_engine::space::Op;
use leptos::{prelude::*, svg};
use std::sync::Arc;

const HEIGHT: f64 = 132.0;
const LEFT: f64 = 34.0;
const RIGHT: f64 = 10.0;
const BOTTOM: f64 = 18.0;
const TOP: f64 = 6.0;
/// Most points of a drawn line.
const DRAWN: usize = 300;

type Value = Arc<dyn Fn(&Point) -> f64 + Send + Sync>;

/// A line of a plot.
#[derive(Clone)]
struct Line {
    class: String,
    /// The op it stands for, if any: pointing at the op shows the line.
    op: Option<usize>,
    get: Value,
}

/// What a plot's values are.
#[derive(Clone, Copy)]
struct Axis {
    /// Range of an empty plot.
    empty: (f64, f64),
    /// The axis never goes beyond.
    limits: (f64, f64),
    /// The least it spans.
    least: f64,
    /// Every step as a thin line, and its running mean as a bold one.
    smooth: bool,
}

/// A plot's geometry and paths.
#[derive(Clone, Debug, PartialEq)]
struct Drawn {
    x: Scale,
    y: Scale,
    x_ticks: Vec<f64>,
    y_ticks: Vec<f64>,
    epochs: Vec<f64>,
    each: Vec<String>,
    bold: Vec<String>,
}

fn draw(points: &[Point], epochs: &[usize], lines: &[Line], axis: Axis, width: f64) -> Drawn {
    let last = points.last().map_or(0.0, |p| f64::from(p.step));
    let x = Scale { from: 0.0, to: last.max(10.0), start: LEFT, end: width - RIGHT };
    let window = (points.len() / 16).max(1);
    let values: Vec<Vec<f64>> = lines.iter().map(|line| points.iter().map(|p| (line.get)(p)).collect()).collect();
    let shown: Vec<Vec<f64>> =
        values.iter().map(|v| if axis.smooth { running_mean(v, window) } else { v.clone() }).collect();
    let of_range = if axis.smooth { values.iter().chain(&shown) } else { shown.iter().chain(&values) };
    let finite = || of_range.clone().flatten().copied().filter(|v| v.is_finite());
    let (low, high) = if finite().next().is_none() {
        axis.empty
    } else {
        (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max))
    };
    let (low, high) = nice_range(low, high, axis.least, 4);
    let (low, high) = (low.max(axis.limits.0), high.min(axis.limits.1));
    let y = Scale { from: low, to: high, start: HEIGHT - BOTTOM, end: TOP };
    let trace = |values: &[f64]| {
        let pairs: Vec<(f64, f64)> = points.iter().map(|p| f64::from(p.step)).zip(values.iter().copied()).collect();
        let mean = |of: &[(f64, f64)]| {
            let n = of.len() as f64;
            (x.at(of.iter().map(|p| p.0).sum::<f64>() / n), y.at(of.iter().map(|p| p.1).sum::<f64>() / n))
        };
        path(thin(&pairs, DRAWN, mean).into_iter())
    };
    Drawn {
        x,
        y,
        x_ticks: ticks(x.from, x.to, (width / 70.0) as usize).into_iter().filter(|t| t.fract() == 0.0).collect(),
        y_ticks: ticks(low, high, 4),
        epochs: epochs.iter().map(|&step| x.at(step as f64)).collect(),
        each: if axis.smooth { values.iter().map(|v| trace(v)).collect() } else { Vec::new() },
        bold: shown.iter().map(|v| trace(v)).collect(),
    }
}

/// Mean of each value with up to `window - 1` before it.
fn running_mean(values: &[f64], window: usize) -> Vec<f64> {
    let mut sum = 0.0;
    values
        .iter()
        .enumerate()
        .map(|(i, value)| {
            sum += value;
            if i >= window {
                sum -= values[i - window];
            }
            sum / window.min(i + 1) as f64
        })
        .collect()
}

#[component]
fn Plot(label: String, lines: Vec<Line>, axis: Axis, width: f64, at: RwSignal<Option<f64>>) -> impl IntoView {
    let page = page();
    let node: NodeRef<svg::Svg> = NodeRef::new();
    let traced = lines.clone();
    let drawn = Memo::new(move |_| {
        page.run.with(|run| {
            let epochs: Vec<usize> = run.epochs.iter().map(|epoch| epoch.steps).collect();
            draw(run.series.points(), &epochs, &traced, axis, width)
        })
    });
    let on_move = move |event: leptos::ev::PointerEvent| {
        let Some(node) = node.get_untracked() else { return };
        let bounds = node.get_bounding_client_rect();
        let x = (f64::from(event.client_x()) - bounds.left()) / bounds.width().max(1.0) * width;
        let step = drawn.with_untracked(|drawn| drawn.x.value(x));
        at.set((step >= 0.0).then_some(step));
    };
    let marks = lines
        .iter()
        .enumerate()
        .map(|(i, line)| {
            let Line { class, op, get } = line.clone();
            let each = move || drawn.with(|drawn| drawn.each.get(i).cloned().unwrap_or_default());
            let bold = move || drawn.with(|drawn| drawn.bold.get(i).cloned().unwrap_or_default());
            let thin_class = format!("each {class}");
            let bold_class = move || match (op, page.op.get()) {
                (Some(op), Some(pointed)) if op == pointed => format!("bold lit {class}"),
                (Some(_), Some(_)) => format!("bold dim {class}"),
                _ => format!("bold {class}"),
            };
            let dot = move || {
                let step = at.get()?;
                let point = page.run.with(|run| nearest(run.series.points(), step).copied())?;
                drawn.with(|drawn| Some((drawn.x.at(f64::from(point.step)), drawn.y.at(get(&point)))))
            };
            let dot_class = format!("dot {}", line.class);
            view! {
                <path class=thin_class d=each />
                <path class=bold_class d=bold />
                {move || {
                    dot().filter(|(x, y)| x.is_finite() && y.is_finite()).map(|(x, y)| {
                        view! { <circle cx=x cy=y r="2.6" class=dot_class.clone() /> }
                    })
                }}
            }
        })
        .collect_view();
    let crosshair = move || {
        let step = at.get()?;
        let point = page.run.with(|run| nearest(run.series.points(), step).map(|p| f64::from(p.step)))?;
        let x = drawn.with(|drawn| drawn.x.at(point));
        Some(view! { <line x1=x x2=x y1=TOP y2=HEIGHT - BOTTOM class="crosshair" /> })
    };
    view! {
        <svg
            node_ref=node
            viewBox=format!("0 0 {width} {HEIGHT}")
            class="plot"
            role="img"
            aria-label=label
            on:pointermove=on_move
            on:pointerleave=move |_| at.set(None)
        >
            {move || {
                drawn.with(|drawn| {
                    let epochs = drawn
                        .epochs
                        .iter()
                        .map(|&x| view! { <line x1=x x2=x y1=TOP y2=HEIGHT - BOTTOM class="epoch" /> })
                        .collect_view();
                    let y_ticks = drawn
                        .y_ticks
                        .iter()
                        .map(|&value| {
                            let y = drawn.y.at(value);
                            view! {
                                <line x1=LEFT x2=width - RIGHT y1=y y2=y class="grid" />
                                <text x=LEFT - 5.0 y=y + 3.0 class="tick end">{tick_label(value, &drawn.y_ticks)}</text>
                            }
                        })
                        .collect_view();
                    let x_ticks = drawn
                        .x_ticks
                        .iter()
                        .map(|&value| {
                            view! { <text x=drawn.x.at(value) y=HEIGHT - 5.0 class="tick middle">{format!("{value:.0}")}</text> }
                        })
                        .collect_view();
                    view! {
                        {epochs}
                        {y_ticks}
                        {x_ticks}
                    }
                })
            }}
            {marks}
            {crosshair}
        </svg>
    }
}

/// The point whose step is nearest.
fn nearest(points: &[Point], step: f64) -> Option<&Point> {
    let after = points.partition_point(|p| f64::from(p.step) < step);
    let before = after.checked_sub(1).and_then(|i| points.get(i));
    match (before, points.get(after)) {
        (Some(a), Some(b)) if step - f64::from(a.step) <= f64::from(b.step) - step => Some(a),
        (a, b) => b.or(a),
    }
}

#[component]
pub fn Curves() -> impl IntoView {
    let page = page();
    let at = RwSignal::new(None::<f64>);
    let halves = |weights: fn(&Point) -> f64, alphas: fn(&Point) -> f64| {
        vec![
            Line { class: "weights".into(), op: None, get: Arc::new(weights) },
            Line { class: "alphas".into(), op: None, get: Arc::new(alphas) },
        ]
    };
    // The value pointed at, or the latest.
    let value = move |get: fn(&Point) -> f64, decimals: usize, unit: &'static str| {
        move || {
            page.run.with(|run| {
                let point = match at.get() {
                    Some(step) => nearest(run.series.points(), step).copied(),
                    None => run.last,
                };
                point.map_or("\u{2013}".into(), |p| format!("{:.decimals$}{unit}", get(&p)))
            })
        }
    };
    let loss_of_weights: fn(&Point) -> f64 = |p| f64::from(p.weights.loss);
    let loss_of_alphas: fn(&Point) -> f64 = |p| f64::from(p.alphas.loss);
    let accuracy_of_weights: fn(&Point) -> f64 = |p| 100.0 * f64::from(p.weights.accuracy);
    let accuracy_of_alphas: fn(&Point) -> f64 = |p| 100.0 * f64::from(p.alphas.accuracy);
    let loss = Axis { empty: (1.5, 2.5), limits: (0.0, f64::INFINITY), least: 0.2, smooth: true };
    let accuracy = Axis { empty: (0.0, 100.0), limits: (0.0, 100.0), least: 20.0, smooth: true };
    let share = Axis { empty: (0.1, 0.15), limits: (0.0, 1.0), least: 0.01, smooth: false };
    let shares = |cell: usize| {
        (0..OPS)
            .map(|op| Line {
                class: format!("op-{op}"),
                op: Some(op),
                get: Arc::new(move |p: &Point| f64::from(p.shares[cell][op])),
            })
            .collect::<Vec<_>>()
    };
    let where_at = move || {
        page.run.with(|run| {
            let step = at.get().and_then(|step| nearest(run.series.points(), step)).map(|p| p.step);
            step.map(|step| format!("step {step:.0}"))
        })
    };
    let skip = move || {
        let skip = Op::CANDIDATES.iter().position(|&op| op == Op::SkipConnect)?;
        let (what, _) = op_label(Op::SkipConnect);
        page.run.with(|run| {
            run.last.map(|p| format!("{what}: {:.3} normal, {:.3} reduction", p.shares[0][skip], p.shares[1][skip]))
        })
    };
    view! {
        <div class="curves">
            <section class="card" id="loss" aria-labelledby="loss-title">
                <header class="card-head">
                    <h2 id="loss-title">"Loss"</h2>
                    <Halves weights=value(loss_of_weights, 3, "") alphas=value(loss_of_alphas, 3, "") />
                </header>
                <Plot label="Loss of both halves over the steps".into() lines=halves(loss_of_weights, loss_of_alphas) axis=loss width=340.0 at=at />
                <p class="caption">
                    "Cross-entropy on each step\u{2019}s two batches. Weights learn on the training half, alphas on the validation half. " {where_at}
                </p>
            </section>
            <section class="card" id="accuracy" aria-labelledby="accuracy-title">
                <header class="card-head">
                    <h2 id="accuracy-title">"Accuracy"</h2>
                    <Halves weights=value(accuracy_of_weights, 1, "%") alphas=value(accuracy_of_alphas, 1, "%") />
                </header>
                <Plot
                    label="Accuracy of both halves over the steps".into()
                    lines=halves(accuracy_of_weights, accuracy_of_alphas)
                    axis=accuracy
                    width=340.0
                    at=at
                />
                <p class="caption">"Share of images classified right; guessing gets 10%. Thin: each step; bold: running mean; verticals: epochs."</p>
            </section>
            <section class="card" id="shares" aria-labelledby="shares-title">
                <header class="card-head">
                    <h2 id="shares-title">"Share of each op"</h2>
                    <p class="now">{skip}</p>
                </header>
                <div class="pair">
                    <figure>
                        <figcaption>"normal"</figcaption>
                        <Plot label="Mean weight of each op in the normal cell".into() lines=shares(0) axis=share width=168.0 at=at />
                    </figure>
                    <figure>
                        <figcaption>"reduction"</figcaption>
                        <Plot label="Mean weight of each op in the reduction cell".into() lines=shares(1) axis=share width=168.0 at=at />
                    </figure>
                </div>
                <p class="caption">"Softmax weight, averaged over the edges. An even share is 0.125; searches often drift to skip."</p>
            </section>
        </div>
    }
}

/// The two halves' names with their values.
#[component]
fn Halves<W, A>(weights: W, alphas: A) -> impl IntoView
where
    W: Fn() -> String + Send + 'static,
    A: Fn() -> String + Send + 'static,
{
    view! {
        <dl class="halves">
            <div class="weights" title="The half that trains the weights">
                <dt>"train"</dt>
                <dd>{weights}</dd>
            </div>
            <div class="alphas" title="The half that trains the alphas; the weights are never trained on it">
                <dt>"validation"</dt>
                <dd>{alphas}</dd>
            </div>
        </dl>
    }
}
