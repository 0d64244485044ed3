//! Independence of the device memory's previous content, as nothing is read that was not written; and constant memory over
//! many steps.

use burn::tensor::{Device, Int, Tensor, TensorData};
use darts_engine::{
    checkpoint::Resumable,
    config::{Kernels, Order, RecurrentConfig, SearchConfig},
    data::{Corpus, Dataset},
    device::{Compute, DeviceChoice},
    model::{Minibatch, Supernet},
    network::Network,
    search::{Bilevel, ConvSearch, RecurrentSearch, Stream},
    space::{
        CONVOLUTIONAL,
        CellKind::{Normal, Reduce},
        Stem,
    },
};
use darts_tests::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
#[cfg(target_os = "linux")]
use std::sync::{Mutex, PoisonError};

/// Images of a minibatch.
const IMAGES: usize = 4;

fn batch(side: usize, seed: u64, device: &Device) -> Minibatch {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let pixels: Vec<f32> = (0..IMAGES * 3 * side * side).map(|_| rng.random_range(-1.0..1.0)).collect();
    let labels: Vec<i32> = (0..IMAGES).map(|_| rng.random_range(0..10)).collect();
    Minibatch {
        images: Tensor::from_data(TensorData::new(pixels, [IMAGES, 3, side, side]), device),
        labels: Tensor::<1, Int>::from_data(TensorData::new(labels, [IMAGES]), device),
    }
}

fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    read(tensor).into_iter().map(f32::to_bits).collect()
}

/// Compares a computation in fresh memory with one in memory that the same computation has filled with NaN.
fn the_same_in_any_memory(what: &str, compute: impl Fn(f32) -> Vec<Vec<u32>>) {
    let fresh = compute(1.0);
    assert!(fresh.iter().flatten().all(|bits| f32::from_bits(*bits).is_finite()), "{what}");
    let poisoned = compute(f32::NAN);
    assert!(poisoned.iter().flatten().any(|bits| f32::from_bits(*bits).is_nan()), "{what}");
    for (i, (again, fresh)) in compute(1.0).iter().zip(&fresh).enumerate() {
        assert!(again == fresh, "{what}: tensor {i} depends on the previous content of memory");
    }
}

#[test]
fn a_search_step_reads_nothing_that_was_not_written() {
    a_search_step(&device());
    a_search_step(&cpu());
}

fn a_search_step(device: &Device) {
    // The second order includes all of the first.
    let config = SearchConfig { order: Order::Second, ..SearchConfig::default() };
    let (weight, alpha) = (batch(8, 1, device), batch(8, 2, device));
    the_same_in_any_memory("a search step", |factor| {
        let net = Supernet::with_cells(4, [Normal, Reduce], 10, Kernels::Fused);
        let mut bilevel = Bilevel::new(net, 3, device);
        bilevel.weights = bilevel.weights * factor;
        let outcome = bilevel.step(&config, 0.025, &weight, &alpha);
        vec![
            bits(outcome.weight.logits),
            bits(outcome.architecture.logits),
            bits(bilevel.weights),
            bits(bilevel.momentum.expect("a momentum buffer")),
            bits(bilevel.alphas),
            bits(bilevel.moments.0),
            bits(bilevel.moments.1),
        ]
    });
}

#[test]
fn a_training_step_reads_nothing_that_was_not_written() {
    a_training_step(&device());
    a_training_step(&cpu());
}

fn a_training_step(device: &Device) {
    let batch = batch(32, 1, device);
    let network = Network::new(CONVOLUTIONAL.published("DARTS_V2").unwrap(), Stem::Cifar10, 4, 3, 10, true);
    let weights = network.layout().init(3, device);
    let statistics = network.statistics().init(3, device);
    let kept = Tensor::<2>::ones([network.paths(), IMAGES], device);
    the_same_in_any_memory("a training step", |factor| {
        let weights = weights.clone() * factor;
        let pass = network.train_pass(&weights, &batch, 0.4, Some(kept.clone()));
        let logits = network.logits(&weights, &statistics, batch.images.clone());
        vec![bits(pass.loss), bits(pass.logits), bits(pass.statistics), bits(pass.gradient), bits(logits)]
    });
}

