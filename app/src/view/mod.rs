//! What is drawn.

mod bar;
mod bench;
mod cell;
mod compare;
mod curves;
mod edge_card;
mod explain;
mod graph;
mod heatmap;
mod math;
mod parts;
mod race;
mod supernet;
mod text;
mod time;
mod tour;

use crate::page::{Page, Phase, Source};
use darts_app::{
    cells::{AnyOp, Kind, Task},
    messages::Wanted,
};
use darts_engine::space::{Op, RecurrentOp};
use leptos::prelude::*;

/// An op's name as people say it: what it does and its window.
const fn op_label(op: AnyOp) -> (&'static str, &'static str) {
    match op {
        AnyOp::Recurrent(op) => (op.name(), ""),
        AnyOp::Convolutional(op) => match op {
            Op::None => ("none", ""),
            Op::MaxPool3x3 => ("max", "3\u{d7}3"),
            Op::AvgPool3x3 => ("avg", "3\u{d7}3"),
            Op::SkipConnect => ("skip", ""),
            Op::SepConv3x3 => ("sep", "3\u{d7}3"),
            Op::SepConv5x5 => ("sep", "5\u{d7}5"),
            Op::DilConv3x3 => ("dil", "3\u{d7}3"),
            Op::DilConv5x5 => ("dil", "5\u{d7}5"),
            Op::SepConv7x7 => ("sep", "7\u{d7}7"),
            Op::Conv7x1_1x7 => ("conv", "7\u{d7}1"),
        },
    }
}

const fn op_hint(op: AnyOp) -> &'static str {
    match op {
        AnyOp::Convolutional(op) => match op {
            Op::None => "none: the edge passes nothing on",
            Op::MaxPool3x3 => "max 3\u{d7}3: the largest value of a 3 by 3 window",
            Op::AvgPool3x3 => "avg 3\u{d7}3: the mean of a 3 by 3 window",
            Op::SkipConnect => "skip: the input as it is",
            Op::SepConv3x3 => "sep 3\u{d7}3: depthwise-separable convolution, applied twice",
            Op::SepConv5x5 => "sep 5\u{d7}5: depthwise-separable convolution with a larger window, applied twice",
            Op::DilConv3x3 => "dil 3\u{d7}3: depthwise-separable convolution that looks at every second pixel",
            Op::DilConv5x5 => "dil 5\u{d7}5: the same with a larger window",
            Op::SepConv7x7 => "sep 7\u{d7}7: depthwise-separable convolution, applied twice",
            Op::Conv7x1_1x7 => "conv 7\u{d7}1: a 1 by 7 then a 7 by 1 convolution",
        },
        AnyOp::Recurrent(op) => match op {
            RecurrentOp::None => "none: the edge passes nothing on",
            RecurrentOp::Tanh => "tanh: squashes what a matrix makes of the state to between \u{2212}1 and 1",
            RecurrentOp::Relu => "relu: its positive part",
            RecurrentOp::Sigmoid => "sigmoid: squashes it to between 0 and 1",
            RecurrentOp::Identity => "identity: as it is",
        },
    }
}

/// An op's name in one piece.
fn op_name(op: AnyOp) -> String {
    match op_label(op) {
        (what, "") => what.to_owned(),
        (what, window) => format!("{what} {window}"),
    }
}

/// A state's name in plain text, for assistive technology.
fn state_text(kind: Kind, state: usize) -> String {
    match (kind, state) {
        (Kind::Recurrent, 0) => "the first state".into(),
        (Kind::Recurrent, node) => format!("node {node}"),
        (_, 0) => "c k minus 2".into(),
        (_, 1) => "c k minus 1".into(),
        (_, node) => format!("node {}", node - 2),
    }
}

/// A state's name as it is written.
fn state_name(kind: Kind, state: usize) -> String {
    match (kind, state) {
        (Kind::Recurrent, state) => state.to_string(),
        (_, 0) => "ck\u{2212}2".into(),
        (_, 1) => "ck\u{2212}1".into(),
        (_, node) => (node - 2).to_string(),
    }
}

/// The number of a node as it is written: those of a recurrent cell begin at 1, as its first state is 0.
const fn node_number(kind: Kind, node: usize) -> usize {
    match kind {
        Kind::Normal | Kind::Reduce => node,
        Kind::Recurrent => node + 1,
    }
}

/// An edge's name as it is written.
fn edge_text(kind: Kind, state: usize, node: usize) -> String {
    format!("{} \u{2192} {}", state_name(kind, state), node_number(kind, node))
}

/// A count with commas between thousands.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn page() -> Page {
    expect_context()
}

