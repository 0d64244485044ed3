//! A cell as a graph: what would be derived, or the relaxed cell with all its ops.

use super::{kind_name, op_index, op_label, page, state_text};
use crate::page::CellView;
use darts_app::{
    layout::{self, BoxSizes, DerivedCell, Direction, Layout, STATES, Spacing, Spot},
    run::OPS,
};
use darts_engine::space::{Alphas, CellKind, EDGES, NODES, edges};
use leptos::prelude::*;

/// Size of the drawing for a direction.
const fn canvas(direction: Direction) -> (f32, f32) {
    match direction {
        Direction::Right => (640.0, 262.0),
        Direction::Down => (360.0, 430.0),
    }
}

const fn sizes(direction: Direction) -> BoxSizes {
    match direction {
        Direction::Right => BoxSizes { terminal: (42.0, 26.0), node: (26.0, 26.0), op: (60.0, 20.0) },
        Direction::Down => BoxSizes { terminal: (46.0, 26.0), node: (26.0, 26.0), op: (36.0, 30.0) },
    }
}

const fn spacing(direction: Direction) -> Spacing {
    match direction {
        Direction::Right => Spacing { length: 634.0, gap: (12.0, 68.0), between: 13.0 },
        Direction::Down => Spacing { length: 424.0, gap: (12.0, 34.0), between: 7.0 },
    }
}

/// Distance between the strands of a relaxed edge.
const STRAND: f32 = 2.6;

/// A layout's shift and scale that centre it on the canvas.
fn fit(layout: &Layout, direction: Direction) -> String {
    let (width, height) = canvas(direction);
    let (w, h) = direction.xy(Spot { along: layout.length, across: layout.breadth });
    let scale = ((width - 4.0) / w).min((height - 4.0) / h).min(1.0);
    format!("translate({:.1} {:.1}) scale({scale:.3})", (width - w * scale) / 2.0, (height - h * scale) / 2.0)
}

#[component]
pub fn Graph(kind: CellKind) -> impl IntoView {
    let page = page();
    let direction = Memo::new(move |_| if page.narrow.get() { Direction::Down } else { Direction::Right });
    let relaxed =
        Memo::new(move |_| page.cell_view.get() == CellView::Relaxed || page.run.with(|run| run.genotype.is_none()));
    let label = move || match relaxed.get() {
        true => format!("The relaxed {} cell: 14 edges, each with 8 ops", kind_name(kind)),
        false => format!("The {} cell that would be derived now", kind_name(kind)),
    };
    view! {
        <svg
            viewBox=move || {
                let (width, height) = canvas(direction.get());
                format!("0 0 {width} {height}")
            }
            class=move || if page.edge.get().is_some_and(|(of, _)| of == kind) || page.op.get().is_some() {
                "cell-graph pointed"
            } else {
                "cell-graph"
            }
            role="group"
            aria-label=label
        >
            {move || match relaxed.get() {
                true => view! { <Relaxed kind=kind direction=direction /> }.into_any(),
                false => view! { <Derived kind=kind direction=direction /> }.into_any(),
            }}
        </svg>
    }
}

/// The boxes of the states; `at` gives their centres.
fn states(at: Signal<Vec<Spot>>, direction: Memo<Direction>) -> impl IntoView {
    (0..STATES)
        .map(|state| {
            let (role, label) = match state {
                0 => ("terminal", "k\u{2212}2"),
                1 => ("terminal", "k\u{2212}1"),
                n if n == STATES - 1 => ("terminal", "k"),
                _ => ("node", ""),
            };
            let size = move || {
                let sizes = sizes(direction.get());
                if role == "terminal" { sizes.terminal } else { sizes.node }
            };
            let place = move || {
                let (x, y) = direction.get().xy(at.with(|at| at.get(state).copied().unwrap_or_default()));
                format!("translate({x:.1}px, {y:.1}px)")
            };
            view! {
                <g class=format!("state {role}") style:transform=place>
                    <rect
                        x=move || -size().0 / 2.0
                        y=move || -size().1 / 2.0
                        width=move || size().0
                        height=move || size().1
                        rx=if role == "terminal" { "4" } else { "13" }
                    />
                    <text y="4.5">
                        {if role == "terminal" {
                            view! {
                                <tspan class="var">"c"</tspan>
                                <tspan class="sub" dy="3">{label}</tspan>
                            }
                            .into_any()
                        } else {
                            (state - 2).to_string().into_any()
                        }}
                    </text>
                </g>
            }
        })
        .collect_view()
}

