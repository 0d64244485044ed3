//! `darts bench`: the speed of this machine.

mod checkpoint;

use crate::{
    device::{DeviceFlag, acquired, contain},
    flags::{kernels, orders},
    genotype::{cell_help, find},
    output::{Outcome, Output},
};
use clap::{Args, Subcommand};
use darts_engine::{
    bench::{Measured, Sizes, decode_benchmark, recurrent_benchmark, step_benchmark, training_benchmark},
    config::{Kernels, Order, RecurrentConfig, SearchConfig, SearchSettings, TrainConfig},
    data,
    device::{Compute, block_on},
    space::CONVOLUTIONAL,
};
use serde::Serialize;
use std::{fmt::Display, path::PathBuf};

#[derive(Subcommand)]
pub enum Command {
    /// Time the steps of a convolutional search on random images.
    ///
    /// Times weight steps and architecture steps, and counts the memory traffic and arithmetic of each. The defaults are the
    /// paper's sizes. Each time includes the work on the device; one untimed step of each kind comes first. Several sizes, as
    /// in --batch-size 16,32,64, are measured in turn, and finally compared with linear growth.
    Step(Step),
    /// Time the steps of a recurrent search on random words.
    ///
    /// Times weight steps and architecture steps, and counts the launches per word, memory traffic and arithmetic of each.
    /// Each time includes the work on the device; one untimed step of each kind comes first. Several sizes, as in
    /// --batch-size 16,32,64, are finally compared with linear growth. tests/peer/torch_rnn.py times the same in PyTorch.
    Recurrent(Recurrent),
    /// Time the training steps of a network of derived cells on generated images.
    ///
    /// Also counts their memory traffic and arithmetic. The defaults are the paper's sizes for CIFAR-10, which need a GPU or
    /// patience.
    Train(Train),
    /// Time the checkpoints of a search: writing one, and resuming from it.
    ///
    /// The defaults are the paper's sizes. Checkpoints are written to the folder for temporary files.
    Checkpoint(Checkpoint),
    /// Time the reading, decoding, cropping, resizing and colour jitter of pictures, as in training on ImageNet.
    ///
    /// Without --data, pictures of 500x375 pixels are generated, with files about as large as ImageNet's.
    Decode(Decode),
}

#[derive(Args)]
pub struct Train {
    #[arg(long, value_name = "CELL", default_value = "DARTS_V2", help = cell_help(CONVOLUTIONAL))]
    arch: String,
    /// Images in a minibatch.
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().batch_size)]
    batch_size: usize,
    /// Channels of the first cell.
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().init_channels)]
    init_channels: usize,
    /// Cells of the network.
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().layers)]
    layers: usize,
    /// Weight of the auxiliary head's loss; 0 for no such head.
    #[arg(long, value_name = "WEIGHT", default_value_t = TrainConfig::default().auxiliary_weight)]
    auxiliary_weight: f64,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
pub struct Recurrent {
    /// Columns of a window; several sizes are separated by commas.
    #[arg(long, value_name = "N", default_value = "64", value_delimiter = ',')]
    batch_size: Vec<usize>,
    /// Units: the length of word vectors and states.
    #[arg(long, value_name = "N", default_value_t = RecurrentConfig::default().hidden)]
    hidden: usize,
    /// Words of a column.
    #[arg(long, value_name = "N", default_value_t = RecurrentConfig::default().bptt)]
    bptt: usize,
    /// Distinct words.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=10_000_000))]
    vocabulary: u32,
    /// Approximation of the gradient of the alphas.
    #[arg(long, value_name = "ORDER", default_value = "first", value_parser = orders())]
    order: Order,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
pub struct Decode {
    /// Folder with the pictures of each class in train/CLASS [default: generated pictures].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Side of the images that are produced.
    #[arg(long, value_name = "PIXELS", default_value_t = 224, value_parser = clap::value_parser!(u32).range(8..=4096))]
    image_size: u32,
    /// Threads [default: as many as the machine runs at once].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Duration of the measurement.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,
}

/// Flags of all benchmarks of steps.
#[derive(Args, Clone, Copy)]
struct How {
    /// Implementation of the network.
    #[arg(long, value_name = "KERNELS", default_value = "fused", value_parser = kernels())]
    kernels: Kernels,
    #[command(flatten)]
    device: DeviceFlag,
    /// Number of steps of each kind to time.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = steps)]
    steps: usize,
    /// Also time every launch, and print the time of each kernel.
    #[arg(long)]
    profile: bool,
}

fn steps(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a whole number from 1".into()),
        Ok(steps) => Ok(steps),
    }
}

#[derive(Args)]
pub struct Checkpoint {
    /// Images in a minibatch.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch_size: u16,
    /// Channels of the first cell.
    #[arg(long, value_name = "N", default_value_t = 16)]
    init_channels: usize,
    /// Cells of the supernet.
    #[arg(long, value_name = "N", default_value_t = 8)]
    layers: usize,
    #[command(flatten)]
    device: DeviceFlag,
    /// Number of checkpoints to time.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeats: u16,
}

