//! The derived cell: its kept ops in fixed slots, so that a change moves them instead of replacing them.

use super::{
    super::page,
    geometry::{draw_derived, fit, flow, shift, sizes},
    states::States,
};
use crate::page::Page;
use darts_app::{
    cells::{Cells, Kept, Kind},
    describe::op_cost,
    drawing::{DerivedCell, Direction, curve},
    names::{node_number, op_label, state_text},
};
use leptos::prelude::*;

/// The derived cell. With a reference, ops that the reference lacks are marked, and nothing reacts.
#[component]
pub fn Derived(
    kind: Kind,
    direction: Memo<Direction>,
    genotype: Memo<Option<Cells>>,
    reference: Option<Memo<Option<Cells>>>,
) -> impl IntoView {
    let page = page();
    let cell = Memo::new(move |_| {
        genotype.get().map(|genotype| draw_derived(genotype, kind, direction.get())).unwrap_or_default()
    });
    // The reference itself is drawn in full.
    let is_reference = Memo::new(move |_| reference.is_none_or(|reference| reference.get() == genotype.get()));
    let slots = Slots { page, kind, direction, cell, reference, is_reference };
    // Ops and connectors; only where their numbers change are there other slots.
    let counts = Memo::new(move |_| cell.with(|cell| (cell.kept.len(), cell.drawing.routes.len())));
    move || {
        let (ops, connectors) = counts.get();
        view! { <DerivedSlots slots=slots ops=ops outputs=connectors.saturating_sub(2 * ops) /> }
    }
}

/// The slots of a derived cell, and how each of them looks.
#[derive(Clone, Copy)]
struct Slots {
    page: Page,
    kind: Kind,
    direction: Memo<Direction>,
    cell: Memo<DerivedCell>,
    reference: Option<Memo<Option<Cells>>>,
    is_reference: Memo<bool>,
}

impl Slots {
    /// Whether the cell is that of the run, which reacts to the pointer.
    fn live(&self) -> bool {
        self.reference.is_none()
    }

    /// The op in a slot.
    fn kept(&self, slot: usize) -> Option<Kept> {
        self.cell.with(|cell| cell.kept.get(slot).copied())
    }

    /// The curve of a connector.
    fn route(&self, connector: usize) -> String {
        let flow = flow(self.kind, self.direction.get());
        self.cell
            .with(|cell| cell.drawing.routes.get(connector).map(|route| curve(route, flow, 0.0)).unwrap_or_default())
    }

    /// Whether the reference has the same op from the same state in the same node.
    fn shared(&self, slot: usize) -> bool {
        let (Some(kept), Some(reference)) = (self.kept(slot), self.reference) else { return true };
        reference.with(|reference| reference.as_ref().is_none_or(|cells| cells.kept(self.kind).contains(&kept)))
    }

    /// The classes of whatever belongs to a slot: its op's colour, whether it is pointed at, and whether it differs.
    fn class(&self, base: &'static str, slot: usize) -> String {
        let Some(kept) = self.kept(slot) else { return base.to_owned() };
        let page = self.page;
        let lit =
            (self.live() && page.edge.get() == Some((self.kind, kept.edge))) || page.op.get() == Some(kept.op.index());
        let differs = if self.live() || self.is_reference.get() {
            ""
        } else if self.shared(slot) {
            " shared"
        } else {
            " differs"
        };
        format!("{base} op-{}{}{differs}", kept.op.colour(), if lit { " lit" } else { "" })
    }

    /// The softmax weight of the op in a slot.
    fn weight(&self, slot: usize) -> Option<f32> {
        let kept = self.kept(slot).filter(|_| self.live())?;
        self.page.moment.with(|moment| moment.as_ref()?.weights.at(self.kind, kept.edge, kept.op.index()))
    }

    /// The op in a slot with its edge, weight and cost.
    fn text(&self, slot: usize) -> String {
        let Some(kept) = self.kept(slot) else { return String::new() };
        let weight = self.weight(slot).map(|w| format!(", weight {w:.3}")).unwrap_or_default();
        let differs = if self.shared(slot) { "" } else { ", not in the first column" };
        let cost = op_cost(kept.op, self.kind, kept.state).map(|cost| format!("; {cost}"));
        format!(
            "{} from {} to node {}{weight}{differs}{}",
            kept.op.name(),
            state_text(self.kind, kept.state),
            node_number(self.kind, kept.node),
            cost.unwrap_or_default()
        )
    }

    /// Points at the edge of the op in a slot, or no longer.
    fn hover(&self, slot: usize, over: bool) {
        if self.live() {
            self.page.hovered.set(self.kept(slot).filter(|_| over).map(|kept| (self.kind, kept.edge)));
        }
    }

    /// Selects the edge of the op in a slot.
    fn choose(&self, slot: usize) {
        if let Some(kept) = self.kept(slot).filter(|kept| self.live() && kept.edge < self.kind.edge_count()) {
            self.page.choose(self.kind, kept.edge);
        }
    }
}

/// All boxes and connectors.
#[component]
fn DerivedSlots(
    slots: Slots,
    ops: usize,
    /// Connectors that no op is on.
    outputs: usize,
) -> impl IntoView {
    let Slots { kind, direction, cell, .. } = slots;
    let states = if ops == 0 { 0 } else { ops / kind.kept_a_node() + kind.boxes_before() + 1 };
    let connectors = (0..ops)
        .map(|slot| {
            view! {
                <path class=move || slots.class("link", slot) d=move || slots.route(2 * slot) />
                <path class=move || slots.class("link", slot) d=move || slots.route(2 * slot + 1) />
            }
        })
        .collect_view();
    let outputs =
        (0..outputs).map(|i| view! { <path class="concat" d=move || slots.route(2 * ops + i) /> }).collect_view();
    let boxes = (0..ops).map(|slot| view! { <OpBox slots=slots index=slot states=states /> }).collect_view();
    let centres = Signal::derive(move || cell.with(|cell| cell.drawing.centres.clone()));
    view! {
        <g transform=move || cell.with(|cell| fit(&cell.drawing, kind, direction.get()))>
            {outputs} {connectors} <States kind=kind direction=direction count=states centres=centres /> {boxes}
        </g>
    }
}

#[component]
fn OpBox(slots: Slots, index: usize, states: usize) -> impl IntoView {
    let Slots { kind, direction, cell, .. } = slots;
    let place =
        move || shift(cell.with(|cell| cell.drawing.centres.get(states + index).copied()), kind, direction.get());
    let size = move || sizes(kind, direction.get()).op;
    let text = move || slots.text(index);
    let label = move || {
        let label = slots.kept(index).map(|kept| op_label(kept.op)).unwrap_or_default();
        match (flow(kind, direction.get()), label) {
            (Direction::Down, (what, window)) if !window.is_empty() => view! {
                <text y="-1.5">{what}</text>
                <text y="10">{window}</text>
            }
            .into_any(),
            (_, (what, "")) => view! { <text y="4">{what}</text> }.into_any(),
            (_, (what, window)) => view! { <text y="4">{format!("{what} {window}")}</text> }.into_any(),
        }
    };
    view! {
        <g
            class=move || slots.class("op", index)
            style:transform=place
            role="img"
            aria-label=text
            on:pointerenter=move |_| slots.hover(index, true)
            on:pointerleave=move |_| slots.hover(index, false)
            on:click=move |_| slots.choose(index)
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
            {label}
        </g>
    }
}
