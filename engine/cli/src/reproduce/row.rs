//! Rows of a report: cells that a searcher found, and the figures of their networks.

use darts_engine::space::Genotype;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};

/// Searcher of cells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Searcher {
    First,
    Second,
    Random,
    /// No search: published cells of that name.
    #[serde(untagged)]
    Published(String),
}

impl Searcher {
    /// Name in commands and folders.
    pub fn name(&self) -> &str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Random => "random",
            Self::Published(name) => name,
        }
    }
}

/// Result of a training.
#[derive(Clone, Copy, Serialize)]
pub struct Trained<T> {
    #[serde(flatten)]
    pub tested: T,
    pub seconds: f64,
}

/// Cells that were found.
#[derive(Serialize)]
pub struct Candidate<T> {
    pub code: String,
    pub genotype: Genotype,
    /// Weights of their network.
    pub params: u64,
    pub search_seconds: f64,
    /// Their brief training, validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brief: Option<Trained<T>>,
    /// Their full trainings, tested; none where others were better in brief.
    pub runs: Vec<Trained<T>>,
}

/// Outcome of a searcher.
#[derive(Serialize)]
pub struct Row<T, F> {
    pub searcher: Searcher,
    /// Means and deviations over all full trainings.
    #[serde(flatten)]
    pub figures: F,
    /// Full trainings.
    pub runs: usize,
    /// Mean weights of their networks, in millions.
    pub params: f64,
    /// Days on one device that all searches took; for random search, the brief trainings.
    pub search_days: f64,
    /// Days that the choice among the cells took on top.
    pub selection_days: f64,
    /// Days that the full trainings took.
    pub training_days: f64,
    pub candidates: Vec<Candidate<T>>,
}

impl<T: Copy, F> Row<T, F> {
    /// Row of a searcher; `figures` are those of several trainings.
    pub fn new(searcher: Searcher, candidates: Vec<Candidate<T>>, figures: fn(&[T]) -> F) -> Self {
        let tested: Vec<T> = candidates.iter().flat_map(|c| &c.runs).map(|run| run.tested).collect();
        let trained = candidates.iter().filter(|c| !c.runs.is_empty());
        let params: Vec<f64> = trained.map(|c| c.params as f64 / 1e6).collect();
        let days = |seconds: &dyn Fn(&Candidate<T>) -> f64| candidates.iter().map(seconds).sum::<f64>() / 86_400.0;
        let brief = days(&|c| c.brief.as_ref().map_or(0.0, |brief| brief.seconds));
        let searched = days(&|c| c.search_seconds);
        let random = searcher == Searcher::Random;
        Self {
            searcher,
            figures: figures(&tested),
            runs: tested.len(),
            params: mean(&params),
            search_days: if random { brief } else { searched },
            selection_days: if random { 0.0 } else { brief },
            training_days: days(&|c| c.runs.iter().map(|run| run.seconds).sum()),
            candidates,
        }
    }

    /// Title in tables.
    pub fn title(&self) -> String {
        match &self.searcher {
            Searcher::First => "DARTS (first order)".to_owned(),
            Searcher::Second => "DARTS (second order)".to_owned(),
            // Without a choice among them it is no search.
            Searcher::Random if self.candidates.iter().all(|one| one.brief.is_none()) => "random cells".to_owned(),
            Searcher::Random => "random search".to_owned(),
            Searcher::Published(name) => format!("{name}, as published"),
        }
    }

    /// Compares a searcher with random cells by a figure and its deviation. A difference of less than twice its standard
    /// error may be chance.
    pub fn against(&self, random: &Self, compared: fn(&F) -> (f64, Option<f64>)) -> String {
        let [(here, here_deviation), (there, there_deviation)] = [self, random].map(|row| compared(&row.figures));
        let difference = there - here;
        let side = if difference >= 0.0 { "better" } else { "worse" };
        let of_mean = |deviation: Option<f64>, runs: usize| deviation.map(|deviation| deviation.powi(2) / runs as f64);
        let chance = match (of_mean(here_deviation, self.runs), of_mean(there_deviation, random.runs)) {
            (Some(one), Some(other)) => {
                let error = (one + other).sqrt();
                let may = if difference.abs() < 2.0 * error { "which may be chance" } else { "which is hardly chance" };
                format!(" (standard error of the difference {error:.2}), {may}")
            }
            _ => ", of which single runs say nothing".into(),
        };
        format!("{} is {:.2} points {side} than random{chance}", self.searcher.name(), difference.abs())
    }
}

/// Size here and in the paper.
#[derive(Serialize)]
pub struct Size {
    pub what: &'static str,
    pub here: usize,
    pub paper: usize,
}

impl Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {} ({})", self.what, self.here, self.paper)
    }
}

pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation of the population that several values are from.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// Value with its deviation in tables.
pub fn with_deviation(value: f64, deviation: Option<f64>) -> String {
    let deviation = deviation.map_or_else(String::new, |deviation| format!(" \u{b1} {deviation:.2}"));
    format!("{value:.2}{deviation}")
}
