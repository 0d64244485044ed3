//! The settings of the top bar: a search's hyper-parameters and its images or text.

mod fragment;
mod presets;
mod ranges;

pub use presets::Preset;
pub(crate) use ranges::excerpt;
pub use ranges::{IntegerSetting, RateSetting};

use crate::{
    cells::Task,
    messages::{DataChoice, TextChoice},
};
use darts_engine::config::{AnySearchConfig, Dropouts, Order, RecurrentConfig, SearchConfig};

/// The settings of the top bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The task. Settings of other tasks stay at their defaults.
    pub task: Task,
    /// Text to learn from.
    pub text: TextChoice,
    /// Limit of the vocabulary, in words.
    pub words: usize,
    /// Units of a language model.
    pub units: usize,
    /// Words that gradients flow back through.
    pub bptt: usize,
    /// Whether the dropout is that of the paper, or none.
    pub dropout: bool,
    /// Images to learn from.
    pub data: DataChoice,
    /// Training images, before they are split into train and valid.
    pub images: usize,
    /// Channels of the first cell.
    pub channels: usize,
    /// Cells of the supernet.
    pub cells: usize,
    /// Images of a minibatch, or columns of text.
    pub batch: usize,
    /// Passes over the train split.
    pub epochs: usize,
    /// Learning rate of the weights.
    pub weight_rate: f64,
    /// Learning rate of the alphas.
    pub alpha_rate: f64,
    /// Approximation of the gradient of the alphas.
    pub order: Order,
    /// Whether the curvature is measured after each epoch.
    pub curvature: bool,
    /// Seed of weights, alphas, split, order and augmentation.
    pub seed: u64,
}

/// Lanczos steps for the curvature on the page.
const CURVATURE_ROUNDS: usize = 5;

/// Makes a configuration of settings.
type ConfigOf = fn(&Settings) -> AnySearchConfig;

impl Default for Settings {
    fn default() -> Self {
        Self::for_task(Task::default())
    }
}

impl Settings {
    /// The range of the weights' learning rate.
    pub fn weight_rate_setting(task: Task) -> RateSetting {
        if task.of_text() { RateSetting::TEXT_WEIGHTS } else { RateSetting::WEIGHTS }
    }

    /// Whether the search learns from the user's own text.
    pub fn uses_own_text(&self) -> bool {
        self.task.of_text() && self.text == TextChoice::Own
    }

    /// The tasks that the page can search, each with its configuration.
    const CONFIGS: [(Task, ConfigOf); 2] = [
        (Task::CONVOLUTIONAL, |settings| settings.convolutional_config().into()),
        (Task::RECURRENT, |settings| settings.recurrent_config().into()),
    ];

    /// Whether the page can search a task; runs of other tasks can only be replayed.
    pub fn offers(task: Task) -> bool {
        Self::CONFIGS.iter().any(|(known, _)| *known == task)
    }

    /// The engine's configuration, with alphas reported at every step; none if the page cannot search the task.
    pub fn search_config(&self) -> Option<AnySearchConfig> {
        Self::CONFIGS.iter().find(|(task, _)| *task == self.task).map(|(_, config)| config(self))
    }

    /// The engine's configuration of a convolutional search, with alphas reported at every step.
    pub fn convolutional_config(&self) -> SearchConfig {
        SearchConfig {
            epochs: self.epochs,
            batch_size: self.batch,
            init_channels: self.channels,
            layers: self.cells,
            train_images: Some(self.images),
            seed: self.seed,
            learning_rate: self.weight_rate,
            learning_rate_min: SearchConfig::default().learning_rate_min.min(self.weight_rate),
            arch_learning_rate: self.alpha_rate,
            order: self.order,
            report_every: 1,
            curvature_rounds: if self.curvature { CURVATURE_ROUNDS } else { 0 },
            ..SearchConfig::default()
        }
    }

    /// The engine's configuration of a recurrent search, with alphas reported at every step.
    pub fn recurrent_config(&self) -> RecurrentConfig {
        let paper = RecurrentConfig::default();
        RecurrentConfig {
            epochs: self.epochs,
            batch_size: self.batch,
            hidden: self.units,
            bptt: self.bptt,
            seed: self.seed,
            learning_rate: self.weight_rate,
            arch_learning_rate: self.alpha_rate,
            order: self.order,
            dropouts: if self.dropout { paper.dropouts } else { Dropouts::default() },
            report_every: 1,
            ..paper
        }
    }
}
