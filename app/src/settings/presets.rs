//! Named sets of settings.

use super::Settings;
use crate::{
    cells::Task,
    messages::{DataChoice, TextChoice},
};
use darts_engine::config::Order;

/// A named set of settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// Name on the page.
    pub name: &'static str,
    /// Purpose, in one sentence.
    pub hint: &'static str,
    /// The settings, whatever the data and the seed.
    pub settings: Settings,
}

/// Settings of the smaller presets for images; those of text take no part in such a search.
const IMAGE_DEFAULTS: Settings = Settings {
    task: Task::CONVOLUTIONAL,
    text: TextChoice::Book,
    words: 1000,
    units: 64,
    bptt: 20,
    dropout: false,
    data: DataChoice::Cifar10,
    images: 2000,
    channels: 8,
    cells: 5,
    batch: 16,
    epochs: 10,
    weight_rate: 0.025,
    alpha_rate: 0.003,
    order: Order::First,
    curvature: false,
    seed: 0,
};
/// The same for text.
const TEXT_DEFAULTS: Settings = Settings { task: Task::RECURRENT, weight_rate: 5.0, ..IMAGE_DEFAULTS };

impl Settings {
    /// The sets of settings offered for images.
    pub const PRESETS: [Preset; 4] = [
        Preset {
            name: "Quick look",
            hint: "The smallest supernet with fast alphas: visible progress within a minute, even without a GPU.",
            settings: Self { images: 512, channels: 4, cells: 3, epochs: 5, alpha_rate: 0.01, ..IMAGE_DEFAULTS },
        },
        Preset { name: "Small", hint: "Five cells of 8 channels on 2,000 images.", settings: IMAGE_DEFAULTS },
        Preset {
            name: "Laptop GPU",
            hint: "The paper\u{2019}s width and depth, with small batches.",
            settings: Self { channels: 16, cells: 8, batch: 32, epochs: 25, alpha_rate: 0.001, ..IMAGE_DEFAULTS },
        },
        Preset {
            name: "Paper",
            hint: "The paper\u{2019}s settings on the page\u{2019}s images; needs a strong GPU and patience.",
            settings: Self { channels: 16, cells: 8, batch: 64, epochs: 50, alpha_rate: 0.0003, ..IMAGE_DEFAULTS },
        },
    ];

    /// The sets of settings offered for text.
    pub const TEXT_PRESETS: [Preset; 4] = [
        Preset {
            name: "Quick look",
            hint: "Few words and units with fast alphas: visible progress within a minute, even without a GPU.",
            settings: Self { words: 500, units: 32, bptt: 10, alpha_rate: 0.01, ..TEXT_DEFAULTS },
        },
        Preset {
            name: "Small",
            hint: "64 units on the 1,000 most frequent words.",
            settings: Self { epochs: 20, ..TEXT_DEFAULTS },
        },
        Preset {
            name: "Laptop GPU",
            hint: "200 units, and gradients through 35 words.",
            settings: Self { words: 2000, units: 200, bptt: 35, batch: 32, epochs: 50, ..TEXT_DEFAULTS },
        },
        Preset {
            name: "Paper",
            hint: "The paper\u{2019}s settings on a much smaller text; needs a strong GPU.",
            settings: Self {
                words: 10_000,
                units: 300,
                bptt: 35,
                batch: 256,
                epochs: 50,
                weight_rate: 20.0,
                dropout: true,
                ..TEXT_DEFAULTS
            },
        },
    ];

    /// The sets of settings offered for a task.
    pub fn presets(task: Task) -> &'static [Preset] {
        if task.of_text() { &Self::TEXT_PRESETS } else { &Self::PRESETS }
    }

    /// Default settings of a task, suitable for any machine.
    pub fn for_task(task: Task) -> Self {
        let settings = if task.of_text() { Self::TEXT_PRESETS[0].settings } else { Self::PRESETS[1].settings };
        Self { task, ..settings }
    }

    /// These settings with a preset's sizes and rates; task, data, order and seed stay.
    pub fn with_preset(self, preset: &Preset) -> Self {
        let Self { task, data, text, seed, order, curvature, .. } = self;
        Self { task, data, text, seed, order, curvature, ..preset.settings }
    }

    /// The preset with these settings, if any.
    pub fn preset(self) -> Option<&'static Preset> {
        Self::presets(self.task).iter().find(|preset| self.with_preset(preset) == self)
    }
}
