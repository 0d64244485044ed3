//! State of a run between two steps, from which it resumes bit for bit.
//!
//! A checkpoint is a file of
//!
//! ```text
//! "DARTSRUN"  version: u32  a safetensors file  CRC-32: u32
//! ```
//!
//! Numbers are little-endian. The checksum covers all bytes before it and is compared before anything else is read. The
//! safetensors file has the tensors, each F32 and of one dimension, and everything else as JSON in its metadata, under `run`.

#[cfg(feature = "compute")]
use crate::device::{ReadError, read};
use crate::event::Event;
#[cfg(feature = "compute")]
use burn::tensor::{Tensor, TensorData};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, HashMap};

/// First bytes of a checkpoint.
const MAGIC: &[u8; 8] = b"DARTSRUN";
/// Only format version.
const VERSION: u32 = 1;
/// Key of the metadata.
const METADATA: &str = "run";
/// Largest safetensors header that is read, in bytes: many times that of any run.
const HEADER_BYTES: u64 = 1 << 20;
/// Largest checkpoint that is read, in bytes: the largest weights of any device, with four tensors of their size beside them.
pub const MAX_BYTES: u64 = 5 * (128 << 20) + (2 << 20);
/// Longest run in seconds that is believed: thirty thousand years.
const MAX_SECONDS: f64 = 1e12;

/// Reason why a checkpoint cannot be read, or belongs to another run. Each message continues the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Bytes are missing or changed.
    #[error("is truncated or corrupt: its checksum does not match")]
    Corrupt,
    /// Another kind of content, with a right checksum.
    #[error("is not a checkpoint")]
    Kind,
    /// Written in another format version.
    #[error("has format version {0}, but only version {VERSION} is supported")]
    Version(u32),
    /// Content is not a run's state.
    #[error("is not a valid checkpoint: {0}")]
    Contents(String),
    /// A tensor of the run is missing or has another length.
    #[error("is of another run: {name} has {found} values, but the run has {expected}")]
    Tensor {
        /// The tensor.
        name: String,
        /// Its length in the file, 0 if it is missing.
        found: usize,
        /// Its length in the run.
        expected: usize,
    },
    /// A value is not finite.
    #[error("has a value that is not finite in {0}")]
    NotFinite(String),
    /// Progress that the run cannot have.
    #[error("is of another run: {what} is {value}")]
    Progress {
        /// Quantity.
        what: &'static str,
        /// Its value.
        value: String,
    },
}

/// State that the next steps of a run depend on: tensors and progress.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    progress: serde_json::Value,
    tensors: BTreeMap<String, Vec<f32>>,
}

impl State {
    /// Reads tensors from their device in one round trip; `progress` is everything else, in the run's own type.
    ///
    /// # Errors
    /// The device failed.
    #[cfg(feature = "compute")]
    pub async fn read<'a>(
        progress: &impl Serialize,
        tensors: impl IntoIterator<Item = (&'a str, Tensor<1>)>,
    ) -> Result<Self, ReadError> {
        let (names, tensors): (Vec<String>, Vec<Tensor<1>>) =
            tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).unzip();
        Ok(Self::new(progress, names.into_iter().zip(read(tensors).await?)))
    }

    /// State of values on the host.
    pub fn new(progress: &impl Serialize, tensors: impl IntoIterator<Item = (String, Vec<f32>)>) -> Self {
        let progress = serde_json::to_value(progress).expect("progress is JSON");
        Self { progress, tensors: tensors.into_iter().collect() }
    }

    /// Progress of the run, in its own type.
    ///
    /// # Errors
    /// The progress is of another type.
    pub fn progress<T: DeserializeOwned>(&self) -> Result<T, CheckpointError> {
        T::deserialize(&self.progress).map_err(|error| CheckpointError::Contents(error.to_string()))
    }

    /// Tensor of the state, in the shape and on the device of `like`.
    ///
    /// # Errors
    /// The tensor is missing, has another number of values, or one that is not finite.
    #[cfg(feature = "compute")]
    pub fn tensor<const D: usize>(&self, name: &str, like: &Tensor<D>) -> Result<Tensor<D>, CheckpointError> {
        let values = self.values(name)?;
        let expected = like.shape().num_elements();
        if values.len() != expected {
            return Err(CheckpointError::Tensor { name: name.to_owned(), found: values.len(), expected });
        }
        Ok(Tensor::from_data(TensorData::new(values.to_vec(), like.shape()), &like.device()))
    }

    /// Adds values that are on the host.
    pub fn with(mut self, name: &str, values: Vec<f32>) -> Self {
        self.tensors.insert(name.to_owned(), values);
        self
    }

    /// Values of a tensor; empty if it is missing.
    ///
    /// # Errors
    /// A value is not finite.
    pub fn values(&self, name: &str) -> Result<&[f32], CheckpointError> {
        let values = self.tensors.get(name).map_or(&[][..], Vec::as_slice);
        match not_finite(values) {
            Some(_) => Err(CheckpointError::NotFinite(name.to_owned())),
            None => Ok(values),
        }
    }

    /// Tensors, flat, by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[f32])> {
        self.tensors.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// First value that is not finite: a run in such a state must not be saved.
    pub fn not_finite(&self) -> Option<f32> {
        self.tensors.values().find_map(|values| not_finite(values))
    }
}