/// The ops kept, in fixed slots (two a node), so that a change moves them instead of replacing them.
#[component]
fn Derived(kind: CellKind, direction: Memo<Direction>) -> impl IntoView {
    let page = page();
    let cell = Memo::new(move |_| {
        let direction = direction.get();
        page.run
            .with(|run| {
                run.genotype.as_ref().map(|genotype| {
                    layout::derived_cell(
                        genotype,
                        kind == CellKind::Reduce,
                        sizes(direction),
                        spacing(direction),
                        direction,
                    )
                })
            })
            .unwrap_or_default()
    });
    let route = move |link: usize| {
        cell.with(|DerivedCell { layout, .. }| {
            layout.routes.get(link).map(|route| layout::curve(route, direction.get(), 0.0)).unwrap_or_default()
        })
    };
    let slot = move |i: usize| cell.with(|cell| cell.kept.get(i).copied());
    // The classes of whatever belongs to a slot: its op's colour, and whether it is pointed at.
    let class = move |base: &'static str, i: usize| {
        let Some(kept) = slot(i) else { return base.to_owned() };
        let op = op_index(kept.op);
        let lit = page.edge.get() == Some((kind, kept.edge)) || page.op.get() == Some(op);
        format!("{base} op-{op}{}", if lit { " lit" } else { "" })
    };
    let weight = move |i: usize| {
        let kept = slot(i)?;
        page.run.with(|run| {
            let row = Alphas::softmax(run.alphas.as_ref()?).of(kind)[kept.edge].clone();
            row.get(op_index(kept.op)).copied()
        })
    };
    let links = (0..2 * NODES)
        .map(|i| {
            view! {
                <path class=move || class("link", i) d=move || route(2 * i) />
                <path class=move || class("link", i) d=move || route(2 * i + 1) />
            }
        })
        .collect_view();
    let concat = (0..NODES).map(|i| view! { <path class="concat" d=move || route(4 * NODES + i) /> }).collect_view();
    let ops = (0..2 * NODES)
        .map(|i| {
            let place = move || {
                let (x, y) =
                    direction.get().xy(cell.with(|cell| cell.layout.at.get(STATES + i).copied().unwrap_or_default()));
                format!("translate({x:.1}px, {y:.1}px)")
            };
            let label = move || slot(i).map(|kept| op_label(kept.op)).unwrap_or_default();
            let text = move || {
                let Some(kept) = slot(i) else { return String::new() };
                let Some(edge) = edges().nth(kept.edge) else { return String::new() };
                let weight = weight(i).map(|w| format!(", weight {w:.3}")).unwrap_or_default();
                format!("{} from {} to node {}{weight}", kept.op.name(), state_text(edge.state), edge.node)
            };
            let size = move || sizes(direction.get()).op;
            view! {
                <g
                    class=move || class("op", i)
                    style:transform=place
                    role="img"
                    aria-label=text
                    on:pointerenter=move |_| page.edge.set(slot(i).map(|kept| (kind, kept.edge)))
                    on:pointerleave=move |_| page.edge.set(None)
                    on:click=move |_| page.edge.set(slot(i).map(|kept| (kind, kept.edge)))
                >
                    <title>{text}</title>
                    <rect
                        x=move || -size().0 / 2.0
                        y=move || -size().1 / 2.0
                        width=move || size().0
                        height=move || size().1
                        rx="10"
                        class="fill-op"
                    />
                    {move || match (direction.get(), label()) {
                        (Direction::Down, (what, window)) if !window.is_empty() => {
                            view! {
                                <text y="-1.5">{what}</text>
                                <text y="10">{window}</text>
                            }
                            .into_any()
                        }
                        (_, (what, "")) => view! { <text y="4">{what}</text> }.into_any(),
                        (_, (what, window)) => view! { <text y="4">{format!("{what} {window}")}</text> }.into_any(),
                    }}
                </g>
            }
        })
        .collect_view();
    let at = Signal::derive(move || cell.with(|cell| cell.layout.at.clone()));
    view! {
        <g transform=move || cell.with(|cell| fit(&cell.layout, direction.get()))>
            {concat} {links} {states(at, direction)} {ops}
        </g>
    }
}

/// All edges, each as one strand an op; a strand is as strong as its op's weight.
#[component]
fn Relaxed(kind: CellKind, direction: Memo<Direction>) -> impl IntoView {
    let page = page();
    let placed = Memo::new(move |_| {
        let direction = direction.get();
        let gaps = match direction {
            Direction::Right => Spacing { length: 600.0, gap: (40.0, 84.0), between: 10.0 },
            Direction::Down => Spacing { length: 424.0, gap: (40.0, 60.0), between: 10.0 },
        };
        layout::relaxed(sizes(direction), gaps, STRAND, direction)
    });
    let weights = Memo::new(move |_| page.run.with(|run| run.alphas.as_ref().map(|a| a.softmax().of(kind).to_vec())));
    let edges = edges()
        .enumerate()
        .map(|(i, edge)| {
            let strands = (0..OPS)
                .map(|op| {
                    let path = move || {
                        let shift = (op as f32 - (OPS - 1) as f32 / 2.0) * STRAND;
                        placed.with(|placed| layout::curve(&placed.routes[i], direction.get(), shift))
                    };
                    // Strength against an even share: an op at its even share is thin and pale, at everything thick and full.
                    let strength = move || weights.with(|w| w.as_ref().map_or(1.0 / OPS as f32, |w| w[i][op]));
                    let class = move || {
                        let lit = page.op.get() == Some(op) || page.edge.get() == Some((kind, i));
                        format!("strand op-{op}{}", if lit { " lit" } else { "" })
                    };
                    view! {
                        <path
                            class=class
                            d=path
                            stroke-width=move || format!("{:.2}", 0.5 + 5.0 * strength().sqrt() - 1.2)
                            stroke-opacity=move || format!("{:.2}", (0.12 + 2.6 * strength()).min(1.0))
                        />
                    }
                })
                .collect_view();
            let hit = move || placed.with(|placed| layout::curve(&placed.routes[i], direction.get(), 0.0));
            view! {
                <g
                    on:pointerenter=move |_| page.edge.set(Some((kind, i)))
                    on:pointerleave=move |_| page.edge.set(None)
                >
                    <title>{format!("{} to node {}", state_text(edge.state), edge.node)}</title>
                    <path class="hit-line" d=hit />
                    {strands}
                </g>
            }
        })
        .collect_view();
    let concat = (0..NODES)
        .map(|i| {
            let path = move || placed.with(|placed| layout::curve(&placed.routes[EDGES + i], direction.get(), 0.0));
            view! { <path class="concat" d=path /> }
        })
        .collect_view();
    let at = Signal::derive(move || placed.with(|placed| placed.at.clone()));
    view! {
        <g transform=move || placed.with(|placed| fit(placed, direction.get()))>
            {concat} {edges} {states(at, direction)}
        </g>
    }
}
