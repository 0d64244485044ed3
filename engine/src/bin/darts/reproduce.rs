//! `darts reproduce`: the paper's protocol from the search to its row of the table.

use crate::{
    data,
    device::{DEVICES, Words, acquire, contain, devices, told_time, word, words},
    drive::{Begin, Keeping},
    output::{Outcome, Output},
    search, train,
};
use clap::{Args, Subcommand};
use darts_engine::{
    data::Dataset,
    device::{Compute, DeviceChoice, block_on},
    event::{Event, Tested},
    run::{DataSource, GENOTYPE_FILE, Resumed, Run, RunConfig, RunError, RunWriter, replace_json},
    search::{ConvSearch, Order, SearchConfig},
    space::{Cifar10Report, Genotype, NetworkSize, REPORTED_CIFAR10},
    supernet::Kernels,
    train::{TrainConfig, Training},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt::{self, Display},
    fs,
    path::{Path, PathBuf},
};

/// What the report is called, in the folder of the stages.
const REPORT_FILE: &str = "report.json";
/// Ends the name of a stage's folder until it is done.
const UNFINISHED: &str = ".unfinished";

#[derive(Subcommand)]
pub enum Command {
    /// Search several times, train each cell briefly, keep the best by validation, train it fully, and print the paper's row.
    ///
    /// Each search has a seed of its own. Its cells are trained from scratch for a short time on one half of the training
    /// images and validated on the other half; the best are trained on all of them as often as asked, and each such network is
    /// tested once, after its last epoch. The folder DIR has a run folder for every stage, and the report in report.json. A stage
    /// that is done is not done again: the same command goes on after an interruption. The defaults are the paper's.
    Cifar10(Box<Cifar10>),
}

/// What finds cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Searcher {
    First,
    Second,
    Random,
}

const SEARCHERS: Words = &[
    ("first", "DARTS of first order"),
    ("second", "DARTS of second order"),
    ("random", "Random search: cells drawn at random, the best by validation"),
];

/// Which cells are trained fully.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Select {
    Best,
    All,
}

