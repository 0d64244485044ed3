//! Bilevel optimisation (paper, section 2.2 and algorithm 1): architecture steps on one half of the data, weight steps on
//! the other.

mod bilevel;
mod config;
mod conv;
mod event;

pub use bilevel::{Bilevel, StepOutcome};
pub use config::{ConfigError, Order, SearchConfig};
pub use conv::{ConvSearch, SearchError};
pub use event::{Event, Measure};
