//! Differentiable architecture search (DARTS; Liu, Simonyan and Yang, ICLR 2019) on WebGPU compute: in WebAssembly and
//! natively, on WGSL kernels or on the CPU's own.
//!
//! A search in fifteen lines:
//!
//! ```
//! # #[cfg(feature = "compute")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use darts_engine::{config::SearchConfig, data::Dataset, device::{Compute, block_on}, search::ConvSearch};
//!
//! let data = Dataset::textures(0, 32, 0); // or Dataset::open(path)
//! let compute = Compute::cpu(); // or Compute::acquire(DeviceChoice::Auto)
//! let config = SearchConfig { epochs: 1, batch_size: 8, init_channels: 2, layers: 3, ..SearchConfig::default() };
//! let mut search = block_on(ConvSearch::new(config, &data, &compute))?;
//! while !search.is_finished() {
//!     for event in block_on(search.step())? {
//!         println!("{}", serde_json::to_string(&event)?);
//!     }
//! }
//! let alphas = block_on(search.alphas())?;
//! println!("op weights of the first edge: {:?}", alphas.softmax().of(0)[0]);
//! println!("{}", alphas.genotype());
//! println!("{} weights", block_on(search.weights())?.len());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "compute"))]
//! # fn main() {}
//! ```
//!
//! From the lowest floor to the highest; a module uses only those before it:
//!
//! - [`space`]: search spaces as data: ops, cells, alphas, genotypes, derivation, share codes, costs;
//! - [`config`]: hyper-parameters; [`intervention`]: changes to a running search; [`event`]: the one stream of events;
//! - [`profile`]: measured figures; [`data`]: images and text; [`device`]: compute devices;
//! - [`network`]: shapes and weights of networks, without computing; `kernels` and `ops`: the fused ops, on WGSL and on the
//!   CPU; [`model`]: passes through networks;
//! - [`checkpoint`], [`search`] and [`train`]: bilevel search and training from scratch, over families of networks;
//! - [`run`]: run folders; [`bench`]: timings of steps.
//!
//! The crate knows no user interface: searches and training runs emit [`event::Event`]s. Without the feature `compute`
//! it reads and writes data and runs (`files`), or has only the spaces and the events that a page needs.

#![forbid(unsafe_code)]
// Without `compute`, files can be read and written, but some items that both features share are unused.
#![cfg_attr(all(feature = "files", not(feature = "compute")), allow(dead_code, unused_imports))]

pub mod bench;
#[cfg(feature = "files")]
pub mod checkpoint;
pub mod config;
#[cfg(feature = "files")]
pub mod data;
pub mod device;
#[cfg(feature = "compute")]
mod error;
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

#[cfg(feature = "compute")]
pub use error::{Error, Sizes};
