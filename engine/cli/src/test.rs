//! `darts test`: what trained weights are worth.

use crate::{
    data,
    device::{DEVICES, acquire, contain, devices, word},
    genotype, imagenet,
    output::{Outcome, Output},
};
use clap::{Args, Subcommand};
use darts_engine::{
    config::{Kernels, TrainConfig},
    device::{DeviceChoice, block_on},
    event::Tested,
    run::read_weights,
    space::Stem,
    train::test,
};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Command {
    /// Test weights on the test images of CIFAR-10.
    ///
    /// The weights say how many channels and cells the network has; the cells must be those that they were trained in.
    Cifar10(Cifar10),
    /// Test weights on the pictures in DIR/val, whose classes are the folders in DIR/train.
    ///
    /// The middle of each picture, 224 of 256 pixels of its shorter side, is shown to the network. Errors are of the likeliest
    /// class and of the five likeliest ones. A picture that cannot be read is told and left out.
    Imagenet(imagenet::Test),
    /// Test a language model's weights on the test text of the Penn Treebank, or any text.
    ///
    /// The weights say how many words and units the network has; the cell must be the one that they were trained in. Where
    /// vocabulary.txt lies beside them, as a training run leaves it, the text is read in its words.
    Ptb(super::text::Test),
    /// The same for WikiText-2.
    Wt2(super::text::Test),
}

#[derive(Args)]
pub struct Cifar10 {
    /// A safetensors file, as a training run leaves it or with the tensors of the authors' implementation.
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    #[arg(long, value_name = "CELL", help = genotype::CELL)]
    arch: String,
    #[arg(long, value_name = "PATH", help = data::DATA)]
    data: PathBuf,
    /// Images of a minibatch, which decides memory and speed alone.
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().batch_size as u32,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch_size: u32,
    /// Where to compute.
    #[arg(long, value_name = "DEVICE", default_value = word(DEVICES, DeviceChoice::default()), value_parser = devices())]
    device: DeviceChoice,
}

/// What came of a test.
#[derive(Serialize)]
struct Summary {
    weights: PathBuf,
    adapter: String,
    backend: String,
    parameters: usize,
    test: Tested,
    test_error: f64,
}

pub fn run(command: Command, output: &Output) -> Outcome {
    match command {
        Command::Cifar10(args) => cifar10(args, output),
        Command::Imagenet(args) => imagenet::test(args, output),
        Command::Ptb(args) | Command::Wt2(args) => super::text::test(&args, output),
    }
}

fn cifar10(args: Cifar10, output: &Output) -> Outcome {
    let genotype = genotype::find(&args.arch)?;
    let data = data::open(&args.data, None, output)?;
    let mut weights = read_weights(&args.weights, &genotype, data.classes.len())?;
    if weights.network.stem() != Stem::Cifar10 {
        return Err(format!("{}: weights of a network for ImageNet, not for CIFAR-10", args.weights.display()).into());
    }
    let (compute, remark) = contain(|| Ok(acquire(args.device)?))?;
    if let Some(remark) = remark {
        output.remark(remark);
    }
    weights.network = weights.network.on(Kernels::default());
    let (normalisation, batch_size) = (data.normalisation(), args.batch_size as usize);
    let test = contain(|| Ok(block_on(test(&weights, &data.test, normalisation, batch_size, &compute.device))?))?;
    let summary = Summary {
        weights: args.weights,
        adapter: compute.adapter,
        backend: compute.backend,
        parameters: weights.network.parameters().0,
        test,
        test_error: test.error(),
    };
    output.print(&summary, format!("{test}, loss {:.3}", test.loss))
}
