//! The device that computes: chosen, acquired once a process, and named for people.

#[cfg(feature = "compute")]
mod compute;
#[cfg(feature = "compute")]
mod read;

#[cfg(feature = "compute")]
pub use compute::Compute;
#[cfg(all(feature = "compute", not(target_arch = "wasm32")))]
pub use compute::block_on;
#[cfg(feature = "compute")]
pub(crate) use compute::out_of_memory;
#[cfg(feature = "compute")]
pub use read::ReadError;
#[cfg(feature = "compute")]
pub(crate) use read::read;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// The best GPU there is; without one, what emulates it.
    #[default]
    Auto,
    /// Vulkan.
    Vulkan,
    /// Metal.
    Metal,
    /// Direct3D 12.
    Dx12,
    /// The browser's WebGPU.
    WebGpu,
    /// Burn's CPU backend, without any GPU interface.
    Cpu,
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Dx12 => "dx12",
            Self::WebGpu => "webgpu",
            Self::Cpu => "cpu",
        })
    }
}

/// What the kernels are shaped for.
///
/// A GPU wants many threads that each hold little, neighbours reading neighbouring vectors. A processor that plays the
/// GPU (lavapipe, SwiftShader) pays for every load by lane and has the caches: it wants few loads that fetch much, and
/// threads that go along memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tuning {
    /// For GPUs.
    Gpu,
    /// For processors that play a GPU.
    Software,
    /// For those in a browser, where every visit compiles all shaders before its first step: the same, with few and short ones.
    Browser,
}

/// The device could not be had.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no {choice} device: {reason}")]
pub struct DeviceError {
    /// What was asked for.
    pub choice: DeviceChoice,
    /// Why it cannot be had.
    pub reason: String,
}
