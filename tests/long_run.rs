//! Many steps of a small search on the fused kernels, compared with plain Burn ops and repeated.

use burn::tensor::{Device, Int, Tensor, TensorData};
use darts_engine::{
    config::{Kernels, SearchConfig},
    model::{Minibatch, Supernet},
    search::Bilevel,
    space::{
        Alphas, CONVOLUTIONAL,
        CellKind::{Normal, Reduce},
        Genotype,
    },
};
use darts_tests::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const BATCHES: usize = 16;

/// Steps searched: `DARTS_LONG_STEPS`, or as many as take a minute on a software adapter.
fn steps() -> usize {
    std::env::var("DARTS_LONG_STEPS").map_or(200, |text| text.parse().expect("DARTS_LONG_STEPS is a number of steps"))
}

/// Results of a search.
struct Trace {
    /// Weight losses.
    losses: Vec<f32>,
    alphas: Vec<f32>,
    genotype: Genotype,
    /// Bytes held by the allocator after every twenty steps, where it reports them.
    memory: Vec<Option<u64>>,
}

/// Searches a small supernet on a few minibatches of patterned noise, which it learns by heart.
fn search(kernels: Kernels, device: &Device) -> Trace {
    let net = Supernet::with_cells(2, [Normal, Reduce], 4, kernels);
    let config = SearchConfig { learning_rate: 0.01, ..SearchConfig::default() };
    let mut bilevel = Bilevel::new(net, 5, device);
    let batches: Vec<Minibatch> = (0..BATCHES as u64).map(|seed| batch(seed, device)).collect();
    let mut losses = Vec::new();
    let mut memory = Vec::new();
    for step in 0..steps() {
        let (weight, alpha) = (&batches[step % (BATCHES / 2)], &batches[BATCHES / 2 + step % (BATCHES / 2)]);
        let outcome = bilevel.step(&config, config.learning_rate, weight, alpha);
        losses.push(read(outcome.weight.loss)[0]);
        if step % 20 == 19 {
            memory.push(device.memory_pool_usage().map(|usage| usage.bytes_reserved));
        }
    }
    let alphas = read(bilevel.alphas);
    let genotype = Alphas::from_flat(CONVOLUTIONAL, &alphas).genotype();
    Trace { losses, alphas, genotype, memory }
}

/// Images whose class is the quadrant in which they are brightest.
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
fn many_steps_beside_plain_ops_and_twice() {
    let device = device();
    // Plain ops run on the CPU, which handles their hundreds of tiny launches per step best.
    let plain = std::thread::spawn(|| search(Kernels::Reference, &cpu()));
    let first = search(Kernels::Fused, &device);
    let again = search(Kernels::Fused, &device);
    assert_eq!(first.genotype, again.genotype);
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&first.alphas), bits(&again.alphas), "the same search gives the same alphas");
    assert_eq!(bits(&first.losses), bits(&again.losses), "the same search has the same losses");
    println!("allocator: {:?}, again {:?}", first.memory, again.memory);
    assert_eq!(again.memory.first(), again.memory.last(), "the allocator holds more than after twenty steps");

    let plain = plain.join().expect("the search on plain ops ends");
    let tenth = steps() / 10;
    let early = relative_distance(&first.losses[..tenth], &plain.losses[..tenth]);
    let losses = relative_distance(&first.losses, &plain.losses);
    let alphas = relative_distance(&first.alphas, &plain.alphas);
    let end = |trace: &Trace| mean(&trace.losses[steps() - tenth..]);
    println!("{} steps: losses {losses:.1e} apart, in the first tenth {early:.1e}, alphas {alphas:.1e}", steps());
    println!(
        "mean loss of the last tenth {} and {}, of the first {}",
        end(&first),
        end(&plain),
        mean(&first.losses[..tenth])
    );
    // Rounding differs between the paths, and a search amplifies differences: these bounds are about ten times those found
    // after 1000 steps (losses 2e-5, alphas 7e-3, the same genotype).
    assert!(early < 1e-4 && losses < 1e-3 && alphas < 5e-2, "the paths diverge");
    assert_eq!(first.genotype, plain.genotype);
    let on_cpu = search(Kernels::Fused, &cpu());
    let losses = relative_distance(&on_cpu.losses, &plain.losses);
    let alphas = relative_distance(&on_cpu.alphas, &plain.alphas);
    println!("the CPU's kernels: losses {losses:.1e} apart, alphas {alphas:.1e}");
    assert!(losses < 1e-3 && alphas < 5e-2, "the CPU's path diverges");
    assert_eq!(on_cpu.genotype, plain.genotype);
    assert!(end(&first) < 0.5 * mean(&first.losses[..tenth]), "the search learns");
}