#[component]
pub fn App() -> impl IntoView {
    let page = Page::new();
    provide_context(page);
    // What is below the pictures waits until those are painted.
    let below = RwSignal::new(false);
    request_animation_frame(move || set_timeout(move || below.set(true), std::time::Duration::ZERO));
    view! {
        <bar::Bar />
        <main
            id="main"
            data-phase=move || page.phase.get().name()
            data-activity=move || page.activity.get().map(|activity| format!("{activity:?}").to_lowercase()).unwrap_or_default()
            data-steps=move || page.run.with(|run| run.steps)
            data-reading=move || matches!(page.source.get(), Source::Recording { reading: Some(_), .. }).to_string()
        >
            <Notices />
            <KeptSearch />
            <WithoutGpu />
            {page.benching.then(|| view! { <bench::Panel /> })}
            <div class="overview">
                <supernet::Supernet />
                <Legend />
            </div>
            <div class="board" id="cells">
                {move || {
                    let task = page.task.get();
                    let cells = task.kinds().iter().map(|&kind| view! { <cell::Cell kind=kind /> }).collect_view();
                    view! {
                        <div class="cells">
                            {cells}
                            {(task == Task::Recurrent).then(|| view! { <text::Written /> })}
                        </div>
                        <curves::Curves task=task />
                    }
                }}
            </div>
            <Show when=move || below.get()>
                <race::Training />
                <compare::Compare />
                <explain::Explain />
            </Show>
        </main>
        <Show when=move || below.get()><explain::Foot /></Show>
        <edge_card::EdgeCard />
        <time::TimeBar />
        <tour::Tour />
    }
}

#[component]
fn Notices() -> impl IntoView {
    let page = page();
    view! {
        <div class="notices" role="status">
            <For each=move || page.notices.get() key=|notice| notice.text.clone() let:notice>
                <p class=if notice.error { "notice error" } else { "notice" }>
                    <span>{notice.text.clone()}</span>
                    <button
                        type="button"
                        class="dismiss"
                        aria-label="Dismiss"
                        on:click=move |_| page.notices.update(|all| all.retain(|other| other.text != notice.text))
                    >
                        "\u{d7}"
                    </button>
                </p>
            </For>
        </div>
    }
}

/// Offers to take up the search that the browser kept.
#[component]
fn KeptSearch() -> impl IntoView {
    let page = page();
    let facts = move || {
        page.kept.with(|kept| {
            let kept = kept.as_ref()?;
            let what = match &kept.request {
                Wanted::Images { config, .. } => {
                    format!("{} cells of {} channels, seed {}", config.layers, config.init_channels, config.seed)
                }
                Wanted::Text { config, own, .. } => {
                    let text = own.as_ref().map(|own| format!(", on {}", own.name)).unwrap_or_default();
                    format!("a recurrent cell of {} units, seed {}{text}", config.hidden, config.seed)
                }
            };
            let steps = grouped(kept.run.steps);
            let all = kept.run.total_steps().map(|all| format!(" of {}", grouped(all))).unwrap_or_default();
            Some(format!("A search of {what}, was at step {steps}{all} when it was last kept."))
        })
    };
    let idle = move || matches!(page.phase.get(), Phase::Idle | Phase::Failed);
    view! {
        <Show when=move || idle() && page.kept.with(Option::is_some)>
            <p class="notice" id="kept" role="status">
                <span>{facts}</span>
                <span class="kept-buttons">
                    <button type="button" class="button strong" id="take-up" on:click=move |_| page.take_up()>"Take it up again"</button>
                    <button type="button" class="button" id="forget-kept" on:click=move |_| page.forget_kept()>"Forget it"</button>
                </span>
            </p>
        </Show>
    }
}

#[component]
fn WithoutGpu() -> impl IntoView {
    let page = page();
    let reason = Memo::new(move |_| page.without_gpu());
    // Where there is something else to look at, that comes first.
    let shown = move || reason.with(Option::is_some) && page.source.get() == Source::Engine;
    view! {
        <Show when=shown>
            <details class="unsupported">
                <summary>
                    <b>{move || reason.get()}</b>
                    " So the processor computes here, by itself and slowly: small searches are for looking at. What to do for speed"
                </summary>
                <ul>
                    <li><b>"Chrome or Edge"</b>" 113 or later on Windows, macOS or ChromeOS, 121 or later on Android."</li>
                    <li><b>"Chrome on Linux"</b>": open "<code>"chrome://flags/#enable-unsafe-webgpu"</code>", choose Enabled, and restart."</li>
                    <li><b>"Safari"</b>" 26 or later; "<b>"Firefox"</b>" 141 or later on Windows, 145 or later on Macs with Apple silicon."</li>
                    <li><b>"No browser at all"</b>": "<code>"darts search conv --data DIR --out RUN"</code>" runs the same engine natively, on all cores."</li>
                </ul>
                <p>"If your browser is in the list, check that hardware acceleration is switched on in its settings."</p>
            </details>
        </Show>
    }
}

/// The ops and their colours; pointing at one shows it everywhere.
#[component]
fn Legend() -> impl IntoView {
    let page = page();
    view! {
        <ul class="legend" aria-label="Candidate ops of every edge">
            {move || page.task.get()
                .ops()
                .into_iter()
                .enumerate()
                .map(|(i, op)| {
                    let (what, window) = op_label(op);
                    view! {
                        <li>
                            <button
                                type="button"
                                class=format!("op-{} chip", op.colour())
                                title=op_hint(op)
                                aria-pressed=move || (page.op.get() == Some(i)).to_string()
                                on:pointerenter=move |_| page.op.set(Some(i))
                                on:pointerleave=move |_| page.op.set(None)
                                on:click=move |_| page.op.set(Some(i))
                                on:focus=move |_| page.op.set(Some(i))
                                on:blur=move |_| page.op.set(None)
                            >
                                <span class="swatch"></span>
                                {what}
                                {(!window.is_empty()).then(|| format!("\u{a0}{window}"))}
                            </button>
                        </li>
                    }
                })
                .collect_view()}
        </ul>
    }
}
