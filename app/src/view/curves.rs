//! Losses, accuracies, op shares and the entropy of the edges over the steps of the search.

use super::{
    math, page,
    parts::{Menu, SavePicture, Term},
};
use crate::browser;
use darts_app::{
    cells::{Kind, Task},
    chart::{Scale, nice_range, path, thin, tick_label, ticks},
    run::{EpochEnd, Point, Run, perplexity},
};
use leptos::{prelude::*, svg};
use std::sync::Arc;

const LEFT: f64 = 34.0;
const RIGHT: f64 = 10.0;
const BOTTOM: f64 = 18.0;
const TOP: f64 = 6.0;
/// Most points of a drawn line.
const DRAWN: usize = 240;

/// Where the points of a plot lie, in steps, and the values of each of its lines.
type Columns = (Vec<f64>, Vec<Vec<f64>>);
/// What takes them from a run.
type OfRun = Arc<dyn Fn(&Run) -> Columns + Send + Sync>;

/// A line of a plot.
#[derive(Clone)]
pub struct Line {
    /// Its classes.
    pub class: String,
    /// The op it stands for, if any: pointing at the op shows the line.
    pub op: Option<usize>,
    /// The edge it stands for, if any.
    pub edge: Option<(Kind, usize)>,
}

/// What a plot's values are.
#[derive(Clone, Copy)]
pub struct Axis {
    /// Range of an empty plot.
    pub empty: (f64, f64),
    /// The axis never goes beyond.
    pub limits: (f64, f64),
    /// The least it spans.
    pub least: f64,
    /// Every step as a thin line, and its running mean as a bold one.
    pub smooth: bool,
    /// Width and height.
    pub size: (f64, f64),
}

/// A plot's axes.
#[derive(Clone, Debug, Default, PartialEq)]
struct Frame {
    x: Option<Scale>,
    y: Option<Scale>,
    x_ticks: Vec<f64>,
    y_ticks: Vec<f64>,
    epochs: Vec<f64>,
}

/// A plot's geometry and paths.
#[derive(Clone, Debug, Default, PartialEq)]
struct Drawn {
    frame: Frame,
    each: Vec<String>,
    bold: Vec<String>,
    columns: Columns,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        self.x.map_or(0.0, |scale| scale.at(value))
    }

    fn y(&self, value: f64) -> f64 {
        self.y.map_or(0.0, |scale| scale.at(value))
    }
}

impl Drawn {
    /// The place of the point nearest to a step.
    fn nearest(&self, step: f64) -> Option<usize> {
        let xs = &self.columns.0;
        let after = xs.partition_point(|&x| x < step);
        let before = after.checked_sub(1);
        match (before, xs.get(after)) {
            (Some(a), Some(b)) if step - xs[a] > b - step => Some(after),
            (Some(a), _) => Some(a),
            (None, Some(_)) => Some(after),
            (None, None) => None,
        }
    }
}

