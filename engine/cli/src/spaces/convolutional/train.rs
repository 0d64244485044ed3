//! `darts train cifar10` and `darts train imagenet`.

use super::images::{ImagesFlag, path};
use crate::{
    flags::{SharedFlags, copy_fields, copy_shared_flags},
    keeping::Begin,
    output::{Outcome, Output},
    subcommand::Entry,
    train::{Benchmark, Train},
};
use clap::Args;
use darts_engine::{
    config::{ConfigError, TrainConfig},
    data::{Dataset, Pictures, threads},
    device::Compute,
    run::DataSource,
    space::{Convolutional, Genotype, Stem},
    train::{ImageTrainee, ImageTraining, Weights},
};
use std::path::{Path, PathBuf};

pub const ENTRIES: [Entry; 2] = [Entry::of::<Train<Cifar10>>(), Entry::of::<Train<ImageNet>>()];

/// Hyper-parameters of networks for images.
#[derive(Args)]
pub struct NetworkFlags {
    /// Channels of the first cell; each reduction cell doubles them.
    #[arg(long, value_name = "N", help_heading = "Network")]
    init_channels: usize,
    /// Cells of the network.
    #[arg(long, value_name = "N", help_heading = "Network")]
    layers: usize,
    /// Number of training images to use, chosen at random [default: all].
    #[arg(long, value_name = "N", help_heading = "Data")]
    train_images: Option<usize>,
    /// Test after every n-th epoch, and after the last.
    #[arg(long, value_name = "EPOCHS", help_heading = "Run")]
    test_every: usize,
    /// Momentum of SGD.
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    momentum: f64,
    /// Weight of the auxiliary head's loss; 0 for no such head.
    #[arg(long, value_name = "WEIGHT", help_heading = "Training")]
    auxiliary_weight: f64,
    /// Probability of drop-path, which grows from 0 to this value over the epochs.
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    drop_path: f64,
}

impl NetworkFlags {
    /// Settings of the paper, changed by the flags.
    fn over(&self, mut config: TrainConfig, shared: &SharedFlags) -> TrainConfig {
        copy_shared_flags!(shared => config);
        copy_fields!(self => config; init_channels, layers, train_images, test_every, momentum, auxiliary_weight,
            drop_path);
        config
    }
}

/// CIFAR-10, or other images in memory.
pub struct Cifar10;

#[derive(Args)]
pub struct Cifar10Flags {
    #[command(flatten)]
    images: ImagesFlag,
    /// Side of the square that cutout removes from each training image; 0 for no cutout.
    #[arg(long, value_name = "PIXELS", help_heading = "Data")]
    cutout: usize,
    /// Final learning rate of the cosine schedule.
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    learning_rate_min: f64,
    #[command(flatten)]
    network: NetworkFlags,
}

impl Benchmark for Cifar10 {
    const NAME: &'static str = "cifar10";
    const ABOUT: &'static str = "Train a network of derived cells on CIFAR-10 and test it.\n\n\
        The run writes to the folder RUN: its settings in config.json, the cells in genotype.json, its events in events.jsonl, \
        checkpoints for --resume, and the weights: last.safetensors after each epoch, best.safetensors after each test with \
        the lowest error so far. Tensors are named as in the authors' implementation. The defaults are the paper's.";
    const RUN: &'static str = "training run on CIFAR-10";
    type Space = Convolutional;
    type Trainee = ImageTrainee;
    type Flags = Cifar10Flags;
    type Data = Dataset;

    fn paper() -> TrainConfig {
        TrainConfig::default()
    }

    fn config(flags: &Cifar10Flags, shared: &SharedFlags) -> TrainConfig {
        let mut config = flags.network.over(Self::paper(), shared);
        copy_fields!(flags => config; cutout, learning_rate_min);
        config
    }

    fn is_run(config: &TrainConfig) -> bool {
        config.stem == Stem::Cifar10
    }

    fn open(
        flags: &Cifar10Flags,
        _: &TrainConfig,
        begin: &Begin<Convolutional>,
        output: &Output,
    ) -> Outcome<(Dataset, DataSource)> {
        flags.images.open(None, begin, output)
    }

    fn fits(config: &TrainConfig, data: &Dataset) -> Result<(), ConfigError> {
        config.images(data.train.len()).map(drop)
    }

