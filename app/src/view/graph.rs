//! A cell as a graph: what would be derived, or the relaxed cell with all its ops.

use super::{edge_text, node_number, op_label, page, state_text};
use darts_app::{
    cells::{Cells, Kind},
    describe::op_cost,
    drawing::{BoxSizes, DerivedCell, Direction, Drawing, Position, Spacing, curve, place_derived, place_relaxed},
    share_link::CellView,
};
use leptos::prelude::*;
use std::{cell::RefCell, collections::HashMap};

/// Size of the drawing of a kind of cell in a direction. Recurrent cells are deep, so that they always run down.
const fn canvas(kind: Kind, direction: Direction) -> (f32, f32) {
    match (kind, direction) {
        (Kind::Recurrent, Direction::Right) => (560.0, 560.0),
        (Kind::Recurrent, Direction::Down) => (360.0, 480.0),
        (_, Direction::Right) => (640.0, 262.0),
        (_, Direction::Down) => (360.0, 430.0),
    }
}

/// The direction of the drawing on a page that is wide or narrow.
const fn drawn(kind: Kind, direction: Direction) -> Direction {
    match kind {
        Kind::Normal | Kind::Reduce => direction,
        Kind::Recurrent => Direction::Down,
    }
}

const fn sizes(kind: Kind, direction: Direction) -> BoxSizes {
    match (kind, direction) {
        (Kind::Recurrent, _) => BoxSizes { terminal: (46.0, 26.0), node: (24.0, 24.0), op: (58.0, 19.0) },
        (_, Direction::Right) => BoxSizes { terminal: (42.0, 26.0), node: (26.0, 26.0), op: (64.0, 20.0) },
        (_, Direction::Down) => BoxSizes { terminal: (46.0, 26.0), node: (26.0, 26.0), op: (36.0, 30.0) },
    }
}

const fn spacing(kind: Kind, direction: Direction) -> Spacing {
    match (kind, direction) {
        (Kind::Recurrent, Direction::Right) => Spacing { length: 554.0, gap: (9.0, 64.0), between: 22.0 },
        (Kind::Recurrent, Direction::Down) => Spacing { length: 474.0, gap: (9.0, 44.0), between: 8.0 },
        (_, Direction::Right) => Spacing { length: 634.0, gap: (12.0, 68.0), between: 13.0 },
        (_, Direction::Down) => Spacing { length: 424.0, gap: (12.0, 34.0), between: 7.0 },
    }
}

/// Distance between the strands of a relaxed edge.
const STRAND: f32 = 2.6;
/// Placed cells that are kept, so that going back and forth in time does not place them again.
const PLACED: usize = 512;

type Key = (Cells, Kind, bool);

thread_local! {
    static KNOWN: RefCell<HashMap<Key, DerivedCell>> = RefCell::new(HashMap::new());
}

/// A cell placed, anew or from memory.
fn placed(cells: Cells, kind: Kind, direction: Direction) -> DerivedCell {
    let key = (cells, kind, direction == Direction::Down);
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= PLACED {
            known.clear();
        }
        let place = |key: &Key| {
            place_derived(&key.0, kind, sizes(kind, direction), spacing(kind, direction), drawn(kind, direction))
        };
        known.entry(key.clone()).or_insert_with(|| place(&key)).clone()
    })
}

/// A drawing's shift and scale that centre it on the canvas.
fn fit(drawing: &Drawing, kind: Kind, direction: Direction) -> String {
    let (width, height) = canvas(kind, direction);
    let (w, h) = drawn(kind, direction).xy(Position { along: drawing.length, across: drawing.breadth });
    let scale = ((width - 4.0) / w).min((height - 4.0) / h).min(1.0);
    format!("translate({:.1} {:.1}) scale({scale:.3})", (width - w * scale) / 2.0, (height - h * scale) / 2.0)
}

fn view_box(kind: Kind, direction: Direction) -> String {
    let (width, height) = canvas(kind, direction);
    format!("0 0 {width} {height}")
}

