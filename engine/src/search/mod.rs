//! Bilevel optimisation (paper, section 2.2 and algorithm 1): architecture steps on one half of the data, weight steps on
//! the other.

#[cfg(feature = "compute")]
mod bilevel;
mod config;
#[cfg(feature = "compute")]
mod conv;
mod event;

#[cfg(feature = "compute")]
pub use bilevel::{Bilevel, StepOutcome};
pub use config::{ConfigError, Kernels, Order, SearchConfig};
#[cfg(feature = "compute")]
pub use conv::{ConvSearch, SearchError};
#[cfg(feature = "compute")]
pub(crate) use conv::{device_error, memory_left, supernet_for};
pub use event::{Event, Measure};
