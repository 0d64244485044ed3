//! What the controls set: a search's hyper-parameters and its images or text, and their code in the URL fragment.

use crate::{
    cells::Task,
    messages::{DataChoice, TextChoice},
};
use darts_engine::config::{Dropouts, Order, RecurrentConfig, SearchConfig};

/// The settings of the top bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setup {
    /// What is searched for. What belongs to the other task stays at its default.
    pub task: Task,
    /// Text to learn from.
    pub text: TextChoice,
    /// The most words of the vocabulary.
    pub words: usize,
    /// Units of a language model.
    pub units: usize,
    /// Words that gradients go back through.
    pub bptt: usize,
    /// Whether as much is dropped as the paper drops, or nothing.
    pub dropout: bool,
    /// Images to learn from.
    pub data: DataChoice,
    /// Training images, before they are split into halves.
    pub images: usize,
    /// Channels of the first cell.
    pub channels: usize,
    /// Cells of the supernet.
    pub cells: usize,
    /// Images of a minibatch, or columns of text.
    pub batch: usize,
    /// Passes over what trains the weights.
    pub epochs: usize,
    /// Learning rate of the weights.
    pub weight_rate: f64,
    /// Learning rate of the alphas.
    pub alpha_rate: f64,
    /// How the gradient of the alphas is approximated.
    pub order: Order,
    /// Whether the curvature is measured after each epoch.
    pub curvature: bool,
    /// Fixes weights, alphas, split, order and augmentation.
    pub seed: u64,
}

/// A named set of settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// The name shown.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub hint: &'static str,
    /// The settings, whatever the data and the seed.
    pub setup: Setup,
}

impl Default for Setup {
    fn default() -> Self {
        Self::PRESETS[1].setup
    }
}

/// Products with the Hessian that the page measures the curvature with.
const CURVATURE_ROUNDS: usize = 5;

/// What a setup of images has of text.
const NO_TEXT: Setup = Setup {
    task: Task::Convolutional,
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
/// What a setup of text has of images.
const NO_IMAGES: Setup = Setup { task: Task::Recurrent, weight_rate: 5.0, ..NO_TEXT };

/// A whole-number setting: its name in the URL and its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Name in the URL.
    pub key: &'static str,
    /// The least it may be.
    pub min: u64,
    /// The most the page accepts.
    pub max: u64,
}

/// A setting that is a rate: its name in the URL and the values offered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Name in the URL.
    pub key: &'static str,
    /// The most the page accepts.
    pub most: f64,
    /// Values offered.
    pub offered: &'static [f64],
}

impl Count {
    /// Training images.
    pub const IMAGES: Self = Self { key: "images", min: 2, max: 50_000 };
    /// Channels of the first cell.
    pub const CHANNELS: Self = Self { key: "channels", min: 1, max: 64 };
    /// Cells of the supernet.
    pub const CELLS: Self = Self { key: "cells", min: 3, max: 20 };
    /// The most words of a vocabulary.
    pub const WORDS: Self = Self { key: "words", min: 10, max: 20_000 };
    /// Units of a language model.
    pub const UNITS: Self = Self { key: "units", min: 1, max: 1024 };
    /// Words that gradients go back through.
    pub const BPTT: Self = Self { key: "bptt", min: 2, max: 100 };
    /// Images of a minibatch, or columns of text.
    pub const BATCH: Self = Self { key: "batch", min: 1, max: 1024 };
    /// Columns of text: a state is normalised over them.
    pub const COLUMNS: Self = Self { key: "batch", min: 2, max: 1024 };
    /// Epochs.
    pub const EPOCHS: Self = Self { key: "epochs", min: 1, max: 1000 };
    /// A moment, in steps done.
    pub const AT: Self = Self { key: "at", min: 0, max: 1 << 30 };
    /// Seed; larger numbers do not survive JavaScript.
    pub const SEED: Self = Self { key: "seed", min: 0, max: (1 << 53) - 1 };

