use super::Tuning;
use super::{DeviceChoice, DeviceError};
use burn::backend::wgpu::{WgpuBackend, wgpu};
use burn::tensor::Device;
use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

/// A device ready to compute, without autodiff.
#[derive(Clone, Debug)]
pub struct Compute {
    /// Burn's handle.
    pub device: Device,
    /// The adapter's name, for example `NVIDIA GeForce RTX 4090`.
    pub adapter: String,
    /// The interface used, for example `Vulkan`.
    pub backend: String,
    /// Bytes of the largest buffer that a shader may have, where the device has such a limit.
    pub largest_buffer: Option<u64>,
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
            largest_buffer: None,
            software: true,
        }
    }
}

/// Whether a device of this process could not allocate what was asked for.
static OUT_OF_MEMORY: AtomicBool = AtomicBool::new(false);

/// Notes when the device runs out of memory.
fn watch_memory(device: &wgpu::Device) {
    device.on_uncaptured_error(Arc::new(|error| hear(error, &OUT_OF_MEMORY)));
}

/// The runtime's own handler panics on its thread on every error; this one does so on all but a lack of memory and what
/// follows from it, which whoever asked then tells by [`out_of_memory`].
fn hear(error: wgpu::Error, out_of_memory: &AtomicBool) {
    match error {
        wgpu::Error::OutOfMemory { .. } => out_of_memory.store(true, Ordering::Relaxed),
        _ if out_of_memory.load(Ordering::Relaxed) => {}
        other => panic!("wgpu error: {other}"),
    }
}

/// Whether the device ran out of memory. What it computes after that is void.
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
    /// What suits a device.
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
        assert!(std::panic::catch_unwind(|| hear(invalid(), &AtomicBool::new(false))).is_err());
        hear(wgpu::Error::OutOfMemory { source: "a test".into() }, &noted);
        assert!(noted.load(Ordering::Relaxed));
        hear(invalid(), &noted);
    }
}