fn draw(columns: Columns, epochs: &[usize], axis: Axis) -> Drawn {
    let (width, height) = axis.size;
    let (xs, values) = &columns;
    let last = xs.last().copied().unwrap_or(0.0);
    let x = Scale {
        from: 0.0,
        to: if axis.smooth || last > 100.0 { last.max(10.0) } else { last.max(4.0) },
        start: LEFT,
        end: width - RIGHT,
    };
    let window = (xs.len() / 16).max(1);
    let means: Vec<Vec<f64>> =
        if axis.smooth { values.iter().map(|v| running_mean(v, window)).collect() } else { Vec::new() };
    let shown = if axis.smooth { &means } else { values };
    let finite = || values.iter().flatten().copied().filter(|v| v.is_finite());
    let (low, high) = if finite().next().is_none() {
        axis.empty
    } else {
        (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max))
    };
    let (low, high) = nice_range(low, high, axis.least, 4);
    let (low, high) = (low.max(axis.limits.0), high.min(axis.limits.1));
    let y = Scale { from: low, to: high, start: height - BOTTOM, end: TOP };
    let trace = |values: &[f64]| {
        let pairs: Vec<(f64, f64)> = xs.iter().copied().zip(values.iter().copied()).collect();
        let mean = |of: &[(f64, f64)]| {
            let n = of.len() as f64;
            (x.at(of.iter().map(|p| p.0).sum::<f64>() / n), y.at(of.iter().map(|p| p.1).sum::<f64>() / n))
        };
        path(thin(&pairs, DRAWN, mean).into_iter())
    };
    // More verticals than can be told apart are none.
    let few = epochs.len() as f64 <= (width - LEFT - RIGHT) / 4.0;
    let frame = Frame {
        x: Some(x),
        y: Some(y),
        x_ticks: ticks(x.from, x.to, (width / 70.0) as usize).into_iter().filter(|t| t.fract() == 0.0).collect(),
        y_ticks: ticks(low, high, 4),
        epochs: epochs.iter().filter(|_| few).map(|&step| x.at(step as f64)).collect(),
    };
    Drawn {
        frame,
        each: if axis.smooth { values.iter().map(|v| trace(v)).collect() } else { Vec::new() },
        bold: shown.iter().map(|v| trace(v)).collect(),
        columns,
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
pub fn Plot(
    label: String,
    lines: Vec<Line>,
    /// The values of the lines; runs again whenever something that it reads changes.
    columns: OfRun,
    axis: Axis,
    at: RwSignal<Option<f64>>,
    /// Whether its steps are those of the run, whose moments can be looked at.
    #[prop(default = true)]
    timeline: bool,
) -> impl IntoView {
    let page = page();
    let (width, height) = axis.size;
    let node: NodeRef<svg::Svg> = NodeRef::new();
    let drawn = Memo::new(move |_| {
        page.curves_due.track();
        page.run.with_untracked(|run| {
            let epochs: Vec<usize> = run.epochs.iter().filter(|_| timeline).map(|epoch| epoch.steps).collect();
            draw(columns(run), &epochs, axis)
        })
    });
    // The lines that stand for edges answer to the pointer.
    let edges: Vec<Option<(Kind, usize)>> = lines.iter().map(|line| line.edge).collect();
    let has_edges = edges.iter().any(Option::is_some);
    let edges = StoredValue::new(edges);
    let place = move |event: &web_sys::MouseEvent| {
        let bounds = node.get_untracked()?.get_bounding_client_rect();
        let unit = width / bounds.width().max(1.0);
        Some((
            (f64::from(event.client_x()) - bounds.left()) * unit,
            (f64::from(event.client_y()) - bounds.top()) * unit,
        ))
    };
    let nearest_edge = move |(x, y): (f64, f64)| {
        drawn.with_untracked(|drawn| {
            let i = drawn.nearest(drawn.frame.x?.value(x))?;
            let distance =
                |line: &usize| drawn.columns.1[*line].get(i).map_or(f64::MAX, |v| (drawn.frame.y(*v) - y).abs());
            let line = (0..drawn.columns.1.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
            edges.with_value(|edges| edges[line]).filter(|_| distance(&line) < 16.0)
        })
    };
    let on_move = move |event: leptos::ev::PointerEvent| {
        let Some(spot) = place(&event) else { return };
        let step = drawn.with_untracked(|drawn| drawn.frame.x.map_or(-1.0, |x| x.value(spot.0)));
        at.set((step >= 0.0).then_some(step));
        if has_edges {
            page.hovered.set(nearest_edge(spot));
        }
    };
    let on_leave = move |_| {
        at.set(None);
        if has_edges {
            page.hovered.set(None);
        }
    };
    // A click goes to that moment, or chooses the line's edge.
    let on_click = move |event: leptos::ev::MouseEvent| {
        let Some(spot) = place(&event).filter(|_| timeline) else { return };
        if let Some((kind, row)) = nearest_edge(spot).filter(|_| has_edges) {
            return page.choose(kind, row);
        }
        let step = drawn.with_untracked(|drawn| drawn.frame.x.map(|x| x.value(spot.0)));
        if let Some(step) = step.filter(|&step| step >= 0.0 && page.run.with_untracked(|run| run.started.is_some())) {
            page.look_at(Some(step.round() as usize).filter(|&step| step < page.run.with_untracked(|run| run.steps)));
        }
    };
    // The step pointed at, or the moment looked at.
    let step = move || at.get().or_else(|| page.cursor.get().filter(|_| timeline).map(|steps| steps as f64));
    let marks = lines
        .into_iter()
        .enumerate()
        .map(|(i, Line { class, op, edge })| {
            let each = move || drawn.with(|drawn| drawn.each.get(i).cloned().unwrap_or_default());
            let bold = move || drawn.with(|drawn| drawn.bold.get(i).cloned().unwrap_or_default());
            let thin_class = format!("each {class}");
            let dot_class = format!("dot {class}");
            let bold_class = move || match (op, page.op.get(), edge, page.edge.get()) {
                (Some(op), Some(pointed), ..) if op == pointed => format!("bold lit {class}"),
                (Some(_), Some(_), ..) => format!("bold dim {class}"),
                (.., Some(edge), Some(pointed)) if edge == pointed => format!("bold lit {class}"),
                (.., Some(_), Some(_)) => format!("bold dim {class}"),
                _ => format!("bold {class}"),
            };
            let dot = move || {
                let step = step().filter(|_| !has_edges || edge == page.edge.get())?;
                drawn.with(|drawn| {
                    let i_x = drawn.nearest(step)?;
                    Some((drawn.frame.x(drawn.columns.0[i_x]), drawn.frame.y(*drawn.columns.1.get(i)?.get(i_x)?)))
                })
            };
            view! {
                {axis.smooth.then(|| view! { <path class=thin_class d=each /> })}
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
        let step = step()?;
        let x = drawn.with(|drawn| drawn.nearest(step).map(|i| drawn.frame.x(drawn.columns.0[i])))?;
        Some(view! { <line x1=x x2=x y1=TOP y2=height - BOTTOM class="crosshair" /> })
    };
    let frame = Memo::new(move |_| drawn.with(|drawn| drawn.frame.clone()));
    view! {
        <svg
            node_ref=node
            viewBox=format!("0 0 {width} {height}")
            class="plot"
            role="img"
            aria-label=label
            on:pointermove=on_move
            on:pointerleave=on_leave
            on:click=on_click
        >
            {move || {
                frame.with(|drawn| {
                    let epochs = drawn
                        .epochs
                        .iter()
                        .map(|&x| view! { <line x1=x x2=x y1=TOP y2=height - BOTTOM class="epoch" /> })
                        .collect_view();
                    let y_ticks = drawn
                        .y_ticks
                        .iter()
                        .map(|&value| {
                            let y = drawn.y(value);
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
                            let text = format!("{value:.0}");
                            // The last ends where the picture does.
                            let (x, class) = match drawn.x(value) {
                                x if x + 3.5 * text.len() as f64 > width => (width, "tick end"),
                                x => (x, "tick middle"),
                            };
                            view! { <text x=x y=height - 5.0 class=class>{text}</text> }
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

/// The values of a run's steps.
fn of_points(get: Vec<fn(&Point) -> f32>) -> OfRun {
    Arc::new(move |run| {
        let points = run.series.points();
        let column = |get: &fn(&Point) -> f32| points.iter().map(|point| f64::from(get(point))).collect();
        (points.iter().map(|point| f64::from(point.step)).collect(), get.iter().map(column).collect())
    })
}

fn of_shares(kind: Kind) -> OfRun {
    Arc::new(move |run| {
        let points = run.series.points();
        // As many as are drawn; each is smooth by itself.
        let some = || points.iter().rev().step_by(points.len().div_ceil(DRAWN).max(1)).rev();
        let column = |op: usize| some().map(|point| f64::from(point.shares[kind.place()][op])).collect();
        (some().map(|point| f64::from(point.step)).collect(), (0..kind.op_count()).map(column).collect())
    })
}

fn of_entropy(kind: Kind) -> OfRun {
    Arc::new(move |run| {
        let frames = run.frames.all();
        let (first, count) = (kind.place() * kind.edge_count(), kind.edge_count());
        let some = || frames.iter().rev().step_by(frames.len().div_ceil(DRAWN).max(1)).rev();
        let bits =
            |edge: usize| some().map(move |frame| f64::from(frame.entropy.get(first + edge).copied().unwrap_or(0.0)));
        (some().map(|frame| frame.steps as f64).collect(), (0..count).map(|edge| bits(edge).collect()).collect())
    })
}

/// A value at the end of each epoch that has it.
fn of_epochs(value: fn(&EpochEnd) -> Option<f32>) -> OfRun {
    Arc::new(move |run| {
        let epochs = run.epochs.iter().filter_map(|epoch| Some((epoch.steps as f64, f64::from(value(epoch)?))));
        let (steps, values) = epochs.unzip();
        (steps, vec![values])
    })
}

#[component]
pub fn Curves(task: Task) -> impl IntoView {
    let page = page();
    let at = RwSignal::new(None::<f64>);
    let halves = || ["weights", "alphas"].map(|class| Line { class: class.into(), op: None, edge: None }).to_vec();
    // The value pointed at, that of the moment looked at, or the latest.
    let value = move |get: fn(&Point) -> f32, decimals: usize, unit: &'static str| {
        move || {
            page.run.with(|run| {
                let point = match at.get().or_else(|| page.cursor.get().map(|steps| steps as f64)) {
                    Some(step) => run.point_at(step).copied(),
                    None => run.last,
                };
                point.map_or("\u{2013}".into(), |p| format!("{:.decimals$}{unit}", get(&p)))
            })
        }
    };
    let loss_of_weights: fn(&Point) -> f32 = |p| p.weights.loss;
    let loss_of_alphas: fn(&Point) -> f32 = |p| p.alphas.loss;
    let wide = (340.0, 112.0);
    let size = if task.kinds().len() > 1 { (168.0, 112.0) } else { wide };
    let empty_loss = if task == Task::Recurrent { (5.0, 7.0) } else { (1.5, 2.5) };
    let loss = Axis { empty: empty_loss, limits: (0.0, f64::INFINITY), least: 0.2, smooth: true, size: wide };
    let bits = f64::from(task.kinds()[0].op_count() as u32).log2();
    let share = Axis { empty: (0.1, 0.15), limits: (0.0, 1.0), least: 0.01, smooth: false, size };
    let share = if task == Task::Recurrent { Axis { empty: (0.15, 0.25), ..share } } else { share };
    let entropy = Axis { empty: (bits - 0.1, bits), limits: (0.0, bits), least: 0.01, smooth: false, size };
    let where_at = move || {
        page.run.with(|run| {
            let step = at.get().and_then(|step| run.point_at(step)).map(|p| p.step);
            step.map(|step| format!(" Step {step:.0}."))
        })
    };
    let skips = move || {
        page.genotype.with(|cells| cells.as_ref().filter(|cells| cells.task() == task).map(|cells| cells.skips()))
    };
    let skip = move || {
        let counts = skips()?;
        let text = counts.iter().map(usize::to_string).collect::<Vec<_>>().join(" + ");
        // Cells of more than two skips are what the literature calls collapsed (DARTS+, Liang et al., 2019).
        let collapsed = task == Task::Convolutional && counts[0] > 2;
        let class = if collapsed { "now collapse" } else { "now" };
        let warning = if collapsed { "collapse: " } else { "" };
        let what = if task == Task::Recurrent { "of 8 identity" } else { "skips kept" };
        Some(view! { <p class=class id="skips">{format!("{warning}{text} {what}")}</p> })
    };
    let undecided = move || {
        page.moment.with(|moment| {
            let moment = moment.as_ref()?;
            let mean = moment.entropy.iter().sum::<f32>() / moment.entropy.len() as f32;
            Some(format!("mean {mean:.3} bits"))
        })
    };
    let curved = Memo::new(move |_| page.run.with(|run| run.epochs.iter().any(|epoch| epoch.curvature.is_some())));
    let save_csv = move |label: &'static str, file: &'static str, text: fn(&Run) -> String| {
        view! {
            <button
                type="button"
                on:click=move |_| browser::save_text(file, "text/csv", &page.run.with_untracked(text))
            >
                {label}
            </button>
        }
    };
    // One plot for each kind of cell.
    let of_kinds = move |what: &'static str, lines: fn(Kind) -> Vec<Line>, columns: fn(Kind) -> OfRun, axis: Axis| {
        let plots = task
            .kinds()
            .iter()
            .map(|&kind| {
                view! {
                    <figure>
                        {(task == Task::Convolutional).then(|| view! { <figcaption>{short_name(kind)}</figcaption> })}
                        <Plot label=format!("{what} of the {} cell", short_name(kind)) lines=lines(kind) columns=columns(kind) axis=axis at=at />
                    </figure>
                }
            })
            .collect_view();
        view! { <div class=if task == Task::Convolutional { "pair" } else { "single" }>{plots}</div> }
    };
    let save_kinds = move |id: &'static str| {
        task.kinds()
            .iter()
            .enumerate()
            .map(|(i, &kind)| {
                let (label, selector) = match kind {
                    Kind::Normal => ("Normal", format!("#{id} figure:nth-of-type({}) svg.plot", i + 1)),
                    Kind::Reduce => ("Reduction", format!("#{id} figure:nth-of-type({}) svg.plot", i + 1)),
                    Kind::Recurrent => ("Picture", format!("#{id} svg.plot")),
                };
                view! { <SavePicture what=label selector=selector file=format!("{id}-{}", kind.name()) /> }
            })
            .collect_view()
    };
    view! {
        <div class="curves">
            <section class="card" id="loss" aria-labelledby="loss-title">
                <header class="card-head">
                    <h2 id="loss-title">"Loss"</h2>
                    <Halves weights=value(loss_of_weights, 3, "") alphas=value(loss_of_alphas, 3, "") />
                    <Menu label="Save" hint="Keep the curves">
                        {save_csv("All curves as CSV", "curves.csv", Run::csv)}
                        <SavePicture what="Loss" selector="#loss svg.plot".into() file="loss".into() />
                        {match task {
                            Task::Convolutional => view! { <SavePicture what="Accuracy" selector="#accuracy svg.plot".into() file="accuracy".into() /> },
                            Task::Recurrent => view! { <SavePicture what="Perplexity" selector="#perplexity svg.plot".into() file="perplexity".into() /> },
                        }}
                    </Menu>
                </header>
                <Plot
                    label="Loss of both halves over the steps".into()
                    lines=halves()
                    columns=of_points(vec![loss_of_weights, loss_of_alphas])
                    axis=loss
                    at=at
                />
                <p class="caption">
                    {math::losses()} " of each step\u{2019}s batches; alphas learn on the " <Term word=validation(task) /> "." {where_at}
                </p>
            </section>
            {match task {
                Task::Convolutional => {
                    let of_weights: fn(&Point) -> f32 = |p| 100.0 * p.weights.accuracy;
                    let of_alphas: fn(&Point) -> f32 = |p| 100.0 * p.alphas.accuracy;
                    let axis = Axis { empty: (0.0, 100.0), limits: (0.0, 100.0), least: 20.0, smooth: true, size: wide };
                    view! {
                        <section class="card" id="accuracy" aria-labelledby="accuracy-title">
                            <header class="card-head">
                                <h2 id="accuracy-title">"Accuracy"</h2>
                                <Halves weights=value(of_weights, 1, "%") alphas=value(of_alphas, 1, "%") />
                            </header>
                            <Plot label="Accuracy of both halves over the steps".into() lines=halves() columns=of_points(vec![of_weights, of_alphas]) axis=axis at=at />
                            <p class="caption">"Images classified right; guessing gets 10%. Bold: running mean."</p>
                        </section>
                    }
                    .into_any()
                }
                Task::Recurrent => {
                    let latest = move || {
                        let last = page.run.with(|run| run.epochs.iter().rev().find_map(|epoch| epoch.valid));
                        last.map(|loss| format!("whole text {:.1}", perplexity(loss)))
                    };
                    let axis = Axis { empty: (0.0, 500.0), limits: (0.0, f64::INFINITY), least: 10.0, smooth: false, size: wide };
                    view! {
                        <section class="card" id="perplexity" aria-labelledby="perplexity-title">
                            <header class="card-head">
                                <h2 id="perplexity-title">"Perplexity"</h2>
                                <p class="now" id="valid-perplexity">{latest}</p>
                            </header>
                            <Plot
                                label="Perplexity of the validation text after each epoch".into()
                                lines=vec![Line { class: "alphas".into(), op: None, edge: None }]
                                columns=of_epochs(|epoch| epoch.valid.map(perplexity))
                                axis=axis
                                at=at
                            />
                            <p class="caption">
                                <Term word="perplexity" /> " " {math::perplexity()} " of the whole validation text after each epoch, nothing dropped."
                            </p>
                        </section>
                    }
                    .into_any()
                }
            }}
            <section class="card" id="shares" aria-labelledby="shares-title">
                <header class="card-head">
                    <h2 id="shares-title">"Share of ops"</h2>
                    {skip}
                    <Menu label="Save" hint="Keep these pictures">{save_kinds("shares")}</Menu>
                </header>
                {of_kinds("Mean weight of each op", share_lines, of_shares, share)}
                <p class="caption">
                    {match task {
                        Task::Convolutional => {
                            view! { "Mean weight over the edges; even is 0.125. Thick: " <Term word="skip" /> ", which leads to " <Term word="collapse" /> "." }.into_any()
                        }
                        Task::Recurrent => view! { "Mean weight over the edges; even is 0.2. Thick: identity, which adds no non-linearity." }.into_any(),
                    }}
                </p>
            </section>
            <section class="card" id="entropy" aria-labelledby="entropy-title">
                <header class="card-head">
                    <h2 id="entropy-title">"Undecided edges"</h2>
                    <p class="now">{undecided}</p>
                    <Menu label="Save" hint="Keep these pictures and figures">
                        {save_csv("Entropy as CSV", "entropy.csv", Run::entropy_csv)}
                        {save_kinds("entropy")}
                    </Menu>
                </header>
                {of_kinds("Entropy of each edge", edge_lines, of_entropy, entropy)}
                <p class="caption">
                    <Term word="entropy" /> " " {math::entropy()} " of each " <Term word="edge" /> " in bits; click a line or a row."
                </p>
            </section>
            {move || {
                let axis = Axis { empty: (0.0, 1.0), limits: (f64::NEG_INFINITY, f64::INFINITY), least: 0.01, smooth: false, size: wide };
                let latest = move || page.run.with(|run| run.epochs.iter().rev().find_map(|epoch| epoch.curvature));
                curved.get().then(|| view! {
                    <section class="card" id="curvature" aria-labelledby="curvature-title">
                        <header class="card-head">
                            <h2 id="curvature-title">"Curvature"</h2>
                            <p class="now">{move || latest().map(|value| format!("{value:.3}"))}</p>
                            <Menu label="Save" hint="Keep this picture">
                                <SavePicture what="Curvature" selector="#curvature svg.plot".into() file="curvature".into() />
                            </Menu>
                        </header>
                        <Plot
                            label="Curvature of the validation loss along the alphas after each epoch".into()
                            lines=vec![Line { class: "alphas".into(), op: None, edge: None }]
                            columns=of_epochs(|epoch| epoch.curvature)
                            axis=axis
                            at=at
                        />
                        <p class="caption">
                            <Term word="curvature" /> " " {math::curvature()} " after each epoch; where it grows, " <Term word="collapse" /> " often follows."
                        </p>
                    </section>
                })
            }}
        </div>
    }
}

/// What a kind of cell is called where there is little room.
const fn short_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Normal => "normal",
        Kind::Reduce => "reduction",
        Kind::Recurrent => "recurrent",
    }
}

/// What the alphas learn from.
const fn validation(task: Task) -> &'static str {
    match task {
        Task::Convolutional => "validation half",
        Task::Recurrent => "validation text",
    }
}

fn share_lines(kind: Kind) -> Vec<Line> {
    let line = |(op, any): (usize, darts_app::cells::AnyOp)| {
        let skip = if any.skips() { " skip" } else { "" };
        Line { class: format!("op-{}{skip}", any.colour()), op: Some(op), edge: None }
    };
    kind.task().ops().into_iter().enumerate().map(line).collect()
}

fn edge_lines(kind: Kind) -> Vec<Line> {
    (0..kind.edge_count()).map(|row| Line { class: "entropy".into(), op: None, edge: Some((kind, row)) }).collect()
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