const SELECT: Words = &[
    ("best", "Those that are best by validation after a brief training"),
    ("all", "All that were found, none picked: to compare searchers"),
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
    /// The folder of the stages and the report.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Where to compute.
    #[arg(long, value_name = "DEVICE", default_value = word(DEVICES, DeviceChoice::default()), value_parser = devices())]
    device: DeviceChoice,
    /// Where to train networks of cells [default: where it searches].
    #[arg(long, value_name = "DEVICE", value_parser = devices())]
    train_device: Option<DeviceChoice>,
    /// Decides everything that is random: searches take this seed and those after it, and so do full trainings.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// What finds cells, one or several after commas.
    #[arg(long, visible_alias = "order", value_name = "SEARCHER", value_delimiter = ',', default_value = "second",
        value_parser = words::<Searcher>(SEARCHERS), help_heading = "Protocol")]
    searcher: Vec<Searcher>,
    /// Searches of each order.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000),
        help_heading = "Protocol")]
    searches: u16,
    /// Cells of a random search.
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=1000),
        help_heading = "Protocol")]
    random_cells: u16,
    /// Which cells are trained fully.
    #[arg(long, value_name = "WHICH", default_value = "best", value_parser = words::<Select>(SELECT),
        help_heading = "Protocol")]
    select: Select,
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
    fn search_config(&self, order: Order, seed: u64, kernels: Kernels) -> SearchConfig {
        SearchConfig {
            order,
            epochs: self.search_epochs,
            batch_size: self.search_batch_size,
            init_channels: self.search_init_channels,
            layers: self.search_layers,
            seed,
            kernels,
            ..search_paper()
        }
    }

    /// Each network is tested once, after its last epoch.
    fn train_config(&self, epochs: usize, train_portion: f64, seed: u64, kernels: Kernels) -> TrainConfig {
        TrainConfig {
            kernels,
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

    fn brief_config(&self, kernels: Kernels) -> TrainConfig {
        self.train_config(self.brief_epochs, 0.5, self.seed, kernels)
    }

    /// What is not as in the paper.
    fn scaled(&self, data: &Dataset) -> Vec<Scaled> {
        let (search, train) = (search_paper(), train_paper());
        let searches = self.searcher.iter().any(|&searcher| searcher != Searcher::Random);
        let random = self.searcher.contains(&Searcher::Random);
        [
            (true, "training images", data.train.len(), 50_000),
            (true, "test images", data.test.len(), 10_000),
            (searches, "searches", self.searches.into(), 4),
            (random, "random cells", self.random_cells.into(), 24),
            (searches, "search epochs", self.search_epochs, search.epochs),
            (searches, "search batch size", self.search_batch_size, search.batch_size),
            (searches, "search channels", self.search_init_channels, search.init_channels),
            (searches, "search cells", self.search_layers, search.layers),
            (self.select == Select::Best, "brief epochs", self.brief_epochs, BRIEF_EPOCHS),
            (true, "epochs", self.epochs, train.epochs),
            (true, "batch size", self.batch_size, train.batch_size),
            (true, "channels", self.init_channels, train.init_channels),
            (true, "cells", self.layers, train.layers),
            (true, "runs", self.runs.into(), 10),
        ]
        .into_iter()
        .filter(|&(counts, _, here, paper)| counts && here != paper)
        .map(|(_, what, here, paper)| Scaled { what, here, paper })
        .collect()
    }
}

pub fn run(command: Command, output: &Output) -> Outcome {
    let Command::Cifar10(args) = command;
    let searchers = &args.searcher;
    if (1..searchers.len()).any(|i| searchers[..i].contains(&searchers[i])) {
        return Err("searcher names one twice".into());
    }
    // What can be refused at once is refused before anything long begins.
    let kernels = Kernels::default();
    let search = args.search_config(Order::First, args.seed, kernels);
    let (brief, full) = (args.brief_config(kernels), args.train_config(args.epochs, 1.0, args.seed, kernels));
    let searches = searchers.iter().any(|&searcher| searcher != Searcher::Random);
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
    if args.select == Select::Best {
        brief.images(data.train.len())?;
    }
    if data.test.is_empty() {
        return Err(format!("{} has no test images", args.data.display()).into());
    }
    fs::create_dir_all(&args.out).map_err(|e| format!("cannot write {}: {e}", args.out.display()))?;
    let train_device = args.train_device.unwrap_or(args.device);
    let (compute, remark) = contain(|| Ok(acquire(args.device)?))?;
    let (train_compute, train_remark) = contain(|| Ok(acquire(train_device)?))?;
    for remark in [remark, train_remark.filter(|_| train_device != args.device)].into_iter().flatten() {
        output.remark(remark);
    }
    let protocol = Protocol { args: &args, output, data, compute, train_compute, train_device };
    let rows = searchers.iter().map(|&searcher| protocol.row(searcher)).collect::<Outcome<Vec<Row>>>()?;
    let report = Report {
        data: DataSource::new(&args.data, &protocol.data),
        adapter: protocol.compute.adapter.clone(),
        train_adapter: protocol.train_compute.adapter.clone(),
        scaled: args.scaled(&protocol.data),
        select: args.select,
        search: SearchConfig { kernels: protocol.compute.kernels(), ..search },
        train: TrainConfig { kernels: protocol.train_compute.kernels(), ..full },
        rows,
        paper: REPORTED_CIFAR10.into(),
    };
    replace_json(&args.out, REPORT_FILE, &report)?;
    output.print(&report, &report)
}

/// The stages of a reproduction.
struct Protocol<'a> {
    args: &'a Cifar10,
    output: &'a Output,
    data: Dataset,
    compute: Compute,
    train_compute: Compute,
    train_device: DeviceChoice,
}

