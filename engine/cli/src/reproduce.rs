//! `darts reproduce`: the paper's protocol from the search to its row of the table. What is searched and trained is a
//! [`Task`]; the stages, how they are taken up again, and the report are the same for all.

mod cifar10;
mod ptb;

use crate::{
    device::{DEVICES, Words, acquire, contain, devices, told_time, word, words},
    drive::Begin,
    output::{Outcome, Output},
};
use clap::{Args, Subcommand};
use darts_engine::{
    config::Order,
    device::{Compute, DeviceChoice},
    event::Event,
    run::{GENOTYPE_FILE, Resumed, RunError, RunOf, RunWriter, Settings, replace_json},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt, fs,
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
    Cifar10(Box<cifar10::Cifar10>),
    /// The same for recurrent cells of language models on the Penn Treebank, or any text.
    ///
    /// Each search has a seed of its own. Language models around its cells are trained from scratch for a short time; the best
    /// by validation perplexity is trained as often as asked, and each such model is tested once, with the weights of its
    /// lowest validation loss. The folder DIR has a run folder for every stage, and the report in report.json. A stage that is
    /// done is not done again: the same command goes on after an interruption. The defaults are the paper's.
    Ptb(Box<ptb::Ptb>),
}

pub fn run(command: Command, output: &Output) -> Outcome {
    match command {
        Command::Cifar10(args) => cifar10::run(&args, output),
        Command::Ptb(args) => ptb::run(*args, output),
    }
}

/// What finds cells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Searcher {
    First,
    Second,
    Random,
    /// Nothing: a published cell of that name.
    #[serde(untagged)]
    Published(String),
}

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

/// The protocol, whatever is searched and trained.
#[derive(Args)]
struct Plan {
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
    /// Searches of each order.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000),
        help_heading = "Protocol")]
    searches: u16,
    /// Which cells are trained fully.
    #[arg(long, value_name = "WHICH", default_value = "best", value_parser = words::<Select>(SELECT),
        help_heading = "Protocol")]
    select: Select,
}

impl Plan {
    /// Where networks of cells are trained.
    fn train_device(&self) -> DeviceChoice {
        self.train_device.unwrap_or(self.device)
    }
}

/// How long a training is.
#[derive(Clone, Copy, PartialEq)]
enum Length {
    /// To choose among cells.
    Brief,
    /// To be told.
    Full,
}

/// What is searched and trained in the paper's way.
trait Task {
    /// What decides a stage.
    type Settings: Settings<Genotype = Self::Genotype>;
    /// The cells.
    type Genotype: Clone + PartialEq + Serialize;
    /// What a training comes to.
    type Tested: Copy + Serialize;
    /// What several come to.
    type Figures: Serialize;

    /// What finds cells, by name.
    const SEARCHERS: Words;

    fn plan(&self) -> &Plan;
    fn searchers(&self) -> &[Searcher];
    fn random_cells(&self) -> u16;
    fn runs(&self) -> u16;

    /// Cells drawn at random.
    fn random(seed: u64, count: usize) -> Vec<Self::Genotype>;
    fn published(name: &str) -> Option<Self::Genotype>;
    fn code(genotype: &Self::Genotype) -> Outcome<String>;
    /// Weights of the network of these cells that is trained.
    fn params(&self, genotype: &Self::Genotype) -> u64;

    /// What a search is asked, and how it is done.
    fn to_search(&self, order: Order, seed: u64) -> Self::Settings;
    fn search(
        &self,
        asked: &Self::Settings,
        begin: Begin<Self::Settings>,
        compute: &Compute,
        output: &Output,
    ) -> Outcome;
    /// What a training is asked, and how it is done.
    fn to_train(&self, genotype: &Self::Genotype, length: Length, seed: u64) -> Self::Settings;
    fn train(
        &self,
        asked: &Self::Settings,
        begin: Begin<Self::Settings>,
        compute: &Compute,
        output: &Output,
    ) -> Outcome;

