//! Shared helpers of the end-to-end tests: golden files, and comparisons with them.

#![forbid(unsafe_code)]

use burn::tensor::{Device, Int, Tensor, TensorCreationOptions, TensorData};
use darts_engine::{
    config::Kernels,
    device::{Compute, DeviceChoice},
    event::Event,
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

/// Names a path that computes, for messages.
pub fn path_name(kernels: Kernels, device: &Device) -> String {
    let path = match kernels {
        Kernels::Reference => "plain ops",
        Kernels::Fused => "kernels",
    };
    format!("{path} on {}", if *device == cpu() { "the CPU" } else { "the device" })
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
    let place = (&weights.device(), weights.dtype());
    weights.clone() * Tensor::from_data(TensorData::new(noise, [count]), place)
}

/// Runs with perturbed weights that may be needed to show one side of a kink.
pub const MAX_PERTURBATIONS: u64 = 8;

/// The values of one comparison with a golden file that lie at a kink.
///
/// Where an activation is closer to the kink of a ReLU, or two pixels are closer to a tie in a max pool, than float32
/// resolves, a gradient has two right values, and rounding picks one. A value that misses its golden one passes as such a
/// case only where both sides are shown within [`MAX_PERTURBATIONS`] runs each: with weights moved by rounding, the path
/// under test must give the golden value, and an independent path, where there is one, the value found. All cases are
/// counted and printed, and one more than `most` fails.
pub struct Kinks {
    name: String,
    most: usize,
    found: Vec<String>,
    perturbations: u64,
}

/// A value compared with its golden one.
pub struct Comparison<'a> {
    /// Names the value.
    pub what: &'a str,
    /// The value under test.
    pub found: &'a [f32],
    /// The golden value.
    pub golden: &'a [f32],
    /// Measures how far the first is from the second.
    pub distance: &'a dyn Fn(&[f32], &[f32]) -> f64,
    /// Largest distance.
    pub tolerance: f64,
    /// The value under test with the weights moved by rounding in one of many ways.
    pub moved: &'a dyn Fn(u64) -> Vec<f32>,
    /// The same by an independent path.
    pub oracle: Option<&'a dyn Fn(u64) -> Vec<f32>>,
}

impl Kinks {
    /// No kinks yet, and at most `most` of them allowed.
    pub fn new(name: impl Into<String>, most: usize) -> Self {
        Self { name: name.into(), most, found: Vec::new(), perturbations: 0 }
    }

    /// Whether the value is within its tolerance; if not, it lies at a kink.
    ///
    /// # Panics
    /// It is neither, or one kink too many.
    #[track_caller]
    pub fn compare(&mut self, value: &Comparison) -> bool {
        let &Comparison { what, found, golden, distance, tolerance, moved, oracle } = value;
        let (name, first) = (&self.name, distance(found, golden));
        println!("{name}, {what}: distance {first:.1e}, allowed {tolerance:.0e}");
        if first <= tolerance {
            return true;
        }
        let search = |run: &dyn Fn(u64) -> Vec<f32>, side: &[f32], which: &str| {
            let mut nearest = f64::INFINITY;
            for attempt in 1..=MAX_PERTURBATIONS {
                nearest = nearest.min(distance(&run(attempt), side));
                if nearest <= tolerance {
                    return attempt;
                }
            }
            panic!(
                "{name}, {what}: distance {first:.2e}, allowed {tolerance:.0e}; and no kink, as {which} does not appear \
                 in {MAX_PERTURBATIONS} perturbations by rounding, {nearest:.2e} at best"
            );
        };
        let golden_side = search(moved, golden, "the golden value");
        let own_side = search(oracle.unwrap_or(moved), found, "the value found");
        println!(
            "{name}, {what}: a kink within rounding, at {first:.1e} from the golden value, which perturbation \
             {golden_side} gives; perturbation {own_side} gives the value found{}",
            if oracle.is_some() { " on an independent path" } else { "" }
        );
        self.perturbations += golden_side + own_side;
        self.found.push(what.to_owned());
        let Self { name, most, found, .. } = self;
        assert!(found.len() <= *most, "{name}: {} values lie at kinks, allowed {most}: {found:?}", found.len());
        false
    }

    /// Prints how many perturbations were needed; the values that lie at kinks.
    pub fn finish(self) -> Vec<String> {
        let Self { name, most, found, perturbations } = self;
        let count = found.len();
        println!("{name}: {perturbations} perturbations by rounding needed, {count} kinks (allowed {most}) {found:?}");
        found
    }
}

/// Whether a file of the golden folder is the one that lies beside these tests, and no other draw.
pub fn is_own_draw(file: &str) -> bool {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
    fs::read(golden_dir().join(file)).ok() == fs::read(own).ok()
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
