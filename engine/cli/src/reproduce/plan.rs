//! Flags of `darts reproduce`, and the settings that follow from them.

use super::{
    protocol::{Length, Protocol, SearchOf, SearchShared, SourceOf, TrainOf},
    row::{Searcher, Size},
};
use crate::{
    device::{DeviceFlag, acquire, contain, devices},
    flags::{SharedFlags, words},
    output::{Outcome, Output},
};
use clap::{Args, builder::TypedValueParser};
use darts_engine::{
    config::{Order, SearchSettings, TrainSettings},
    device::{Compute, DeviceChoice},
    run::RunSpace,
    space::Space,
};
use serde::{Deserialize, Serialize};
use std::{fs, path::PathBuf};

/// Parser of the searchers in a space.
fn searchers(space: Space) -> impl TypedValueParser<Value = Searcher> {
    let searchers = [
        ("first", "First-order DARTS"),
        ("second", "Second-order DARTS"),
        ("random", "Random search: cells drawn at random, the best chosen by validation"),
    ];
    let published = space.published_names().map(|name| (name, "The published cells of that name, with no search"));
    words(searchers.into_iter().chain(published))
}

/// Selection of the cells that are trained fully.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Select {
    Best,
    All,
}

/// Flags of a protocol, whatever is searched and trained.
#[derive(Args)]
pub struct Plan {
    /// Folder for the stages and the report.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub device: DeviceFlag,
    /// Device to train networks on [default: the device of the searches].
    #[arg(long, value_name = "DEVICE", value_parser = devices())]
    pub train_device: Option<DeviceChoice>,
    /// Number of searches of each order.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000), help_heading = "Protocol")]
    pub searches: u16,
    /// Number of cells of a random search.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000), help_heading = "Protocol")]
    pub random_cells: u16,
    /// Cells to train fully.
    #[arg(long, value_name = "WHICH", default_value = "best", value_parser = words::<Select>([
        ("best", "The best by validation after a brief training"),
        ("all", "All that were found, to compare searchers"),
    ]), help_heading = "Protocol")]
    pub select: Select,
    /// Number of full trainings of each cell.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000), help_heading = "Protocol")]
    pub runs: u16,
    /// Epochs of a brief training.
    #[arg(long, value_name = "N", help_heading = "Protocol")]
    pub brief_epochs: usize,
    /// Epochs of a search: passes over its train split.
    #[arg(id = "search.epochs", long = "search-epochs", value_name = "N", help_heading = "Search")]
    pub search_epochs: usize,
    /// Images in a minibatch of a search, or columns that a text is cut into.
    #[arg(id = "search.batch_size", long = "search-batch-size", value_name = "N", help_heading = "Search")]
    pub search_batch_size: usize,
}

/// `darts reproduce PROTOCOL`.
#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct Reproduce<P: Protocol> {
    #[command(flatten)]
    pub own: P::Flags,
    #[command(flatten)]
    pub plan: Plan,
    /// How to find cells: one searcher, or several separated by commas.
    #[arg(long, visible_alias = "order", value_name = "SEARCHER", value_delimiter = ',', default_value = "second",
        value_parser = searchers(P::Space::SPACE), help_heading = "Protocol")]
    pub searcher: Vec<Searcher>,
    #[command(flatten)]
    pub train: SharedFlags,
}

impl<P: Protocol> Reproduce<P> {
    /// Whether any searcher uses gradients.
    pub fn searches(&self) -> bool {
        self.searcher.iter().any(|searcher| matches!(searcher, Searcher::First | Searcher::Second))
    }

    /// Device that networks of cells are trained on.
    pub fn train_device(&self) -> DeviceChoice {
        self.plan.train_device.unwrap_or(self.plan.device.device)
    }

    /// Devices of searches and of trainings.
    pub fn devices(&self, output: &Output) -> Outcome<[Compute; 2]> {
        let out = &self.plan.out;
        fs::create_dir_all(out).map_err(|error| format!("cannot write {}: {error}", out.display()))?;
        let (device, train_device) = (self.plan.device.device, self.train_device());
        let (compute, remark) = contain(|| Ok(acquire(device)?))?;
        let (train_compute, train_remark) = contain(|| Ok(acquire(train_device)?))?;
        for remark in [remark, train_remark.filter(|_| train_device != device)].into_iter().flatten() {
            output.remark(remark);
        }
        Ok([compute, train_compute])
    }

    /// Settings of a search.
    pub fn search_config(&self, order: Order, seed: u64) -> SearchOf<P> {
        let Plan { search_epochs: epochs, search_batch_size: batch_size, .. } = self.plan;
        P::search_config(&self.own, &SearchShared { order, epochs, batch_size, seed, kernels: self.train.kernels })
    }

    /// Settings of a training.
    pub fn train_config(&self, length: Length, seed: u64) -> TrainOf<P> {
        let epochs = match length {
            Length::Brief => self.plan.brief_epochs,
            Length::Full => self.train.epochs,
        };
        P::train_config(&self.own, &SharedFlags { epochs, seed, ..self.train }, length)
    }

    /// Sizes that differ from the paper's.
    pub fn scaled(&self, source: &SourceOf<P>, search: &SearchOf<P>, train: &TrainOf<P>) -> Vec<Size> {
        let (paper, plan) = (P::paper(), &self.plan);
        let (searches, random) = (self.searches(), self.searcher.contains(&Searcher::Random));
        let size = |what, here: usize, paper| Size { what, here, paper };
        let paired = |here: Vec<(&'static str, usize)>, paper: Vec<(&'static str, usize)>| {
            here.into_iter().zip(paper).map(|((what, here), (_, paper))| Size { what, here, paper }).collect::<Vec<_>>()
        };
        let mut sizes = P::data_sizes(source);
        if searches {
            let (here, there) = (search.basics(), paper.search.basics());
            sizes.push(size("searches", plan.searches.into(), paper.searches));
            sizes.push(size("search epochs", here.epochs, there.epochs));
            sizes.push(size("search batch size", here.batch_size, there.batch_size));
            sizes.extend(paired(P::search_sizes(search), P::search_sizes(&paper.search)));
        }
        if random {
            sizes.push(size("random cells", plan.random_cells.into(), paper.random_cells));
        }
        if plan.select == Select::Best {
            sizes.push(size("brief epochs", plan.brief_epochs, paper.brief_epochs));
        }
        sizes.push(size("epochs", train.epochs(), paper.train.epochs()));
        sizes.push(size("batch size", train.batch_size(), paper.train.batch_size()));
        sizes.extend(paired(P::train_sizes(train), P::train_sizes(&paper.train)));
        sizes.push(size("runs", plan.runs.into(), paper.runs));
        sizes.retain(|size| size.here != size.paper);
        sizes
    }
}