#[derive(Args)]
pub struct Step {
    /// Images in a minibatch; several sizes are separated by commas.
    #[arg(long, value_name = "N", default_value = "64", value_delimiter = ',')]
    batch_size: Vec<usize>,
    /// Channels of the first cell.
    #[arg(long, value_name = "N", default_value_t = 16)]
    init_channels: usize,
    /// Cells of the supernet; several sizes are separated by commas.
    #[arg(long, value_name = "N", default_value = "8", value_delimiter = ',')]
    layers: Vec<usize>,
    /// Approximation of the gradient of the alphas.
    #[arg(long, value_name = "ORDER", default_value = "first", value_parser = orders())]
    order: Order,
    #[command(flatten)]
    how: How,
}

pub fn run(command: Command, output: &Output) -> Outcome {
    match command {
        Command::Step(step) => search_steps(&step, output),
        Command::Recurrent(step) => recurrent_steps(&step, output),
        Command::Train(train) => training_steps(&train, output),
        Command::Checkpoint(Checkpoint { batch_size, init_channels, layers, device, repeats }) => {
            let batch_size = batch_size.into();
            let config = SearchConfig { batch_size, init_channels, layers, ..SearchConfig::default() };
            checkpoint::run(config, repeats.into(), device.device, output)
        }
        Command::Decode(Decode { data, image_size, threads, seconds }) => {
            let threads = threads.map_or_else(data::threads, usize::from);
            let figures = decode_benchmark(data.as_deref(), image_size as usize, threads, seconds.into())?;
            output.print(&figures, &figures)
        }
    }
}

fn search_steps(step: &Step, output: &Output) -> Outcome {
    let &Step { init_channels, order, how, .. } = step;
    let sizes = step.layers.iter().flat_map(|&layers| step.batch_size.iter().map(move |&batch| (batch, layers)));
    let config = |(batch_size, layers)| SearchConfig {
        batch_size,
        init_channels,
        layers,
        order,
        kernels: how.kernels,
        ..SearchConfig::default()
    };
    each(sizes.map(config).collect(), how, output, |config, compute| {
        Ok(block_on(step_benchmark(config, how.steps, how.profile, compute, first_done(output)))?)
    })
}

fn recurrent_steps(step: &Recurrent, output: &Output) -> Outcome {
    let &Recurrent { hidden, bptt, vocabulary, order, how, .. } = step;
    let config = |&batch_size| RecurrentConfig {
        batch_size,
        hidden,
        bptt,
        order,
        kernels: how.kernels,
        ..RecurrentConfig::default()
    };
    each(step.batch_size.iter().map(config).collect(), how, output, |config, compute| {
        let (vocabulary, progress) = (vocabulary as usize, first_done(output));
        Ok(block_on(recurrent_benchmark(config, vocabulary, how.steps, how.profile, compute, progress))?)
    })
}

/// Measures searches of several sizes, after checking that all are in range.
fn each<C: SearchSettings, B: Measured + Serialize + Display>(
    configs: Vec<C>,
    how: How,
    output: &Output,
    measure: impl Fn(C, &Compute) -> Outcome<B>,
) -> Outcome {
    configs.iter().try_for_each(SearchSettings::check)?;
    let compute = acquired(how.device.device, output)?;
    output.remark(format!("{} ({}), {} steps of each kind", compute.adapter, compute.backend, how.steps));
    let measured = configs.into_iter().map(|config| contain(|| measure(config, &compute)));
    print(&Sizes(measured.collect::<Outcome<_>>()?), output)
}

/// Prints a remark when the untimed step is done.
fn first_done(output: &Output) -> impl FnMut(&str, usize) {
    |kind, n| {
        if n == 0 {
            output.remark(format!("{kind}: first one done, timing"));
        }
    }
}

/// Report of one size, or of several with their growth.
fn print<B: Measured + Serialize + Display>(sizes: &Sizes<B>, output: &Output) -> Outcome {
    match &sizes.0[..] {
        [one] => output.print(one, one),
        _ => output.print(sizes, sizes),
    }
}

fn training_steps(train: &Train, output: &Output) -> Outcome {
    let &Train { batch_size, init_channels, layers, auxiliary_weight, how, .. } = train;
    let How { kernels, device, steps, profile } = how;
    let config = TrainConfig { batch_size, init_channels, layers, auxiliary_weight, kernels, ..TrainConfig::default() };
    config.check()?;
    let genotype = find(CONVOLUTIONAL, &train.arch)?;
    let compute = acquired(device.device, output)?;
    output.remark(format!("{} ({}), {steps} steps", compute.adapter, compute.backend));
    let progress = |n: usize| {
        if n == 0 {
            output.remark("first one done, timing");
        }
    };
    let figures = contain(|| Ok(block_on(training_benchmark(config, genotype, steps, profile, &compute, progress))?))?;
    output.print(&figures, &figures)
}
