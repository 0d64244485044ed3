//! `darts reproduce cifar10`.

use super::*;
use crate::{data, drive::Keeping, search, train};
use darts_engine::{
    config::{SearchConfig, TrainConfig},
    data::Dataset,
    device::block_on,
    event::Tested,
    run::{DataSource, RunConfig},
    search::ConvSearch,
    space::{Cifar10Report, Genotype, NetworkSize, REPORTED_CIFAR10, published},
    train::Training,
};
use std::fmt::Display;

/// What a name that is no searcher means.
const PUBLISHED: &str = "The published cells of that name, without a search";

const SEARCHERS: Words = &[
    ("first", "DARTS of first order"),
    ("second", "DARTS of second order"),
    ("random", "Random search: cells drawn at random, the best by validation"),
    ("NASNet", PUBLISHED),
    ("AmoebaNet", PUBLISHED),
    ("PNASNet", PUBLISHED),
    ("ENAS", PUBLISHED),
    ("DARTS_V1", PUBLISHED),
    ("DARTS_V2", PUBLISHED),
];

fn search_paper() -> SearchConfig {
    SearchConfig::default()
}

fn train_paper() -> TrainConfig {
    TrainConfig::default()
}

/// Epochs of a brief training (appendix A.1.1).
const BRIEF_EPOCHS: usize = 100;

#[derive(Args)]
pub struct Cifar10 {
    #[arg(long, value_name = "PATH", help = data::DATA)]
    data: PathBuf,
    #[command(flatten)]
    plan: Plan,

    /// What finds cells, one or several after commas.
    #[arg(long, visible_alias = "order", value_name = "SEARCHER", value_delimiter = ',', default_value = "second",
        value_parser = words::<Searcher>(SEARCHERS), help_heading = "Protocol")]
    searcher: Vec<Searcher>,
    /// Cells of a random search.
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=1000),
        help_heading = "Protocol")]
    random_cells: u16,
    /// Full trainings of a cell.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000),
        help_heading = "Protocol")]
    runs: u16,

    /// Passes over the images of a search.
    #[arg(long, value_name = "N", default_value_t = search_paper().epochs, help_heading = "Search")]
    search_epochs: usize,
    /// Images of a minibatch of a search.
    #[arg(long, value_name = "N", default_value_t = search_paper().batch_size, help_heading = "Search")]
    search_batch_size: usize,
    /// Channels of the first cell of the supernet.
    #[arg(long, value_name = "N", default_value_t = search_paper().init_channels, help_heading = "Search")]
    search_init_channels: usize,
    /// Cells of the supernet.
    #[arg(long, value_name = "N", default_value_t = search_paper().layers, help_heading = "Search")]
    search_layers: usize,

    /// Epochs of a brief training.
    #[arg(long, value_name = "N", default_value_t = BRIEF_EPOCHS, help_heading = "Training")]
    brief_epochs: usize,
    /// Epochs of a full training.
    #[arg(long, value_name = "N", default_value_t = train_paper().epochs, help_heading = "Training")]
    epochs: usize,
    /// Images of a minibatch.
    #[arg(long, value_name = "N", default_value_t = train_paper().batch_size, help_heading = "Training")]
    batch_size: usize,
    /// Channels of the first cell.
    #[arg(long, value_name = "N", default_value_t = train_paper().init_channels, help_heading = "Training")]
    init_channels: usize,
    /// Cells of the network.
    #[arg(long, value_name = "N", default_value_t = train_paper().layers, help_heading = "Training")]
    layers: usize,
}

impl Cifar10 {
    fn search_config(&self, order: Order, seed: u64) -> SearchConfig {
        SearchConfig {
            order,
            epochs: self.search_epochs,
            batch_size: self.search_batch_size,
            init_channels: self.search_init_channels,
            layers: self.search_layers,
            seed,
            ..search_paper()
        }
    }

    /// Each network is tested once, after its last epoch; one half of the images is held out of brief trainings.
    fn train_config(&self, length: Length, seed: u64) -> TrainConfig {
        let (epochs, train_portion) = match length {
            Length::Brief => (self.brief_epochs, 0.5),
            Length::Full => (self.epochs, 1.0),
        };
        TrainConfig {
            epochs,
            batch_size: self.batch_size,
            init_channels: self.init_channels,
            layers: self.layers,
            train_portion,
            seed,
            test_every: epochs,
            ..train_paper()
        }
    }