    /// The cells and seconds that the event tells which ends a search.
    fn found(event: Event) -> Option<(Self::Genotype, f64)>;
    /// What a training came to, and its seconds, by the event that ends it.
    fn tested(event: &Event) -> Option<(Self::Tested, f64)>;
    /// How bad a brief training was.
    fn validation(tested: &Self::Tested) -> f64;
    fn figures(tested: &[Self::Tested]) -> Self::Figures;
    /// The figure that is compared, and its deviation.
    fn compared(figures: &Self::Figures) -> (f64, Option<f64>);
}

/// The device that a reproduction searches on and the one that it trains on.
fn devices_of(plan: &Plan, output: &Output) -> Outcome<[Compute; 2]> {
    fs::create_dir_all(&plan.out).map_err(|e| format!("cannot write {}: {e}", plan.out.display()))?;
    let train_device = plan.train_device();
    let (compute, remark) = contain(|| Ok(acquire(plan.device)?))?;
    let (train_compute, train_remark) = contain(|| Ok(acquire(train_device)?))?;
    for remark in [remark, train_remark.filter(|_| train_device != plan.device)].into_iter().flatten() {
        output.remark(remark);
    }
    Ok([compute, train_compute])
}

/// Fails where a searcher is named twice.
fn check_searchers(searchers: &[Searcher]) -> Outcome {
    match (1..searchers.len()).any(|i| searchers[..i].contains(&searchers[i])) {
        true => Err("searcher names one twice".into()),
        false => Ok(()),
    }
}

/// Whether any of them searches by gradient.
fn any_search(searchers: &[Searcher]) -> bool {
    searchers.iter().any(|searcher| matches!(searcher, Searcher::First | Searcher::Second))
}

/// The stages of a reproduction.
struct Protocol<'a, T> {
    task: T,
    output: &'a Output,
    compute: Compute,
    train_compute: Compute,
}