#[component]
pub fn Graph(kind: Kind) -> impl IntoView {
    let page = page();
    let direction = Memo::new(move |_| if page.narrow.get() { Direction::Down } else { Direction::Right });
    let relaxed = Memo::new(move |_| page.cell_view.get() == CellView::Relaxed || page.genotype.with(Option::is_none));
    let label = move || match relaxed.get() {
        true => {
            format!("The relaxed {} cell: {} edges, each with {} ops", kind.name(), kind.edge_count(), kind.op_count())
        }
        false => format!("The {} cell that would be derived now", kind.name()),
    };
    view! {
        <svg
            viewBox=move || view_box(kind, direction.get())
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
                false => view! { <Derived kind=kind direction=direction genotype=page.genotype reference=None /> }.into_any(),
            }}
        </svg>
    }
}

/// Cells as a picture to compare; what the reference has not is marked.
#[component]
pub fn Still(
    kind: Kind,
    genotype: Memo<Option<Cells>>,
    reference: Memo<Option<Cells>>,
    title: String,
) -> impl IntoView {
    let page = page();
    let direction = Memo::new(move |_| if page.narrow.get() { Direction::Down } else { Direction::Right });
    view! {
        <svg
            viewBox=move || view_box(kind, direction.get())
            class=move || if page.op.get().is_some() { "still pointed" } else { "still" }
            role="group"
            aria-label=format!("{title}, {} cell", kind.name())
        >
            <Derived kind=kind direction=direction genotype=genotype reference=Some(reference) />
        </svg>
    }
}

