//! What commands that compute have in common: the device, its flag, and what happens when it fails.

use crate::output::{Interrupted, Outcome};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use darts_engine::{
    data::is_decoding,
    device::{Compute, DeviceChoice, DeviceError, block_on},
    event::Event,
    run::RunWriter,
};
use indicatif::HumanDuration;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Words that a flag takes, each with what it means.
pub type Words = &'static [(&'static str, &'static str)];

pub const DEVICES: Words = &[
    ("auto", "The best GPU there is, or what stands in for one"),
    ("vulkan", "Vulkan"),
    ("metal", "Metal"),
    ("dx12", "Direct3D 12"),
    ("webgpu", "WebGPU"),
    ("cpu", "The processor, without any GPU interface"),
];

/// A parser of words that name the values of a serialisable type.
pub fn words<T: DeserializeOwned + Clone + Send + Sync + 'static>(words: Words) -> impl TypedValueParser<Value = T> {
    let words = words.iter().map(|&(word, meaning)| PossibleValue::new(word).help(meaning));
    PossibleValuesParser::new(words)
        .map(|word| serde_json::from_value(word.into()).expect("the words are those of the type"))
}

/// The devices as a flag takes them.
pub fn devices() -> impl TypedValueParser<Value = DeviceChoice> {
    words(DEVICES)
}

/// The one of `words` that names `value`.
pub fn word(words: Words, value: impl Serialize) -> &'static str {
    let value = serde_json::to_value(value).expect("a word");
    words.iter().find(|(word, _)| value == *word).expect("the words are those of the type").0
}

/// The device, and what to say where a GPU was wished for and there is none: the processor is many times faster by itself than
/// as the GPU that it would emulate.
pub fn acquire(choice: DeviceChoice) -> Result<(Compute, Option<String>), DeviceError> {
    let remark = match block_on(Compute::acquire(choice)) {
        Ok(Compute { software: true, adapter, .. }) if choice == DeviceChoice::Auto => {
            format!("no GPU here: the processor computes, which is faster than {adapter} on it")
        }
        Err(error) if choice == DeviceChoice::Auto => {
            format!("no GPU interface here ({}): the processor computes", error.reason)
        }
        other => return other.map(|compute| (compute, None)),
    };
    Ok((Compute::cpu(), Some(remark)))
}

/// Keeps panics quiet that the engine catches and tells of otherwise.
pub fn keep_decoders_quiet() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !is_decoding() {
            usual(info);
        }
    }));
}

/// Turns a panic inside a device's libraries into an error, so that it too is told in a line and logged.
pub fn contain<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let first = Arc::new(Mutex::new(None));
    let seen = first.clone();
    let usual = panic::take_hook();
    // A device fails on a thread of its own first; what other threads then say of that is no news.
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

/// Ends the log of a run that failed with what failed; one that was interrupted may go on.
pub fn logged(outcome: Outcome, writer: &mut RunWriter) -> Outcome {
    outcome.inspect_err(|error| {
        if error.is::<Interrupted>() {
            return;
        }
        // Where the log itself cannot be written, that is the error told.
        let _ = writer.record(&Event::Failed { message: error.to_string() });
    })
}

/// A time as people say it.
pub fn told_time(seconds: f64) -> String {
    match seconds {
        short @ ..60.0 => format!("{short:.1} seconds"),
        long => HumanDuration(Duration::from_secs_f64(long)).to_string(),
    }
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