fn not_finite(values: &[f32]) -> Option<f32> {
    values.iter().copied().find(|value| !value.is_finite())
}

/// Numbers of a run's progress, written as their bits: JSON's decimal digits do not always read back exactly. Digits are read
/// too, as older checkpoints have them.
pub(crate) mod exactly {
    use serde::{Deserializer, Serializer, de::Visitor};
    use std::fmt;

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.to_bits())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = f64;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a number or its bits")
            }

            fn visit_u64<E>(self, bits: u64) -> Result<f64, E> {
                Ok(f64::from_bits(bits))
            }

            fn visit_f64<E>(self, value: f64) -> Result<f64, E> {
                Ok(value)
            }
        }

        deserializer.deserialize_any(Number)
    }
}

/// Fails unless times read from a checkpoint are plausible.
pub(crate) fn check_seconds(times: [f64; 2]) -> Result<(), CheckpointError> {
    match times.into_iter().find(|seconds| !(0.0..MAX_SECONDS).contains(seconds)) {
        Some(seconds) => Err(CheckpointError::Progress { what: "a time in seconds", value: seconds.to_string() }),
        None => Ok(()),
    }
}

/// Fails unless a search of `steps` steps can have taken so many architecture steps.
pub(crate) fn check_architecture_steps(taken: i32, steps: usize) -> Result<(), CheckpointError> {
    match usize::try_from(taken) {
        Ok(count) if count <= steps => Ok(()),
        _ => Err(CheckpointError::Progress { what: "the count of architecture steps", value: taken.to_string() }),
    }
}

/// Length and CRC-32 of the event log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogMark {
    /// Bytes, in whole lines.
    pub bytes: u64,
    /// CRC-32 of these bytes.
    pub crc32: u32,
}

/// Run between two steps: its state, and the settings and log that it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Steps done.
    pub step: usize,
    /// Fingerprint of the settings.
    pub config: String,
    /// The event log up to this step.
    pub log: LogMark,
    /// The state.
    pub state: State,
}

/// Content of a checkpoint beside the tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    step: usize,
    config: String,
    log: LogMark,
    progress: serde_json::Value,
}

