//! Differentiable architecture search (DARTS; Liu, Simonyan and Yang, ICLR 2019) on WebGPU compute.
//!
//! One crate for native and WebAssembly; it knows no user interface. A search emits [`search::Event`]s, and nothing here
//! knows who listens.

pub mod bench;
#[cfg(feature = "compute")]
pub mod data;
#[cfg(feature = "compute")]
pub mod device;
#[cfg(feature = "compute")]
pub mod kernels;
#[cfg(all(feature = "compute", not(target_arch = "wasm32")))]
pub mod run;
pub mod search;
pub mod space;
#[cfg(feature = "compute")]
pub mod supernet;
pub mod train;
