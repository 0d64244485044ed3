//! A plot of lines over steps.

use super::{super::page, columns::ColumnsOf, pointer::Pointer};
use darts_app::{
    cells::Kind,
    chart::{Axes, PlotGeometry, PlotSpec, tick_label},
};
use leptos::{prelude::*, svg};

/// A line of a plot.
#[derive(Clone)]
pub struct Line {
    /// Its classes.
    pub class: String,
    /// The op of the line, if any: pointing at the op highlights the line.
    pub op: Option<usize>,
    /// The edge of the line, if any.
    pub edge: Option<(Kind, usize)>,
}

impl Line {
    /// A line of neither an op nor an edge.
    pub fn plain(class: &str) -> Self {
        Self { class: class.to_owned(), op: None, edge: None }
    }
}

#[component]
pub fn Plot(
    label: String,
    lines: Vec<Line>,
    /// The values of the lines; recomputed when its inputs change.
    columns: ColumnsOf,
    spec: PlotSpec,
    /// The step pointed at, in any of the plots that share it.
    at: RwSignal<Option<f64>>,
    /// Whether its steps are those of the run, so that a click shows that moment.
    #[prop(default = true)]
    timeline: bool,
) -> impl IntoView {
    let page = page();
    let (width, height) = spec.size;
    let node: NodeRef<svg::Svg> = NodeRef::new();
    let geometry = Memo::new(move |_| {
        page.curves_due.track();
        page.run.with_untracked(|run| {
            let epochs: Vec<usize> = run.epochs.iter().filter(|_| timeline).map(|epoch| epoch.steps).collect();
            PlotGeometry::new(columns(run), &epochs, spec)
        })
    });
    let edges: Vec<Option<(Kind, usize)>> = lines.iter().map(|line| line.edge).collect();
    let has_edges = edges.iter().any(Option::is_some);
    let pointer = Pointer { page, node, width, geometry, edges: StoredValue::new(edges), has_edges, at, timeline };
    // The step pointed at, or the moment shown.
    let step =
        Signal::derive(move || at.get().or_else(|| page.cursor.get().filter(|_| timeline).map(|steps| steps as f64)));
    let lines = lines
        .into_iter()
        .enumerate()
        .map(|(index, line)| {
            view! { <PlotLine index=index line=line geometry=geometry smooth=spec.smooth step=step has_edges=has_edges /> }
        })
        .collect_view();
    view! {
        <svg
            node_ref=node
            viewBox=format!("0 0 {width} {height}")
            class="plot"
            role="img"
            aria-label=label
            on:pointermove=move |event| pointer.move_to(&event)
            on:pointerleave=move |_| pointer.leave()
            on:click=move |event| pointer.click(&event)
        >
            <PlotAxes geometry=geometry spec=spec />
            {lines}
            <Crosshair geometry=geometry spec=spec step=step />
        </svg>
    }
}

/// Grid, tick labels and ends of epochs.
#[component]
fn PlotAxes(geometry: Memo<PlotGeometry>, spec: PlotSpec) -> impl IntoView {
    let axes = Memo::new(move |_| geometry.with(|geometry| geometry.axes.clone()));
    move || axes.with(|axes| axes_marks(axes, spec))
}

fn axes_marks(axes: &Axes, spec: PlotSpec) -> impl IntoView + use<> {
    let ((width, height), (left, right), (top, bottom)) = (spec.size, spec.sides(), spec.levels());
    let epochs =
        axes.epochs.iter().map(|&x| view! { <line x1=x x2=x y1=top y2=bottom class="epoch" /> }).collect_view();
    let y_ticks = axes
        .y_ticks
        .iter()
        .map(|&value| {
            let y = axes.y(value);
            view! {
                <line x1=left x2=right y1=y y2=y class="grid" />
                <text x=left - 5.0 y=y + 3.0 class="tick end">{tick_label(value, &axes.y_ticks)}</text>
            }
        })
        .collect_view();
    let x_ticks = axes
        .x_ticks
        .iter()
        .map(|&value| {
            let text = format!("{value:.0}");
            // The last ends where the picture does.
            let (x, class) = match axes.x(value) {
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
}

/// A line, bold or with its running mean bold, and a dot at the step pointed at.
#[component]
fn PlotLine(
    index: usize,
    line: Line,
    geometry: Memo<PlotGeometry>,
    smooth: bool,
    step: Signal<Option<f64>>,
    /// Whether the lines of the plot stand for edges; then only that of the edge pointed at has a dot.
    has_edges: bool,
) -> impl IntoView {
    let page = page();
    let Line { class, op, edge } = line;
    let thin = move || geometry.with(|geometry| geometry.thin.get(index).cloned().unwrap_or_default());
    let bold = move || geometry.with(|geometry| geometry.bold.get(index).cloned().unwrap_or_default());
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
        let step = step.get().filter(|_| !has_edges || edge == page.edge.get())?;
        geometry.with(|geometry| geometry.point(index, geometry.nearest(step)?))
    };
    view! {
        {smooth.then(|| view! { <path class=thin_class d=thin /> })}
        <path class=bold_class d=bold />
        {move || {
            dot().filter(|(x, y)| x.is_finite() && y.is_finite()).map(|(x, y)| {
                view! { <circle cx=x cy=y r="2.6" class=dot_class.clone() /> }
            })
        }}
    }
}

/// A vertical at the step pointed at.
#[component]
fn Crosshair(geometry: Memo<PlotGeometry>, spec: PlotSpec, step: Signal<Option<f64>>) -> impl IntoView {
    let (top, bottom) = spec.levels();
    move || {
        let step = step.get()?;
        let x = geometry.with(|plot| plot.nearest(step).map(|index| plot.axes.x(plot.columns.0[index])))?;
        Some(view! { <line x1=x x2=x y1=top y2=bottom class="crosshair" /> })
    }
}
