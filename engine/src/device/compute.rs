use super::Tuning;
use super::{DeviceChoice, DeviceError};
use crate::event::CPU_ADAPTER;
use burn::backend::wgpu::{WgpuBackend, wgpu};
use burn::tensor::Device;
use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

/// Device ready to compute, without autodiff.
#[derive(Clone, Debug)]
pub struct Compute {
    /// Burn's handle.
    pub device: Device,
    /// Adapter's name, for example `NVIDIA GeForce RTX 4090`.
    pub adapter: String,
    /// Interface used, for example `Vulkan`.
    pub backend: String,
    /// Largest buffer of a shader in bytes, where the device has such a limit.
    pub largest_buffer: Option<u64>,
    /// Whether no GPU is used, but a software adapter or Burn's CPU backend.
    pub software: bool,
}

/// Acquired devices: Burn initialises a wgpu runtime once per process.
static ACQUIRED: Mutex<Vec<(DeviceChoice, Compute)>> = Mutex::new(Vec::new());

fn lock() -> MutexGuard<'static, Vec<(DeviceChoice, Compute)>> {
    ACQUIRED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Compute {
    /// Acquires the device, or returns the one acquired before.
    ///
    /// # Errors
    /// This machine has no such device.
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
        // A browser has one thread, which must not block; natively the lock is held while the device is made.
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
        watch_memory(&setup.device);
        let limits = setup.device.limits();
        let info = setup.adapter.get_info();
        let named = |text: &str, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
        let compute = Self {
            device,
            adapter: named(&info.name, "adapter without a name"),
            backend: match info.backend {
                wgpu::Backend::BrowserWebGpu => "WebGPU".to_owned(),
                other => format!("{other:?}"),
            },
            largest_buffer: Some(limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)),
            software: info.device_type == wgpu::DeviceType::Cpu,
        };
        #[cfg(target_arch = "wasm32")]
        let mut acquired = lock();
        acquired.push((choice, compute.clone()));
        Ok(compute)
    }

    /// Whether the device is a software adapter; a device that was not acquired here counts as a GPU.
    pub(crate) fn is_software(device: &Device) -> bool {
        lock().iter().any(|(_, compute)| compute.device == *device && compute.software)
    }

    /// Whether compute shaders run on the device, which needs a GPU interface but not a GPU.
    pub fn runs_shaders(&self) -> bool {
        self.device != Self::cpu().device
    }

    /// Burn's CPU backend.
    pub fn cpu() -> Self {
        Self {
            device: Device::flex(),
            adapter: CPU_ADAPTER.to_owned(),
            backend: "Burn flex".to_owned(),
            largest_buffer: None,
            software: true,
        }
    }
}

/// Whether an allocation has failed on a device of this process.
static OUT_OF_MEMORY: AtomicBool = AtomicBool::new(false);

/// Records when the device runs out of memory.
fn watch_memory(device: &wgpu::Device) {
    device.on_uncaptured_error(Arc::new(|error| on_error(error, &OUT_OF_MEMORY)));
}

/// Handles an error of the device. The runtime's own handler panics on every error; this one does not panic on a lack of
/// memory and the errors that follow it, which [`out_of_memory`] reports to the caller.
fn on_error(error: wgpu::Error, out_of_memory: &AtomicBool) {
    match error {
        wgpu::Error::OutOfMemory { .. } => out_of_memory.store(true, Ordering::Relaxed),
        _ if out_of_memory.load(Ordering::Relaxed) => {}
        other => panic!("wgpu error: {other}"),
    }
}

/// Whether the device ran out of memory, after which its results are void.
pub(crate) fn out_of_memory() -> bool {
    OUT_OF_MEMORY.load(Ordering::Relaxed)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Waits for a future on this thread.
#[cfg(not(target_arch = "wasm32"))]
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
}

impl Tuning {
    /// Shape that suits a device.
    pub(crate) fn of(device: &Device) -> Self {
        match Compute::is_software(&device.clone().inner()) {
            true if cfg!(target_arch = "wasm32") => Self::Browser,
            true => Self::Software,
            false => Self::Gpu,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_memory_is_noted_and_other_errors_break() {
        let invalid = || wgpu::Error::Validation { source: "a test".into(), description: "invalid buffer".into() };
        let noted = AtomicBool::new(false);
        assert!(std::panic::catch_unwind(|| on_error(invalid(), &AtomicBool::new(false))).is_err());
        on_error(wgpu::Error::OutOfMemory { source: "a test".into() }, &noted);
        assert!(noted.load(Ordering::Relaxed));
        on_error(invalid(), &noted);
    }
}
