//! `darts test cifar10` and `darts test imagenet`.

use super::train::{ThreadsFlag, open_pictures};
use crate::{
    data,
    output::{Outcome, Output},
    subcommand::Entry,
    test::{Test, TestSet, Tested},
};
use clap::Args;
use darts_engine::{
    config::{Kernels, TrainConfig},
    data::{Dataset, Pictures},
    device::{Compute, block_on},
    event::TestResult,
    run::read_weights,
    space::{CONVOLUTIONAL, Genotype, Space, Stem},
    train::{Weights, test, test_pictures},
};
use std::path::{Path, PathBuf};

pub const ENTRIES: [Entry; 2] = [Entry::of::<Test<Cifar10>>(), Entry::of::<Test<ImageNet>>()];

/// Weights of a network with that stem.
fn weights(file: &Path, genotype: &Genotype, classes: usize, stem: Stem) -> Outcome<Weights> {
    let mut weights = read_weights(file, genotype, classes)?;
    let name = |stem| match stem {
        Stem::Cifar10 => "CIFAR-10",
        Stem::ImageNet => "ImageNet",
    };
    match weights.network.stem() {
        found if found == stem => {
            weights.network = weights.network.on(Kernels::default());
            Ok(weights)
        }
        found => {
            let [found, stem] = [found, stem].map(name);
            Err(format!("{}: weights of a network for {found}, not for {stem}", file.display()).into())
        }
    }
}

/// Weights, and the test images of CIFAR-10.
pub struct Cifar10 {
    weights: Weights,
    data: Dataset,
}

#[derive(Args)]
pub struct Cifar10Flags {
    #[arg(long, value_name = "PATH", help = data::DATA)]
    data: PathBuf,
}

impl TestSet for Cifar10 {
    const NAME: &'static str = "cifar10";
    const ABOUT: &'static str = "Test the weights of a network on the test images of CIFAR-10.\n\n\
        The number of channels and cells follows from the weights; the genotype must be the one that was trained.";
    const SPACE: Space = CONVOLUTIONAL;
    type Flags = Cifar10Flags;

    fn batch_size() -> usize {
        TrainConfig::default().batch_size
    }

    fn open(flags: &Cifar10Flags, file: &Path, genotype: &Genotype, output: &Output) -> Outcome<Self> {
        let data = data::open(&flags.data, None, output)?;
        Ok(Self { weights: weights(file, genotype, data.classes.len(), Stem::Cifar10)?, data })
    }

    fn parameters(&self) -> usize {
        self.weights.network.parameters().0
    }

    fn test(&self, batch_size: usize, compute: &Compute, _: &Output) -> Outcome<Tested> {
        let Self { weights, data } = self;
        let tested = block_on(test(weights, &data.test, data.normalisation(), batch_size, &compute.device))?;
        Ok(Tested { result: TestResult::Images(tested), examples: tested.images, unreadable: None })
    }
}

/// Weights, and the pictures that they are tested on.
pub struct ImageNet {
    weights: Weights,
    pictures: Pictures,
    side: usize,
    threads: usize,
}

#[derive(Args)]
pub struct ImageNetFlags {
    /// Folder with the pictures (.jpg, .jpeg, .png) of each class in train/CLASS, which names the classes, and val/CLASS.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Side that the centre of each picture is resized to, a multiple of 32.
    #[arg(long, value_name = "PIXELS", default_value_t = 224, value_parser = clap::value_parser!(u32).range(32..=4096))]
    image_size: u32,
    #[command(flatten)]
    threads: ThreadsFlag,
}

impl TestSet for ImageNet {
    const NAME: &'static str = "imagenet";
    const ABOUT: &'static str = "Test the weights of a network on the pictures in DIR/val, with the \
        classes of DIR/train.\n\n\
        The network sees the centre of each picture, 224 of 256 pixels of its shorter side. The report has the top-1 and top-5 \
        errors. A picture that cannot be read is reported and left out.";
    const SPACE: Space = CONVOLUTIONAL;
    type Flags = ImageNetFlags;

    fn batch_size() -> usize {
        TrainConfig::imagenet().batch_size
    }

    fn check(flags: &ImageNetFlags) -> Outcome {
        // The network halves the side five times, as in training.
        let side = Some(flags.image_size as usize);
        Ok(TrainConfig { image_size: side, auxiliary_weight: 0.0, ..TrainConfig::imagenet() }.check()?)
    }

    fn open(flags: &ImageNetFlags, file: &Path, genotype: &Genotype, _: &Output) -> Outcome<Self> {
        let pictures = open_pictures(&flags.data)?;
        let weights = weights(file, genotype, pictures.classes.len(), Stem::ImageNet)?;
        Ok(Self { weights, pictures, side: flags.image_size as usize, threads: flags.threads.count() })
    }

    fn parameters(&self) -> usize {
        self.weights.network.parameters().0
    }

    fn test(&self, batch_size: usize, compute: &Compute, output: &Output) -> Outcome<Tested> {
        let Self { weights, pictures, side, threads } = self;
        let sizes = (*side, batch_size);
        let (tested, unreadable) = block_on(test_pictures(weights, pictures, sizes, *threads, &compute.device))?;
        for one in &unreadable {
            output.remark(format_args!("{one}: left out"));
        }
        let unreadable = unreadable.iter().map(ToString::to_string).collect();
        Ok(Tested { result: TestResult::Images(tested), examples: tested.images, unreadable: Some(unreadable) })
    }
}
