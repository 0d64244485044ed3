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

/// Approximation of the architecture gradient (paper, section 2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The current weights stand for the trained ones (xi = 0).
    #[default]
    First,
    /// One unrolled weight step (equations 7 and 8).
    Second,
}

/// Path that computes a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kernels {
    /// Hand-written kernels: WGSL compute shaders, or their Rust counterparts on the CPU.
    #[default]
    Fused,
    /// Plain Burn ops: slow, the reference for the fused path.
    Reference,
}

/// Setting that makes a search or training run impossible.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A count below its minimum.
    #[error("{name} must be at least {least}, not {value}")]
    TooSmall {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: usize,
        /// Least allowed value.
        least: usize,
    },
    /// A count above its maximum.
    #[error("{name} must be at most {most}, not {value}")]
    TooLarge {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: usize,
        /// Greatest allowed value.
        most: usize,
    },
    /// A number outside its range.
    #[error("{name} must be {range}, not {value}")]
    Range {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// Allowed values, in words.
        range: &'static str,
    },
    /// More images requested than the data has.
    #[error("train-images is {asked}, but the data has {available} training images")]
    TooManyImages {
        /// Images requested.
        asked: usize,
        /// Images available.
        available: usize,
    },
    /// The images do not fill one minibatch.
    #[error("batch-size is {batch_size}, but there are only {images} training images")]
    TooFewImages {
        /// Images of a minibatch.
        batch_size: usize,
        /// Images available.
        images: usize,
    },
    /// An image size that the network cannot halve as often as it must.
    #[error("image-size must be {must}, not {side}")]
    ImageSize {
        /// The size.
        side: usize,
        /// Allowed values, in words.
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

    /// Number of training images used: the `asked` number, or all `available`.
    pub(crate) fn images(asked: Option<usize>, available: usize) -> Result<usize, Self> {
        match asked {
            Some(asked) if asked > available => Err(Self::TooManyImages { asked, available }),
            _ => Ok(asked.unwrap_or(available)),
        }
    }
}

/// Test of whether a number is within a range, and the range in words.
pub(crate) type NumberRange = (fn(f64) -> bool, &'static str);

pub(crate) const POSITIVE: NumberRange = (|v| v > 0.0 && v.is_finite(), "above 0");
pub(crate) const NOT_NEGATIVE: NumberRange = (|v| v >= 0.0 && v.is_finite(), "0 or more");
pub(crate) const PORTION: NumberRange = (|v| v > 0.0 && v <= 1.0, "above 0 to 1");
pub(crate) const DECAY: NumberRange = (|v| (0.0..1.0).contains(&v), "from 0 to below 1");
pub(crate) const SHARE: NumberRange = (|v| v > 0.0 && v < 1.0, "between 0 and 1");
/// Value at the start of an epoch of a half cosine from `first` to `last` over `epochs`.
pub(crate) fn cosine(first: f64, last: f64, epoch: usize, epochs: usize) -> f64 {
    let turn = (std::f64::consts::PI * epoch as f64 / epochs as f64).cos();
    last + 0.5 * (first - last) * (1.0 + turn)
}
