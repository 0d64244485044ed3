//! The boxes of the states: inputs, nodes and output.

use super::geometry::{shift, sizes};
use darts_app::{
    cells::Kind,
    drawing::{Direction, Position},
    names::{state_name, terminal_symbol},
};
use leptos::prelude::*;

/// All boxes of the states around their `centres`; the last one is the output.
#[component]
pub fn States(
    kind: Kind,
    direction: Memo<Direction>,
    count: usize,
    #[prop(into)] centres: Signal<Vec<Position>>,
) -> impl IntoView {
    (0..count)
        .map(|state| {
            let last = state + 1 == count;
            view! { <StateBox kind=kind direction=direction state=state last=last centres=centres /> }
        })
        .collect_view()
}

#[component]
fn StateBox(
    kind: Kind,
    direction: Memo<Direction>,
    state: usize,
    /// Whether it is the output.
    last: bool,
    centres: Signal<Vec<Position>>,
) -> impl IntoView {
    let terminal = kind.is_input(state) || last;
    let size = move || {
        let sizes = sizes(kind, direction.get());
        if terminal { sizes.terminal } else { sizes.node }
    };
    let place = move || shift(centres.with(|centres| centres.get(state).copied()), kind, direction.get());
    let name = match terminal {
        true => {
            let (letter, index) = terminal_symbol(kind, state);
            view! {
                <tspan class="var">{letter}</tspan>
                <tspan class="sub" dy="3">{index}</tspan>
            }
            .into_any()
        }
        false => state_name(kind, state - kind.fixed_connectors()).into_any(),
    };
    view! {
        <g class=if terminal { "state terminal" } else { "state node" } style:transform=place>
            <rect
                x=move || -size().0 / 2.0
                y=move || -size().1 / 2.0
                width=move || size().0
                height=move || size().1
                rx=if terminal { "4" } else { "13" }
            />
            <text y="4.5">{name}</text>
        </g>
    }
}
