//! Architecture evaluation (paper, section 3.2): networks of derived cells trained from scratch.

#[cfg(feature = "compute")]
mod network;

#[cfg(feature = "compute")]
pub use network::{Network, Stem, TrainPass};
