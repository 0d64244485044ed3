//! Shared helpers of the end-to-end tests: golden files, and comparisons with them.

#![forbid(unsafe_code)]

use burn::tensor::{Device, Int, Tensor, TensorCreationOptions, TensorData};
use darts_engine::{
    device::{Compute, DeviceChoice},
    event::Event,
    search::{Bilevel, SearchNetwork},
    space::{CONVOLUTIONAL, Genotype, Op},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Device under test: the machine's best GPU interface, or the CPU if `DARTS_DEVICE=cpu`.
pub fn device() -> Device {
    let choice = match std::env::var("DARTS_DEVICE").as_deref() {
        Ok("cpu") => DeviceChoice::Cpu,
        _ => DeviceChoice::Auto,
    };
    block_on(Compute::acquire(choice)).expect("a device to test on").device
}

/// CPU without a GPU interface.
pub fn cpu() -> Device {
    Compute::cpu().device
}

/// Waits for a future on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    darts_engine::device::block_on(future)
}

/// Golden folder: `DARTS_GOLDEN`, or the one beside these tests.
pub fn golden_dir() -> PathBuf {
    std::env::var_os("DARTS_GOLDEN")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden"))
}

/// Tensors of a golden file, by name.
pub struct Golden {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Golden {
    /// Reads `NAME.safetensors` of the golden folder.
    pub fn open(name: &str) -> Self {
        let path = golden_dir().join(format!("{name}.safetensors"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let file = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let tensors = file
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                let words = view.data().chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
                let values = match view.dtype() {
                    Dtype::F32 => words.map(f32::from_le_bytes).collect(),
                    Dtype::I32 => words.map(|b| i32::from_le_bytes(b) as f32).collect(),
                    other => panic!("{name}: unexpected type {other:?}"),
                };
                (name, (view.shape().to_vec(), values))
            })
            .collect();
        Self { tensors }
    }

    /// Names in the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Values of a tensor.
    pub fn values(&self, name: &str) -> &[f32] {
        &self.tensors.get(name).unwrap_or_else(|| panic!("no golden tensor {name}")).1
    }

    /// Shape of a tensor.
    pub fn shape(&self, name: &str) -> &[usize] {
        &self.tensors.get(name).unwrap_or_else(|| panic!("no golden tensor {name}")).0
    }

    /// Whether the file has it.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// A tensor on a device, or on a device and in a precision.
    pub fn tensor<const D: usize>(&self, name: &str, place: impl Into<TensorCreationOptions>) -> Tensor<D> {
        Tensor::from_data(TensorData::new(self.values(name).to_vec(), self.shape(name).to_vec()), place)
    }

    /// Integers, for example labels, on a device.
    pub fn integers(&self, name: &str, device: &Device) -> Tensor<1, Int> {
        let values: Vec<i32> = self.values(name).iter().map(|&value| value as i32).collect();
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [count]), device)
    }
}

/// Reads `NAME.json` of the golden folder.
pub fn golden_json(name: &str) -> serde_json::Value {
    let path = golden_dir().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Values of a tensor in any precision, read back.
pub fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data_as::<f32>().try_to_vec::<f32>().expect("a float tensor")
}

/// Norm of the difference over the norm of the expected values.
pub fn relative_distance(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len(), "lengths differ");
    let square = |v: f64| v * v;
    let difference: f64 = found.iter().zip(expected).map(|(&a, &b)| square(a as f64 - b as f64)).sum();
    let size: f64 = expected.iter().map(|&b| square(b as f64)).sum();
    assert!(found.iter().all(|v| v.is_finite()), "a value is not finite");
    if size == 0.0 { difference.sqrt() } else { (difference / size).sqrt() }
}

/// Largest difference over the largest magnitude of the expected values.
pub fn largest_distance(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len(), "lengths differ");
    assert!(found.iter().all(|v| v.is_finite()), "a value is not finite");
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, |most: f64, value| most.max(value.abs()));
    let difference = largest(&mut found.iter().zip(expected).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    difference / largest(&mut expected.iter().copied().map(f64::from)).max(f64::MIN_POSITIVE)
}

