//! Launches of the shaders, through burn-wgpu.

mod backend;
mod ceiling;
pub(super) mod cell;
pub(super) mod conv_norm;
mod gpu;
mod language;
mod recurrent;
mod sgd;
mod together;
mod watch;

pub use ceiling::ceilings;
pub(crate) use cell::CellPlan;
pub(crate) use conv_norm::ConvNormPlan;
pub use gpu::{SHADERS, launched};
pub(crate) use recurrent::largest_buffer;
pub(crate) use watch::Count;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use watch::Profile;
pub use watch::{end_sources, start_sources};
