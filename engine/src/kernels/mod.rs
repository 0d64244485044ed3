//! Hand-written kernels of the networks, with hand-written gradients: whole relaxed cells of a supernet, the ops of
//! derived cells, recurrent cells over whole windows, and the embedding and decoder of a language model.
//!
//! Each is written twice: in WGSL (`shaders/`) for everything that runs compute shaders, launched by `wgsl`, and in
//! Rust for Burn's CPU backend, in `cpu`. Both implement [`FusedKernels`] and follow the same plans (`plan`), which
//! hold shapes and offsets. The equivalents in Burn's own ops are in [`plain`].
//!
//! | kernel | on a GPU | its shaders | on a CPU |
//! | --- | --- | --- | --- |
//! | relaxed cell (section 2.1, equation 2) | `wgsl/cell/` | `cell/` | `cpu/cell/` |
//! | ops of derived cells, preprocessing, stems | `wgsl/conv_norm.rs` | | `cpu/conv_norm.rs` |
//! | depthwise convolutions, dilated ones too | `wgsl/depthwise.rs` | `depthwise/` | `cpu/depthwise.rs` |
//! | the same of stride 2 | `wgsl/space_to_depth.rs` | `space_to_depth/` | `cpu/depthwise.rs` |
//! | pointwise convolutions | `wgsl/pointwise.rs` | `pointwise/` | `cpu/pointwise.rs` |
//! | factorized reduce | `wgsl/factorized_reduce.rs` | `factorized_reduce/` | `cpu/factorized_reduce.rs` |
//! | BatchNorm and its gradient | `wgsl/batch_norm.rs` | `batch_norm/` | `cpu/batch_norm.rs` |
//! | pools | `wgsl/cell/pooling.rs` | `pooling/` | `cpu/pooling.rs` |
//! | recurrent cell | `wgsl/recurrent.rs` | `recurrent/` | `cpu/recurrent/` |
//! | embedding, scores and likelihood of words | `wgsl/language.rs` | `language_model/` | `cpu/likelihood.rs` |
//! | SGD | `wgsl/sgd.rs` | `optimizer/` | |
//!
//! A node of a relaxed cell is a weighted sum of BatchNorm outputs, and BatchNorm of a pointwise convolution is that convolution
//! with scaled rows and an offset. So on a GPU the last pointwise convolutions of all ops into a node are one matrix product over
//! their stored inputs, and none of their outputs is ever written. Their means and variances follow from the second moments of
//! those inputs, and the same moments give the gradients of weights, alphas and BatchNorm without another pass over the pixels.

mod backend;
mod cpu;
pub(crate) mod plain;
mod plan;
mod wgsl;

pub(crate) use backend::{FusedKernels, InputGradients, RecurrentWindow, WordPlaces};
pub(crate) use plan::{CellPlan, ConvNormPlan, LikelihoodPlan, RecurrentGraph, RecurrentPlan, SgdStep};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use wgsl::Profile;
pub(crate) use wgsl::{Count, largest_buffer};
pub use wgsl::{SHADERS, ceilings, end_sources, launched, start_sources};