/// Resident memory of this process in kibibytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Number of steps of a long run, and whether they are as small as possible: `DARTS_LONG_STEPS` asks for more, smaller steps.
#[cfg(target_os = "linux")]
fn long() -> (usize, bool) {
    let asked = std::env::var("DARTS_LONG_STEPS").ok().map(|text| text.parse::<usize>().unwrap());
    (asked.unwrap_or(140).max(120), asked.is_some())
}

/// Lock that makes long runs take turns, as resident memory is measured for the whole process.
#[cfg(target_os = "linux")]
static TURN: Mutex<()> = Mutex::new(());

/// Fails unless a run takes no more memory after many steps than after 60, or after a twentieth of them, when other tests of
/// this process have started too.
#[cfg(target_os = "linux")]
fn takes_no_more_memory(run: &mut impl Resumable, steps: usize, device: &Device) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut memory = Vec::new();
    for step in 0..steps {
        block_on(run.step()).unwrap();
        if step % 20 == 19 {
            // The memory of a checkpoint has to be released too.
            drop(block_on(run.state()).unwrap());
            memory.push((resident(), device.memory_pool_usage().map(|usage| usage.bytes_reserved)));
        }
    }
    // At most twenty values, to fit on a line.
    let shown: Vec<_> = memory.iter().step_by(memory.len().div_ceil(20)).collect();
    println!("{steps} steps, kibibytes resident and bytes on the device along them: {shown:?}");
    let begun = 2.max(memory.len() / 20);
    let (early, last) = (memory[begun], memory[memory.len() - 1]);
    let after = 20 * (begun + 1);
    // The runtime caches a bounded number of shapes.
    assert!(last.1 <= early.1.map(|bytes| bytes + (64 << 10)), "the device holds more than after {after} steps");
    let more = last.0.saturating_sub(early.0);
    assert!(more < 4 << 10, "{more} KiB more are resident than after {after} steps");
}

#[test]
#[cfg(target_os = "linux")]
fn a_long_search_takes_no_more_memory_than_a_short_one() {
    let (steps, small) = long();
    let compute = block_on(Compute::acquire(DeviceChoice::Auto)).unwrap();
    let (batch_size, layers, images) = if small { (1, 1, 17) } else { (2, 2, 17) };
    let config = SearchConfig {
        batch_size,
        init_channels: 2,
        layers,
        train_images: Some(images),
        epochs: steps.div_ceil(images / 2 / batch_size),
        ..SearchConfig::default()
    };
    let mut search = block_on(ConvSearch::new(config, &Dataset::textures(0, images, 0), &compute)).unwrap();
    takes_no_more_memory(&mut search, steps, &compute.device);
}

/// Covers ends of epochs, each with an evaluation of the whole validation text.
#[test]
#[cfg(target_os = "linux")]
fn a_long_search_on_text_takes_no_more_memory_than_a_short_one() {
    let (steps, small) = long();
    let compute = block_on(Compute::acquire(DeviceChoice::Auto)).unwrap();
    let text = b"a b c d e f\n".repeat(30);
    let corpus = Corpus::from_texts([("x", &text), ("y", &text), ("z", &text)]).unwrap();
    let config = RecurrentConfig {
        batch_size: 4,
        hidden: 8,
        bptt: if small { 2 } else { 6 },
        epochs: steps,
        kernels: Kernels::Fused,
        ..RecurrentConfig::default()
    };
    let mut search = block_on(RecurrentSearch::new(config, &corpus, &compute)).unwrap();
    takes_no_more_memory(&mut search, steps, &compute.device);
    assert!(search.stream().epoch() > 2, "some epochs have ended");
}
