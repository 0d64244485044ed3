//! `darts bench`: how long things take here.

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
    /// Time weight steps and architecture steps of a search on random images, and say what they move and compute.
    ///
    /// The defaults are the paper's sizes. Work on the device is waited for; one step of each kind runs before any is timed.
    /// Several sizes, as in --batch-size 16,32,64, are measured one after the other, and set against linear growth at the end.
    Step(Step),
    /// Time weight steps and architecture steps of a recurrent search on random words, and say what they launch a word, move
    /// and compute.
    ///
    /// Work on the device is waited for; one step of each kind runs before any is timed. Several sizes, as in
    /// --batch-size 16,32,64, are set against linear growth at the end. tests/peer/torch_rnn.py times the same in PyTorch.
    Recurrent(Recurrent),
    /// Time training steps of a network of derived cells on generated images, and say what they move and compute.
    ///
    /// The defaults are the paper's sizes for CIFAR-10, which want a GPU or patience.
    Train(Train),
    /// Time what keeping a search costs it, and how soon it is ready to go on.
    ///
    /// The defaults are the paper's sizes. Checkpoints are written to the folder for temporary files.
    Checkpoint(Checkpoint),
    /// Time reading, decoding, cropping, resizing and colour-jittering of pictures, as training on ImageNet does it.
    ///
    /// Without data, pictures of 500x375 are generated whose files are about as large as ImageNet's.
    Decode(Decode),
}

#[derive(Args)]
pub struct Train {
    #[arg(long, value_name = "CELL", default_value = "DARTS_V2", help = cell_help(CONVOLUTIONAL))]
    arch: String,
    /// Images of a minibatch.
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().batch_size)]
    batch_size: usize,
    /// Channels of the first cell.
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().init_channels)]
    init_channels: usize,
    /// Cells of the network.
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().layers)]
    layers: usize,
    /// How much the loss of the auxiliary head counts; 0 is no such head.
    #[arg(long, value_name = "WEIGHT", default_value_t = TrainConfig::default().auxiliary_weight)]
    auxiliary_weight: f64,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
pub struct Recurrent {
    /// Columns of a window, or several such numbers.
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
    /// How the gradient of the alphas is approximated.
    #[arg(long, value_name = "ORDER", default_value = "first", value_parser = orders())]
    order: Order,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
pub struct Decode {
    /// A folder with the pictures of each class in train/CLASS [default: generated ones].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Side of the images made.
    #[arg(long, value_name = "PIXELS", default_value_t = 224, value_parser = clap::value_parser!(u32).range(8..=4096))]
    image_size: u32,
    /// Threads [default: as many as the machine runs at once].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Time to measure for.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,
}

/// What both kinds of steps take.
#[derive(Args, Clone, Copy)]
struct How {
    /// What computes the network.
    #[arg(long, value_name = "KERNELS", default_value = "fused", value_parser = kernels())]
    kernels: Kernels,
    #[command(flatten)]
    device: DeviceFlag,
    /// Steps of each kind to time.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = steps)]
    steps: usize,
    /// Also time every launch by itself and print the time by kernel.
    #[arg(long)]
    profile: bool,
}

fn steps(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a number of steps from 1 on is wanted".into()),
        Ok(steps) => Ok(steps),
    }
}

#[derive(Args)]
pub struct Checkpoint {
    /// Images of a minibatch.
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
    /// Checkpoints to time.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeats: u16,
}

#[derive(Args)]
pub struct Step {
    /// Images of a minibatch, or several such numbers.
    #[arg(long, value_name = "N", default_value = "64", value_delimiter = ',')]
    batch_size: Vec<usize>,
    /// Channels of the first cell.
    #[arg(long, value_name = "N", default_value_t = 16)]
    init_channels: usize,
    /// Cells of the supernet, or several such numbers.
    #[arg(long, value_name = "N", default_value = "8", value_delimiter = ',')]
    layers: Vec<usize>,
    /// How the gradient of the alphas is approximated.
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

/// Measures searches of several sizes, once all are seen to be in range.
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

/// Remarks when the step that is not timed is done.
fn first_done(output: &Output) -> impl FnMut(&str, usize) {
    |kind, n| {
        if n == 0 {
            output.remark(format!("{kind}: first one done, timing"));
        }
    }
}

/// One size as itself, several with their growth.
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
