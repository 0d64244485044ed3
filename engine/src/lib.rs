//! Differentiable architecture search (DARTS; Liu, Simonyan and Yang, ICLR 2019) on WebGPU compute.
//!
//! One crate for native and WebAssembly; it knows no user interface. Searches and training runs emit [`event::Event`]s, and
//! nothing here knows who listens.

#![forbid(unsafe_code)]
// Files can be read and written without what computes; not all that both use is then used.
#![cfg_attr(all(feature = "files", not(feature = "compute")), allow(dead_code, unused_imports))]

pub mod bench;
#[cfg(feature = "files")]
pub mod checkpoint;
pub mod config;
#[cfg(feature = "files")]
pub mod data;
pub mod device;
pub mod event;
mod finite;
pub mod intervention;
#[cfg(feature = "compute")]
pub mod kernels;
#[cfg(feature = "compute")]
pub mod model;
#[cfg(feature = "files")]
pub mod network;
#[cfg(feature = "compute")]
mod ops;
pub mod profile;
#[cfg(all(feature = "files", not(target_arch = "wasm32")))]
pub mod run;
#[cfg(feature = "compute")]
pub mod search;
pub mod space;
#[cfg(feature = "files")]
pub mod train;
