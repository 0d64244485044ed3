//! Networks of derived cells that are trained from scratch side by side.

use super::{Page, events::Part};
use darts_app::{describe::sentence, messages::Command, race::Race};
use darts_engine::{config::TrainConfig, event::Event};
use leptos::prelude::*;
use std::cell::Cell;

thread_local! {
    static RACE_NUMBER: Cell<u32> = const { Cell::new(0) };
}

/// Number of the current race; messages about any other are ignored.
pub(super) fn race_number() -> u32 {
    RACE_NUMBER.get()
}

impl Page {
    /// Trains networks of these cells from scratch, with the sizes of the top bar.
    pub fn begin_race(self, race: Race) {
        let settings = self.settings.get_untracked();
        let config = TrainConfig {
            epochs: race.epochs,
            batch_size: settings.batch,
            init_channels: settings.channels,
            layers: settings.cells,
            train_images: Some(settings.images),
            seed: race.seed,
            // Regularisation of large networks only slows small ones down.
            auxiliary_weight: 0.0,
            drop_path: 0.0,
            cutout: 0,
            report_every: 1,
            ..TrainConfig::default()
        };
        if let Err(error) = config.check() {
            return self.report_error(sentence(&error.to_string()));
        }
        self.ensure_connected();
        let cells = race.runners.iter().map(|runner| runner.cells.0.clone()).collect();
        RACE_NUMBER.set(RACE_NUMBER.get() + 1);
        self.race.set(Some(race));
        self.send(Command::Race { race: RACE_NUMBER.get(), config, data: settings.data, cells });
    }

    /// Ends the training of the networks; their curves stay.
    pub fn stop_race(self) {
        RACE_NUMBER.set(RACE_NUMBER.get() + 1);
        self.race.update(|race| race.iter_mut().for_each(|race| race.stopped = true));
        self.send(Command::StopRace);
    }

    /// Folds in an event of one of the networks.
    pub(super) fn apply_race_event(self, runner: usize, event: &Event) {
        self.race.update(|race| race.iter_mut().for_each(|race| race.apply(runner, event)));
        if let Part::Failure(message) = Part::of(event) {
            self.report_error(sentence(message));
        }
    }
}
