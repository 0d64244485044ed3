use super::{RecurrentBenchmark, StepBenchmark, StepFigures, Timing, TrainingBenchmark};
#[cfg(not(target_arch = "wasm32"))]
use crate::kernels::Profile;
use crate::{
    config::{Order, RecurrentConfig, SearchConfig, SearchSettings, TrainConfig},
    data::{Dataset, Window},
    device::{Compute, read},
    error::{Error, Sizes},
    kernels::{Count, ceilings, launched},
    model::{Minibatch, Pass, Passage, RecurrentPass, TextBatch},
    network::RecurrentNet,
    profile::{Ceilings, KernelFigures, TimedBy},
    search::{Bilevel, Family, Pass as _, SearchNetwork, check_device, supernet_for},
    space::{Convolutional, Genotype, NetworkSize, Recurrent},
    train::ImageTraining,
};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use web_time::Instant;

/// Height and width of the images.
const IMAGE: usize = 32;
const CLASSES: usize = 10;

/// Times weight and architecture steps on random images, and measures the device's peak rates.
///
/// `profile` also times every launch of a weight step by itself, natively. `progress` receives the kind of step and the number
/// done; the first is not timed.
///
/// # Errors
/// The device failed, or does not run the kernels.
pub async fn step_benchmark(
    config: SearchConfig,
    steps: usize,
    profile: bool,
    compute: &Compute,
    progress: impl FnMut(&str, usize),
) -> Result<StepBenchmark, Error> {
    let device = &compute.device;
    let supernet = supernet_for(&config, CLASSES, [IMAGE, IMAGE], compute)?;
    let expected_bytes = supernet.memory(config.batch_size, [IMAGE, IMAGE]).map(|memory| memory.peak);
    let parameters = supernet.layout().len();
    let forward = supernet.multiply_accumulates(IMAGE, IMAGE) * config.batch_size as u64;
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let batches = [0, 1].map(|_| random_batch(&mut rng, config.batch_size, device));
    let batch = |split: usize, _: Option<&Pass>| batches[split].clone();
    let sizes = Convolutional::sizes(&config);
    let found = search_steps(&config, sizes, supernet, forward, batch, (steps, profile), compute, progress).await?;
    Ok(StepBenchmark {
        adapter: compute.adapter.clone(),
        backend: compute.backend.clone(),
        config,
        parameters,
        steps,
        weight_step: found.weight_step,
        architecture_step: found.architecture_step,
        peak_bytes: found.peak_bytes,
        expected_bytes,
        ceilings: found.ceilings,
        timed_by: found.timed_by,
        kernels: found.kernels,
    })
}

/// Times weight and architecture steps of a recurrent search on random words, and measures the device's peak rates.
///
/// `profile` also times every launch of a weight step by itself, natively. `progress` receives the kind of step and the number
/// done; the first is not timed.
///
/// # Errors
/// The device failed, or does not run the kernels.
pub async fn recurrent_benchmark(
    config: RecurrentConfig,
    vocabulary: usize,
    steps: usize,
    profile: bool,
    compute: &Compute,
    progress: impl FnMut(&str, usize),
) -> Result<RecurrentBenchmark, Error> {
    let device = &compute.device;
    let &RecurrentConfig { hidden, batch_size, bptt, .. } = &config;
    let net = RecurrentNet::relaxed(vocabulary, hidden, config.kernels);
    check_device(&net, [batch_size, bptt], compute)?;
    let parameters = net.layout().len();
    let forward = net.multiply_accumulates() * (batch_size * bptt) as u64;
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let windows = [0, 1].map(|_| random_window(&mut rng, vocabulary, [bptt, batch_size]));
    let mut state = [0, 1].map(|_| net.first_hidden(batch_size, device));
    let batch = |split: usize, before: Option<&RecurrentPass>| {
        if let Some(pass) = before {
            state[split] = pass.hidden.clone();
        }
        Passage {
            text: TextBatch::upload(&windows[split], device),
            hidden: state[split].clone(),
            masks: config.dropouts.draw(&windows[split], vocabulary, hidden, &mut rng, device),
            penalties: config.penalties,
        }
    };
    let sizes = Recurrent::sizes(&config);
    let found = search_steps(&config, sizes, net, forward, batch, (steps, profile), compute, progress).await?;
    let per_word = |step: &StepFigures| (step.dispatches + step.other_dispatches) as f64 / bptt as f64;
    Ok(RecurrentBenchmark {
        adapter: compute.adapter.clone(),
        backend: compute.backend.clone(),
        dispatches_per_word: [per_word(&found.weight_step), per_word(&found.architecture_step)],
        config,
        vocabulary,
        parameters,
        steps,
        weight_step: found.weight_step,
        architecture_step: found.architecture_step,
        peak_bytes: found.peak_bytes,
        ceilings: found.ceilings,
        timed_by: found.timed_by,
        kernels: found.kernels,
    })
}