    /// The number that this text says.
    ///
    /// # Errors
    /// A sentence that names the setting and its range.
    pub fn parse(self, text: &str) -> Result<u64, String> {
        let Self { key, min, max } = self;
        match text.trim().parse() {
            Ok(value) if (min..=max).contains(&value) => Ok(value),
            _ => Err(format!("{key} must be a whole number from {min} to {max}, not \u{201c}{}\u{201d}.", shown(text))),
        }
    }
}

impl Rate {
    /// Learning rate of the weights.
    pub const WEIGHTS: Self = Self { key: "lr", most: 1.0, offered: &[0.1, 0.05, 0.025, 0.01, 0.003] };
    /// Learning rate of the weights of a language model.
    pub const TEXT_WEIGHTS: Self = Self { key: "lr", most: 100.0, offered: &[30.0, 20.0, 10.0, 5.0, 1.0] };
    /// Learning rate of the alphas.
    pub const ALPHAS: Self = Self { key: "alr", most: 1.0, offered: &[0.03, 0.01, 0.003, 0.001, 0.0003] };

    /// The rate that this text says.
    ///
    /// # Errors
    /// A sentence that names the setting and its range.
    pub fn parse(self, text: &str) -> Result<f64, String> {
        match text.trim().parse() {
            Ok(value) if value > 0.0 && value <= self.most => Ok(value),
            _ => Err(format!(
                "{} must be a number above 0 and at most {}, not \u{201c}{}\u{201d}.",
                self.key,
                self.most,
                shown(text)
            )),
        }
    }
}

/// Foreign text cut to what a sentence can hold.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(24).collect();
    if text.chars().count() > 24 {
        short.push('\u{2026}');
    }
    short
}

/// What is wrong with bytes that should be a text to learn from, as a predicate.
pub fn no_text(bytes: &[u8]) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_alphanumeric) => Some("has no words".into()),
        Ok(_) => None,
        Err(error) => {
            let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
            Some(format!("is no UTF-8 text: byte {}, on line {line}, does not fit", error.valid_up_to() + 1))
        }
    }
}

impl Setup {
    /// The sets of settings offered for images.
    pub const PRESETS: [Preset; 4] = [
        Preset {
            name: "Quick look",
            hint: "Smallest supernet, bold alphas: something moves within a minute even without a GPU.",
            setup: Self { images: 512, channels: 4, cells: 3, epochs: 5, alpha_rate: 0.01, ..NO_TEXT },
        },
        Preset { name: "Small", hint: "Five cells of 8 channels on 2,000 images.", setup: NO_TEXT },
        Preset {
            name: "Laptop GPU",
            hint: "The paper\u{2019}s width and depth in small batches.",
            setup: Self { channels: 16, cells: 8, batch: 32, epochs: 25, alpha_rate: 0.001, ..NO_TEXT },
        },
        Preset {
            name: "Paper",
            hint: "The paper\u{2019}s settings, on the images that the page has; wants a strong GPU and patience.",
            setup: Self { channels: 16, cells: 8, batch: 64, epochs: 50, alpha_rate: 0.0003, ..NO_TEXT },
        },
    ];

    /// The sets of settings offered for text.
    pub const TEXT_PRESETS: [Preset; 4] = [
        Preset {
            name: "Quick look",
            hint: "Few words and units, bold alphas: something moves within a minute even without a GPU.",
            setup: Self { words: 500, units: 32, bptt: 10, alpha_rate: 0.01, ..NO_IMAGES },
        },
        Preset {
            name: "Small",
            hint: "64 units on the 1,000 most frequent words.",
            setup: Self { epochs: 20, ..NO_IMAGES },
        },
        Preset {
            name: "Laptop GPU",
            hint: "200 units, and 35 words that gradients go back through.",
            setup: Self { words: 2000, units: 200, bptt: 35, batch: 32, epochs: 50, ..NO_IMAGES },
        },
        Preset {
            name: "Paper",
            hint: "The paper\u{2019}s settings, on a text that is much smaller; wants a strong GPU.",
            setup: Self {
                words: 10_000,
                units: 300,
                bptt: 35,
                batch: 256,
                epochs: 50,
                weight_rate: 20.0,
                dropout: true,
                ..NO_IMAGES
            },
        },
    ];

