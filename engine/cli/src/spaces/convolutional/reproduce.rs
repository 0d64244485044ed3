//! `darts reproduce cifar10`.

use super::train;
use crate::{
    data,
    flags::{SharedFlags, copy_fields, copy_shared_flags},
    output::{Outcome, Output, counted},
    reproduce::{Length, Paper, Protocol, Reproduce, Row, RowOf, SearchShared, Size, deviation, mean, with_deviation},
    subcommand::Entry,
};
use clap::Args;
use darts_engine::{
    config::{SearchConfig, TrainConfig},
    data::Dataset,
    event::{TestResult, Tested},
    run::DataSource,
    space::{Cifar10Report, Convolutional, Genotype, NetworkSize, REPORTED_CIFAR10},
};
use serde::Serialize;
use std::{fmt, path::PathBuf};

pub const ENTRY: Entry = Entry::of::<Reproduce<Cifar10>>();

/// Protocol of convolutional cells on CIFAR-10.
pub struct Cifar10;

#[derive(Args)]
pub struct Flags {
    #[arg(long, value_name = "PATH", help = data::DATA)]
    data: PathBuf,
    /// Channels of the first cell of the supernet.
    #[arg(id = "search.init_channels", long = "search-init-channels", value_name = "N", help_heading = "Search")]
    search_init_channels: usize,
    /// Cells of the supernet.
    #[arg(id = "search.layers", long = "search-layers", value_name = "N", help_heading = "Search")]
    search_layers: usize,
    /// Channels of the first cell of the network.
    #[arg(long, value_name = "N", help_heading = "Training")]
    init_channels: usize,
    /// Cells of the network.
    #[arg(long, value_name = "N", help_heading = "Training")]
    layers: usize,
}

/// Errors of several networks on the test images.
#[derive(Serialize)]
pub struct Errors {
    /// Mean, in percent.
    test_error: f64,
    /// Standard deviation, if there are several.
    deviation: Option<f64>,
}

#[derive(Serialize)]
pub struct Reported {
    paper: Vec<Cifar10Report>,
}

impl Protocol for Cifar10 {
    const NAME: &'static str = "cifar10";
    const ABOUT: &'static str = "Search several times, train each result briefly, train the best one fully, and print \
        the paper's row.\n\n\
        Searches use consecutive seeds from the given one on, and so do full trainings. The cells of each search are first \
        trained briefly, from scratch, on one half of the training images and validated on the other. The best are then \
        trained fully on all of them, once or several times, and each such network is tested once, after its last epoch. The \
        folder DIR contains a run folder for each stage, and the report in report.json. After an interruption, the same \
        command resumes and skips finished stages. The defaults are the paper's.";
    type Space = Convolutional;
    type Benchmark = train::Cifar10;
    type Flags = Flags;
    type Tested = Tested;
    type Figures = Errors;
    type Reported = Reported;

    /// Appendix A.1.1.
    fn paper() -> Paper<Self> {
        let (search, train) = (SearchConfig::default(), TrainConfig::default());
        Paper { searches: 4, random_cells: 24, runs: 10, brief_epochs: 100, search, train }
    }

    fn open(flags: &Flags, output: &Output) -> Outcome<(Dataset, DataSource)> {
        let data = data::open(&flags.data, None, output)?;
        let source = DataSource::new(&flags.data, &data);
        Ok((data, source))
    }

    fn check(data: &Dataset, source: &DataSource) -> Outcome {
        if data.test.is_empty() { Err(format!("{} has no test images", source.path).into()) } else { Ok(()) }
    }

    fn search_config(flags: &Flags, shared: &SearchShared) -> SearchConfig {
        let mut config = SearchConfig::default();
        copy_fields!(shared => config; order, epochs, batch_size, seed, kernels);
        (config.init_channels, config.layers) = (flags.search_init_channels, flags.search_layers);
        config
    }

    /// Each network is tested once, after its last epoch; brief trainings hold out half of the images.
    fn train_config(flags: &Flags, shared: &SharedFlags, length: Length) -> TrainConfig {
        let mut config = TrainConfig::default();
        copy_shared_flags!(shared => config);
        copy_fields!(flags => config; init_channels, layers);
        config.test_every = config.epochs;
        if length == Length::Brief {
            config.train_portion = 0.5;
        }
        config
    }

    fn parameters(genotype: &Genotype, config: &TrainConfig, data: &Dataset) -> u64 {
        let &TrainConfig { init_channels, layers, .. } = config;
        let classes = data.classes.len();
        genotype.cost(&NetworkSize { init_channels, layers, classes, ..NetworkSize::CIFAR10 }).network.params
    }

