//! Launches of the shaders, through burn-wgpu.

mod backend;
mod batch_norm;
mod ceiling;
pub(super) mod cell;
mod conv_norm;
mod depthwise;
mod factorized_reduce;
mod gpu;
mod language;
mod pictures;
mod pointwise;
mod recurrent;
mod sgd;
mod space_to_depth;
mod sums;
mod together;
mod tuning;
mod watch;

pub use ceiling::ceilings;
pub use gpu::{SHADERS, launched};
pub(crate) use recurrent::largest_buffer;
pub(crate) use watch::Count;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use watch::Profile;
pub use watch::{end_sources, start_sources};
