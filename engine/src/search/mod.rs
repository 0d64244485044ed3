//! Bilevel optimisation (paper, section 2.2 and algorithm 1): architecture steps on one half of the data, weight steps on
//! the other.

mod adam;
mod bilevel;
mod conv;
mod curvature;
mod recurrent;
mod recurrent_bilevel;
mod sample;
mod sgd;

pub use adam::Hold;
pub use bilevel::{Bilevel, StepOutcome};
pub use conv::{ConvSearch, SearchError};
pub(crate) use conv::{
    MOST_WEIGHTS, accuracy, add, check_held, device_error, floats, memory_left, reason, right, supernet_for,
};
pub use curvature::Krylov;
pub use recurrent::{EVALUATION_BATCH, RecurrentError, RecurrentSearch};
pub(crate) use recurrent::{
    at_step, bad_weight, check_device, check_place, check_sums, evaluate_text, read_state, read_together,
};
pub use recurrent_bilevel::RecurrentBilevel;
pub use sample::Sampling;
pub(crate) use sgd::Sgd;
/// Parts in which the shaders of a step are compiled before it.
#[cfg(target_arch = "wasm32")]
pub const REHEARSALS: usize = 3;
