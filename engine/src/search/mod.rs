//! Bilevel optimisation (paper, section 2.2 and algorithm 1): architecture steps on the valid split, weight steps on the
//! train split. Steps, loop, checkpoints and interventions are written once, over a [`Family`] of networks.

mod adam;
mod bilevel;
mod convolutional;
mod family;
mod lanczos;
mod progress;
mod recurrent;
mod sample;
#[allow(clippy::module_inception)]
mod search;
mod sgd;
#[cfg(test)]
mod tests;
mod text;

pub use adam::AlphaHold;
pub(crate) use bilevel::standard_normal;
pub use bilevel::{Bilevel, StepOutcome};
pub use convolutional::{ConvSearch, ImagePosition, ImageStream};
pub(crate) use convolutional::{MAX_WEIGHTS, accuracy, right, supernet_for};
pub use family::{BatchOf, EpochEnd, Family, Pass, PassOf, SearchNetwork, Splits, StepBatches, Stream, Unrolled};
pub use lanczos::Lanczos;
pub(crate) use progress::Sum;
use progress::{AlphaState, Progress, Settings, Sums};
pub use recurrent::{RecurrentSearch, TextPosition, TextStream};
pub use sample::Sampling;
pub use search::Search;
pub(crate) use sgd::Sgd;
pub use text::EVALUATION_BATCH;
pub(crate) use text::{check_device, check_place, check_sums, evaluate_text, step_rng, text_sizes};

/// Parts in which the shaders of a step are compiled before it.
#[cfg(target_arch = "wasm32")]
pub const REHEARSALS: usize = 3;