impl Checkpoint {
    /// Bytes of the file; the same checkpoint gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { step, config, log, state } = self;
        let metadata = Metadata { step: *step, config: config.clone(), log: *log, progress: state.progress.clone() };
        let metadata = serde_json::to_string(&metadata).expect("metadata is JSON");
        let tensors = state.tensors.iter().map(|(name, values)| {
            let bytes = bytemuck::cast_slice(values);
            (name.as_str(), TensorView::new(Dtype::F32, vec![values.len()], bytes).expect("bytes of the shape"))
        });
        let metadata = HashMap::from([(METADATA.to_owned(), metadata)]);
        let body = safetensors::serialize(tensors, Some(metadata)).expect("names and shapes are fit to be written");
        let mut bytes = Vec::with_capacity(MAGIC.len() + body.len() + 8);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(body);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the bytes of a file, which may come from anywhere.
    ///
    /// # Errors
    /// The bytes are not a checkpoint.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let contents = |problem: String| CheckpointError::Contents(problem);
        let (content, sum) = bytes.split_last_chunk::<4>().ok_or(CheckpointError::Corrupt)?;
        if crc32fast::hash(content).to_le_bytes() != *sum {
            return Err(CheckpointError::Corrupt);
        }
        let rest = content.strip_prefix(MAGIC).ok_or(CheckpointError::Kind)?;
        let (version, body) = rest.split_first_chunk::<4>().ok_or(CheckpointError::Kind)?;
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(CheckpointError::Version(version));
        }
        let file = open_safetensors(body, HEADER_BYTES).map_err(contents)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            if view.dtype() != Dtype::F32 || view.shape().len() != 1 {
                return Err(contents(format!("{name} is {:?} of shape {:?}", view.dtype(), view.shape())));
            }
            let words = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            tensors.insert(name.to_owned(), words.collect());
        }
        let (_, metadata) = SafeTensors::read_metadata(body).map_err(|error| contents(error.to_string()))?;
        let metadata = metadata.metadata().as_ref().and_then(|metadata| metadata.get(METADATA));
        let metadata = metadata.ok_or_else(|| contents(format!("it has no {METADATA} metadata")))?;
        let Metadata { step, config, log, progress } =
            serde_json::from_str(metadata).map_err(|error| contents(error.to_string()))?;
        Ok(Self { step, config, log, state: State { progress, tensors } })
    }
}

/// Opens a safetensors file whose header has at most `header_bytes` bytes; parsed, it takes several times as much memory.
///
/// # Errors
/// The bytes are not such a file; the reason, in words.
pub(crate) fn open_safetensors(bytes: &[u8], header_bytes: u64) -> Result<SafeTensors<'_>, String> {
    if let Some((length, _)) = bytes.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length);
        if length > header_bytes {
            return Err(format!("its header claims {length} bytes, but at most {header_bytes} are allowed"));
        }
    }
    SafeTensors::deserialize(bytes).map_err(|error| error.to_string())
}

/// Search or training run that is stepped from outside, and can be saved between two steps and resumed.
pub trait Resumable {
    /// Reason why it stops.
    type Error: std::error::Error + 'static;

    /// Event that opens the log.
    fn started(&self) -> Event;

    /// Takes one step and returns its events in order.
    ///
    /// # Errors
    /// The device failed, a number is no longer finite, or the run is over.
    fn step(&mut self) -> impl Future<Output = Result<Vec<Event>, Self::Error>>;

    /// Steps done.
    fn steps_done(&self) -> usize;

    /// Whether the last step done was the last of an epoch.
    fn ends_epoch(&self) -> bool;

    /// Whether all epochs are done.
    fn is_finished(&self) -> bool;

    /// State that the next steps depend on. After [`Resumable::restore`] they are the same bit for bit.
    ///
    /// # Errors
    /// The device failed, or a number is no longer finite.
    fn state(&self) -> impl Future<Output = Result<State, Self::Error>>;

