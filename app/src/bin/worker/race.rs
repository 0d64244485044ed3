//! Networks trained side by side.

use crate::{data::subset, port::send};
use darts_app::messages::{DataChoice, Message};
use darts_engine::{
    config::TrainConfig,
    data::{Dataset, TEXTURES_TEST, TEXTURES_TRAIN},
    device::Compute,
    event::Event,
    space::Genotype,
    train::ImageTraining,
};

/// Networks trained side by side, a step of each in turn.
pub struct Race {
    number: u32,
    runners: Vec<ImageTraining>,
    next: usize,
}

impl Race {
    /// Sets up the networks, and reports them to the page.
    ///
    /// # Errors
    /// The images are missing, or a network cannot be trained.
    pub async fn begin(
        number: u32,
        config: TrainConfig,
        data: DataChoice,
        cells: Vec<Genotype>,
        compute: &Compute,
    ) -> Result<Self, String> {
        let dataset = match data {
            DataChoice::Textures => {
                Dataset::textures(config.seed, config.train_images.unwrap_or(TEXTURES_TRAIN), TEXTURES_TEST)
            }
            DataChoice::Cifar10 => subset().await?,
        };
        // No more than there are.
        let images = config.train_images.map(|images| images.min(dataset.train.len()));
        let config = TrainConfig { train_images: images, ..config };
        let runner =
            |cells| ImageTraining::new(config.clone(), cells, &dataset, compute).map_err(|error| error.to_string());
        let runners = cells.into_iter().map(runner).collect::<Result<Vec<_>, _>>()?;
        let race = Self { number, runners, next: 0 };
        for (runner, training) in race.runners.iter().enumerate() {
            race.report(runner, training.started());
        }
        Ok(race)
    }

    /// Whether all epochs of all networks are done.
    pub fn is_over(&self) -> bool {
        self.runners.iter().all(ImageTraining::is_finished)
    }

    /// Takes a step of the network whose turn it is.
    ///
    /// # Errors
    /// The device failed, or a number is no longer finite.
    pub async fn step(&mut self) -> Result<(), String> {
        let runner = self.next;
        self.next = (runner + 1) % self.runners.len();
        if !self.runners[runner].is_finished() {
            let events = self.runners[runner].step().await.map_err(|error| error.to_string())?;
            events.into_iter().for_each(|event| self.report(runner, event));
        }
        Ok(())
    }

    fn report(&self, runner: usize, event: Event) {
        send(&Message::Raced { race: self.number, runner, event: event.into() });
    }
}
