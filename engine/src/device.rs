//! The device that computes: chosen, acquired once a process, and named for people.

use burn::backend::wgpu::{WgpuBackend, wgpu};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::{Mutex, MutexGuard},
};

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

/// The device could not be had.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no {choice} device: {reason}")]
pub struct DeviceError {
    /// What was asked for.
    pub choice: DeviceChoice,
    /// Why it cannot be had.
    pub reason: String,
}

/// A device ready to compute, without autodiff.
#[derive(Clone, Debug)]
pub struct Compute {
    /// Burn's handle.
    pub device: Device,
    /// The adapter's name, for example `NVIDIA GeForce RTX 4090`.
    pub adapter: String,
    /// The interface used, for example `Vulkan`.
    pub backend: String,
    /// No GPU: the processor emulates one, or Burn computes on it directly.
    pub software: bool,
}

/// Acquired devices: Burn initialises a wgpu runtime once a process.
static ACQUIRED: Mutex<Vec<(DeviceChoice, Compute)>> = Mutex::new(Vec::new());

fn lock() -> MutexGuard<'static, Vec<(DeviceChoice, Compute)>> {
    ACQUIRED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Compute {
    /// Acquires the device, or hands out the one acquired before.
    ///
    /// # Errors
    /// There is no such device here.
    pub async fn acquire(choice: DeviceChoice) -> Result<Self, DeviceError> {
        let known = |acquired: &[(DeviceChoice, Compute)]| {
            acquired.iter().find(|(known, _)| *known == choice).map(|(_, compute)| compute.clone())
        };
        let api = match choice {
            DeviceChoice::Auto => WgpuBackend::Auto,
            DeviceChoice::Vulkan => WgpuBackend::Vulkan,
            DeviceChoice::Metal => WgpuBackend::Metal,
            DeviceChoice::Dx12 => WgpuBackend::Dx12,
            DeviceChoice::WebGpu => WgpuBackend::WebGpu,
            DeviceChoice::Cpu => return Ok(Self::cpu()),
        };
        let options = Device::wgpu_options().graphics_api(api);
        // In a browser there is one thread and no waiting: natively the lock is held while the device is made.
        #[cfg(target_arch = "wasm32")]
        let ready = {
            if let Some(compute) = known(&lock()) {
                return Ok(compute);
            }
            options.init_with_setup_async().await
        };
        #[cfg(not(target_arch = "wasm32"))]
        let mut acquired = lock();
        #[cfg(not(target_arch = "wasm32"))]
        let ready = {
            if let Some(compute) = known(&acquired) {
                return Ok(compute);
            }
            options.init_with_setup()
        };
        let (device, setup) = ready.map_err(|error| DeviceError { choice, reason: one_line(&error.to_string()) })?;
        let info = setup.adapter.get_info();
        let named = |text: &str, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
        let compute = Self {
            device,
            adapter: named(&info.name, "adapter without a name"),
            backend: match info.backend {
                wgpu::Backend::BrowserWebGpu => "WebGPU".to_owned(),
                other => format!("{other:?}"),
            },
            software: info.device_type == wgpu::DeviceType::Cpu,
        };
        #[cfg(target_arch = "wasm32")]
        let mut acquired = lock();
        acquired.push((choice, compute.clone()));
        Ok(compute)
    }

    /// Whether a processor plays this GPU, as far as is known: a device that was not acquired here passes for a GPU.
    pub(crate) fn is_software(device: &Device) -> bool {
        lock().iter().any(|(_, compute)| compute.device == *device && compute.software)
    }

    /// Whether compute shaders run on it, which takes a GPU interface but no GPU.
    pub fn runs_shaders(&self) -> bool {
        self.device != Self::cpu().device
    }

    /// Burn's CPU backend.
    pub fn cpu() -> Self {
        Self {
            device: Device::flex(),
            adapter: "processor".to_owned(),
            backend: "Burn flex".to_owned(),
            software: true,
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Waits for a future on this thread.
#[cfg(not(target_arch = "wasm32"))]
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
}
