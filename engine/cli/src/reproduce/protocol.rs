//! Interface of a space to `darts reproduce`.

use super::row::{Row, Size};
use crate::{
    flags::SharedFlags,
    output::{Outcome, Output},
    search::SearchSpace,
    train::Benchmark,
};
use clap::Args;
use darts_engine::{
    config::{Kernels, Order},
    event::TestResult,
    run::RunSpace,
    search::Family,
    space::Genotype,
};
use serde::Serialize;
use std::fmt;

/// Protocol of the paper in a space.
pub trait Protocol: Sized + 'static {
    /// Name of the subcommand.
    const NAME: &'static str;
    /// Help of the subcommand.
    const ABOUT: &'static str;
    /// Space of the searches.
    type Space: SearchSpace;
    /// Training of networks of cells.
    type Benchmark: Benchmark<Space = Self::Space, Data = DataOf<Self>>;
    /// Flags of this protocol only: its data and its sizes.
    type Flags: Args;

    /// Counts and settings of the paper.
    fn paper() -> Paper<Self>;

    /// Opens the data, and returns it with its source.
    fn open(flags: &Self::Flags, output: &Output) -> Outcome<(DataOf<Self>, SourceOf<Self>)>;

    /// Fails unless there is test data.
    fn check(_data: &DataOf<Self>, _source: &SourceOf<Self>) -> Outcome {
        Ok(())
    }

    /// Settings of a search.
    fn search_config(flags: &Self::Flags, shared: &SearchShared) -> SearchOf<Self>;

    /// Settings of a training.
    fn train_config(flags: &Self::Flags, shared: &SharedFlags, length: Length) -> TrainOf<Self>;

    /// Weights of the network of these cells that is trained.
    fn parameters(genotype: &Genotype, config: &TrainOf<Self>, data: &DataOf<Self>) -> u64;

    /// Sizes of the data, here and in the paper.
    fn data_sizes(source: &SourceOf<Self>) -> Vec<Size>;

    /// Sizes of a search beside epochs and batch size.
    fn search_sizes(config: &SearchOf<Self>) -> Vec<(&'static str, usize)>;

    /// Sizes of a training beside epochs and batch size.
    fn train_sizes(config: &TrainOf<Self>) -> Vec<(&'static str, usize)>;

    /// Result of a training.
    type Tested: Copy + Serialize;
    /// Figures of several trainings.
    type Figures: Serialize;
    /// Tables of the paper.
    type Reported: Serialize;

    /// Result of a training, from its test and its best epoch.
    fn tested(test: TestResult, best: TestResult) -> Option<Self::Tested>;

    /// Error or loss of a brief training, by which cells are chosen.
    fn validation(tested: &Self::Tested) -> f64;

    /// Figures of several trainings.
    fn figures(tested: &[Self::Tested]) -> Self::Figures;

    /// Figure by which searchers are compared, and its deviation.
    fn compared(figures: &Self::Figures) -> (f64, Option<f64>);

    /// Tables of the paper.
    fn reported() -> Self::Reported;

    /// Writes the rows measured here beside the tables of the paper.
    fn write_tables(
        rows: &[RowOf<Self>],
        source: &SourceOf<Self>,
        config: &TrainOf<Self>,
        f: &mut fmt::Formatter,
    ) -> fmt::Result;
}

/// Row of a protocol.
pub type RowOf<P> = Row<<P as Protocol>::Tested, <P as Protocol>::Figures>;
/// Data of a protocol.
pub type DataOf<P> = <<P as Protocol>::Space as Family>::Data;
/// Where the data of a protocol came from.
pub type SourceOf<P> = <<P as Protocol>::Space as RunSpace>::Source;
/// Settings of a search of a protocol.
pub type SearchOf<P> = <<P as Protocol>::Space as RunSpace>::Search;
/// Settings of a training of a protocol.
pub type TrainOf<P> = <<P as Protocol>::Space as RunSpace>::Train;

/// Counts and settings of the paper, which are also the defaults.
#[derive(Serialize)]
#[serde(bound = "")]
pub struct Paper<P: Protocol> {
    /// Number of searches of each order.
    pub searches: usize,
    /// Number of cells of a random search.
    pub random_cells: usize,
    /// Number of full trainings of each cell.
    pub runs: usize,
    /// Epochs of a brief training.
    pub brief_epochs: usize,
    /// Settings of a search.
    pub search: SearchOf<P>,
    /// Settings of a full training.
    #[serde(flatten)]
    pub train: TrainOf<P>,
}

/// Settings that searches of all protocols have.
pub struct SearchShared {
    pub order: Order,
    pub epochs: usize,
    pub batch_size: usize,
    pub seed: u64,
    pub kernels: Kernels,
}

/// Length of a training.
#[derive(Clone, Copy, PartialEq)]
pub enum Length {
    /// To choose among cells.
    Brief,
    /// To be reported.
    Full,
}
