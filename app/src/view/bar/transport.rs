//! The buttons that start, pause, step and reset the search.

use super::super::{
    page,
    parts::{IconButton, PlayIcon},
};
use crate::page::{Page, Phase, RunSource};
use leptos::prelude::*;

fn is_served(page: Page) -> bool {
    page.source.get() == RunSource::Served
}

#[component]
pub fn Transport() -> impl IntoView {
    let page = page();
    let recorded = move || page.phase.get() == Phase::Recorded;
    let running = move || page.phase.get() == Phase::Running || page.playing.get();
    let over = move || page.phase.get().is_over();
    let reset_label = move || match page.phase.get() {
        Phase::Recorded => "Close the recorded run",
        _ if is_served(page) => "Stop: end the search",
        _ => "Reset: go back to before the first step",
    };
    let play_label = move || match page.phase.get() {
        Phase::Recorded if page.playing.get() => "Pause the replay",
        Phase::Recorded => "Replay",
        Phase::Finished | Phase::Failed if is_served(page) => "Replay",
        Phase::Idle => "Start the search",
        Phase::Running => "Pause",
        Phase::Paused => "Resume",
        Phase::Finished | Phase::Failed => "Start again",
    };
    let step_hint =
        move || if recorded() { "The next moment" } else { "One search step (alphas, then weights), then pause" };
    view! {
        <div class="transport">
            <IconButton
                id="reset"
                class="round"
                label=reset_label
                hint=reset_label
                disabled=move || page.phase.get() == Phase::Idle || (is_served(page) && over())
                press=move || page.reset()
            >
                <ResetIcon />
            </IconButton>
            <IconButton id="play" class="round big" label=play_label hint=play_label press=move || page.toggle()>
                <PlayIcon playing=running />
            </IconButton>
            <IconButton
                id="step"
                class="round"
                label="One step"
                hint=step_hint
                disabled=move || over() && !is_served(page)
                press=move || page.step()
            >
                <path d="M5.5 5H8.3v14H5.5zM10.5 5 20 12l-9.5 7z" class="icon" />
            </IconButton>
        </div>
    }
}

/// A square to stop a search of the command line, a cross to close a recorded run, an arrow to reset.
#[component]
fn ResetIcon() -> impl IntoView {
    let page = page();
    move || match (is_served(page), page.phase.get() == Phase::Recorded) {
        (true, _) => view! { <path d="M6.5 6.5h11v11h-11z" class="icon" /> }.into_any(),
        (_, true) => view! { <path d="M6.5 6.5l11 11M17.5 6.5l-11 11" class="icon-line" /> }.into_any(),
        _ => view! {
            <path d="M5.5 12a6.5 6.5 0 1 0 2.2-4.9" class="icon-line" />
            <path d="M8.6 3.2 7.2 7.7l4.6 1z" class="icon" />
        }
        .into_any(),
    }
}
