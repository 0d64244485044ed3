//! The timeline: any moment of the run, live or recorded, and the run as a film.

use super::{
    page,
    parts::{IconButton, Menu, PlayIcon},
};
use crate::{browser, page::Page};
use darts_app::describe::{self, grouped};
use leptos::prelude::*;

/// Limit of the marked epochs: more would run together.
const MAX_EPOCH_MARKS: usize = 120;

/// The moment shown, in steps done.
fn steps_now(page: Page) -> usize {
    let last = page.run.with(|run| run.steps);
    page.cursor.get().unwrap_or(last).min(last)
}

/// The moment shown, in words.
fn moment_text(page: Page) -> Option<String> {
    let epochs = page.run.with(|run| run.started.as_ref().map(|started| started.epochs()))?;
    let epoch = page.moment.with(|moment| moment.as_ref().map(|moment| moment.epoch + 1))?;
    Some(format!("step {} \u{b7} epoch {} of {}", grouped(steps_now(page)), grouped(epoch), grouped(epochs)))
}

#[component]
pub fn TimeBar() -> impl IntoView {
    let page = page();
    let last = Memo::new(move |_| page.run.with(|run| run.steps));
    let empty = Signal::derive(move || last.get() == 0);
    let there = Memo::new(move |_| page.run.with(|run| run.started.is_some()));
    view! {
        <section class="time" id="time" aria-label="Time" hidden=move || !there.get()>
            <div class="time-row">
                <PlayButtons empty=empty />
                <Track last=last empty=empty />
                <MomentLabel />
                <button
                    type="button"
                    id="latest"
                    class="button"
                    disabled=move || page.cursor.get().is_none()
                    title="Follow the latest step"
                    on:click=move |_| page.look_at(None)
                >
                    "Latest"
                </button>
                {browser::can_film().then(|| {
                    view! {
                        <Menu label="Film" hint="Save the whole run as a film">
                            <button type="button" id="film" disabled=empty on:click=move |_| page.film()>"Save as WebM"</button>
                        </Menu>
                    }
                })}
            </div>
            <WhatIf />
        </section>
    }
}

/// Replay, and the changes of the derived cells before and after the moment shown.
#[component]
fn PlayButtons(empty: Signal<bool>) -> impl IntoView {
    let page = page();
    let replay_label = move || if page.playing.get() { "Pause the replay" } else { "Replay the run" };
    let unchanged = Signal::derive(move || page.run.with(|run| run.changes.is_empty()));
    view! {
        <IconButton
            id="replay"
            class="round small"
            label=replay_label
            hint=replay_label
            disabled=empty
            press=move || page.play()
        >
            <PlayIcon playing=page.playing />
        </IconButton>
        <IconButton
            id="change-before"
            class="round small"
            label="To the previous change"
            hint="To the previous change of the derived cells"
            disabled=unchanged
            press=move || page.walk_to_change(false)
        >
            <path d="M16 5 7 12l9 7zM5 5h2v14H5z" class="icon" />
        </IconButton>
        <IconButton
            id="change-after"
            class="round small"
            label="To the next change"
            hint="To the next change of the derived cells"
            disabled=unchanged
            press=move || page.walk_to_change(true)
        >
            <path d="M8 5l9 7-9 7zM17 5h2v14h-2z" class="icon" />
        </IconButton>
    }
}

/// The paths of the marks on the track.
#[derive(Clone, PartialEq)]
struct Marks {
    epochs: String,
    changes: String,
    interventions: String,
}

impl Marks {
    fn of(run: &darts_app::run::Run) -> Self {
        let x = |steps: usize| 1000.0 * steps as f64 / run.steps.max(1) as f64;
        let few = run.epochs.len() <= MAX_EPOCH_MARKS;
        Self {
            epochs: run.epochs.iter().filter(|_| few).map(|epoch| format!("M{:.1} 9V15", x(epoch.steps))).collect(),
            changes: run.changes.iter().map(|&steps| format!("M{:.1} 0V8", x(steps))).collect(),
            interventions: run.interventions.iter().map(|&(steps, _)| format!("M{:.1} 0V15", x(steps))).collect(),
        }
    }
}

/// The slider over the run, with its marks.
#[component]
fn Track(last: Memo<usize>, empty: Signal<bool>) -> impl IntoView {
    let page = page();
    let marks = Memo::new(move |_| page.run.with(Marks::of));
    let seek = move |text: String| {
        if let Ok(steps) = text.parse::<usize>() {
            page.look_at((steps < last.get_untracked()).then_some(steps));
        }
    };
    view! {
        <div class="track">
            <svg viewBox="0 0 1000 15" preserveAspectRatio="none" aria-hidden="true" class="marks">
                <path d=move || marks.with(|marks| marks.epochs.clone()) class="mark epoch" />
                <path d=move || marks.with(|marks| marks.changes.clone()) class="mark change" />
                <path d=move || marks.with(|marks| marks.interventions.clone()) class="mark steered" />
            </svg>
            <input
                id="scrubber"
                type="range"
                min="0"
                max=move || last.get().max(1).to_string()
                step="1"
                prop:value=move || steps_now(page).to_string()
                disabled=empty
                aria-label="Moment of the run"
                aria-valuetext=move || moment_text(page).unwrap_or_default()
                on:input=move |event| seek(event_target_value(&event))
            />
        </div>
    }
}

/// The moment shown, with the intervention there, or the number of changes.
#[component]
fn MomentLabel() -> impl IntoView {
    let page = page();
    let intervention = move || {
        let now = steps_now(page);
        page.run.with(|run| {
            // The latest by then, if no step followed.
            let (_, intervention) = run.interventions.iter().rev().find(|(steps, _)| *steps == now)?;
            Some(describe::intervention(intervention))
        })
    };
    let changes = move || {
        let cells = if page.task.get().kinds().len() == 1 { "cell" } else { "cells" };
        match page.run.with(|run| run.changes.len()) {
            1 if page.narrow.get() => "1 change".into(),
            count if page.narrow.get() => format!("{} changes", grouped(count)),
            1 => format!("1 change of the {cells}"),
            count => format!("{} changes of the {cells}", grouped(count)),
        }
    };
    view! {
        <p class="time-label">
            <span id="moment">{move || moment_text(page)}</span>
            <small>{move || intervention().unwrap_or_else(changes)}</small>
        </p>
    }
}

/// The interventions being tried out, and a way back.
#[component]
fn WhatIf() -> impl IntoView {
    let page = page();
    let text = move || {
        page.what_if.with(|tried| {
            let list: Vec<String> = tried.iter().rev().take(3).map(describe::intervention).collect();
            format!("What if: {}{}", list.join("; "), if tried.len() > 3 { "; and more" } else { "" })
        })
    };
    view! {
        <Show when=move || page.what_if.with(|tried| !tried.is_empty())>
            <p class="what-if" role="status">
                {text}
                <button type="button" class="link" on:click=move |_| page.what_if.set(Vec::new())>"Undo"</button>
            </p>
        </Show>
    }
}
