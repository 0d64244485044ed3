use crate::{
    config::ConfigError,
    data::{DataError, TextError},
    device::ReadError,
};
use std::fmt;

/// Reason why a search, a training run or a test cannot start or continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Images cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A text cannot be used.
    #[error(transparent)]
    Text(#[from] TextError),
    /// There is nothing to test on.
    #[error("the data has no test images")]
    NoTestImages,
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
    /// A loss, a norm, a weight or an alpha is not finite.
    #[error("{what} is {value} at step {step} of epoch {epoch}: a lower {remedy} usually helps")]
    NotFinite {
        /// The number.
        what: &'static str,
        /// Its value.
        value: f32,
        /// Step, from 0.
        step: usize,
        /// Epoch of that step, from 0.
        epoch: usize,
        /// Settings to lower.
        remedy: &'static str,
    },
    /// The network has more weights than one buffer, or a checkpoint, holds.
    #[error("{settings} make a network of {weights} weights, but at most {max} fit")]
    TooLarge {
        /// Settings that decide its size.
        settings: &'static str,
        /// Weights of the network.
        weights: usize,
        /// Greatest number that fits.
        max: usize,
    },
    /// A buffer is beyond the device's limit.
    #[error("a buffer of {} MB is needed, but this device allows {} MB: lower {sizes}", needed >> 20, limit >> 20)]
    BufferTooLarge {
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
        /// Settings to lower.
        sizes: Sizes,
    },
    /// An allocation failed.
    #[error("the device ran out of memory: lower {0}")]
    OutOfMemory(Sizes),
    /// All columns of a text begin alike.
    #[error(
        "all {columns} columns of {file} begin with {word:?}, but BatchNorm cannot normalise states that are all the same: \
         change batch-size, or set dropout-input above 0"
    )]
    Alike {
        /// File of the text.
        file: String,
        /// Columns that it is cut into.
        columns: usize,
        /// First word of all of them.
        word: String,
    },
    /// All epochs are done.
    #[error("the run is finished")]
    Finished,
}

/// Settings that decide how much memory a step needs, with their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes(pub Vec<(&'static str, usize)>);

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name} (now {value})", if i == 0 { "" } else { " or " })?;
        }
        Ok(())
    }
}

impl Error {
    /// Error of a failed read from the device, where a step is of these sizes.
    pub(crate) fn read(error: ReadError, sizes: Sizes) -> Self {
        match error {
            ReadError::OutOfMemory => Self::OutOfMemory(sizes),
            ReadError::Device(reason) => Self::Device(reason),
        }
    }
}
