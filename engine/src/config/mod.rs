//! Hyper-parameters of searches and training runs, each checked against its range.

mod any;
mod recurrent;
mod search;
mod text_train;
mod train;

pub use any::{AnySearchConfig, AnyTrainConfig, SearchBasics, SearchSettings, TrainSettings};
pub use recurrent::{Dropouts, Penalties, RecurrentConfig};
pub use search::SearchConfig;
pub use text_train::TextTrainConfig;
pub use train::TrainConfig;

use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// How the architecture gradient is approximated (paper, section 2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The current weights stand for the trained ones (xi = 0).
    #[default]
    First,
    /// One unrolled weight step (equations 7 and 8).
    Second,
}

/// The path that computes a supernet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kernels {
    /// Written by hand: WGSL compute shaders, and where no GPU is used the same in Rust.
    #[default]
    Fused,
    /// Plain Burn ops: slow, and the yardstick of the fused path.
    Reference,
}

/// A setting that makes no search.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// A count that must be at least one.
    #[error("{name} must be at least {least}, not {value}")]
    TooSmall {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: usize,
        /// The least it may be.
        least: usize,
    },
    /// A count beyond what anybody could wait for.
    #[error("{name} must be at most {most}, not {value}")]
    TooLarge {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: usize,
        /// The most it may be.
        most: usize,
    },
    /// A number outside its range.
    #[error("{name} must be {range}, not {value}")]
    Range {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it may be, in words.
        range: &'static str,
    },
    /// More images asked for than the data has.
    #[error("train-images is {asked}, but the data has {available} training images")]
    TooManyImages {
        /// Images asked for.
        asked: usize,
        /// Images there are.
        available: usize,
    },
    /// The images do not fill one minibatch.
    #[error("batch-size is {batch_size}, but there are only {images} training images")]
    TooFewImages {
        /// Images of a minibatch.
        batch_size: usize,
        /// Images there are.
        images: usize,
    },
    /// A size of images that the network cannot halve so often.
    #[error("image-size must be {must}, not {side}")]
    ImageSize {
        /// The size.
        side: usize,
        /// What it may be, in words.
        must: &'static str,
    },
    /// Channels that cannot be halved.
    #[error("init-channels must be even for ImageNet, not {0}")]
    OddChannels(usize),
    /// A split of the data does not fill one minibatch.
    #[error("batch-size is {batch_size}, but the {split} split has only {images} images")]
    SplitTooSmall {
        /// Images of a minibatch.
        batch_size: usize,
        /// `train` or `valid`.
        split: &'static str,
        /// Images of that split.
        images: usize,
    },
}

impl ConfigError {
    /// Checks a count against its range.
    pub(crate) fn count(name: &'static str, value: usize, range: RangeInclusive<usize>) -> Result<(), Self> {
        let (&least, &most) = (range.start(), range.end());
        match value {
            _ if value < least => Err(Self::TooSmall { name, value, least }),
            _ if value > most => Err(Self::TooLarge { name, value, most }),
            _ => Ok(()),
        }
    }

    /// Checks a number against its range.
    pub(crate) fn number(name: &'static str, value: f64, (fits, range): NumberRange) -> Result<(), Self> {
        if fits(value) { Ok(()) } else { Err(Self::Range { name, value, range }) }
    }

    /// How many of `available` training images are used: those `asked` for, or all.
    pub(crate) fn images(asked: Option<usize>, available: usize) -> Result<usize, Self> {
        match asked {
            Some(asked) if asked > available => Err(Self::TooManyImages { asked, available }),
            _ => Ok(asked.unwrap_or(available)),
        }
    }
}

/// Whether a number is within a range, and the range in words.
pub(crate) type NumberRange = (fn(f64) -> bool, &'static str);

pub(crate) const POSITIVE: NumberRange = (|v| v > 0.0 && v.is_finite(), "above 0");
pub(crate) const NOT_NEGATIVE: NumberRange = (|v| v >= 0.0 && v.is_finite(), "0 or more");
pub(crate) const PORTION: NumberRange = (|v| v > 0.0 && v <= 1.0, "above 0 to 1");
pub(crate) const DECAY: NumberRange = (|v| (0.0..1.0).contains(&v), "from 0 to below 1");
pub(crate) const SHARE: NumberRange = (|v| v > 0.0 && v < 1.0, "between 0 and 1");
/// What goes from `first` to `last` along half a cosine over `epochs`, at the start of an epoch.
pub(crate) fn cosine(first: f64, last: f64, epoch: usize, epochs: usize) -> f64 {
    let turn = (std::f64::consts::PI * epoch as f64 / epochs as f64).cos();
    last + 0.5 * (first - last) * (1.0 + turn)
}