    /// Resumes from a state of a run of the same settings and data.
    ///
    /// # Errors
    /// The state is of another run; this one stays as it was.
    fn restore(&mut self, state: &State) -> Result<(), CheckpointError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let tensors = [("weights", vec![0.1, -2.5e-30, f32::MAX]), ("alphas", vec![1.0])];
        let state = State::new(&(7, "words", 1.0f32 / 3.0), tensors.map(|(name, values)| (name.to_owned(), values)));
        Checkpoint { step: 3, config: "abc".into(), log: LogMark { bytes: 9, crc32: 8 }, state }
    }

    fn sealed(mut content: Vec<u8>) -> Vec<u8> {
        content.extend(crc32fast::hash(&content).to_le_bytes());
        content
    }

    #[test]
    fn a_checkpoint_reads_back_as_it_was_written() {
        let bytes = checkpoint().to_bytes();
        assert_eq!(bytes, checkpoint().to_bytes());
        let read = Checkpoint::from_bytes(&bytes).unwrap();
        assert_eq!(read, checkpoint());
        assert_eq!(read.state.progress(), Ok((7, "words".to_owned(), 1.0f32 / 3.0)));
        assert!(matches!(read.state.progress::<(String, u8)>(), Err(CheckpointError::Contents(_))));
    }

    #[test]
    fn times_come_back_to_the_last_bit() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Times {
            #[serde(with = "exactly")]
            seconds: f64,
        }
        let again = |seconds: f64| {
            let state = State::new(&Times { seconds }, []);
            let bytes = Checkpoint { state, ..checkpoint() }.to_bytes();
            Checkpoint::from_bytes(&bytes).unwrap().state.progress::<Times>().unwrap().seconds
        };
        let times = (0..1000).map(|i| f64::from(i) / 7.0 + 1e-9 * f64::from(i * i % 97));
        times.for_each(|seconds| assert_eq!(again(seconds).to_bits(), seconds.to_bits()));
        let digits = State::new(&serde_json::json!({ "seconds": 0.25 }), []);
        assert_eq!(digits.progress(), Ok(Times { seconds: 0.25 }));
        assert!(State::new(&serde_json::json!({ "seconds": "x" }), []).progress::<Times>().is_err());
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_noticed() {
        let bytes = checkpoint().to_bytes();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            assert_eq!(Checkpoint::from_bytes(&changed), Err(CheckpointError::Corrupt), "byte {at}");
            assert_eq!(Checkpoint::from_bytes(&bytes[..at]), Err(CheckpointError::Corrupt), "{at} bytes");
        }
    }

    #[test]
    fn other_content_with_a_right_checksum_is_refused() {
        let refusal = |content: Vec<u8>| Checkpoint::from_bytes(&sealed(content)).unwrap_err().to_string();
        assert_eq!(refusal(b"DARTSIMG".to_vec()), "is not a checkpoint");
        assert_eq!(refusal(b"DARTSRUN\x01".to_vec()), "is not a checkpoint");
        assert_eq!(refusal(b"DARTSRUN\x02\0\0\0".to_vec()), "has format version 2, but only version 1 is supported");
        let start = |more: &[u8]| [b"DARTSRUN\x01\0\0\0", more].concat();
        let long = refusal(start(&(HEADER_BYTES + 1).to_le_bytes()));
        assert_eq!(long, "is not a valid checkpoint: its header claims 1048577 bytes, but at most 1048576 are allowed");
        assert!(refusal(start(b"\x02\0\0\0\0\0\0\0{}")).ends_with("it has no run metadata"));
        let bytes = [0; 8];
        let tensors = [("weights", TensorView::new(Dtype::F64, vec![1], &bytes).unwrap())];
        let wrong = refusal(start(&safetensors::serialize(tensors, None).unwrap()));
        assert_eq!(wrong, "is not a valid checkpoint: weights is F64 of shape [1]");
    }

    #[test]
    fn a_tensor_must_fit_the_run() {
        let device = crate::device::Compute::cpu().device;
        let like = |count: usize| Tensor::<1>::zeros([count], &device);
        let state = checkpoint().state;
        assert_eq!(
            state.tensor("weights", &like(3)).unwrap().into_data().try_to_vec::<f32>().unwrap(),
            [0.1, -2.5e-30, f32::MAX]
        );
        let refusal = |name, count| state.tensor(name, &like(count)).unwrap_err().to_string();
        assert_eq!(refusal("weights", 4), "is of another run: weights has 3 values, but the run has 4");
        assert_eq!(refusal("moments", 4), "is of another run: moments has 0 values, but the run has 4");
        let bad = State::new(&(), [("alphas".to_owned(), vec![0.0, f32::NAN])]);
        assert!(bad.not_finite().is_some_and(f32::is_nan) && state.not_finite().is_none());
        let refusal = bad.tensor("alphas", &like(2)).unwrap_err();
        assert_eq!(refusal.to_string(), "has a value that is not finite in alphas");
    }
}
