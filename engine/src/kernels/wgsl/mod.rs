//! Launches of the shaders, through burn-wgpu.

mod ceiling;
pub(super) mod cell;
pub(super) mod conv_norm;
mod gpu;
mod language;
mod op;
pub(super) mod recurrent;
mod sgd;
mod together;
mod watch;

pub use ceiling::ceilings;
pub(crate) use cell::CellPlan;
pub(crate) use conv_norm::ConvNormPlan;
pub use gpu::{SHADERS, launched};
pub(crate) use language::{SCORES, classified, likelihood, matrix_product, word_vectors};
pub(crate) use op::{conv_norm, mixed_cell};
pub(crate) use recurrent::{RecurrentInput, RecurrentKind, largest_buffer, recurrent_cell};
pub(crate) use sgd::sgd_step;
pub(crate) use watch::Count;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use watch::Profile;
pub use watch::{end_sources, start_sources};