impl<T: Task> Protocol<'_, T> {
    /// All stages of all searchers.
    fn rows(&self) -> Outcome<Vec<Row<T>>> {
        self.task.searchers().iter().map(|searcher| self.row(searcher)).collect()
    }

    /// All stages of a searcher.
    fn row(&self, searcher: &Searcher) -> Outcome<Row<T>> {
        let (task, plan) = (&self.task, self.task.plan());
        let name = word(T::SEARCHERS, searcher);
        let folder = plan.out.join(name);
        let found: Vec<(T::Genotype, f64)> = match searcher {
            Searcher::Random => {
                T::random(plan.seed, task.random_cells().into()).into_iter().map(|genotype| (genotype, 0.0)).collect()
            }
            Searcher::Published(name) => vec![(T::published(name).expect("the names are those published"), 0.0)],
            Searcher::First => self.searches(&folder, name, Order::First)?,
            Searcher::Second => self.searches(&folder, name, Order::Second)?,
        };
        let count = found.len();
        let mut candidates = Vec::with_capacity(count);
        for (i, (genotype, search_seconds)) in (1..).zip(found) {
            let (code, params) = (T::code(&genotype)?, task.params(&genotype));
            let brief = match plan.select {
                Select::Best if count > 1 => {
                    let title = format!("{name}: brief training of cell {i} of {count}");
                    let stage = folder.join(format!("brief-{i}"));
                    Some(self.train(&stage, &title, &genotype, Length::Brief, plan.seed)?)
                }
                _ => None,
            };
            candidates.push(Candidate { code, genotype, params, search_seconds, brief, runs: Vec::new() });
        }
        // Of equally good ones the first.
        let by_validation = |i: &usize, j: &usize| {
            let [i, j] =
                [*i, *j].map(|i| candidates[i].brief.as_ref().map_or(0.0, |brief| T::validation(&brief.tested)));
            i.total_cmp(&j)
        };
        let chosen = match plan.select {
            Select::Best => vec![(0..count).min_by(by_validation).expect("at least one cell")],
            Select::All => (0..count).collect(),
        };
        for &i in &chosen {
            for run in 0..task.runs() {
                let title = format!("{name}: training {} of {} of cell {}", run + 1, task.runs(), i + 1);
                let stage = folder.join(format!("train-{}-{}", i + 1, run + 1));
                let (genotype, seed) = (&candidates[i].genotype, plan.seed + u64::from(run));
                let trained = self.train(&stage, &title, genotype, Length::Full, seed)?;
                candidates[i].runs.push(trained);
            }
        }
        Ok(Row::new(searcher.clone(), candidates))
    }

    /// The cells of all searches, and the seconds that each took.
    fn searches(&self, folder: &Path, name: &str, order: Order) -> Outcome<Vec<(T::Genotype, f64)>> {
        let plan = self.task.plan();
        let count = plan.searches;
        (1..=count)
            .map(|i| {
                let asked = self.task.to_search(order, plan.seed + u64::from(i) - 1);
                let title = format!("{name}: search {i} of {count}");
                let stage = folder.join(format!("search-{i}"));
                let work = |begin| self.task.search(&asked, begin, &self.compute, self.output);
                let last = self.stage(&stage, &title, &asked, work)?;
                T::found(last).ok_or_else(|| no_result(&stage))
            })
            .collect()
    }

    fn train(
        &self,
        stage: &Path,
        title: &str,
        genotype: &T::Genotype,
        length: Length,
        seed: u64,
    ) -> Outcome<Trained<T::Tested>> {
        let asked = self.task.to_train(genotype, length, seed);
        let work = |begin| self.task.train(&asked, begin, &self.train_compute, self.output);
        let last = self.stage(stage, title, &asked, work)?;
        if RunOf::<T::Settings>::open(stage)?.genotype()? != *genotype {
            let file = stage.join(GENOTYPE_FILE);
            return Err(format!("{} has other cells; name another folder or move it away", file.display()).into());
        }
        let (tested, seconds) = T::tested(&last).ok_or_else(|| no_result(stage))?;
        Ok(Trained { tested, seconds })
    }

    /// Goes on with what an interrupted stage left, as far as that is whole and of the same settings, or begins anew.
    fn begin(&self, folder: &Path, config: &T::Settings) -> Outcome<Begin<T::Settings>> {
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
    /// event that ends its log.
    fn stage(
        &self,
        folder: &Path,
        title: &str,
        config: &T::Settings,
        work: impl FnOnce(Begin<T::Settings>) -> Outcome,
    ) -> Outcome<Event> {
        if folder.exists() {
            let run = RunOf::<T::Settings>::open(folder)?;
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
        for event in RunOf::<T::Settings>::open(folder)?.events()? {
            last = Some(event?);
        }
        last.ok_or_else(|| no_result(folder))
    }
}

fn no_result(stage: &Path) -> Box<dyn std::error::Error> {
    format!("{} ends without a result; move it away", stage.display()).into()
}

/// What a training came to.
#[derive(Clone, Copy, Serialize)]
struct Trained<M> {
    #[serde(flatten)]
    tested: M,
    seconds: f64,
}

/// Cells that were found.
#[derive(Serialize)]
struct Candidate<G, M> {
    code: String,
    genotype: G,
    /// Weights of their network.
    params: u64,
    search_seconds: f64,
    /// Their brief training, validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    brief: Option<Trained<M>>,
    /// Their full trainings, tested; none where others were better in brief.
    runs: Vec<Trained<M>>,
}

/// Cells of a task.
type Found<T> = Candidate<<T as Task>::Genotype, <T as Task>::Tested>;

/// What a searcher came to.
#[derive(Serialize)]
#[serde(bound = "")]
struct Row<T: Task> {
    searcher: Searcher,
    /// Means and deviations over all full trainings.
    #[serde(flatten)]
    figures: T::Figures,
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
    candidates: Vec<Found<T>>,
}

impl<T: Task> Row<T> {
    fn new(searcher: Searcher, candidates: Vec<Found<T>>) -> Self {
        let tested: Vec<T::Tested> = candidates.iter().flat_map(|c| &c.runs).map(|run| run.tested).collect();
        let trained = candidates.iter().filter(|c| !c.runs.is_empty());
        let params: Vec<f64> = trained.map(|c| c.params as f64 / 1e6).collect();
        let days = |seconds: &dyn Fn(&Found<T>) -> f64| candidates.iter().map(seconds).sum::<f64>() / 86_400.0;
        let brief = days(&|c| c.brief.as_ref().map_or(0.0, |brief| brief.seconds));
        let searched = days(&|c| c.search_seconds);
        let random = searcher == Searcher::Random;
        Self {
            searcher,
            figures: T::figures(&tested),
            runs: tested.len(),
            params: mean(&params),
            search_days: if random { brief } else { searched },
            selection_days: if random { 0.0 } else { brief },
            training_days: days(&|c| c.runs.iter().map(|run| run.seconds).sum()),
            candidates,
        }
    }

    fn title(&self) -> String {
        match &self.searcher {
            Searcher::First => "DARTS (first order)".to_owned(),
            Searcher::Second => "DARTS (second order)".to_owned(),
            // Without a choice it is none.
            Searcher::Random if self.candidates.iter().all(|one| one.brief.is_none()) => "random cells".to_owned(),
            Searcher::Random => "random search".to_owned(),
            Searcher::Published(name) => format!("{name}, as published"),
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

/// Those of the sizes here and in the paper that count and differ.
fn scaled<const N: usize>(sizes: [(bool, &'static str, usize, usize); N]) -> Vec<Scaled> {
    let differing = sizes.into_iter().filter(|&(counts, _, here, paper)| counts && here != paper);
    differing.map(|(_, what, here, paper)| Scaled { what, here, paper }).collect()
}

/// What is told below the tables: comparisons with random cells, the cells trained, times, and sizes.
fn tell_below<T: Task>(f: &mut fmt::Formatter<'_>, rows: &[Row<T>], scaled: &[Scaled]) -> fmt::Result {
    if let Some(random) = rows.iter().find(|row| row.searcher == Searcher::Random) {
        for row in rows.iter().filter(|row| row.searcher != Searcher::Random) {
            writeln!(f, "{}", against(row, random))?;
        }
    }
    for row in rows {
        let trained = row.candidates.iter().filter(|candidate| !candidate.runs.is_empty());
        let codes: Vec<&str> = trained.map(|candidate| candidate.code.as_str()).collect();
        writeln!(f, "{}: {}", word(T::SEARCHERS, &row.searcher), codes.join(" "))?;
    }
    let seconds = |days: f64| told_time(86_400.0 * days);
    let total = |of: fn(&Row<T>) -> f64| seconds(rows.iter().map(of).sum());
    writeln!(
        f,
        "searching took {}, choosing {}, training {}",
        total(|row| row.search_days),
        total(|row| row.selection_days),
        total(|row| row.training_days)
    )?;
    if scaled.is_empty() {
        return write!(f, "All sizes are the paper's.");
    }
    let told = |Scaled { what, here, paper }: &Scaled| format!("{what} {here} ({paper})");
    let scaled: Vec<String> = scaled.iter().map(told).collect();
    write!(f, "Not the paper's sizes, so not its figures (the paper's in brackets): {}.", scaled.join(", "))
}

fn with_deviation(value: f64, deviation: Option<f64>) -> String {
    let deviation = deviation.map_or_else(String::new, |deviation| format!(" \u{b1} {deviation:.2}"));
    format!("{value:.2}{deviation}")
}

/// How a searcher does beside random cells, and whether that may be chance: a difference of less than twice its standard
/// error may.
fn against<T: Task>(row: &Row<T>, random: &Row<T>) -> String {
    let [(here, here_deviation), (there, there_deviation)] = [row, random].map(|row| T::compared(&row.figures));
    let difference = there - here;
    let side = if difference >= 0.0 { "better" } else { "worse" };
    let searcher = word(T::SEARCHERS, &row.searcher);
    let of_mean = |deviation: Option<f64>, runs: usize| deviation.map(|deviation| deviation.powi(2) / runs as f64);
    let chance = match (of_mean(here_deviation, row.runs), of_mean(there_deviation, random.runs)) {
        (Some(one), Some(other)) => {
            let error = (one + other).sqrt();
            let may = if difference.abs() < 2.0 * error { "which may be chance" } else { "which is hardly chance" };
            format!(" (standard error of the difference {error:.2}), {may}")
        }
        _ => ", of which single runs say nothing".into(),
    };
    format!("{searcher} is {:.2} points {side} than random{chance}", difference.abs())
}
