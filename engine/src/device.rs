//! Choice of the device that computes, acquired once per process.

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

/// Device to compute on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// Best GPU; without one, a software adapter.
    #[default]
    Auto,
    /// Vulkan.
    Vulkan,
    /// Metal.
    Metal,
    /// Direct3D 12.
    Dx12,
    /// WebGPU of the browser.
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

/// Kind of device that the kernels are shaped for.
///
/// A GPU wants many threads that each hold little, neighbours reading neighbouring vectors. A software adapter (lavapipe,
/// SwiftShader) pays for every load in each lane but has the CPU's caches: it wants few, wide loads, and threads that walk
/// along memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tuning {
    /// GPU.
    Gpu,
    /// Software adapter.
    Software,
    /// Software adapter in a browser, where every visit compiles all shaders before its first step: fewer and shorter ones.
    Browser,
}

/// Device that cannot be acquired.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no {choice} device: {reason}")]
pub struct DeviceError {
    /// Device requested.
    pub choice: DeviceChoice,
    /// Reason why it cannot be acquired.
    pub reason: String,
}