    /// What is not as in the paper.
    fn scaled(&self, data: &Dataset) -> Vec<Scaled> {
        let (search, train) = (search_paper(), train_paper());
        let searches = any_search(&self.searcher);
        let random = self.searcher.contains(&Searcher::Random);
        scaled([
            (true, "training images", data.train.len(), 50_000),
            (true, "test images", data.test.len(), 10_000),
            (searches, "searches", self.plan.searches.into(), 4),
            (random, "random cells", self.random_cells.into(), 24),
            (searches, "search epochs", self.search_epochs, search.epochs),
            (searches, "search batch size", self.search_batch_size, search.batch_size),
            (searches, "search channels", self.search_init_channels, search.init_channels),
            (searches, "search cells", self.search_layers, search.layers),
            (self.plan.select == Select::Best, "brief epochs", self.brief_epochs, BRIEF_EPOCHS),
            (true, "epochs", self.epochs, train.epochs),
            (true, "batch size", self.batch_size, train.batch_size),
            (true, "channels", self.init_channels, train.init_channels),
            (true, "cells", self.layers, train.layers),
            (true, "runs", self.runs.into(), 10),
        ])
    }
}

pub fn run(args: &Cifar10, output: &Output) -> Outcome {
    check_searchers(&args.searcher)?;
    // What can be refused at once is refused before anything long begins.
    let plan = &args.plan;
    let search = args.search_config(Order::First, plan.seed);
    let [brief, full] = [Length::Brief, Length::Full].map(|length| args.train_config(length, plan.seed));
    let searches = any_search(&args.searcher);
    if searches {
        search.check()?;
    }
    brief.check()?;
    full.check()?;
    let data = data::open(&args.data, None, output)?;
    if searches {
        search.split(data.train.len())?;
    }
    full.images(data.train.len())?;
    if plan.select == Select::Best {
        brief.images(data.train.len())?;
    }
    if data.test.is_empty() {
        return Err(format!("{} has no test images", args.data.display()).into());
    }
    let [compute, train_compute] = devices_of(plan, output)?;
    let source = DataSource::new(&args.data, &data);
    let protocol = Protocol { task: Images { args, data, source }, output, compute, train_compute };
    let rows = protocol.rows()?;
    let Protocol { task, compute, train_compute, .. } = protocol;
    let report = Report {
        scaled: args.scaled(&task.data),
        data: task.source,
        search,
        train: full,
        adapter: compute.adapter,
        train_adapter: train_compute.adapter,
        select: plan.select,
        rows,
        paper: REPORTED_CIFAR10.into(),
    };
    replace_json(&plan.out, REPORT_FILE, &report)?;
    output.print(&report, &report)
}

/// Cells of convolutional networks on images.
struct Images<'a> {
    args: &'a Cifar10,
    data: Dataset,
    source: DataSource,
}

/// What several networks do on the test images.
#[derive(Serialize)]
struct Errors {
    /// Mean, in percent.
    test_error: f64,
    /// Standard deviation, where there are several.
    deviation: Option<f64>,
}

