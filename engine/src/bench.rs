//! Timing of search steps, with what the device can do beside it.

use crate::{
    device::Compute,
    kernels::{end_profile, launched, start_profile},
    search::{Bilevel, SearchConfig},
    supernet::{Minibatch, Supernet},
};
use burn::tensor::{Device, ExecutionError, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use web_time::Instant;

/// Height and width of the images.
const IMAGE: usize = 32;
const CLASSES: usize = 10;

/// Milliseconds of a repeated thing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The middle one.
    pub median_ms: f64,
    /// The fastest.
    pub least_ms: f64,
    /// The slowest.
    pub most_ms: f64,
}

/// What one kind of step costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepFigures {
    /// Wall time of a step, device work waited for.
    pub time: Timing,
    /// Launches of this project's own shaders in a step; plain tensor ops (stem, classifier, optimiser) come on top.
    pub dispatches: u64,
    /// Bytes that those launches read and wrote, each distinct byte of a launch once, counted from shapes.
    pub bytes: u64,
    /// Multiply-accumulates of the network a step, in convolutions and the classifier: three times the forward pass for a
    /// weight step.
    pub multiply_accumulates: u64,
    /// Two floating-point operations for each of these, over the median time.
    pub gflops: f64,
}

/// The result of a step benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepBenchmark {
    /// The adapter.
    pub adapter: String,
    /// Its interface.
    pub backend: String,
    /// Sizes and settings.
    pub config: SearchConfig,
    /// Weights of the supernet.
    pub parameters: usize,
    /// Steps timed, after one that was not.
    pub steps: usize,
    /// SGD on the weights.
    pub weight_step: StepFigures,
    /// Adam on the alphas, of the configured order.
    pub architecture_step: StepFigures,
    /// Bytes that the device's allocator had in use at most, where it tells.
    pub peak_bytes: Option<u64>,
    /// Time by kernel in a weight step whose launches were timed one by one, the slowest first; empty unless asked for.
    pub kernels: Vec<KernelFigures>,
}

/// What one kernel took in a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelFigures {
    /// Its shader and sizes.
    pub name: String,
    /// Launches.
    pub launches: u64,
    /// Milliseconds of all launches.
    pub ms: f64,
    /// Bytes read and written by all launches.
    pub bytes: u64,
}

/// Times weight and architecture steps on random images.
///
/// # Errors
/// The device failed.
pub async fn step_benchmark(
    config: SearchConfig,
    steps: usize,
    profile: bool,
    compute: &Compute,
    mut told: impl FnMut(&str, usize),
) -> Result<StepBenchmark, ExecutionError> {
    let device = &compute.device;
    let supernet = Supernet::new(config.init_channels, config.layers, CLASSES, config.kernels);
    let parameters = supernet.layout().len();
    let forward = supernet.multiply_accumulates(IMAGE, IMAGE) * config.batch_size as u64;
    let mut bilevel = Bilevel::new(supernet, config.seed, device);
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let [weight_batch, alpha_batch] = [0, 1].map(|_| random_batch(&mut rng, config.batch_size, device));
    let mut peak = None;
    let mut timed = async |bilevel: &mut Bilevel, kind: &str| -> Result<StepFigures, ExecutionError> {
        let mut times = Vec::with_capacity(steps);
        let mut counted = (0, 0);
        // The first step compiles the shaders and fills the allocator's pools.
        for step in 0..=steps {
            let before = launched();
            let began = Instant::now();
            let loss = if kind == "weight step" {
                bilevel.weight_step(&config, config.learning_rate, &weight_batch).0.loss
            } else {
                bilevel.architecture_step(&config, config.learning_rate, &weight_batch, &alpha_batch).loss
            };
            loss.into_data_async().await?;
            let weights = bilevel.weights.clone().slice(0..1).into_data_async();
            let alphas = bilevel.alphas.clone().slice(0..1).into_data_async();
            weights.await?;
            alphas.await?;
            if step > 0 {
                times.push(began.elapsed().as_secs_f64() * 1e3);
            }
            let after = launched();
            counted = (after.0 - before.0, after.1 - before.1);
            peak = peak.max(device.memory_pool_usage().map(|usage| usage.bytes_reserved));
            told(kind, step);
        }
        times.sort_by(f64::total_cmp);
        let time = Timing { median_ms: times[steps / 2], least_ms: times[0], most_ms: times[steps - 1] };
        let passes = match (kind, config.order) {
            ("weight step", _) | (_, crate::search::Order::First) => 3,
            // Two passes for weights, two for alphas only.
            _ => 12,
        };
        let multiply_accumulates = passes * forward;
        let gflops = 2.0 * multiply_accumulates as f64 / (time.median_ms * 1e6);
        Ok(StepFigures { time, dispatches: counted.0, bytes: counted.1, multiply_accumulates, gflops })
    };
    let weight_step = timed(&mut bilevel, "weight step").await?;
    let mut kernels = Vec::new();
    if profile {
        start_profile();
        let (pass, _) = bilevel.weight_step(&config, config.learning_rate, &weight_batch);
        pass.loss.into_data_async().await?;
        kernels = end_profile()
            .into_iter()
            .map(|(name, (launches, seconds, bytes))| KernelFigures { name, launches, ms: seconds * 1e3, bytes })
            .collect();
        kernels.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    }
    let architecture_step = timed(&mut bilevel, "architecture step").await?;
    Ok(StepBenchmark {
        adapter: compute.adapter.clone(),
        backend: compute.backend.clone(),
        config,
        parameters,
        steps,
        weight_step,
        architecture_step,
        peak_bytes: peak,
        kernels,
    })
}

fn random_batch(rng: &mut ChaCha8Rng, batch: usize, device: &Device) -> Minibatch {
    let values: Vec<f32> = (0..batch * 3 * IMAGE * IMAGE).map(|_| rng.random_range(-1.0..1.0)).collect();
    let labels: Vec<i32> = (0..batch).map(|_| rng.random_range(0..CLASSES as i32)).collect();
    Minibatch {
        images: Tensor::from_data(TensorData::new(values, [batch, 3, IMAGE, IMAGE]), device),
        labels: Tensor::<1, Int>::from_data(TensorData::new(labels, [batch]), device),
    }
}
