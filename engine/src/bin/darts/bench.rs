//! `darts bench`: how long things take here.

use crate::output::{Outcome, Output};
use clap::{Args, Subcommand};
use darts_engine::{
    bench::{decode_benchmark, step_benchmark},
    data,
    device::{Compute, DeviceChoice, block_on},
    search::{Order, SearchConfig},
    supernet::Kernels,
};
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Command {
    /// Time weight steps and architecture steps of a search on random images, and say what they move and compute.
    ///
    /// The defaults are the paper's sizes. Work on the device is waited for; one step of each kind runs before any is timed.
    Step(Step),
    /// Time reading, decoding, cropping, resizing and colour-jittering of pictures, as training on ImageNet does it.
    ///
    /// Without data, pictures of 500x375 are generated whose files are about as large as ImageNet's.
    Decode(Decode),
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

#[derive(Args)]
pub struct Step {
    /// Images of a minibatch.
    #[arg(long, value_name = "N", default_value_t = 64)]
    batch_size: usize,
    /// Channels of the first cell.
    #[arg(long, value_name = "N", default_value_t = 16)]
    init_channels: usize,
    /// Cells of the supernet.
    #[arg(long, value_name = "N", default_value_t = 8)]
    layers: usize,
    /// How the gradient of the alphas is approximated.
    #[arg(long, value_name = "ORDER", default_value = "first", value_parser = super::search::orders())]
    order: Order,
    /// What computes the supernet.
    #[arg(long, value_name = "KERNELS", default_value = "fused", value_parser = super::search::kernels())]
    kernels: Kernels,
    /// Where to compute.
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = crate::device::devices())]
    device: DeviceChoice,
    /// Steps of each kind to time.
    #[arg(long, value_name = "N", default_value_t = 3)]
    steps: usize,
    /// Also time every launch by itself and print the time by kernel.
    #[arg(long)]
    profile: bool,
}

pub fn run(command: Command, output: &Output) -> Outcome {
    let step = match command {
        Command::Step(step) => step,
        Command::Decode(Decode { data, image_size, threads, seconds }) => {
            let threads = threads.map_or_else(data::threads, usize::from);
            let figures = decode_benchmark(data.as_deref(), image_size as usize, threads, seconds.into())?;
            return output.print(&figures, &figures);
        }
    };
    if step.steps == 0 {
        return Err("steps must be at least 1, not 0".into());
    }
    let config = SearchConfig {
        batch_size: step.batch_size,
        init_channels: step.init_channels,
        layers: step.layers,
        order: step.order,
        kernels: step.kernels,
        ..SearchConfig::default()
    };
    config.check()?;
    let compute = block_on(Compute::acquire(step.device))?;
    output.remark(format!("{} ({}), {} steps of each kind", compute.adapter, compute.backend, step.steps));
    let told = |kind: &str, n: usize| {
        if n == 0 {
            output.remark(format!("{kind}: first one done, timing"));
        }
    };
    let figures = block_on(step_benchmark(config, step.steps, step.profile, &compute, told))?;
    output.print(&figures, &figures)
}