    fn training(config: TrainConfig, genotype: Genotype, data: &Dataset, compute: &Compute) -> Outcome<ImageTraining> {
        Ok(ImageTraining::new(config, genotype, data, compute)?)
    }

    fn to_safetensors(weights: &Weights, steps: u64) -> Vec<u8> {
        weights.to_safetensors(steps)
    }
}

/// ImageNet, or other pictures in folders.
pub struct ImageNet;

#[derive(Args)]
pub struct ImageNetFlags {
    /// Folder with the pictures (.jpg, .jpeg, .png) of each class in train/CLASS and val/CLASS.
    #[arg(long, value_name = "DIR", required_unless_present = "resume", help_heading = "Data")]
    data: Option<PathBuf>,
    /// Side that pictures are cropped and resized to, a multiple of 32; with an auxiliary head, 224 or 256.
    #[arg(long, value_name = "PIXELS", help_heading = "Data")]
    image_size: u32,
    #[command(flatten, next_help_heading = "Data")]
    threads: ThreadsFlag,
    /// Factor of the learning rate after each epoch.
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    learning_rate_decay: f64,
    /// Label smoothing: share of each label that is spread over all classes.
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    label_smoothing: f64,
    #[command(flatten)]
    network: NetworkFlags,
}

/// Threads that read pictures.
#[derive(Args)]
pub struct ThreadsFlag {
    /// Threads that read pictures; affects only the speed [default: as many as the machine runs at once].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl ThreadsFlag {
    /// Number of threads.
    pub fn count(&self) -> usize {
        self.threads.map_or_else(threads, usize::from)
    }
}

/// Pictures in folders, and the threads that read them.
pub struct Folder {
    pictures: Pictures,
    threads: usize,
}

impl Benchmark for ImageNet {
    const NAME: &'static str = "imagenet";
    const ABOUT: &'static str = "Train a network of derived cells on ImageNet, or on other pictures in folders, and test it.\n\n\
        Pictures are read during training: a random crop of each, randomly mirrored, with colour jitter. Tests read the centre \
        of each picture. A picture that cannot be read is reported, counted and replaced by another. The run writes the \
        same files as `train cifar10`. The defaults are the paper's.";
    const RUN: &'static str = "training run on ImageNet or other pictures";
    type Space = Convolutional;
    type Trainee = ImageTrainee;
    type Flags = ImageNetFlags;
    type Data = Folder;

    fn paper() -> TrainConfig {
        TrainConfig::imagenet()
    }

    fn config(flags: &ImageNetFlags, shared: &SharedFlags) -> TrainConfig {
        TrainConfig {
            image_size: Some(flags.image_size as usize),
            learning_rate_decay: Some(flags.learning_rate_decay),
            label_smoothing: flags.label_smoothing,
            ..flags.network.over(Self::paper(), shared)
        }
    }

    fn is_run(config: &TrainConfig) -> bool {
        config.stem == Stem::ImageNet
    }

    fn open(
        flags: &ImageNetFlags,
        config: &TrainConfig,
        begin: &Begin<Convolutional>,
        _: &Output,
    ) -> Outcome<(Folder, DataSource)> {
        let path = path(flags.data.as_ref(), begin)?;
        let pictures = open_pictures(&path)?;
        let side = config.image_size.expect("a checked configuration has the size of its pictures");
        let source = DataSource::of_pictures(&path, &pictures, side);
        Ok((Folder { pictures, threads: flags.threads.count() }, source))
    }

    fn fits(config: &TrainConfig, data: &Folder) -> Result<(), ConfigError> {
        config.images(data.pictures.train.len()).map(drop)
    }

    fn training(config: TrainConfig, genotype: Genotype, data: &Folder, compute: &Compute) -> Outcome<ImageTraining> {
        Ok(ImageTraining::on_pictures(config, genotype, &data.pictures, data.threads, compute)?)
    }

    fn to_safetensors(weights: &Weights, steps: u64) -> Vec<u8> {
        weights.to_safetensors(steps)
    }
}

/// Folder of pictures that has test pictures.
pub fn open_pictures(folder: &Path) -> Outcome<Pictures> {
    let pictures = Pictures::open(folder)?;
    match pictures.test.is_empty() {
        true => Err(format!("{} has no folder val, with the pictures to test on", folder.display()).into()),
        false => Ok(pictures),
    }
}
