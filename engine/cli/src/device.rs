//! The device of commands that compute: its flag, its choice, and its failures.

use crate::{
    flags::{Words, words},
    output::{Outcome, Output},
};
use clap::{Args, builder::TypedValueParser};
use darts_engine::{
    data::is_decoding,
    device::{Compute, DeviceChoice, DeviceError, block_on},
};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError},
};

const DEVICES: Words = &[
    ("auto", "The best GPU, or the CPU if there is none"),
    ("vulkan", "Vulkan"),
    ("metal", "Metal"),
    ("dx12", "Direct3D 12"),
    ("webgpu", "WebGPU"),
    ("cpu", "The CPU, without any GPU interface"),
];

/// Parser of devices.
pub fn devices() -> impl TypedValueParser<Value = DeviceChoice> {
    words(DEVICES.iter().copied())
}

/// Flag for the device.
#[derive(Args, Clone, Copy)]
pub struct DeviceFlag {
    /// Device to compute on.
    #[arg(long, value_name = "DEVICE", default_value_t, value_parser = devices())]
    pub device: DeviceChoice,
}

/// The device, with a remark if a GPU was requested and there is none: the CPU alone is many times faster than a software
/// adapter on it.
pub fn acquire(choice: DeviceChoice) -> Result<(Compute, Option<String>), DeviceError> {
    let remark = match block_on(Compute::acquire(choice)) {
        Ok(Compute { software: true, adapter, .. }) if choice == DeviceChoice::Auto => {
            format!("no GPU here: computing on the CPU, which is faster than the software adapter {adapter}")
        }
        Err(error) if choice == DeviceChoice::Auto => {
            format!("no GPU interface here ({}): computing on the CPU", error.reason)
        }
        other => return other.map(|compute| (compute, None)),
    };
    Ok((Compute::cpu(), Some(remark)))
}

/// The device; prints a remark if it is not the requested one.
pub fn acquired(choice: DeviceChoice, output: &Output) -> Outcome<Compute> {
    made_on(choice, output, |_| Ok(())).map(|((), compute)| compute)
}

/// Makes something on a device. Remarks of the device follow once it is made, so that an error stands alone.
pub fn made_on<T>(
    choice: DeviceChoice,
    output: &Output,
    make: impl FnOnce(&Compute) -> Outcome<T>,
) -> Outcome<(T, Compute)> {
    let (compute, remark) = contain(|| Ok(acquire(choice)?))?;
    let made = contain(|| make(&compute))?;
    if let Some(remark) = remark {
        output.remark(remark);
    }
    Ok((made, compute))
}

/// Silences panics that the engine catches and reports as errors.
pub fn keep_decoders_quiet() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !is_decoding() {
            usual(info);
        }
    }));
}

/// Turns a panic in the libraries of a device into an error, so that it is reported in one line and logged.
pub fn contain<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let first = Arc::new(Mutex::new(None));
    let seen = first.clone();
    let usual = panic::take_hook();
    // A device first fails on its own thread; what other threads report later adds nothing.
    panic::set_hook(Box::new(move |info| {
        if is_decoding() {
            return;
        }
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get_or_insert_with(|| info.payload_as_str().unwrap_or("no reason given").to_owned());
    }));
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    panic::set_hook(usual);
    outcome.unwrap_or_else(|_| {
        let reason = first.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        Err(format!("the device failed: {}", reason.split_whitespace().collect::<Vec<_>>().join(" ")).into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_sentence() {
        let outcome = contain(|| {
            // As a device does: its own thread fails, then the one that waits for it.
            let device = std::thread::spawn(|| panic!("out of\n  memory"));
            device.join().expect("the device answers");
            Ok(())
        });
        assert_eq!(outcome.unwrap_err().to_string(), "the device failed: out of memory");
        assert_eq!(contain(|| Ok(7)).unwrap(), 7);
        assert_eq!(contain::<()>(|| Err("plain".into())).unwrap_err().to_string(), "plain");
    }
}
