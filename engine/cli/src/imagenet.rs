//! `darts train imagenet` and `darts test imagenet`: pictures in folders.

use crate::{
    device::{DEVICES, acquire, contain, devices, word},
    genotype,
    output::{Outcome, Output},
    train::{self, ImageNetTraining},
};
use clap::Args;
use darts_engine::{
    config::{Kernels, TrainConfig},
    data::{Pictures, threads},
    device::{DeviceChoice, block_on},
    event::Tested,
    run::{DataSource, RunConfig, read_weights},
    space::Stem,
    train::{Training, test_pictures},
};
use serde::Serialize;
use std::path::PathBuf;

fn paper() -> TrainConfig {
    TrainConfig::imagenet()
}

const IMAGE_SIZE: u32 = 224;

#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct Train {
    /// A folder with the pictures (.jpg, .jpeg, .png) of each class in train/CLASS and val/CLASS.
    #[arg(long, value_name = "DIR", required_unless_present = "resume", help_heading = "Data")]
    data: Option<PathBuf>,
    /// Side that pictures are cropped and resized to, a multiple of 32; with an auxiliary head, 224 or 256.
    #[arg(long, value_name = "PIXELS", default_value_t = IMAGE_SIZE, help_heading = "Data")]
    image_size: u32,
    /// Threads that read pictures; how many changes nothing but the speed [default: as many as the machine runs at once].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Data")]
    threads: Option<u16>,
    /// What the learning rate is multiplied by after each epoch.
    #[arg(long, value_name = "SHARE", default_value_t = paper().learning_rate_decay.expect("the paper's"),
        help_heading = "Training")]
    learning_rate_decay: f64,
    /// Share of each label that is spread over all classes.
    #[arg(long, value_name = "SHARE", default_value_t = paper().label_smoothing, help_heading = "Training")]
    label_smoothing: f64,
    #[command(flatten)]
    training: ImageNetTraining,
}

impl Train {
    fn config(&self) -> TrainConfig {
        TrainConfig {
            image_size: Some(self.image_size as usize),
            learning_rate_decay: Some(self.learning_rate_decay),
            label_smoothing: self.label_smoothing,
            ..self.training.config()
        }
    }
}

pub fn train(args: &Train, output: &Output) -> Outcome {
    let ImageNetTraining { arch, out, keeping, device, .. } = &args.training;
    let begin = keeping.begin(out.as_ref())?;
    let (config, genotype) = train::settings(&begin, Stem::ImageNet, arch.as_ref(), || args.config())?;
    let path = begin.data(args.data.as_ref())?;
    let pictures = open(&path)?;
    let side = config.image_size.expect("a checked configuration has the size of its pictures");
    let source = DataSource::of_pictures(&path, &pictures, side);
    begin.check(&source)?;
    config.images(pictures.train.len())?;
    let device = begin.device(*device);
    let (compute, remark) = contain(|| Ok(acquire(device)?))?;
    let threads = args.threads.map_or_else(threads, usize::from);
    let run = RunConfig::train(device, source, config.clone(), genotype.clone());
    let training = contain(|| Ok(Training::on_pictures(config, genotype, &pictures, threads, &compute)?))?;
    if let Some(remark) = remark {
        output.remark(remark);
    }
    drop(pictures);
    let summary = train::perform(training, begin, &run, keeping, output)?;
    output.print(&summary, summary.text())
}

/// A folder of pictures with some to test on.
fn open(folder: &PathBuf) -> Outcome<Pictures> {
    let pictures = Pictures::open(folder)?;
    match pictures.test.is_empty() {
        true => Err(format!("{} has no folder val, whose pictures are tested on", folder.display()).into()),
        false => Ok(pictures),
    }
}

#[derive(Args)]
pub struct Test {
    /// A safetensors file, as a training run leaves it or with the tensors of the authors' implementation.
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    #[arg(long, value_name = "CELL", help = genotype::CELL)]
    arch: String,
    /// A folder with the pictures (.jpg, .jpeg, .png) of each class in train/CLASS, which name the classes, and val/CLASS.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Side that the middle of each picture is resized to, a multiple of 32.
    #[arg(long, value_name = "PIXELS", default_value_t = IMAGE_SIZE, value_parser = clap::value_parser!(u32).range(32..=4096))]
    image_size: u32,
    /// Pictures of a minibatch, which decides memory and speed alone.
    #[arg(long, value_name = "N", default_value_t = paper().batch_size as u32,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch_size: u32,
    /// Threads that read pictures [default: as many as the machine runs at once].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Where to compute.
    #[arg(long, value_name = "DEVICE", default_value = word(DEVICES, DeviceChoice::default()), value_parser = devices())]
    device: DeviceChoice,
}

/// What came of a test.
#[derive(Serialize)]
struct Tests {
    weights: PathBuf,
    adapter: String,
    backend: String,
    parameters: usize,
    test: Tested,
    test_error: f64,
    /// Of the five likeliest classes.
    top5_error: Option<f64>,
    unreadable: Vec<String>,
}

pub fn test(args: Test, output: &Output) -> Outcome {
    let side = args.image_size as usize;
    // What the network halves it to must be whole numbers, as in training.
    TrainConfig { image_size: Some(side), auxiliary_weight: 0.0, ..paper() }.check()?;
    let genotype = genotype::find(&args.arch)?;
    let pictures = open(&args.data)?;
    let mut weights = read_weights(&args.weights, &genotype, pictures.classes.len())?;
    if weights.network.stem() != Stem::ImageNet {
        return Err(format!("{}: weights of a network for CIFAR-10, not for ImageNet", args.weights.display()).into());
    }
    let (compute, remark) = contain(|| Ok(acquire(args.device)?))?;
    if let Some(remark) = remark {
        output.remark(remark);
    }
    weights.network = weights.network.on(Kernels::default());
    let (sizes, threads) = ((side, args.batch_size as usize), args.threads.map_or_else(threads, usize::from));
    let (test, unreadable) =
        contain(|| Ok(block_on(test_pictures(&weights, &pictures, sizes, threads, &compute.device))?))?;
    for one in &unreadable {
        output.remark(format_args!("{one}: left out"));
    }
    let tests = Tests {
        weights: args.weights,
        adapter: compute.adapter,
        backend: compute.backend,
        parameters: weights.network.parameters().0,
        test,
        test_error: test.error(),
        top5_error: test.wrong_of_five.map(|wrong| wrong as f64 / test.images as f64),
        unreadable: unreadable.iter().map(ToString::to_string).collect(),
    };
    output.print(&tests, format!("{test}, loss {:.3}", test.loss))
}
