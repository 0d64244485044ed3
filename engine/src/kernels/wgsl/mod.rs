//! Kernels in WGSL (`shaders/`), launched through burn-wgpu.
//!
//! A shader is a few files one after the other ([`shaders`]) with constants in front of them ([`source`]); a [`launch`] names
//! them, sets constants and arguments, and binds buffers. Independent launches are joined into one ([`joined`]). Their
//! shapes depend on the [`tuning`]; a [`profile`] reports the time of each.
//!
//! Kernels of pictures: [`depthwise`], [`pointwise`], [`space_to_depth`], [`factorized_reduce`] and [`batch_norm`]; made of them
//! are a relaxed [`cell`] and the [`conv_norm`] ops of derived cells.

mod backend;
mod batch_norm;
mod ceiling;
mod cell;
mod conv_norm;
mod depthwise;
mod factorized_reduce;
mod joined;
mod language;
mod launch;
mod pictures;
mod pointwise;
mod profile;
mod recurrent;
mod sgd;
mod shaders;
mod source;
mod space_to_depth;
mod sums;
mod tuning;

pub use ceiling::ceilings;
pub use launch::launched;
pub(crate) use profile::Count;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use profile::Profile;
pub use profile::{end_sources, start_sources};
pub(crate) use recurrent::largest_buffer;
pub use shaders::SHADERS;
