//! Cells on hand-written WGSL (`shaders/`), launched through burn-wgpu, with gradients written by hand: whole relaxed ones of
//! a supernet, and the ops of derived ones; recurrent cells over whole windows, and what a language model has around them.
//! Where no GPU is used, the same ops are written for the processor.
//!
//! A node of a relaxed cell is a weighted sum of BatchNorm outputs, and BatchNorm of a pointwise convolution is that convolution
//! with scaled rows and an offset. So the last pointwise convolutions of all ops into a node are one matrix product over
//! their stored inputs, and none of their outputs is ever written. Their means and variances follow from the second
//! moments of those inputs, and the same moments give the gradients of weights, alphas and BatchNorm without another
//! pass over the pixels.

mod ceiling;
mod cell;
mod conv_norm;
mod gpu;
mod language;
mod op;
mod processor;
mod recurrent;
mod sgd;
mod together;
mod watch;

pub use ceiling::ceilings;
pub(crate) use cell::CellPlan;
pub use cell::Tuning;
pub(crate) use conv_norm::ConvNormPlan;
pub use gpu::{SHADERS, launched};
pub(crate) use language::{SCORES, classified, likelihood, matrix_product, word_vectors};
pub(crate) use op::{conv_norm, mixed_cell};
pub(crate) use processor::{is_processor, likelihood as likelihood_on_processor};
pub(crate) use recurrent::{RecurrentInput, RecurrentKind, largest_buffer, recurrent_cell};
pub(crate) use sgd::sgd_step;
pub(crate) use watch::Count;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use watch::Profile;
pub use watch::{end_sources, start_sources};