    /// The sets of settings offered for a task.
    pub const fn presets(task: Task) -> &'static [Preset] {
        match task {
            Task::Convolutional => &Self::PRESETS,
            Task::Recurrent => &Self::TEXT_PRESETS,
        }
    }

    /// Where a task's settings begin: fit for whatever machine it may be.
    pub const fn of(task: Task) -> Self {
        match task {
            Task::Convolutional => Self::PRESETS[1].setup,
            Task::Recurrent => Self::TEXT_PRESETS[0].setup,
        }
    }

    /// The range of the weights' learning rate.
    pub const fn weight_range(task: Task) -> Rate {
        match task {
            Task::Convolutional => Rate::WEIGHTS,
            Task::Recurrent => Rate::TEXT_WEIGHTS,
        }
    }

    /// Whether a text of somebody's own is learned from.
    pub fn learns_own_text(&self) -> bool {
        self.task == Task::Recurrent && self.text == TextChoice::Own
    }

    /// This setup with a preset's sizes and rates; data, order and seed stay.
    pub fn with_preset(self, preset: &Preset) -> Self {
        let Self { data, text, seed, order, curvature, .. } = self;
        Self { data, text, seed, order, curvature, ..preset.setup }
    }

    /// The preset that these settings are, if any.
    pub fn preset(self) -> Option<&'static Preset> {
        Self::presets(self.task).iter().find(|preset| self.with_preset(preset) == self)
    }

    /// The engine's configuration, with alphas reported at every step.
    pub fn config(&self) -> SearchConfig {
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
    pub fn text_config(&self) -> RecurrentConfig {
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

    /// The code in the URL fragment, without `#`.
    pub fn to_fragment(&self) -> String {
        let order = if self.order == Order::Second { "&order=second" } else { "" };
        if self.task == Task::Recurrent {
            let dropout = if self.dropout { "&dropout=paper" } else { "" };
            return format!(
                "task=recurrent&text={}&words={}&units={}&bptt={}&batch={}&epochs={}&lr={}&alr={}&seed={}{order}{dropout}",
                self.text.name(),
                self.words,
                self.units,
                self.bptt,
                self.batch,
                self.epochs,
                self.weight_rate,
                self.alpha_rate,
                self.seed
            );
        }
        let curvature = if self.curvature { "&curvature=measured" } else { "" };
        format!(
            "data={}&images={}&channels={}&cells={}&batch={}&epochs={}&lr={}&alr={}&seed={}{order}{curvature}",
            self.data.name(),
            self.images,
            self.channels,
            self.cells,
            self.batch,
            self.epochs,
            self.weight_rate,
            self.alpha_rate,
            self.seed
        )
    }

    /// Sets the setting named `key` in the URL; the task comes first, as the others depend on it.
    ///
    /// # Errors
    /// A sentence: an unknown setting, or a value outside its range.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let count = |count: Count| count.parse(value).map(|n| n as usize);
        let either = |words: [&str; 2]| match words.contains(&value) {
            true => Ok(value),
            false => {
                let [one, other] = words;
                Err(format!("{key} must be {one} or {other}, not \u{201c}{}\u{201d}.", shown(value)))
            }
        };
        let of = |task: Task| match self.task == task {
            true => Ok(()),
            false => Err(format!("{key} is no setting of a {} search.", Task::ALL[self.task as usize].1)),
        };
        match key {
            "text" | "words" | "units" | "bptt" | "dropout" => of(Task::Recurrent)?,
            "data" | "images" | "channels" | "cells" | "curvature" => of(Task::Convolutional)?,
            _ => {}
        }
        match key {
            "task" => {
                let found = Task::ALL.iter().find(|(_, name)| *name == value);
                let (task, _) = found.ok_or_else(|| {
                    format!("task must be convolutional or recurrent, not \u{201c}{}\u{201d}.", shown(value))
                })?;
                *self = Self::of(*task);
            }
            "text" => {
                self.text = TextChoice::from_name(value).ok_or_else(|| {
                    format!(
                        "text must be \u{201c}book\u{201d} or \u{201c}own\u{201d}, not \u{201c}{}\u{201d}.",
                        shown(value)
                    )
                })?;
            }
            "words" => self.words = count(Count::WORDS)?,
            "units" => self.units = count(Count::UNITS)?,
            "bptt" => self.bptt = count(Count::BPTT)?,
            "dropout" => self.dropout = either(["paper", "none"])? == "paper",
            "data" => {
                self.data = DataChoice::from_name(value).ok_or_else(|| {
                    format!(
                        "data must be \u{201c}cifar10\u{201d} or \u{201c}textures\u{201d}, not \u{201c}{}\u{201d}.",
                        shown(value)
                    )
                })?;
            }
            "images" => self.images = count(Count::IMAGES)?,
            "channels" => self.channels = count(Count::CHANNELS)?,
            "cells" => self.cells = count(Count::CELLS)?,
            "batch" if self.task == Task::Recurrent => self.batch = count(Count::COLUMNS)?,
            "batch" => self.batch = count(Count::BATCH)?,
            "epochs" => self.epochs = count(Count::EPOCHS)?,
            "seed" => self.seed = Count::SEED.parse(value)?,
            "order" => {
                self.order = if either(["first", "second"])? == "second" { Order::Second } else { Order::First };
            }
            "curvature" => self.curvature = either(["measured", "none"])? == "measured",
            "lr" => self.weight_rate = Self::weight_range(self.task).parse(value)?,
            "alr" => self.alpha_rate = Rate::ALPHAS.parse(value)?,
            _ => return Err(format!("\u{201c}{}\u{201d} is not a setting.", shown(key))),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Link;

    fn read(fragment: &str) -> (Setup, Vec<String>) {
        let (link, problems) = Link::from_fragment(fragment);
        (link.setup, problems)
    }

    #[test]
    fn a_fragment_brings_back_its_setup() {
        for preset in &Setup::PRESETS {
            let setup = Setup { seed: Count::SEED.max, data: DataChoice::Textures, curvature: true, ..preset.setup };
            let (again, problems) = read(&format!("#{}", setup.to_fragment()));
            assert_eq!((again, problems), (setup, vec![]));
            assert_eq!(again.preset(), Some(preset));
            setup.config().check().unwrap();
            setup.config().split(preset.setup.images).unwrap();
        }
        for preset in &Setup::TEXT_PRESETS {
            let setup = Setup { seed: 7, text: TextChoice::Own, order: Order::Second, ..preset.setup };
            // The task may come anywhere.
            let fragment = setup.to_fragment().replacen("task=recurrent&", "", 1) + "&task=recurrent";
            assert_eq!(read(&fragment), (setup, vec![]));
            assert_eq!(setup.preset(), Some(preset));
            setup.text_config().check().unwrap();
        }
        assert_eq!(read(""), (Setup::default(), vec![]));
    }

    #[test]
    fn what_is_no_text_is_told() {
        assert_eq!(no_text(b"A word."), None);
        assert_eq!(no_text(b" .\n"), Some("has no words".into()));
        let told = no_text(b"good\nba\xffd").unwrap();
        assert_eq!(told, "is no UTF-8 text: byte 8, on line 2, does not fit");
    }

    #[test]
    fn a_mangled_fragment_keeps_defaults_and_says_why() {
        let (setup, problems) = read("batch=0&channels=4&alr=NaN&<script>=1&data=mnist");
        assert_eq!(setup, Setup { channels: 4, ..Setup::default() });
        assert_eq!(problems.len(), 3, "no more than can be read");
        assert_eq!(
            problems[0],
            "In this page\u{2019}s address, batch must be a whole number from 1 to 1024, not \u{201c}0\u{201d}."
        );
        assert!(problems[1].contains("alr must be a number above 0"));
        let (_, problems) = read("task=recurrent&channels=4&lr=1000");
        assert!(problems[0].ends_with("channels is no setting of a recurrent search."), "{problems:?}");
        assert!(problems[1].contains("lr must be a number above 0 and at most 100, "));
        let (_, problems) = read(&format!("seed={}", "9".repeat(10_000)));
        assert!(problems[0].len() < 200);
    }
}