/// Fails unless [`relative_distance`] is within `tolerance`.
#[track_caller]
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f64) {
    let distance = relative_distance(found, expected);
    assert!(distance <= tolerance, "{what}: relative distance {distance:.2e}, allowed {tolerance:.0e}");
}

/// Cells with every op that has kernels, at both strides, undisturbed by ties in max pools.
pub fn every_op() -> Genotype {
    let ops = [
        (Op::SEP_CONV_3X3, 0),
        (Op::SEP_CONV_5X5, 1),
        (Op::DIL_CONV_3X3, 0),
        (Op::DIL_CONV_5X5, 1),
        (Op::SKIP_CONNECT, 0),
        (Op::SEP_CONV_3X3, 2),
        (Op::AVG_POOL_3X3, 1),
        (Op::DIL_CONV_5X5, 3),
    ];
    Genotype::new(CONVOLUTIONAL, [0, 1].map(|_| (ops.to_vec(), vec![2, 3, 4, 5])))
}

/// Euclidean norm.
pub fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

/// Norm of the difference.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().sqrt()
}

/// Numbers between -1 and 1, determined by a seed.
pub fn random_tensor<const D: usize>(seed: u64, shape: &[usize], device: &Device) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0f32)).collect();
    Tensor::from_data(TensorData::new(values, shape.to_vec()), device)
}

/// Weights, each moved by up to a few units in the last place of float32, differently for every `attempt`.
pub fn moved_by_rounding(weights: &Tensor<1>, attempt: u64) -> Tensor<1> {
    let mut rng = ChaCha8Rng::seed_from_u64(attempt);
    let count = weights.dims()[0];
    let noise: Vec<f32> = (0..count).map(|_| 1.0 + 5e-7 * rng.random_range(-1.0..1.0f32)).collect();
    weights.clone() * Tensor::from_data(TensorData::new(noise, [count]), &weights.device())
}

/// Search whose weights can be moved.
pub trait Moved: Clone {
    /// Flat weights.
    fn weights(&mut self) -> &mut Tensor<1>;
}

impl<N: SearchNetwork> Moved for Bilevel<N> {
    fn weights(&mut self) -> &mut Tensor<1> {
        &mut self.weights
    }
}

/// Accepts a value that differs from the golden one only by the side of a kink. Where an activation is closer to a ReLU's
/// kink, or two pixels are closer to a tie in a max pool, than float32 resolves, two gradients are correct and rounding
/// picks one. Then the same computation, with weights moved within their rounding, must find the golden value.
#[track_caller]
pub fn assert_same_but_for_a_kink<S: Moved>(
    what: &str,
    search: &S,
    value: &dyn Fn(&S) -> Tensor<2>,
    golden: &[f32],
    tolerance: f64,
) {
    let mut nearest = f64::INFINITY;
    for attempt in 1..=40 {
        let mut moved = search.clone();
        let weights = moved.weights();
        *weights = moved_by_rounding(weights, attempt);
        nearest = nearest.min(relative_distance(&read(value(&moved)), golden));
        if nearest <= tolerance {
            eprintln!("{what}: a kink within rounding; the golden side was found at attempt {attempt}");
            return;
        }
    }
    panic!("{what}: relative distance {nearest:.2e} at best within rounding of the weights, allowed {tolerance:.0e}");
}

/// Events without their times.
pub fn timeless(events: &[Event]) -> Vec<Value> {
    let strip = |event: &Event| {
        let mut event = serde_json::to_value(event).unwrap();
        for key in ["seconds", "examples_per_second"] {
            event.as_object_mut().unwrap().remove(key);
        }
        event
    };
    events.iter().map(strip).collect()
}

/// Writes a small corpus with learnable word sequences to a new folder.
pub fn write_texts(folder: &Path) {
    fs::create_dir(folder).unwrap();
    for (file, from, lines) in [("train", 0, 60), ("valid", 3, 16), ("test", 5, 16)] {
        let line = |i: usize| format!("the {} sees {} and a {}", i * 7 % 5, i * 3 % 4, (i * 7 + i * 3) % 6);
        let lines: Vec<String> = (from..from + lines).map(line).collect();
        fs::write(folder.join(format!("{file}.txt")), lines.join("\n")).unwrap();
    }
}

/// Names of a folder's entries, sorted.
pub fn files(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut files: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    files.sort();
    files
}
