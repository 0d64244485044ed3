//! Cells on hand-written WGSL (`shaders/`), launched through burn-wgpu, with gradients written by hand: whole relaxed ones of
//! a supernet, and the ops of derived ones; recurrent cells over whole windows, and what a language model has around them.
//! Where no GPU is used, the same ops are written for the CPU. [`FusedKernels`] is what both implement.
//!
//! A node of a relaxed cell is a weighted sum of BatchNorm outputs, and BatchNorm of a pointwise convolution is that convolution
//! with scaled rows and an offset. So the last pointwise convolutions of all ops into a node are one matrix product over
//! their stored inputs, and none of their outputs is ever written. Their means and variances follow from the second
//! moments of those inputs, and the same moments give the gradients of weights, alphas and BatchNorm without another
//! pass over the pixels.

mod backend;
mod cpu;
pub(crate) mod plain;
mod plan;
mod wgsl;

pub(crate) use backend::{FusedKernels, InputGradients, RecurrentWindow, WordPlaces};
pub(crate) use plan::{LikelihoodPlan, RecurrentGraph, RecurrentPlan, SgdStep};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use wgsl::Profile;
pub(crate) use wgsl::{CellPlan, ConvNormPlan, Count, largest_buffer};
pub use wgsl::{SHADERS, ceilings, end_sources, launched, start_sources};