impl Protocol<'_> {
    /// All stages of a searcher.
    fn row(&self, searcher: Searcher) -> Outcome<Row> {
        let args = self.args;
        let name = word(SEARCHERS, searcher);
        let folder = args.out.join(name);
        let found: Vec<(Genotype, f64)> = match searcher {
            Searcher::Random => {
                Genotype::random(args.seed, args.random_cells.into()).map(|genotype| (genotype, 0.0)).collect()
            }
            Searcher::First => self.searches(&folder, name, Order::First)?,
            Searcher::Second => self.searches(&folder, name, Order::Second)?,
        };
        let (count, kernels) = (found.len(), self.train_compute.kernels());
        let mut candidates = Vec::with_capacity(count);
        for (i, (genotype, search_seconds)) in (1..).zip(found) {
            let &Cifar10 { init_channels, layers, .. } = args;
            let classes = self.data.classes.len();
            let cost = genotype.cost(&NetworkSize { init_channels, layers, classes, ..NetworkSize::CIFAR10 });
            let code = genotype.code()?;
            let params = cost.network.params;
            let brief = match args.select {
                Select::Best if count > 1 => {
                    let title = format!("{name}: brief training of cell {i} of {count}");
                    let stage = folder.join(format!("brief-{i}"));
                    Some(self.train(&stage, &title, &genotype, args.brief_config(kernels))?)
                }
                _ => None,
            };
            candidates.push(Candidate { code, genotype, params, search_seconds, brief, runs: Vec::new() });
        }
        // Of equally good ones the first.
        let wrong = |i: &usize| candidates[*i].brief.map_or(0, |brief| brief.tested.wrong);
        let chosen = match args.select {
            Select::Best => vec![(0..count).min_by_key(wrong).expect("at least one cell")],
            Select::All => (0..count).collect(),
        };
        for &i in &chosen {
            for run in 0..args.runs {
                let title = format!("{name}: training {} of {} of cell {}", run + 1, args.runs, i + 1);
                let config = args.train_config(args.epochs, 1.0, args.seed + u64::from(run), kernels);
                let stage = folder.join(format!("train-{}-{}", i + 1, run + 1));
                let trained = self.train(&stage, &title, &candidates[i].genotype, config)?;
                candidates[i].runs.push(trained);
            }
        }
        Ok(Row::new(searcher, candidates))
    }

    /// The cells of all searches, and the seconds that each took.
    fn searches(&self, folder: &Path, name: &str, order: Order) -> Outcome<Vec<(Genotype, f64)>> {
        let count = self.args.searches;
        (1..=count)
            .map(|i| {
                let config = self.args.search_config(order, self.args.seed + u64::from(i) - 1, self.compute.kernels());
                let run = RunConfig::search(self.args.device, self.source(), config.clone());
                let title = format!("{name}: search {i} of {count}");
                let events = self.stage(&folder.join(format!("search-{i}")), &title, &run, |begin| {
                    let search = contain(|| Ok(block_on(ConvSearch::new(config, &self.data, &self.compute))?))?;
                    search::perform(search, begin, &run, &Keeping::of_stage(), None, self.output).map(drop)
                })?;
                match events {
                    (_, Event::Finished { genotype, seconds, .. }) => Ok((genotype, seconds)),
                    (stage, _) => Err(no_result(&stage)),
                }
            })
            .collect()
    }

    fn train(&self, stage: &Path, title: &str, genotype: &Genotype, config: TrainConfig) -> Outcome<Trained> {
        let run = RunConfig::train(self.train_device, self.source(), config.clone(), genotype.clone());
        let (stage, last) = self.stage(stage, title, &run, |begin| {
            let training = contain(|| Ok(Training::new(config, genotype.clone(), &self.data, &self.train_compute)?))?;
            train::perform(training, begin, &run, &Keeping::of_stage(), self.output).map(drop)
        })?;
        if Run::open(&stage)?.genotype()? != *genotype {
            let file = stage.join(GENOTYPE_FILE);
            return Err(format!("{} has other cells; name another folder or move it away", file.display()).into());
        }
        match last {
            Event::TrainFinished { test, seconds, .. } => Ok(Trained { tested: test, seconds }),
            _ => Err(no_result(&stage)),
        }
    }

    fn source(&self) -> DataSource {
        DataSource::new(&self.args.data, &self.data)
    }

    /// Goes on with what an interrupted stage left, as far as that is whole and of the same settings, or begins anew.
    fn begin(&self, folder: &Path, config: &RunConfig) -> Outcome<Begin<RunConfig>> {
        if folder.exists() {
            match Resumed::open(folder) {
                Ok(resumed) if resumed.run.config == *config => return Ok(Begin::Again(resumed.into())),
                Err(error @ RunError::Busy { .. }) => return Err(error.into()),
                _ => fs::remove_dir_all(folder).map_err(|e| format!("cannot write {}: {e}", folder.display()))?,
            }
        }
        RunWriter::check(folder)?;
        Ok(Begin::New(folder.to_owned()))
    }

    /// Does a stage unless it is done; its folder gets its name when it is, so that there is all of it or none. Tells the
    /// folder, and the event that ends its log.
    fn stage(
        &self,
        folder: &Path,
        title: &str,
        config: &RunConfig,
        work: impl FnOnce(Begin<RunConfig>) -> Outcome,
    ) -> Outcome<(PathBuf, Event)> {
        if folder.exists() {
            let run = Run::open(folder)?;
            if run.config != *config {
                let folder = folder.display();
                return Err(
                    format!("{folder} was made with other settings; name another folder or move it away").into()
                );
            }
            self.output.remark(format_args!("{title}: done before"));
        } else {
            let mut unfinished = folder.as_os_str().to_owned();
            unfinished.push(UNFINISHED);
            let unfinished = PathBuf::from(unfinished);
            let cannot = |error| format!("cannot write {}: {error}", unfinished.display());
            self.output.remark(title);
            work(self.begin(&unfinished, config)?)?;
            fs::rename(&unfinished, folder).map_err(cannot)?;
        }
        let mut last = None;
        for event in Run::open(folder)?.events()? {
            last = Some(event?);
        }
        Ok((folder.to_owned(), last.ok_or_else(|| no_result(folder))?))
    }
}

