//! Validation by naga of every shader that the engine launches.

use burn::{
    backend::wgpu::wgpu::naga::{
        front::wgsl,
        valid::{Capabilities, ValidationFlags, Validator},
    },
    tensor::{Int, Tensor, TensorData},
};
use darts_engine::{
    config::{Kernels, Penalties, SearchConfig},
    data::Window,
    device::Tuning,
    kernels::{SHADERS, ceilings, end_sources, start_sources},
    model::{GradientTargets, Masks, Minibatch, Passage, RunningStatistics, Supernet, TextBatch},
    network::{Network, RecurrentNet},
    search::Bilevel,
    space::{
        CellKind::{self, Normal, Reduce},
        RECURRENT, Stem,
    },
};
use darts_tests::*;
use std::collections::BTreeSet;

#[test]
fn naga_takes_every_shader_without_extensions() {
    start_sources();
    // Rows in vectors of four, and one pixel at a time. A software adapter takes a second to compile each of these shaders.
    for tuning in [Tuning::Gpu, Tuning::Software, Tuning::Browser] {
        pass(tuning, 4, &[Normal, Reduce, Normal], 2, [8, 8]);
        pass(tuning, 3, &[Normal, Reduce, Normal], 1, [6, 10]);
    }
    derived();
    the_peak_rates_are_plausible();
    update();
    recurrent();
    let sources = end_sources();
    let mut used = BTreeSet::new();
    for (text, files) in &sources {
        let module = wgsl::parse_str(text)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string_with_path(text, &files.join("+"))));
        Validator::new(ValidationFlags::all(), Capabilities::empty())
            .validate(&module)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string_with_path(text, &files.join("+"))));
        used.extend(files.iter().copied());
    }
    assert!(sources.len() > 50, "only {} texts were launched", sources.len());
    let unused: Vec<&str> = SHADERS.iter().map(|&(name, _)| name).filter(|name| !used.contains(name)).collect();
    assert!(unused.is_empty(), "never launched: {unused:?}");
}

#[test]
fn the_peak_rates_are_plausible() {
    let ceilings = block_on(ceilings(&device())).unwrap();
    println!("{ceilings:?}");
    assert!((0.01..1e6).contains(&ceilings.multiply_add_gflops), "{ceilings:?}");
    assert!((0.01..1e5).contains(&ceilings.copy_gb_per_s), "{ceilings:?}");
}

/// Runs a weight step, which ends with an update of the weights.
fn update() {
    let device = device();
    let mut bilevel = Bilevel::new(Supernet::with_cells(3, [Normal], 10, Kernels::Fused), 3, &device);
    let images = Tensor::from_data(TensorData::zeros::<f32, _>([1, 3, 6, 10]), &device);
    let labels = Tensor::<1, Int>::from_data(TensorData::zeros::<i32, _>([1]), &device);
    let (_, norm) = bilevel.weight_step(&SearchConfig::default(), 0.01, &Minibatch { images, labels });
    read(norm);
}

/// Trains and evaluates a network of derived cells.
fn derived() {
    let device = device();
    let net = Network::new(every_op(), Stem::Cifar10, 4, 2, 10, false).on(Kernels::Fused);
    let images = Tensor::from_data(TensorData::zeros::<f32, _>([2, 3, 16, 16]), &device);
    let labels = Tensor::<1, Int>::from_data(TensorData::zeros::<i32, _>([2]), &device);
    let weights = net.layout().init(3, &device);
    let batch = Minibatch { images: images.clone(), labels };
    let statistics = net.train_pass(&weights, &batch, 0.0, None).statistics;
    read(net.logits(&weights, &statistics, images));
}

/// Runs two words through a recurrent cell: relaxed, for weights and alphas and in evaluation mode, and derived.
fn recurrent() {
    let device = device();
    let net = RecurrentNet::relaxed(5, 6, Kernels::Fused);
    let window = Window { tokens: vec![0, 1, 2, 3, 4, 0], targets: vec![1; 6], length: 2, batch_size: 3 };
    let passage = Passage {
        text: TextBatch::upload(&window, &device),
        hidden: net.first_hidden(3, &device),
        masks: Masks::default(),
        penalties: Penalties::default(),
    };
    let weights = net.layout().init(3, &device);
    let alphas = Tensor::from_data(TensorData::zeros::<f32, _>(net.alpha_shape()), &device);
    read(net.pass(&weights, Some(&alphas), &passage, GradientTargets::BOTH).loss);
    let statistics = RunningStatistics::new(6, &device);
    read(net.evaluate(&weights, Some((&alphas, &statistics)), &passage.text, &passage.hidden).0);
    let net = RecurrentNet::derived(RECURRENT.published("DARTS_V2").unwrap(), 5, 6).on(Kernels::Fused);
    let weights = net.layout().init(3, &device);
    read(net.pass(&weights, None, &passage, GradientTargets::WEIGHTS).loss);
}

fn pass(tuning: Tuning, channels: usize, kinds: &[CellKind], batch: usize, [height, width]: [usize; 2]) {
    let device = device();
    let net = Supernet::with_cells(channels, kinds.iter().copied(), 10, Kernels::Fused).tuned(tuning);
    let images = Tensor::from_data(TensorData::zeros::<f32, _>([batch, 3, height, width]), &device);
    let labels = Tensor::<1, Int>::from_data(TensorData::zeros::<i32, _>([batch]), &device);
    let weights = net.layout().init(3, &device);
    let alphas = Tensor::from_data(TensorData::zeros::<f32, _>(net.alpha_shape()), &device);
    for wrt in [GradientTargets::WEIGHTS, GradientTargets::ALPHAS] {
        read(net.pass(&weights, &alphas, &Minibatch { images: images.clone(), labels: labels.clone() }, wrt).loss);
    }
}
