//! The moment shown: scrubbing, playing, filming.

use super::{Page, clock};
use crate::browser;
use leptos::prelude::*;
use wasm_bindgen::closure::Closure;
use wasm_bindgen_futures::spawn_local;

/// Length of a replay in seconds, however long the run took.
const PLAYED_SECONDS: f64 = 12.0;
/// Moments of a film.
const FILM_MOMENTS: usize = 100;

impl Page {
    /// Shows a moment, or follows the latest.
    pub fn look_at(self, steps: Option<usize>) {
        self.playing.set(false);
        self.cursor.set(steps);
    }

    /// Moves some moments forwards or back.
    pub fn walk(self, by: isize) {
        let target = self.run.with_untracked(|run| {
            let frames = run.frames.all();
            let at = self.cursor.get_untracked().and_then(|steps| run.frames.at(steps));
            let at = at.unwrap_or(frames.len().saturating_sub(1)).saturating_add_signed(by);
            frames.get(at).filter(|_| at + 1 < frames.len()).map(|frame| frame.steps)
        });
        self.look_at(target);
    }

    /// Goes to the next moment at which the derived cells changed, or to the previous one.
    pub fn walk_to_change(self, forward: bool) {
        let target = self.run.with_untracked(|run| {
            let now = self.cursor.get_untracked().unwrap_or(run.steps);
            let mut changes = run.changes.iter().copied();
            if forward { changes.find(|&steps| steps > now) } else { changes.rfind(|&steps| steps < now) }
        });
        if forward || target.is_some() {
            self.look_at(target);
        }
    }

    /// Plays the run from the moment shown, or from the start if that is the last; or stops.
    pub fn play(self) {
        if self.playing.get_untracked() {
            return self.playing.set(false);
        }
        let last = self.run.with_untracked(|run| run.steps);
        if last == 0 {
            return;
        }
        let from = self.cursor.get_untracked().filter(|&steps| steps < last).unwrap_or(0);
        self.cursor.set(Some(from));
        self.playing.set(true);
        self.play_on(from as f64, clock());
    }

    fn play_on(self, at: f64, since: f64) {
        request_animation_frame(move || {
            if !self.playing.get_untracked() {
                return;
            }
            let now = clock();
            let last = self.run.with_untracked(|run| run.steps) as f64;
            let at = at + last * (now - since).min(250.0) / 1000.0 / PLAYED_SECONDS;
            if at >= last {
                self.playing.set(false);
                return self.cursor.set(None);
            }
            if self.cursor.get_untracked() != Some(at as usize) {
                self.cursor.set(Some(at as usize));
            }
            self.play_on(at, now);
        });
    }

    /// Films the run from its beginning to its end.
    pub fn film(self) {
        self.playing.set(false);
        let seek = Closure::<dyn FnMut(usize) -> String>::new(move |moment: usize| {
            let last = self.run.with_untracked(|run| run.steps);
            let at = (last as f64 * moment as f64 / (FILM_MOMENTS - 1) as f64).round() as usize;
            self.cursor.set(Some(at));
            self.moment.with_untracked(|moment| match moment {
                Some(moment) => format!("step {} of {last}, epoch {}", moment.steps, moment.epoch + 1),
                None => String::new(),
            })
        });
        self.inform("Recording the film takes about ten seconds; then it is saved.".into());
        spawn_local(async move {
            let made = browser::save_film("search.webm", "svg.heatmap, svg.cell-graph", FILM_MOMENTS, &seek).await;
            self.look_at(None);
            self.notices.set(Vec::new());
            if let Err(error) = made {
                self.report_error(format!("The film cannot be made: {}.", browser::reason(&error)));
            }
        });
    }
}