fn no_result(stage: &Path) -> Box<dyn std::error::Error> {
    format!("{} ends without a result; move it away", stage.display()).into()
}

/// What a training came to.
#[derive(Clone, Copy, Serialize)]
struct Trained {
    /// On the images held out, or the test images.
    #[serde(flatten)]
    tested: Tested,
    seconds: f64,
}

/// Cells that were found.
#[derive(Serialize)]
struct Candidate {
    code: String,
    genotype: Genotype,
    /// Weights of their network.
    params: u64,
    search_seconds: f64,
    /// Their brief training, validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    brief: Option<Trained>,
    /// Their full trainings, tested; none where others were better in brief.
    runs: Vec<Trained>,
}

/// What a searcher came to.
#[derive(Serialize)]
struct Row {
    searcher: Searcher,
    /// Mean over all full trainings, in percent.
    test_error: f64,
    /// Their standard deviation, where there are several.
    deviation: Option<f64>,
    /// Full trainings.
    runs: usize,
    /// Mean weights of their networks, in millions.
    params: f64,
    /// Days on one device that all searches took; for random search, the brief trainings.
    search_days: f64,
    /// Days that the choice among the cells took on top.
    selection_days: f64,
    /// Days that the full trainings took.
    training_days: f64,
    candidates: Vec<Candidate>,
}

impl Row {
    fn new(searcher: Searcher, candidates: Vec<Candidate>) -> Self {
        let errors: Vec<f64> = candidates.iter().flat_map(|c| &c.runs).map(|run| 100.0 * run.tested.error()).collect();
        let trained = candidates.iter().filter(|c| !c.runs.is_empty());
        let params: Vec<f64> = trained.map(|c| c.params as f64 / 1e6).collect();
        let days = |seconds: &dyn Fn(&Candidate) -> f64| candidates.iter().map(seconds).sum::<f64>() / 86_400.0;
        let brief = days(&|c| c.brief.map_or(0.0, |brief| brief.seconds));
        let searched = days(&|c| c.search_seconds);
        let random = searcher == Searcher::Random;
        Self {
            searcher,
            test_error: mean(&errors),
            deviation: deviation(&errors),
            runs: errors.len(),
            params: mean(&params),
            search_days: if random { brief } else { searched },
            selection_days: if random { 0.0 } else { brief },
            training_days: days(&|c| c.runs.iter().map(|run| run.seconds).sum()),
            candidates,
        }
    }

