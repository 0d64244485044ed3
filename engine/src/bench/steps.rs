use super::{RecurrentBenchmark, StepBenchmark, StepFigures, Timing, TrainingBenchmark};
#[cfg(not(target_arch = "wasm32"))]
use crate::kernels::Profile;
use crate::profile::{Ceilings, KernelFigures, TimedBy};
use crate::{
    config::{Order, RecurrentConfig, SearchConfig, TrainConfig},
    data::{Dataset, Window},
    device::Compute,
    kernels::{Count, ceilings, launched},
    model::{Minibatch, Passage, TextBatch},
    network::RecurrentNet,
    search::{
        Bilevel, RecurrentBilevel, RecurrentError, SearchError, check_device, device_error, memory_left, read_together,
        reason, supernet_for,
    },
    space::{Genotype, NetworkSize},
    train::{TrainError, Training},
};
use burn::tensor::{Device, ExecutionError, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use web_time::Instant;

/// Height and width of the images.
const IMAGE: usize = 32;
const CLASSES: usize = 10;

/// Times weight and architecture steps on random images, and what the device can do at most.
///
/// `profile` also times every launch of a weight step by itself, natively. `told` hears what has been done: the kind of
/// step and how many of it, the first of which is not timed.
///
/// # Errors
/// The device failed, or does not run the kernels.
pub async fn step_benchmark(
    config: SearchConfig,
    steps: usize,
    profile: bool,
    compute: &Compute,
    mut told: impl FnMut(&str, usize),
) -> Result<StepBenchmark, SearchError> {
    let device = &compute.device;
    let supernet = supernet_for(&config, CLASSES, [IMAGE, IMAGE], compute)?;
    let expected_bytes = supernet.memory(config.batch_size, [IMAGE, IMAGE]).map(|memory| memory.peak);
    let parameters = supernet.layout().len();
    let forward = supernet.multiply_accumulates(IMAGE, IMAGE) * config.batch_size as u64;
    let mut bilevel = Bilevel::new(supernet, config.seed, device);
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let [weight_batch, alpha_batch] = [0, 1].map(|_| random_batch(&mut rng, config.batch_size, device));
    let mut peak = None;
    // Two passes of the second order are for weights, two for alphas only.
    let order = match config.order {
        Order::First => 3,
        Order::Second => 12,
    };
    let mut timed = async |bilevel: &mut Bilevel, kind: &str, passes: u64| {
        let step = async || -> Result<(), ExecutionError> {
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
            Ok(())
        };
        time(steps, passes * forward, device, &mut peak, step, |n| told(kind, n)).await
    };
    let failed = |error: ExecutionError| device_error(0, &config, &error);
    let mut weight_step = timed(&mut bilevel, "weight step", 3).await.map_err(failed)?;
    memory_left(&config)?;
    let work = async || {
        let (pass, _) = bilevel.weight_step(&config, config.learning_rate, &weight_batch);
        pass.loss.into_data_async().await.map(drop)
    };
    let (kernels, timed_by) = by_kernel(profile, work).await.map_err(failed)?;
    let mut architecture_step = timed(&mut bilevel, "architecture step", order).await.map_err(failed)?;
    memory_left(&config)?;
    // Last, as its buffers would count as memory that steps need.
    let ceilings = match compute.runs_shaders() {
        true => Some(ceilings(device).await.map_err(failed)?),
        false => None,
    };
    for step in [&mut weight_step, &mut architecture_step] {
        step.compare(ceilings);
    }
    Ok(StepBenchmark {
        adapter: compute.adapter.clone(),
        backend: compute.backend.clone(),
        config,
        parameters,
        steps,
        weight_step,
        architecture_step,
        peak_bytes: peak,
        expected_bytes,
        ceilings,
        timed_by,
        kernels,
    })
}

/// Times weight and architecture steps of a recurrent search on random words, and what the device can do at most.
///
/// `profile` also times every launch of a weight step by itself, natively. `told` hears what has been done: the kind of
/// step and how many of it, the first of which is not timed.
///
/// # Errors
/// The device failed, or does not run the kernels.
pub async fn recurrent_benchmark(
    config: RecurrentConfig,
    vocabulary: usize,
    steps: usize,
    profile: bool,
    compute: &Compute,
    mut told: impl FnMut(&str, usize),
) -> Result<RecurrentBenchmark, RecurrentError> {
    let device = &compute.device;
    let &RecurrentConfig { hidden, batch_size, bptt, .. } = &config;
    let net = RecurrentNet::relaxed(vocabulary, hidden, config.kernels);
    check_device(&net, [batch_size, bptt], compute)?;
    let parameters = net.layout().len();
    let forward = net.multiply_accumulates() * (batch_size * bptt) as u64;
    let mut bilevel = RecurrentBilevel::new(net, config.seed, device);
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let windows = [0, 1].map(|_| random_window(&mut rng, vocabulary, [bptt, batch_size]));
    let mut state = [0, 1].map(|_| bilevel.net().first_hidden(batch_size, device));
    let mut passage = |half: usize, state: &[Tensor<2>; 2]| Passage {
        text: TextBatch::upload(&windows[half], device),
        hidden: state[half].clone(),
        masks: config.dropouts.draw(&windows[half], vocabulary, hidden, &mut rng, device),
    };
    let mut step = async |bilevel: &mut RecurrentBilevel, weights: bool| -> Result<(), RecurrentError> {
        let train = passage(0, &state);
        let (nll, half, after) = if weights {
            let (pass, _) = bilevel.weight_step(&config, config.learning_rate, &train);
            (pass.nll, 0, pass.hidden)
        } else {
            let pass = bilevel.architecture_step(&config, config.learning_rate, &train, &passage(1, &state));
            (pass.nll, 1, pass.hidden)
        };
        state[half] = after;
        let ends = [bilevel.weights.clone().slice(0..1), bilevel.alphas.clone().flatten::<1>(0, 1).slice(0..1)];
        let [first, second] = ends;
        read_together([nll, first, second], [batch_size, hidden]).await.map(drop)
    };
    let mut peak = None;
    // As for images, a pass for alphas alone counts as one for weights.
    let order = match config.order {
        Order::First => 3,
        Order::Second => 12,
    };
    let name = "weight step";
    let work = async || step(&mut bilevel, true).await;
    let mut weight_step = time(steps, 3 * forward, device, &mut peak, work, |n| told(name, n)).await?;
    let (kernels, timed_by) = by_kernel(profile, async || step(&mut bilevel, true).await).await?;
    let name = "architecture step";
    let work = async || step(&mut bilevel, false).await;
    let mut architecture_step = time(steps, order * forward, device, &mut peak, work, |n| told(name, n)).await?;
    // Last, as its buffers would count as memory that steps need.
    let ceilings = match compute.runs_shaders() {
        true => Some(ceilings(device).await.map_err(|error| RecurrentError::Device(reason(&error)))?),
        false => None,
    };
    for step in [&mut weight_step, &mut architecture_step] {
        step.compare(ceilings);
    }
    let per_word = |step: &StepFigures| (step.dispatches + step.other_dispatches) as f64 / bptt as f64;
    Ok(RecurrentBenchmark {
        adapter: compute.adapter.clone(),
        backend: compute.backend.clone(),
        dispatches_per_word: [per_word(&weight_step), per_word(&architecture_step)],
        config,
        vocabulary,
        parameters,
        steps,
        weight_step,
        architecture_step,
        peak_bytes: peak,
        ceilings,
        timed_by,
        kernels,
    })
}

fn random_window(rng: &mut ChaCha8Rng, vocabulary: usize, [length, batch_size]: [usize; 2]) -> Window {
    let mut words = || (0..length * batch_size).map(|_| rng.random_range(0..vocabulary as i32)).collect();
    Window { tokens: words(), targets: words(), length, batch_size }
}

/// Times training steps of a network of derived cells on generated images, and what the device can do at most.
///
/// `profile` also times every launch of a step by itself, natively. `told` hears how many steps have been done, the first
/// of which is not timed.
///
/// # Errors
/// The device failed, or does not run the kernels.
///
/// # Panics
/// The genotype is not well formed.
pub async fn training_benchmark(
    config: TrainConfig,
    genotype: Genotype,
    steps: usize,
    profile: bool,
    compute: &Compute,
    told: impl FnMut(usize),
) -> Result<TrainingBenchmark, TrainError> {
    let device = &compute.device;
    // More images than all steps take, as an epoch ends in a test.
    let data = Dataset::textures(config.seed, (steps + 3) * config.batch_size, 1);
    let size = NetworkSize { init_channels: config.init_channels, layers: config.layers, ..NetworkSize::CIFAR10 };
    let cost = genotype.cost(&size);
    let auxiliary = cost.auxiliary.filter(|_| config.auxiliary_weight > 0.0).map_or(0, |head| head.macs);
    let forward = (cost.network.macs + auxiliary) * config.batch_size as u64;
    let mut training = Training::new(config.clone(), genotype.clone(), &data, compute)?;
    let mut peak = None;
    let step = async || training.step().await.map(drop);
    let mut step = time(steps, 3 * forward, device, &mut peak, step, told).await?;
    let (kernels, timed_by) = by_kernel(profile, async || training.step().await.map(drop)).await?;
    // Last, as its buffers would count as memory that steps need.
    let ceilings = match compute.runs_shaders() {
        true => Some(ceilings(device).await.map_err(|error| TrainError::Device(reason(&error)))?),
        false => None,
    };
    step.compare(ceilings);
    Ok(TrainingBenchmark {
        adapter: compute.adapter.clone(),
        backend: compute.backend.clone(),
        config,
        genotype,
        parameters: cost.network.params as usize,
        steps,
        step,
        peak_bytes: peak,
        ceilings,
        timed_by,
        kernels,
    })
}

/// Times every launch of a step by itself where `profile` asks for it, natively.
async fn by_kernel<E>(
    profile: bool,
    step: impl AsyncFnOnce() -> Result<(), E>,
) -> Result<(Vec<KernelFigures>, Option<TimedBy>), E> {
    #[cfg(not(target_arch = "wasm32"))]
    if profile {
        let profile = Profile::new();
        step().await?;
        let (kernels, timed_by) = profile.end().await;
        return Ok((kernels, Some(timed_by)));
    }
    #[cfg(target_arch = "wasm32")]
    let _ = (profile, step);
    Ok((Vec::new(), None))
}

/// Times a step that does `multiply_accumulates`, `steps` times after a first; `step` returns when the device is done.
async fn time<E>(
    steps: usize,
    multiply_accumulates: u64,
    device: &Device,
    peak: &mut Option<u64>,
    mut step: impl AsyncFnMut() -> Result<(), E>,
    mut told: impl FnMut(usize),
) -> Result<StepFigures, E> {
    let count = Count::new();
    let mut times = Vec::with_capacity(steps);
    let mut counted = (0, 0, 0);
    // The first step compiles the shaders and fills the allocator's pools.
    for n in 0..=steps {
        let before = (launched(), count.launches());
        let began = Instant::now();
        step().await?;
        if n > 0 {
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let (own, bytes) = launched();
        counted = (own - before.0.0, bytes - before.0.1, count.launches() - before.1);
        *peak = (*peak).max(device.memory_pool_usage().map_or_else(resident, |usage| Some(usage.bytes_reserved)));
        told(n);
    }
    let time = Timing::of(times);
    let gflops = 2.0 * multiply_accumulates as f64 / (time.median_ms * 1e6);
    let (dispatches, bytes, all) = counted;
    Ok(StepFigures {
        time,
        dispatches,
        other_dispatches: all - dispatches,
        bytes,
        multiply_accumulates,
        gflops,
        fraction_of_multiply_add: None,
        fraction_of_copy: None,
    })
}

/// Bytes that this process had in memory at most, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| 1024 * kilobytes)
}

impl StepFigures {
    /// Sets what was reached beside what can be.
    fn compare(&mut self, ceilings: Option<Ceilings>) {
        let gigabytes_per_s = self.bytes as f64 / (self.time.median_ms * 1e6);
        self.fraction_of_multiply_add = ceilings.map(|most| self.gflops / most.multiply_add_gflops);
        self.fraction_of_copy =
            ceilings.filter(|_| self.dispatches > 0).map(|most| gigabytes_per_s / most.copy_gb_per_s);
    }
}

fn random_batch(rng: &mut ChaCha8Rng, batch: usize, device: &Device) -> Minibatch {
    let values: Vec<f32> = (0..batch * 3 * IMAGE * IMAGE).map(|_| rng.random_range(-1.0..1.0)).collect();
    let labels: Vec<i32> = (0..batch).map(|_| rng.random_range(0..CLASSES as i32)).collect();
    Minibatch {
        images: Tensor::from_data(TensorData::new(values, [batch, 3, IMAGE, IMAGE]), device),
        labels: Tensor::<1, Int>::from_data(TensorData::new(labels, [batch]), device),
    }
}