/// Figures of both kinds of a search's steps.
struct SearchFigures {
    weight_step: StepFigures,
    architecture_step: StepFigures,
    peak_bytes: Option<u64>,
    ceilings: Option<Ceilings>,
    timed_by: Option<TimedBy>,
    kernels: Vec<KernelFigures>,
}

/// Times the steps of a search whose forward pass does `forward` multiply-accumulates. `batch` makes a minibatch of the
/// train (0) or the valid split (1), given the previous pass over the same split.
#[allow(clippy::too_many_arguments)]
async fn search_steps<N: SearchNetwork>(
    config: &impl SearchSettings,
    sizes: Sizes,
    network: N,
    forward: u64,
    mut batch: impl FnMut(usize, Option<&N::Pass>) -> N::Batch,
    (steps, profile): (usize, bool),
    compute: &Compute,
    mut progress: impl FnMut(&str, usize),
) -> Result<SearchFigures, Error> {
    let device = &compute.device;
    let basics = config.basics();
    let mut bilevel = Bilevel::new(network, basics.seed, device);
    let mut before = [None, None];
    let mut step = async |weights: bool| -> Result<(), Error> {
        let train = batch(0, before[0].as_ref());
        let (pass, split) = if weights {
            (bilevel.weight_step(config, basics.learning_rate, &train).0, 0)
        } else {
            let valid = batch(1, before[1].as_ref());
            (bilevel.architecture_step(config, basics.learning_rate, &train, &valid), 1)
        };
        let loss = pass.reported().swap_remove(0);
        before[split] = Some(pass);
        let ends = [bilevel.weights.clone().slice(0..1), bilevel.alphas.clone().flatten::<1>(0, 1).slice(0..1)];
        let [first, second] = ends;
        read(vec![loss, first, second]).await.map(drop).map_err(|error| Error::read(error, sizes.clone()))
    };
    let mut peak_bytes = None;
    // Of the four passes of the second order, two give weight gradients and two give alpha gradients only.
    let order = match basics.order {
        Order::First => 3,
        Order::Second => 12,
    };
    let name = "weight step";
    let work = async || step(true).await;
    let mut weight_step = time(steps, 3 * forward, device, &mut peak_bytes, work, |n| progress(name, n)).await?;
    let (kernels, timed_by) = by_kernel(profile, async || step(true).await).await?;
    let name = "architecture step";
    let work = async || step(false).await;
    let mut architecture_step =
        time(steps, order * forward, device, &mut peak_bytes, work, |n| progress(name, n)).await?;
    let ceilings = ceilings_of(compute).await?;
    for step in [&mut weight_step, &mut architecture_step] {
        step.compare(ceilings);
    }
    Ok(SearchFigures { weight_step, architecture_step, peak_bytes, ceilings, timed_by, kernels })
}

/// Peak rates of the device, where it runs shaders. Measured last, as its buffers would count towards the peak memory.
async fn ceilings_of(compute: &Compute) -> Result<Option<Ceilings>, Error> {
    match compute.runs_shaders() {
        true => match ceilings(&compute.device).await {
            Ok(ceilings) => Ok(Some(ceilings)),
            Err(error) => Err(Error::read(error.into(), Sizes(Vec::new()))),
        },
        false => Ok(None),
    }
}

fn random_window(rng: &mut ChaCha8Rng, vocabulary: usize, [length, batch_size]: [usize; 2]) -> Window {
    let mut words = || (0..length * batch_size).map(|_| rng.random_range(0..vocabulary as i32)).collect();
    Window { tokens: words(), targets: words(), length, batch_size }
}

/// Times training steps of a derived network on generated images, and measures the device's peak rates.
///
/// `profile` also times every launch of a step by itself, natively. `progress` receives the number of steps done; the first is
/// not timed.
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
    progress: impl FnMut(usize),
) -> Result<TrainingBenchmark, Error> {
    let device = &compute.device;
    // More images than all steps take, as the end of an epoch would run a test.
    let data = Dataset::textures(config.seed, (steps + 3) * config.batch_size, 1);
    let size = NetworkSize { init_channels: config.init_channels, layers: config.layers, ..NetworkSize::CIFAR10 };
    let cost = genotype.cost(&size);
    let auxiliary = cost.auxiliary.filter(|_| config.auxiliary_weight > 0.0).map_or(0, |head| head.macs);
    let forward = (cost.network.macs + auxiliary) * config.batch_size as u64;
    let mut training = ImageTraining::new(config.clone(), genotype.clone(), &data, compute)?;
    let mut peak = None;
    let step = async || training.step().await.map(drop);
    let mut step = time(steps, 3 * forward, device, &mut peak, step, progress).await?;
    let (kernels, timed_by) = by_kernel(profile, async || training.step().await.map(drop)).await?;
    let ceilings = ceilings_of(compute).await?;
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

/// Times every launch of a step by itself if `profile` is set, natively.
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
    mut progress: impl FnMut(usize),
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
        progress(n);
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

/// Peak resident bytes of this process, where the system reports them.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| 1024 * kilobytes)
}

impl StepFigures {
    /// Compares the rates reached with the device's peak rates.
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
