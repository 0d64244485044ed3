//! Bilevel optimisation (paper, section 2.2 and algorithm 1): architecture steps on one half of the data, weight steps on
//! the other.

#[cfg(feature = "compute")]
mod adam;
#[cfg(feature = "compute")]
mod bilevel;
mod config;
#[cfg(feature = "compute")]
mod conv;
#[cfg(feature = "compute")]
mod curvature;
#[cfg(feature = "compute")]
mod recurrent;
#[cfg(feature = "compute")]
mod recurrent_bilevel;
mod recurrent_config;
#[cfg(feature = "compute")]
mod sample;
#[cfg(feature = "compute")]
mod sgd;
mod steer;

#[cfg(feature = "compute")]
pub use adam::Hold;
#[cfg(feature = "compute")]
pub use bilevel::{Bilevel, StepOutcome};
pub use config::{ConfigError, Kernels, Order, SearchConfig};
pub(crate) use config::{DECAY, NOT_NEGATIVE, PORTION, POSITIVE, cosine};
#[cfg(feature = "compute")]
pub use conv::{ConvSearch, SearchError};
#[cfg(feature = "compute")]
pub(crate) use conv::{
    MOST_WEIGHTS, accuracy, add, check_held, device_error, floats, memory_left, reason, right, supernet_for,
};
#[cfg(feature = "compute")]
pub use curvature::Krylov;
#[cfg(feature = "compute")]
pub use recurrent::{EVALUATION_BATCH, RecurrentError, RecurrentSearch};
#[cfg(feature = "compute")]
pub(crate) use recurrent::{
    at_step, bad_weight, check_device, check_place, check_sums, evaluate_text, read_state, read_together,
};
#[cfg(feature = "compute")]
pub use recurrent_bilevel::RecurrentBilevel;
pub use recurrent_config::{Dropouts, Penalties, RecurrentConfig};
#[cfg(feature = "compute")]
pub use sample::Sampling;
#[cfg(feature = "compute")]
pub(crate) use sgd::Sgd;
/// Parts in which the shaders of a step are compiled before it.
#[cfg(target_arch = "wasm32")]
pub const REHEARSALS: usize = 3;

pub use steer::{Control, Held, OpName, PRUNED, SteerError, Steerable, SteeredCell, Steering};
