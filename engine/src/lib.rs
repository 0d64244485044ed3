//! Differentiable architecture search (DARTS; Liu, Simonyan and Yang, ICLR 2019) on WebGPU compute.
//!
//! One crate for native and WebAssembly; it knows no user interface. Searches and training runs emit [`event::Event`]s, and
//! nothing here knows who listens.

#![forbid(unsafe_code)]

pub mod bench;
#[cfg(feature = "compute")]
pub mod checkpoint;
#[cfg(feature = "compute")]
pub mod data;
#[cfg(feature = "compute")]
pub mod device;
pub mod event;
#[cfg(feature = "compute")]
pub mod kernels;
#[cfg(all(feature = "compute", not(target_arch = "wasm32")))]
pub mod run;
pub mod search;
pub mod space;
#[cfg(feature = "compute")]
pub mod supernet;
pub mod train;
