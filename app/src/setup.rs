//! What the controls set: a search's hyper-parameters and images, and their code in the URL fragment.

use crate::messages::DataChoice;
use darts_engine::search::{Order, SearchConfig};

/// The settings of the top bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setup {
    /// Images to learn from.
    pub data: DataChoice,
    /// Training images, before they are split into halves.
    pub images: usize,
    /// Channels of the first cell.
    pub channels: usize,
    /// Cells of the supernet.
    pub cells: usize,
    /// Images of a minibatch.
    pub batch: usize,
    /// Passes over the weight half.
    pub epochs: usize,
    /// Learning rate of the weights.
    pub weight_rate: f64,
    /// Learning rate of the alphas.
    pub alpha_rate: f64,
    /// How the gradient of the alphas is approximated.
    pub order: Order,
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
    /// Images of a minibatch.
    pub const BATCH: Self = Self { key: "batch", min: 1, max: 1024 };
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
    pub const WEIGHTS: Self = Self { key: "lr", offered: &[0.1, 0.05, 0.025, 0.01, 0.003] };
    /// Learning rate of the alphas.
    pub const ALPHAS: Self = Self { key: "alr", offered: &[0.03, 0.01, 0.003, 0.001, 0.0003] };

    /// The rate that this text says.
    ///
    /// # Errors
    /// A sentence that names the setting and its range.
    pub fn parse(self, text: &str) -> Result<f64, String> {
        match text.trim().parse() {
            Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
            _ => Err(format!(
                "{} must be a number above 0 and at most 1, not \u{201c}{}\u{201d}.",
                self.key,
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

impl Setup {
    /// The sets of settings offered.
    pub const PRESETS: [Preset; 4] = [
        Preset {
            name: "Quick look",
            hint: "Smallest supernet, bold alphas: something moves within a minute even without a GPU.",
            setup: Self {
                data: DataChoice::Cifar10,
                images: 512,
                channels: 4,
                cells: 3,
                batch: 16,
                epochs: 5,
                weight_rate: 0.025,
                alpha_rate: 0.01,
                order: Order::First,
                seed: 0,
            },
        },
        Preset {
            name: "Small",
            hint: "Five cells of 8 channels on 2,000 images.",
            setup: Self {
                data: DataChoice::Cifar10,
                images: 2000,
                channels: 8,
                cells: 5,
                batch: 16,
                epochs: 10,
                weight_rate: 0.025,
                alpha_rate: 0.003,
                order: Order::First,
                seed: 0,
            },
        },
        Preset {
            name: "Laptop GPU",
            hint: "The paper\u{2019}s width and depth in small batches.",
            setup: Self {
                data: DataChoice::Cifar10,
                images: 2000,
                channels: 16,
                cells: 8,
                batch: 32,
                epochs: 25,
                weight_rate: 0.025,
                alpha_rate: 0.001,
                order: Order::First,
                seed: 0,
            },
        },
        Preset {
            name: "Paper",
            hint: "The paper\u{2019}s settings, on the images that the page has; wants a strong GPU and patience.",
            setup: Self {
                data: DataChoice::Cifar10,
                images: 2000,
                channels: 16,
                cells: 8,
                batch: 64,
                epochs: 50,
                weight_rate: 0.025,
                alpha_rate: 0.0003,
                order: Order::First,
                seed: 0,
            },
        },
    ];

    /// This setup with a preset's sizes and rates; data, order and seed stay.
    pub fn with_preset(self, preset: &Preset) -> Self {
        Self { data: self.data, seed: self.seed, order: self.order, ..preset.setup }
    }

    /// The preset that these settings are, if any.
    pub fn preset(self) -> Option<&'static Preset> {
        const { &Self::PRESETS }.iter().find(|preset| self.with_preset(preset) == self)
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
            ..SearchConfig::default()
        }
    }

    /// The code in the URL fragment, without `#`.
    pub fn to_fragment(&self) -> String {
        let order = if self.order == Order::Second { "&order=second" } else { "" };
        format!(
            "data={}&images={}&channels={}&cells={}&batch={}&epochs={}&lr={}&alr={}&seed={}{order}",
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

    /// Sets the setting named `key` in the URL.
    ///
    /// # Errors
    /// A sentence: an unknown setting, or a value outside its range.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let count = |count: Count| count.parse(value).map(|n| n as usize);
        match key {
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
            "batch" => self.batch = count(Count::BATCH)?,
            "epochs" => self.epochs = count(Count::EPOCHS)?,
            "seed" => self.seed = Count::SEED.parse(value)?,
            "order" => {
                self.order = match value {
                    "first" => Order::First,
                    "second" => Order::Second,
                    _ => return Err(format!("order must be first or second, not \u{201c}{}\u{201d}.", shown(value))),
                }
            }
            "lr" => self.weight_rate = Rate::WEIGHTS.parse(value)?,
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
            let setup = Setup { seed: Count::SEED.max, data: DataChoice::Textures, ..preset.setup };
            let (again, problems) = read(&format!("#{}", setup.to_fragment()));
            assert_eq!((again, problems), (setup, vec![]));
            assert_eq!(again.preset(), Some(preset));
            setup.config().check().unwrap();
            setup.config().split(preset.setup.images).unwrap();
        }
        assert_eq!(read(""), (Setup::default(), vec![]));
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
        let (_, problems) = read(&format!("seed={}", "9".repeat(10_000)));
        assert!(problems[0].len() < 200);
    }
}
