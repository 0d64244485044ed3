//! The page's activity in a few words.

use crate::page::{EngineState, Page, Phase, RunSource};
use darts_app::{describe::duration, messages::Activity, run::End};
use leptos::prelude::*;

/// Whether this page's engine has a GPU or a software adapter.
fn computes_on_gpu(page: Page) -> bool {
    page.source.get() == RunSource::Worker && matches!(page.engine.get(), EngineState::Ready { cpu_reason: None, .. })
}

/// The page's activity in a few words.
pub fn status(page: Page) -> String {
    let loading = loading(page);
    let activity = page.activity.get();
    if let RunSource::Recording { reading, .. } = page.source.get() {
        return match reading {
            Some(share) if share > 0.0 => format!("Reading: {:.0}%", 100.0 * share),
            Some(_) => "Reading".into(),
            None if page.playing.get() => "Replaying".into(),
            None => "Recorded run".into(),
        };
    }
    // A command-line search counts as running until it reports its activity.
    let loading = loading.filter(|_| page.source.get() == RunSource::Worker);
    match page.phase.get() {
        Phase::Idle => loading.unwrap_or_else(|| "Ready: press start".into()),
        Phase::Failed => "Stopped with an error".into(),
        Phase::Recorded => "Recorded run".into(),
        Phase::Finished => page.run.with(|run| match run.end {
            Some(End::Finished { seconds }) => format!("Finished in {}", duration(seconds)),
            _ => "Finished".into(),
        }),
        phase => loading.unwrap_or_else(|| activity_text(page, phase, activity).into()),
    }
}

/// Progress of the engine's download, while there is one.
fn loading(page: Page) -> Option<String> {
    match page.engine.get() {
        EngineState::Loading { received, total: Some(total) } if total > 0.0 => {
            Some(format!("Loading engine: {:.0}%", (100.0 * received / total).min(100.0)))
        }
        EngineState::Loading { received, .. } if received > 0.0 => {
            Some(format!("Loading engine: {:.1} MB", received / 1e6))
        }
        EngineState::Loading { .. } => Some("Loading engine".into()),
        EngineState::Waiting | EngineState::Ready { .. } | EngineState::Broken => None,
    }
}

/// The activity of a search that runs or is paused.
fn activity_text(page: Page, phase: Phase, activity: Option<Activity>) -> &'static str {
    match activity {
        None => "Getting ready",
        Some(Activity::Data) if page.task.get().of_text() => "Fetching the text",
        Some(Activity::Data) => "Fetching images",
        Some(Activity::Writing) => "Writing text",
        Some(Activity::Building) => "Building the supernet",
        Some(Activity::Holding) => "Paused",
        // Before the first step is done, a GPU spends most of the time on this.
        Some(Activity::Stepping) if page.run.with(|run| run.steps == 0) && computes_on_gpu(page) => "Compiling shaders",
        Some(Activity::Stepping) if phase == Phase::Paused => "Finishing this step",
        Some(Activity::Stepping) => "Searching",
    }
}