impl Task for Images<'_> {
    type Settings = RunConfig;
    type Genotype = Genotype;
    type Tested = Tested;
    type Figures = Errors;

    const SEARCHERS: Words = SEARCHERS;

    fn plan(&self) -> &Plan {
        &self.args.plan
    }

    fn searchers(&self) -> &[Searcher] {
        &self.args.searcher
    }

    fn random_cells(&self) -> u16 {
        self.args.random_cells
    }

    fn runs(&self) -> u16 {
        self.args.runs
    }

    fn random(seed: u64, count: usize) -> Vec<Genotype> {
        Genotype::random(seed, count).collect()
    }

    fn published(name: &str) -> Option<Genotype> {
        published(name)
    }

    fn code(genotype: &Genotype) -> Outcome<String> {
        Ok(genotype.code()?)
    }

    fn params(&self, genotype: &Genotype) -> u64 {
        let &Cifar10 { init_channels, layers, .. } = self.args;
        let classes = self.data.classes.len();
        genotype.cost(&NetworkSize { init_channels, layers, classes, ..NetworkSize::CIFAR10 }).network.params
    }

    fn to_search(&self, order: Order, seed: u64) -> RunConfig {
        let config = self.args.search_config(order, seed);
        RunConfig::search(self.args.plan.device, self.source.clone(), config)
    }

    fn search(&self, asked: &RunConfig, begin: Begin<RunConfig>, compute: &Compute, output: &Output) -> Outcome {
        let config = asked.search.clone().expect("a search is asked");
        let search = contain(|| Ok(block_on(ConvSearch::new(config, &self.data, compute))?))?;
        search::perform(search, begin, asked, &Keeping::of_stage(), None, output).map(drop)
    }

    fn to_train(&self, genotype: &Genotype, length: Length, seed: u64) -> RunConfig {
        let config = self.args.train_config(length, seed);
        let device = self.args.plan.train_device();
        RunConfig::train(device, self.source.clone(), config, genotype.clone())
    }

    fn train(&self, asked: &RunConfig, begin: Begin<RunConfig>, compute: &Compute, output: &Output) -> Outcome {
        let (config, genotype) = asked.train.clone().zip(asked.genotype.clone()).expect("a training is asked");
        let training = contain(|| Ok(Training::new(config, genotype, &self.data, compute)?))?;
        train::perform(training, begin, asked, &Keeping::of_stage(), output).map(drop)
    }

    fn found(event: Event) -> Option<(Genotype, f64)> {
        match event {
            Event::Finished { genotype, seconds, .. } => Some((genotype, seconds)),
            _ => None,
        }
    }

    fn tested(event: &Event) -> Option<(Tested, f64)> {
        match event {
            &Event::TrainFinished { test, seconds, .. } => Some((test, seconds)),
            _ => None,
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
}

/// All that came of it.
#[derive(Serialize)]
struct Report<'a> {
    data: DataSource,
    /// What searched.
    adapter: String,
    /// What trained.
    train_adapter: String,
    /// What is not as in the paper; nothing where it is.
    scaled: Vec<Scaled>,
    select: Select,
    /// The settings of the searches, but for order and seed.
    search: SearchConfig,
    /// The settings of the full trainings, but for the seed.
    train: TrainConfig,
    rows: Vec<Row<Images<'a>>>,
    paper: Vec<Cifar10Report>,
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TrainConfig { layers, init_channels, epochs, .. } = self.train;
        let plural = if epochs == 1 { "" } else { "s" };
        let network = format_args!("networks of {layers} cells and {init_channels} channels");
        writeln!(f, "{}: {network}, {epochs} epoch{plural}\n", self.data.name)?;
        let heads = |here: &str, runs: &str, days: &str| {
            format!("{here:<31} {:<14} {runs:>4} {:>7} {days:>11}", "test error %", "params")
        };
        writeln!(f, "{}", heads("here", "runs", "device days"))?;
        for row in &self.rows {
            let title = row.title() + " + cutout";
            let error = with_deviation(row.figures.test_error, row.figures.deviation);
            let Row { runs, params, search_days, .. } = row;
            writeln!(f, "{title:<31} {error:<14} {runs:>4} {params:>6.2}M {search_days:>11.4}")?;
        }
        writeln!(f, "\n{}", heads("the paper's table 1", "", "GPU days"))?;
        for Cifar10Report { network, test_error, deviation, params, gpu_days, .. } in &self.paper {
            let error = with_deviation(*test_error, *deviation);
            writeln!(f, "{network:<31} {error:<14} {:>4} {params:>6.1}M {gpu_days:>11}", "")?;
        }
        writeln!(f)?;
        tell_below(f, &self.rows, &self.scaled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(searcher: Searcher, wrong: &[usize]) -> Row<Images<'static>> {
        let genotype = Genotype::random(0, 1).next().unwrap();
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
        Row::new(searcher, vec![candidate])
    }

    #[test]
    fn a_row_has_means_deviations_and_costs() {
        let first = row(Searcher::First, &[1, 2, 3]);
        assert_eq!(Images::compared(&first.figures), (2.0, Some(1.0)));
        assert_eq!(first.params, 2.0);
        assert_eq!((first.search_days, first.selection_days, first.training_days), (1.0, 0.5, 1.5));
        let random = row(Searcher::Random, &[9]);
        assert_eq!((random.figures.deviation, random.search_days, random.selection_days), (None, 0.5, 0.0));
        assert_eq!(
            against(&first, &random),
            "first is 7.00 points better than random, of which single runs say nothing"
        );
        let random = row(Searcher::Random, &[1, 1, 3]);
        let told = against(&first, &random);
        let expected =
            "first is 0.33 points worse than random (standard error of the difference 0.88), which may be chance";
        assert_eq!(told, expected);
        let random = row(Searcher::Random, &[20, 21, 22]);
        assert!(against(&first, &random).ends_with("(standard error of the difference 0.82), which is hardly chance"));
    }
}