/// The boxes of the states; `at` gives their centres.
fn states(kind: Kind, at: Signal<Vec<Position>>, count: usize, direction: Memo<Direction>) -> impl IntoView {
    (0..count)
        .map(|state| {
            let last = state + 1 == count;
            let role = if kind.is_input(state) || last { "terminal" } else { "node" };
            let (letter, index) = match (kind, state) {
                (Kind::Recurrent, 0) => ("x", "t"),
                (Kind::Recurrent, 1) => ("h", "t\u{2212}1"),
                (Kind::Recurrent, _) if last => ("h", "t"),
                (_, 0) => ("c", "k\u{2212}2"),
                (_, 1) => ("c", "k\u{2212}1"),
                _ => ("c", "k"),
            };
            let size = move || {
                let sizes = sizes(kind, direction.get());
                if role == "terminal" { sizes.terminal } else { sizes.node }
            };
            let place = move || {
                let direction = drawn(kind, direction.get());
                let (x, y) = direction.xy(at.with(|at| at.get(state).copied().unwrap_or_default()));
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
                                <tspan class="var">{letter}</tspan>
                                <tspan class="sub" dy="3">{index}</tspan>
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

/// The ops kept, in fixed slots, so that a change moves them instead of replacing them. With a reference, what
/// that has not is marked and nothing reacts.
#[component]
fn Derived(
    kind: Kind,
    direction: Memo<Direction>,
    genotype: Memo<Option<Cells>>,
    reference: Option<Memo<Option<Cells>>>,
) -> impl IntoView {
    let cell =
        Memo::new(move |_| genotype.get().map(|genotype| placed(genotype, kind, direction.get())).unwrap_or_default());
    // Ops and outputs; only where their numbers change are there other slots.
    let slots = Memo::new(move |_| cell.with(|cell| (cell.kept.len(), cell.drawing.routes.len())));
    move || {
        let (ops, routes) = slots.get();
        view! { <Slots kind=kind direction=direction cell=cell genotype=genotype ops=ops others=routes.saturating_sub(2 * ops) reference=reference /> }
    }
}

#[component]
fn Slots(
    kind: Kind,
    direction: Memo<Direction>,
    cell: Memo<DerivedCell>,
    genotype: Memo<Option<Cells>>,
    ops: usize,
    /// Links that no op is on.
    others: usize,
    reference: Option<Memo<Option<Cells>>>,
) -> impl IntoView {
    let page = page();
    let live = reference.is_none();
    let state_count = if ops == 0 { 0 } else { ops / kind.kept_a_node() + kind.boxes_before() + 1 };
    let route = move |link: usize| {
        cell.with(|DerivedCell { drawing, .. }| {
            drawing.routes.get(link).map(|route| curve(route, drawn(kind, direction.get()), 0.0)).unwrap_or_default()
        })
    };
    let slot = move |i: usize| cell.with(|cell| cell.kept.get(i).copied());
    // The reference itself is drawn in full.
    let first = Memo::new(move |_| reference.is_none_or(|reference| reference.get() == genotype.get()));
    // Whether the reference has the same op from the same state in the same node.
    let shared = move |i: usize| {
        let (Some(kept), Some(reference)) = (slot(i), reference) else { return true };
        reference.with(|reference| reference.as_ref().is_none_or(|reference| reference.kept(kind).contains(&kept)))
    };
    // The classes of whatever belongs to a slot: its op's colour, and whether it is pointed at.
    let class = move |base: &'static str, i: usize| {
        let Some(kept) = slot(i) else { return base.to_owned() };
        let lit = (live && page.edge.get() == Some((kind, kept.edge))) || page.op.get() == Some(kept.op.index());
        let differs = if live || first.get() {
            ""
        } else if shared(i) {
            " shared"
        } else {
            " differs"
        };
        format!("{base} op-{}{}{differs}", kept.op.colour(), if lit { " lit" } else { "" })
    };
    let weight = move |i: usize| {
        let kept = slot(i).filter(|_| live)?;
        page.moment.with(|moment| moment.as_ref()?.weights.at(kind, kept.edge, kept.op.index()))
    };
    let links = (0..ops)
        .map(|i| {
            view! {
                <path class=move || class("link", i) d=move || route(2 * i) />
                <path class=move || class("link", i) d=move || route(2 * i + 1) />
            }
        })
        .collect_view();
    let outputs = (0..others).map(|i| view! { <path class="concat" d=move || route(2 * ops + i) /> }).collect_view();
    let boxes = (0..ops)
        .map(|i| {
            let place = move || {
                let (x, y) = drawn(kind, direction.get())
                    .xy(cell.with(|cell| cell.drawing.centres.get(state_count + i).copied().unwrap_or_default()));
                format!("translate({x:.1}px, {y:.1}px)")
            };
            let label = move || slot(i).map(|kept| op_label(kept.op)).unwrap_or_default();
            let text = move || {
                let Some(kept) = slot(i) else { return String::new() };
                let weight = weight(i).map(|w| format!(", weight {w:.3}")).unwrap_or_default();
                let differs = if shared(i) { "" } else { ", not in the first" };
                let cost = op_cost(kept.op, kind, kept.state).map(|cost| format!("; {cost}"));
                format!(
                    "{} from {} to node {}{weight}{differs}{}",
                    kept.op.name(),
                    state_text(kind, kept.state),
                    node_number(kind, kept.node),
                    cost.unwrap_or_default()
                )
            };
            let size = move || sizes(kind, direction.get()).op;
            let hover = move |over: bool| {
                if live {
                    page.hovered.set(slot(i).filter(|_| over).map(|kept| (kind, kept.edge)));
                }
            };
            let choose = move || {
                if let Some(kept) = slot(i).filter(|kept| live && kept.edge < kind.edge_count()) {
                    page.choose(kind, kept.edge);
                }
            };
            view! {
                <g
                    class=move || class("op", i)
                    style:transform=place
                    role="img"
                    aria-label=text
                    on:pointerenter=move |_| hover(true)
                    on:pointerleave=move |_| hover(false)
                    on:click=move |_| choose()
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
                    {move || match (drawn(kind, direction.get()), label()) {
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
    let at = Signal::derive(move || cell.with(|cell| cell.drawing.centres.clone()));
    view! {
        <g transform=move || cell.with(|cell| fit(&cell.drawing, kind, direction.get()))>
            {outputs} {links} {states(kind, at, state_count, direction)} {boxes}
        </g>
    }
}

/// All edges, each as one strand an op; a strand is as strong as its op's weight.
#[component]
fn Relaxed(kind: Kind, direction: Memo<Direction>) -> impl IntoView {
    let page = page();
    let placed = Memo::new(move |_| {
        let direction = direction.get();
        let gaps = match (kind, direction) {
            (Kind::Recurrent, Direction::Right) => Spacing { length: 554.0, gap: (20.0, 32.0), between: 9.0 },
            (Kind::Recurrent, Direction::Down) => Spacing { length: 474.0, gap: (16.0, 32.0), between: 6.0 },
            (_, Direction::Right) => Spacing { length: 600.0, gap: (40.0, 84.0), between: 10.0 },
            (_, Direction::Down) => Spacing { length: 424.0, gap: (40.0, 60.0), between: 10.0 },
        };
        place_relaxed(kind, sizes(kind, direction), gaps, STRAND, drawn(kind, direction))
    });
    let weights =
        Memo::new(move |_| page.moment.with(|moment| moment.as_ref().map(|moment| moment.weights.of(kind).to_vec())));
    let ops = kind.task().ops();
    let op_count = ops.len();
    let edges = kind
        .edges()
        .into_iter()
        .enumerate()
        .map(|(i, edge)| {
            let strands = ops
                .iter()
                .enumerate()
                .map(|(op, which)| {
                    let colour = which.colour();
                    let path = move || {
                        let shift = (op as f32 - (op_count - 1) as f32 / 2.0) * STRAND;
                        placed.with(|placed| curve(&placed.routes[i], drawn(kind, direction.get()), shift))
                    };
                    // Strength against an even share: an op at its even share is thin and pale, at everything thick and full.
                    let strength = move || {
                        let weight = weights.with(|w| w.as_ref().and_then(|w| w.get(i)?.get(op).copied()));
                        weight.unwrap_or(1.0 / op_count as f32)
                    };
                    let class = move || {
                        let lit = page.op.get() == Some(op) || page.edge.get() == Some((kind, i));
                        format!("strand op-{colour}{}", if lit { " lit" } else { "" })
                    };
                    view! {
                        <path
                            class=class
                            d=path
                            stroke-width=move || format!("{:.2}", (0.5 + 5.0 * strength().sqrt() - 1.2).max(0.1))
                            stroke-opacity=move || format!("{:.2}", (0.12 + 2.6 * strength()).min(1.0))
                        />
                    }
                })
                .collect_view();
            let hit = move || placed.with(|placed| curve(&placed.routes[i], drawn(kind, direction.get()), 0.0));
            view! {
                <g
                    on:pointerenter=move |_| page.hovered.set(Some((kind, i)))
                    on:pointerleave=move |_| page.hovered.set(None)
                    on:click=move |_| page.choose(kind, i)
                >
                    <title>{edge_text(kind, edge.state, edge.node)}</title>
                    <path class="hit-line" d=hit />
                    {strands}
                </g>
            }
        })
        .collect_view();
    let edge_count = kind.edge_count();
    let concat = (0..kind.nodes() + kind.fixed_connectors())
        .map(|i| {
            let route =
                move |placed: &Drawing| curve(&placed.routes[edge_count + i], drawn(kind, direction.get()), 0.0);
            let path = move || placed.with(route);
            view! { <path class="concat" d=path /> }
        })
        .collect_view();
    let at = Signal::derive(move || placed.with(|placed| placed.centres.clone()));
    view! {
        <g transform=move || placed.with(|placed| fit(placed, kind, direction.get()))>
            {concat} {edges} {states(kind, at, kind.nodes() + kind.boxes_before() + 1, direction)}
        </g>
    }
}
