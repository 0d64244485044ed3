//! The bar of time: any moment of the run, live or recorded, and the run as a film.

use super::{grouped, page, parts::Menu};
use crate::browser;
use darts_app::{cells::Task, describe};
use leptos::prelude::*;

#[component]
pub fn TimeBar() -> impl IntoView {
    let page = page();
    let run = page.run;
    let last = Memo::new(move |_| run.with(|run| run.steps));
    let now = move || page.cursor.get().unwrap_or(last.get()).min(last.get());
    let empty = move || last.get() == 0;
    let there = Memo::new(move |_| run.with(|run| run.started.is_some()));
    // The marks are as long as the run; a thousand are more than can be told apart.
    let marks = Memo::new(move |_| {
        run.with(|run| {
            let x = |steps: usize| 1000.0 * steps as f64 / run.steps.max(1) as f64;
            let few = run.epochs.len() <= 120;
            let epochs: String =
                run.epochs.iter().filter(|_| few).map(|epoch| format!("M{:.1} 9V15", x(epoch.steps))).collect();
            let changes: String = run.changes.iter().map(|&steps| format!("M{:.1} 0V8", x(steps))).collect();
            let steered: String = run.steered.iter().map(|&(steps, _)| format!("M{:.1} 0V15", x(steps))).collect();
            (epochs, changes, steered)
        })
    });
    let label = move || {
        let epochs = run.with(|run| run.started.as_ref().map(|started| started.plan.epochs()))?;
        let epoch = page.moment.with(|moment| moment.as_ref().map(|moment| moment.epoch + 1))?;
        Some(format!("step {} \u{b7} epoch {} of {}", grouped(now()), grouped(epoch), grouped(epochs)))
    };
    let note = move || {
        run.with(|run| {
            let at = now();
            // What somebody changed by then, if nothing was stepped since.
            let (_, intervention) = run.steered.iter().rev().find(|(steps, _)| *steps == at)?;
            Some(describe::intervention(intervention))
        })
    };
    let cells = move || if page.task.get() == Task::Recurrent { "cell" } else { "cells" };
    let changes = move || run.with(|run| run.changes.len());
    let seek = move |text: String| {
        if let Ok(steps) = text.parse::<usize>() {
            page.look_at((steps < last.get_untracked()).then_some(steps));
        }
    };
    view! {
        <section class="time" id="time" aria-label="Time" hidden=move || !there.get()>
            <div class="time-row">
                <button
                    type="button"
                    id="replay"
                    class="round small"
                    disabled=empty
                    aria-label=move || if page.playing.get() { "Pause the replay" } else { "Replay the run" }
                    title=move || if page.playing.get() { "Pause the replay" } else { "Replay the run" }
                    on:click=move |_| page.play()
                >
                    <svg viewBox="0 0 24 24" aria-hidden="true">
                        <path
                            d=move || if page.playing.get() { "M7 5h3.6v14H7zM13.4 5H17v14h-3.6z" } else { "M8 4.6 19 12 8 19.4z" }
                            class="icon"
                        />
                    </svg>
                </button>
                <button
                    type="button"
                    id="change-before"
                    class="round small"
                    disabled=move || changes() == 0
                    aria-label="To the change before"
                    title="To the change of the derived cells before"
                    on:click=move |_| page.walk_to_change(false)
                >
                    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M16 5 7 12l9 7zM5 5h2v14H5z" class="icon" /></svg>
                </button>
                <button
                    type="button"
                    id="change-after"
                    class="round small"
                    disabled=move || changes() == 0
                    aria-label="To the next change"
                    title="To the next change of the derived cells"
                    on:click=move |_| page.walk_to_change(true)
                >
                    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M8 5l9 7-9 7zM17 5h2v14h-2z" class="icon" /></svg>
                </button>
                <div class="track">
                    <svg viewBox="0 0 1000 15" preserveAspectRatio="none" aria-hidden="true" class="marks">
                        <path d=move || marks.with(|marks| marks.0.clone()) class="mark epoch" />
                        <path d=move || marks.with(|marks| marks.1.clone()) class="mark change" />
                        <path d=move || marks.with(|marks| marks.2.clone()) class="mark steered" />
                    </svg>
                    <input
                        id="scrubber"
                        type="range"
                        min="0"
                        max=move || last.get().max(1).to_string()
                        step="1"
                        prop:value=move || now().to_string()
                        disabled=empty
                        aria-label="Moment of the run"
                        aria-valuetext=move || label().unwrap_or_default()
                        on:input=move |event| seek(event_target_value(&event))
                    />
                </div>
                <p class="time-label">
                    <span id="moment">{label}</span>
                    <small>{move || note().unwrap_or_else(|| match changes() {
                        1 if page.narrow.get() => "1 change".into(),
                        count if page.narrow.get() => format!("{} changes", grouped(count)),
                        1 => format!("1 change of the {}", cells()),
                        count => format!("{} changes of the {}", grouped(count), cells()),
                    })}</small>
                </p>
                <button
                    type="button"
                    id="latest"
                    class="button"
                    disabled=move || page.cursor.get().is_none()
                    title="Go along with the latest step"
                    on:click=move |_| page.look_at(None)
                >
                    "Latest"
                </button>
                {browser::can_film().then(|| {
                    view! {
                        <Menu label="Film" hint="The whole run as a film">
                            <button type="button" id="film" disabled=empty on:click=move |_| page.film()>"Save as WebM"</button>
                        </Menu>
                    }
                })}
            </div>
            <Show when=move || page.what_if.with(|changes| !changes.is_empty())>
                <p class="what-if" role="status">
                    {move || {
                        page.what_if.with(|changes| {
                            let list: Vec<String> = changes.iter().rev().take(3).map(describe::intervention).collect();
                            format!("What if: {}{}", list.join("; "), if changes.len() > 3 { "; and more" } else { "" })
                        })
                    }}
                    <button type="button" class="link" on:click=move |_| page.what_if.set(Vec::new())>"As it was"</button>
                </p>
            </Show>
        </section>
    }
}
