//! Differentiable architecture search (DARTS; Liu, Simonyan and Yang, ICLR 2019) on WebGPU compute.
//!
//! One crate for native and WebAssembly; it knows no user interface. A search emits [`search::Event`]s, and nothing here
//! knows who listens.

pub mod bench;
pub mod data;
pub mod device;
pub mod kernels;
#[cfg(not(target_arch = "wasm32"))]
pub mod run;
pub mod search;
pub mod space;
pub mod supernet;
