//! A thousand steps of a small search on the fused kernels: beside plain Burn ops, and twice.

use burn::tensor::{Device, Int, Tensor, TensorData};
use darts_engine::{
    search::{Bilevel, SearchConfig},
    space::{Alphas, CellKind::Normal, CellKind::Reduce, Genotype},
    supernet::{Kernels, Minibatch, Supernet},
};
use darts_tests::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const STEPS: usize = 1000;
const BATCHES: usize = 16;

/// What a search of a thousand steps leaves.
struct Trace {
    /// Weight losses.
    losses: Vec<f32>,
    alphas: Vec<f32>,
    genotype: Genotype,
    /// Bytes that the allocator held after every hundred steps, where it tells.
    memory: Vec<Option<u64>>,
}

/// Searches a small supernet on a few minibatches of patterned noise, which it learns by heart.
fn search(kernels: Kernels, device: &Device) -> Trace {
    let net = Supernet::with_cells(2, [Normal, Reduce], 4, kernels);
    let config = SearchConfig { learning_rate: 0.01, ..SearchConfig::default() };
    let mut bilevel = Bilevel::new(net, 5, device);
    let batches: Vec<Minibatch> = (0..BATCHES as u64).map(|seed| batch(seed, device)).collect();
    let mut losses = Vec::with_capacity(STEPS);
    let mut memory = Vec::new();
    for step in 0..STEPS {
        let (weight, alpha) = (&batches[step % (BATCHES / 2)], &batches[BATCHES / 2 + step % (BATCHES / 2)]);
        let outcome = bilevel.step(&config, config.learning_rate, weight, alpha);
        losses.push(read(outcome.weight.loss)[0]);
        if step % 100 == 99 {
            memory.push(device.memory_pool_usage().map(|usage| usage.bytes_reserved));
        }
    }
    let alphas = read(bilevel.alphas);
    let genotype = Alphas::from_flat(&alphas).genotype();
    Trace { losses, alphas, genotype, memory }
}

/// Images whose class is the quarter in which they are brightest.
fn batch(seed: u64, device: &Device) -> Minibatch {
    const SIDE: usize = 8;
    const IMAGES: usize = 8;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let labels: Vec<i32> = (0..IMAGES).map(|_| rng.random_range(0..4)).collect();
    let mut values = Vec::with_capacity(IMAGES * 3 * SIDE * SIDE);
    for &label in &labels {
        for _colour in 0..3 {
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let quarter = (y / (SIDE / 2) * 2 + x / (SIDE / 2)) as i32;
                    values.push(rng.random_range(-1.0..1.0f32) + f32::from(quarter == label));
                }
            }
        }
    }
    Minibatch {
        images: Tensor::from_data(TensorData::new(values, [IMAGES, 3, SIDE, SIDE]), device),
        labels: Tensor::<1, Int>::from_data(TensorData::new(labels, [IMAGES]), device),
    }
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

#[test]
fn a_thousand_steps() {
    let device = device();
    let first = search(Kernels::Fused, &device);
    let again = search(Kernels::Fused, &device);
    assert_eq!(first.genotype, again.genotype);
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&first.alphas), bits(&again.alphas), "the same search gives the same alphas");
    assert_eq!(bits(&first.losses), bits(&again.losses), "and the same losses");
    println!("allocator after every hundred steps: {:?} and {:?}", first.memory, again.memory);
    assert_eq!(
        first.memory[0], first.memory[9],
        "the allocator holds more after a thousand steps than after a hundred"
    );
    // Plain ops run on the processor here: hundreds of tiny launches a step are what it does best.
    let plain = search(
        Kernels::Reference,
        &block_on(darts_engine::device::Compute::acquire(darts_engine::device::DeviceChoice::Cpu)).unwrap().device,
    );
    let early = relative_distance(&first.losses[..20], &plain.losses[..20]);
    let alphas = relative_distance(&first.alphas, &plain.alphas);
    let (ends, ends_plain) = (mean(&first.losses[900..]), mean(&plain.losses[900..]));
    println!(
        "losses of 20 steps {early:.1e} apart, alphas after 1000 {alphas:.1e}; mean loss of the last hundred {ends} and {ends_plain}, at the start {}",
        first.losses[0]
    );
    println!("{:?}\n{:?}", first.genotype == plain.genotype, plain.genotype);
}