    fn title(&self) -> &'static str {
        match self.searcher {
            Searcher::First => "DARTS (first order) + cutout",
            Searcher::Second => "DARTS (second order) + cutout",
            // Without a choice it is none.
            Searcher::Random if self.candidates.iter().all(|one| one.brief.is_none()) => "random cells + cutout",
            Searcher::Random => "random search + cutout",
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of the population that several values are from.
fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// A size that is not the paper's.
#[derive(Serialize)]
struct Scaled {
    what: &'static str,
    here: usize,
    paper: usize,
}

/// All that came of it.
#[derive(Serialize)]
struct Report {
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
    rows: Vec<Row>,
    paper: Vec<Cifar10Report>,
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TrainConfig { layers, init_channels, epochs, .. } = self.train;
        let plural = if epochs == 1 { "" } else { "s" };
        let network = format_args!("networks of {layers} cells and {init_channels} channels");
        writeln!(f, "{}: {network}, {epochs} epoch{plural}\n", self.data.name)?;
        writeln!(f, "{:<31} {:<14} {:>4} {:>7} {:>11}", "here", "test error %", "runs", "params", "device days")?;
        for row in &self.rows {
            let error = with_deviation(row.test_error, row.deviation);
            let Row { runs, params, search_days, .. } = row;
            writeln!(f, "{:<31} {error:<14} {runs:>4} {params:>6.2}M {search_days:>11.4}", row.title())?;
        }
        writeln!(
            f,
            "\n{:<31} {:<14} {:>4} {:>7} {:>11}",
            "the paper's table 1", "test error %", "", "params", "GPU days"
        )?;
        for Cifar10Report { network, test_error, deviation, params, gpu_days, .. } in &self.paper {
            let error = with_deviation(*test_error, *deviation);
            writeln!(f, "{network:<31} {error:<14} {:>4} {params:>6.1}M {gpu_days:>11}", "")?;
        }
        writeln!(f)?;
        if let Some(random) = self.rows.iter().find(|row| row.searcher == Searcher::Random) {
            for row in self.rows.iter().filter(|row| row.searcher != Searcher::Random) {
                writeln!(f, "{}", against(row, random))?;
            }
        }
        for row in &self.rows {
            let trained = row.candidates.iter().filter(|candidate| !candidate.runs.is_empty());
            let codes: Vec<&str> = trained.map(|candidate| candidate.code.as_str()).collect();
            writeln!(f, "{}: {}", word(SEARCHERS, row.searcher), codes.join(" "))?;
        }
        let seconds = |days: f64| told_time(86_400.0 * days);
        let total = |of: fn(&Row) -> f64| seconds(self.rows.iter().map(of).sum());
        writeln!(
            f,
            "searching took {}, choosing {}, training {}",
            total(|row| row.search_days),
            total(|row| row.selection_days),
            total(|row| row.training_days)
        )?;
        if self.scaled.is_empty() {
            return write!(f, "All sizes are the paper's.");
        }
        let told = |Scaled { what, here, paper }: &Scaled| format!("{what} {here} ({paper})");
        let scaled: Vec<String> = self.scaled.iter().map(told).collect();
        write!(f, "Not the paper's sizes, so not its figures (the paper's in brackets): {}.", scaled.join(", "))
    }
}

fn with_deviation(value: f64, deviation: Option<f64>) -> String {
    let deviation = deviation.map_or_else(String::new, |deviation| format!(" \u{b1} {deviation:.2}"));
    format!("{value:.2}{deviation}")
}

/// How a searcher does beside random cells, and whether that may be chance: a difference of less than twice its standard
/// error may.
fn against(row: &Row, random: &Row) -> String {
    let difference = random.test_error - row.test_error;
    let side = if difference >= 0.0 { "better" } else { "worse" };
    let searcher = word(SEARCHERS, row.searcher);
    let of_mean = |row: &Row| row.deviation.map(|deviation| deviation.powi(2) / row.runs as f64);
    let chance = match (of_mean(row), of_mean(random)) {
        (Some(one), Some(other)) => {
            let error = (one + other).sqrt();
            let may = if difference.abs() < 2.0 * error { "which may be chance" } else { "which is hardly chance" };
            format!(" (standard error of the difference {error:.2}), {may}")
        }
        _ => ", of which single runs say nothing".into(),
    };
    format!("{searcher} is {:.2} points {side} than random{chance}", difference.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(searcher: Searcher, wrong: &[usize]) -> Row {
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
        assert_eq!((first.test_error, first.deviation, first.params), (2.0, Some(1.0), 2.0));
        assert_eq!((first.search_days, first.selection_days, first.training_days), (1.0, 0.5, 1.5));
        let random = row(Searcher::Random, &[9]);
        assert_eq!((random.deviation, random.search_days, random.selection_days), (None, 0.5, 0.0));
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