    fn data_sizes(source: &DataSource) -> Vec<Size> {
        vec![
            Size { what: "training images", here: source.train_images, paper: 50_000 },
            Size { what: "test images", here: source.test_images, paper: 10_000 },
        ]
    }

    fn search_sizes(config: &SearchConfig) -> Vec<(&'static str, usize)> {
        vec![("search channels", config.init_channels), ("search cells", config.layers)]
    }

    fn train_sizes(config: &TrainConfig) -> Vec<(&'static str, usize)> {
        vec![("channels", config.init_channels), ("cells", config.layers)]
    }

    fn tested(test: TestResult, _: TestResult) -> Option<Tested> {
        match test {
            TestResult::Images(tested) => Some(tested),
            TestResult::Words(_) => None,
        }
    }

    fn validation(tested: &Tested) -> f64 {
        tested.error()
    }

    fn figures(tested: &[Tested]) -> Errors {
        let errors: Vec<f64> = tested.iter().map(|tested| 100.0 * tested.error()).collect();
        Errors { test_error: mean(&errors), deviation: deviation(&errors) }
    }

    fn compared(figures: &Errors) -> (f64, Option<f64>) {
        (figures.test_error, figures.deviation)
    }

    fn reported() -> Reported {
        Reported { paper: REPORTED_CIFAR10.into() }
    }

    fn write_tables(
        rows: &[RowOf<Self>],
        source: &DataSource,
        config: &TrainConfig,
        f: &mut fmt::Formatter,
    ) -> fmt::Result {
        let &TrainConfig { layers, init_channels, epochs, .. } = config;
        let network = format_args!("networks of {layers} cells and {init_channels} channels");
        writeln!(f, "{}: {network}, {}\n", source.name, counted(epochs, "epoch"))?;
        let heads = |here: &str, runs: &str, days: &str| {
            format!("{here:<31} {:<14} {runs:>4} {:>7} {days:>11}", "test error %", "params")
        };
        writeln!(f, "{}", heads("here", "runs", "device days"))?;
        for row in rows {
            let title = row.title() + " + cutout";
            let error = with_deviation(row.figures.test_error, row.figures.deviation);
            let Row { runs, params, search_days, .. } = row;
            writeln!(f, "{title:<31} {error:<14} {runs:>4} {params:>6.2}M {search_days:>11.4}")?;
        }
        writeln!(f, "\n{}", heads("the paper's table 1", "", "GPU days"))?;
        for Cifar10Report { network, test_error, deviation, params, gpu_days, .. } in Self::reported().paper {
            let error = with_deviation(test_error, deviation);
            writeln!(f, "{network:<31} {error:<14} {:>4} {params:>6.1}M {gpu_days:>11}", "")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::{Candidate, Searcher, Trained};
    use darts_engine::space::CONVOLUTIONAL;

    fn row(searcher: Searcher, wrong: &[usize]) -> RowOf<Cifar10> {
        let genotype = Genotype::random(CONVOLUTIONAL, 0, 1).next().unwrap();
        let run =
            |&wrong: &usize| Trained { tested: Tested { wrong, images: 100, ..Tested::default() }, seconds: 43_200.0 };
        let candidate = Candidate {
            code: "code".into(),
            genotype,
            params: 2_000_000,
            search_seconds: 86_400.0,
            brief: Some(run(&50)),
            runs: wrong.iter().map(run).collect(),
        };
        Row::new(searcher, vec![candidate], Cifar10::figures)
    }

    #[test]
    fn a_row_has_means_deviations_and_costs() {
        let first = row(Searcher::First, &[1, 2, 3]);
        assert_eq!(Cifar10::compared(&first.figures), (2.0, Some(1.0)));
        assert_eq!(first.params, 2.0);
        assert_eq!((first.search_days, first.selection_days, first.training_days), (1.0, 0.5, 1.5));
        let random = row(Searcher::Random, &[9]);
        assert_eq!((random.figures.deviation, random.search_days, random.selection_days), (None, 0.5, 0.0));
        assert_eq!(
            first.against(&random, Cifar10::compared),
            "first is 7.00 points better than random, of which single runs say nothing"
        );
        let random = row(Searcher::Random, &[1, 1, 3]);
        let comparison = first.against(&random, Cifar10::compared);
        let expected =
            "first is 0.33 points worse than random (standard error of the difference 0.88), which may be chance";
        assert_eq!(comparison, expected);
        let random = row(Searcher::Random, &[20, 21, 22]);
        assert!(
            first
                .against(&random, Cifar10::compared)
                .ends_with("(standard error of the difference 0.82), which is hardly chance")
        );
    }
}
