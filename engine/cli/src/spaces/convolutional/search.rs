//! `darts search conv`.

use super::images::ImagesFlag;
use crate::{
    flags::copy_fields,
    keeping::Begin,
    output::{Outcome, Output},
    search::{Search, SearchFlags, SearchSpace, copy_search_flags},
    subcommand::Entry,
};
use clap::Args;
use darts_engine::{
    config::{ConfigError, SearchConfig},
    data::Dataset,
    run::DataSource,
    space::Convolutional,
};

pub const ENTRY: Entry = Entry::of::<Search<Convolutional>>();

/// Flags of a search in this space only.
#[derive(Args)]
pub struct Flags {
    #[command(flatten)]
    images: ImagesFlag,
    /// Side that the pictures of a folder are resized to, a multiple of 4 [default: 32].
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(8..=512), help_heading = "Data")]
    image_size: Option<u32>,
    /// Number of training images to use, chosen at random [default: all].
    #[arg(long, value_name = "N", help_heading = "Data")]
    train_images: Option<usize>,
    /// Share of the images in the train split, which trains the weights; the valid split, the rest, trains the alphas.
    #[arg(long, value_name = "SHARE", help_heading = "Data")]
    train_portion: f64,
    /// Lanczos steps, two passes each, that measure after each epoch how sharply the validation loss bends along the alphas,
    /// over a distance of 0.1; 0 for none. Where that grows, searches tend to collapse into skip connections.
    #[arg(long, value_name = "N", help_heading = "Run")]
    curvature_rounds: usize,
    /// Channels of the first cell; each reduction cell doubles them.
    #[arg(long, value_name = "N", help_heading = "Search")]
    init_channels: usize,
    /// Cells of the supernet.
    #[arg(long, value_name = "N", help_heading = "Search")]
    layers: usize,
    /// Final learning rate of the cosine schedule.
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    learning_rate_min: f64,
    /// Momentum of SGD.
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    momentum: f64,
}

impl SearchSpace for Convolutional {
    const NAME: &'static str = "conv";
    const ABOUT: &'static str = "Search the cells of a convolutional network for images.\n\n\
        In the network, every edge mixes all candidate ops. The train split of the training images trains the weights, the \
        valid split the alphas, which weigh the ops. The run writes to the folder RUN: its settings in config.json, its \
        events in events.jsonl, checkpoints for --resume, and the derived cells in genotype.json. The defaults are the \
        paper's.";
    type Flags = Flags;

    fn config(flags: &Flags, search: &SearchFlags) -> SearchConfig {
        let mut config = SearchConfig::default();
        copy_search_flags!(search => config);
        copy_fields!(flags => config; train_images, train_portion, curvature_rounds, init_channels, layers,
            learning_rate_min, momentum);
        config
    }

    fn open(flags: &Flags, begin: &Begin<Self>, output: &Output) -> Outcome<(Dataset, DataSource)> {
        flags.images.open(flags.image_size, begin, output)
    }

    fn fits(config: &SearchConfig, data: &Dataset) -> Result<(), ConfigError> {
        config.split(data.train.len()).map(drop)
    }
}
