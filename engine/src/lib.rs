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
#[cfg(feature = "files")]
pub mod data;
pub mod device;
pub mod event;
#[cfg(feature = "compute")]
pub mod kernels;
#[cfg(feature = "files")]
pub mod layout;
#[cfg(all(feature = "files", not(target_arch = "wasm32")))]
pub mod run;
pub mod search;
pub mod space;
#[cfg(feature = "compute")]
pub mod supernet;
pub mod train;
