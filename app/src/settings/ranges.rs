//! Single settings: their names in the URL, their ranges, and their parsing.

/// A whole-number setting: its name in the URL and its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegerSetting {
    /// Name in the URL.
    pub key: &'static str,
    /// Smallest value.
    pub min: u64,
    /// Largest value that the page accepts.
    pub max: u64,
}

/// A learning-rate setting: its name in the URL and the values offered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSetting {
    /// Name in the URL.
    pub key: &'static str,
    /// Largest value that the page accepts.
    pub max: f64,
    /// Values offered.
    pub offered: &'static [f64],
}

impl IntegerSetting {
    /// Training images.
    pub const IMAGES: Self = Self { key: "images", min: 2, max: 50_000 };
    /// Channels of the first cell.
    pub const CHANNELS: Self = Self { key: "channels", min: 1, max: 64 };
    /// Cells of the supernet.
    pub const CELLS: Self = Self { key: "cells", min: 3, max: 20 };
    /// Limit of the vocabulary, in words.
    pub const WORDS: Self = Self { key: "words", min: 10, max: 20_000 };
    /// Units of a language model.
    pub const UNITS: Self = Self { key: "units", min: 1, max: 1024 };
    /// Words that gradients flow back through.
    pub const BPTT: Self = Self { key: "bptt", min: 2, max: 100 };
    /// Images of a minibatch, or columns of text.
    pub const BATCH: Self = Self { key: "batch", min: 1, max: 1024 };
    /// Columns of text: a state is normalised over them.
    pub const COLUMNS: Self = Self { key: "batch", min: 2, max: 1024 };
    /// Epochs.
    pub const EPOCHS: Self = Self { key: "epochs", min: 1, max: 1000 };
    /// A moment, in steps done.
    pub const AT: Self = Self { key: "at", min: 0, max: 1 << 30 };
    /// Seed; JavaScript cannot represent larger whole numbers.
    pub const SEED: Self = Self { key: "seed", min: 0, max: (1 << 53) - 1 };

    /// Parses a number.
    ///
    /// # Errors
    /// A sentence that names the setting and its range.
    pub fn parse(self, text: &str) -> Result<u64, String> {
        let Self { key, min, max } = self;
        match text.trim().parse() {
            Ok(value) if (min..=max).contains(&value) => Ok(value),
            _ => {
                Err(format!("{key} must be a whole number from {min} to {max}, not \u{201c}{}\u{201d}.", excerpt(text)))
            }
        }
    }
}

impl RateSetting {
    /// Learning rate of the weights.
    pub const WEIGHTS: Self = Self { key: "lr", max: 1.0, offered: &[0.1, 0.05, 0.025, 0.01, 0.003] };
    /// Learning rate of the weights of a language model.
    pub const TEXT_WEIGHTS: Self = Self { key: "lr", max: 100.0, offered: &[30.0, 20.0, 10.0, 5.0, 1.0] };
    /// Learning rate of the alphas.
    pub const ALPHAS: Self = Self { key: "alr", max: 1.0, offered: &[0.03, 0.01, 0.003, 0.001, 0.0003] };

    /// Parses a rate.
    ///
    /// # Errors
    /// A sentence that names the setting and its range.
    pub fn parse(self, text: &str) -> Result<f64, String> {
        match text.trim().parse() {
            Ok(value) if value > 0.0 && value <= self.max => Ok(value),
            _ => Err(format!(
                "{} must be a number above 0 and at most {}, not \u{201c}{}\u{201d}.",
                self.key,
                self.max,
                excerpt(text)
            )),
        }
    }
}

/// Foreign text, cut to fit in a sentence.
pub(crate) fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(24).collect();
    if text.chars().count() > 24 {
        short.push('\u{2026}');
    }
    short
}
