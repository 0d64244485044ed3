//! `darts reproduce`: the paper's protocol from the search to its row of the results table, for any space.

mod plan;
mod protocol;
mod row;
mod stages;

use crate::{
    output::{Outcome, Output, duration},
    search::SearchSpace,
    subcommand::Subcommand,
    train::Benchmark,
};
use darts_engine::{
    config::{Order, SearchSettings, TrainSettings},
    run::replace_json,
};
pub use plan::Reproduce;
use plan::Select;
pub use protocol::{Length, Paper, Protocol, RowOf, SearchShared};
use protocol::{SearchOf, SourceOf, TrainOf};
#[cfg(test)]
pub use row::{Candidate, Trained};
pub use row::{Row, Searcher, Size, deviation, mean, with_deviation};
use serde::Serialize;
use serde_json::Value;
use stages::Stages;
use std::fmt::{self, Display};

/// Name of the report in the folder of the stages.
const REPORT_FILE: &str = "report.json";

impl<P: Protocol> Subcommand for Reproduce<P> {
    const NAME: &'static str = P::NAME;
    const ABOUT: &'static str = P::ABOUT;

    fn defaults() -> Value {
        serde_json::to_value(P::paper()).expect("settings are JSON")
    }

    fn run(self, output: &Output) -> Outcome {
        let names = &self.searcher;
        if (1..names.len()).any(|i| names[..i].contains(&names[i])) {
            return Err("--searcher names the same searcher twice".into());
        }
        // Bad input is refused before anything slow begins.
        let seed = self.train.seed;
        let search = self.search_config(Order::First, seed);
        let [brief, full] = [Length::Brief, Length::Full].map(|length| self.train_config(length, seed));
        if self.searches() {
            SearchSettings::check(&search)?;
        }
        brief.check()?;
        full.check()?;
        let (data, source) = P::open(&self.own, output)?;
        if self.searches() {
            P::Space::fits(&search, &data)?;
        }
        P::Benchmark::fits(&full, &data)?;
        if self.plan.select == Select::Best {
            P::Benchmark::fits(&brief, &data)?;
        }
        P::check(&data, &source)?;
        let [compute, train_compute] = self.devices(output)?;
        let stages = Stages { asked: &self, data, source, output, compute, train_compute };
        let rows = stages.rows()?;
        let Stages { source, compute, train_compute, .. } = stages;
        let report = Report::<P> {
            scaled: self.scaled(&source, &search, &full),
            data: source,
            adapter: compute.adapter,
            train_adapter: train_compute.adapter,
            select: self.plan.select,
            search,
            train: full,
            rows,
            reported: P::reported(),
        };
        replace_json(&self.plan.out, REPORT_FILE, &report)?;
        output.print(&report, &report)
    }
}

/// Report of a reproduction.
#[derive(Serialize)]
#[serde(bound = "")]
struct Report<P: Protocol> {
    data: SourceOf<P>,
    /// Adapter of the searches.
    adapter: String,
    /// Adapter of the trainings.
    train_adapter: String,
    /// Sizes that differ from the paper's.
    scaled: Vec<Size>,
    select: Select,
    /// Settings of the searches, but for order and seed.
    search: SearchOf<P>,
    /// Settings of the full trainings, but for the seed.
    train: TrainOf<P>,
    /// Rows measured here.
    rows: Vec<RowOf<P>>,
    /// Tables of the paper.
    #[serde(flatten)]
    reported: P::Reported,
}

impl<P: Protocol> Display for Report<P> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        P::write_tables(&self.rows, &self.data, &self.train, f)?;
        writeln!(f)?;
        if let Some(random) = self.rows.iter().find(|row| row.searcher == Searcher::Random) {
            for row in self.rows.iter().filter(|row| row.searcher != Searcher::Random) {
                writeln!(f, "{}", row.against(random, P::compared))?;
            }
        }
        for row in &self.rows {
            let trained = row.candidates.iter().filter(|candidate| !candidate.runs.is_empty());
            let codes: Vec<&str> = trained.map(|candidate| candidate.code.as_str()).collect();
            writeln!(f, "{}: {}", row.searcher.name(), codes.join(" "))?;
        }
        let total = |of: fn(&RowOf<P>) -> f64| duration(86_400.0 * self.rows.iter().map(of).sum::<f64>());
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
        let scaled: Vec<String> = self.scaled.iter().map(ToString::to_string).collect();
        write!(
            f,
            "These sizes differ from the paper's (in brackets), so its figures do not apply: {}.",
            scaled.join(", ")
        )
    }
}
