//! Stages of a reproduction: each is a run, in a folder that gets its final name once the run is finished.

use super::{
    plan::{Reproduce, Select},
    protocol::{DataOf, Length, Protocol, RowOf, SourceOf},
    row::{Candidate, Row, Searcher, Trained},
};
use crate::{
    device::contain,
    keeping::{Begin, Keeping},
    output::{Outcome, Output},
    runner::Job,
    search,
    train::{self, Benchmark},
};
use darts_engine::{
    config::Order,
    device::Compute,
    event::Event,
    run::{GENOTYPE_FILE, Resumed, Run, RunConfig, RunError, RunSpace, RunWriter},
    space::Genotype,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Suffix of a stage's folder until the stage is finished.
const UNFINISHED: &str = ".unfinished";
/// Checkpoints of a stage.
const KEEPING: Keeping = Keeping::of_stage();

/// Settings of a stage.
type Config<P> = RunConfig<<P as Protocol>::Space>;

/// Stages of a reproduction.
pub struct Stages<'a, P: Protocol> {
    pub asked: &'a Reproduce<P>,
    pub data: DataOf<P>,
    pub source: SourceOf<P>,
    pub output: &'a Output,
    pub compute: Compute,
    pub train_compute: Compute,
}

impl<P: Protocol> Stages<'_, P> {
    /// All stages of all searchers.
    pub fn rows(&self) -> Outcome<Vec<RowOf<P>>> {
        self.asked.searcher.iter().map(|searcher| self.row(searcher)).collect()
    }

    /// All stages of a searcher.
    fn row(&self, searcher: &Searcher) -> Outcome<RowOf<P>> {
        let folder = self.asked.plan.out.join(searcher.name());
        let mut candidates = self.candidates(&folder, searcher)?;
        let chosen = match self.asked.plan.select {
            Select::Best => vec![best::<P>(&candidates)],
            Select::All => (0..candidates.len()).collect(),
        };
        let runs = self.asked.plan.runs;
        for i in chosen {
            for run in 0..runs {
                let title = format!("{}: training {} of {runs} of cell {}", searcher.name(), run + 1, i + 1);
                let stage = folder.join(format!("train-{}-{}", i + 1, run + 1));
                let seed = self.asked.train.seed + u64::from(run);
                let trained = self.train(&stage, &title, &candidates[i].genotype, Length::Full, seed)?;
                candidates[i].runs.push(trained);
            }
        }
        Ok(Row::new(searcher.clone(), candidates, P::figures))
    }

    /// Cells that a searcher finds, trained briefly where one of several is chosen.
    fn candidates(&self, folder: &Path, searcher: &Searcher) -> Outcome<Vec<Candidate<P::Tested>>> {
        let seed = self.asked.train.seed;
        let full = self.asked.train_config(Length::Full, seed);
        let found = self.found(folder, searcher)?;
        let count = found.len();
        let mut candidates = Vec::with_capacity(count);
        for (i, (genotype, search_seconds)) in (1..).zip(found) {
            let brief = match self.asked.plan.select {
                Select::Best if count > 1 => {
                    let title = format!("{}: brief training of cell {i} of {count}", searcher.name());
                    let stage = folder.join(format!("brief-{i}"));
                    Some(self.train(&stage, &title, &genotype, Length::Brief, seed)?)
                }
                _ => None,
            };
            let params = P::parameters(&genotype, &full, &self.data);
            let code = genotype.code()?;
            candidates.push(Candidate { code, genotype, params, search_seconds, brief, runs: Vec::new() });
        }
        Ok(candidates)
    }

    /// Cells that a searcher finds, and the seconds that each took.
    fn found(&self, folder: &Path, searcher: &Searcher) -> Outcome<Vec<(Genotype, f64)>> {
        let (space, plan) = (P::Space::SPACE, &self.asked.plan);
        let cells: Vec<Genotype> = match searcher {
            Searcher::First => return self.searches(folder, searcher.name(), Order::First),
            Searcher::Second => return self.searches(folder, searcher.name(), Order::Second),
            Searcher::Random => Genotype::random(space, self.asked.train.seed, plan.random_cells.into()).collect(),
            Searcher::Published(name) => space.published(name).into_iter().collect(),
        };
        Ok(cells.into_iter().map(|genotype| (genotype, 0.0)).collect())
    }

    /// Cells of all searches of an order, and the seconds that each took.
    fn searches(&self, folder: &Path, name: &str, order: Order) -> Outcome<Vec<(Genotype, f64)>> {
        let count = self.asked.plan.searches;
        (1..=count)
            .map(|i| {
                let config = self.asked.search_config(order, self.asked.train.seed + u64::from(i) - 1);
                let run = RunConfig::search(self.asked.plan.device.device, self.source.clone(), config.clone());
                let title = format!("{name}: search {i} of {count}");
                let stage = folder.join(format!("search-{i}"));
                let last = self.stage(&stage, &title, &run, |begin| {
                    let search = contain(|| search::new::<P::Space>(&config, &self.data, &self.compute))?;
                    search::perform(search, self.job(begin, &run), None).map(drop)
                })?;
                match last {
                    Event::Finished { genotype, seconds, .. } => Ok((genotype, seconds)),
                    _ => Err(no_result(&stage)),
                }
            })
            .collect()
    }

    /// Training of a network of cells.
    fn train(
        &self,
        stage: &Path,
        title: &str,
        genotype: &Genotype,
        length: Length,
        seed: u64,
    ) -> Outcome<Trained<P::Tested>> {
        let config = self.asked.train_config(length, seed);
        let device = self.asked.train_device();
        let run = RunConfig::train(device, self.source.clone(), config.clone(), genotype.clone());
        let last = self.stage(stage, title, &run, |begin| {
            let new = || P::Benchmark::training(config, genotype.clone(), &self.data, &self.train_compute);
            let (training, files) = (contain(new)?, P::Benchmark::files(&self.data));
            train::perform::<P::Benchmark>(training, self.job(begin, &run), files).map(drop)
        })?;
        if Run::<P::Space>::open(stage)?.genotype()? != *genotype {
            let file = stage.join(GENOTYPE_FILE);
            return Err(format!("{} holds other cells; name another folder or move it away", file.display()).into());
        }
        let Event::TrainFinished { test, best, seconds, .. } = last else { return Err(no_result(stage)) };
        let tested = P::tested(test, best).ok_or_else(|| no_result(stage))?;
        Ok(Trained { tested, seconds })
    }

    fn job<'b>(&'b self, begin: Begin<P::Space>, config: &'b Config<P>) -> Job<'b, P::Space> {
        Job { begin, config, keeping: &KEEPING, output: self.output }
    }

    /// Resumes an unfinished stage if it is intact and has the same settings, or starts anew.
    fn begin(&self, folder: &Path, config: &Config<P>) -> Outcome<Begin<P::Space>> {
        if folder.exists() {
            match Resumed::open(folder) {
                Ok(resumed) if resumed.run.config == *config => return Ok(Begin::Resumed(resumed.into())),
                Err(error @ RunError::Busy { .. }) => return Err(error.into()),
                _ => fs::remove_dir_all(folder).map_err(|e| format!("cannot write {}: {e}", folder.display()))?,
            }
        }
        RunWriter::check(folder)?;
        Ok(Begin::New(folder.to_owned()))
    }

    /// Runs a stage unless it is finished. Its folder gets its final name at the end, so that it exists whole or not at all.
    /// Returns the event that ends its log.
    fn stage(
        &self,
        folder: &Path,
        title: &str,
        config: &Config<P>,
        work: impl FnOnce(Begin<P::Space>) -> Outcome,
    ) -> Outcome<Event> {
        if folder.exists() {
            if Run::<P::Space>::open(folder)?.config != *config {
                let folder = folder.display();
                return Err(
                    format!("{folder} was made with other settings; name another folder or move it away").into()
                );
            }
            self.output.remark(format_args!("{title}: already done"));
        } else {
            let mut unfinished = folder.as_os_str().to_owned();
            unfinished.push(UNFINISHED);
            let unfinished = PathBuf::from(unfinished);
            self.output.remark(title);
            work(self.begin(&unfinished, config)?)?;
            fs::rename(&unfinished, folder)
                .map_err(|error| format!("cannot write {}: {error}", unfinished.display()))?;
        }
        let mut last = None;
        for event in Run::<P::Space>::open(folder)?.events()? {
            last = Some(event?);
        }
        last.ok_or_else(|| no_result(folder))
    }
}

/// Index of the best cells by validation; of equally good ones the first.
fn best<P: Protocol>(candidates: &[Candidate<P::Tested>]) -> usize {
    let validation = |i: usize| candidates[i].brief.as_ref().map_or(0.0, |brief| P::validation(&brief.tested));
    let by_validation = |i: &usize, j: &usize| validation(*i).total_cmp(&validation(*j));
    (0..candidates.len()).min_by(by_validation).expect("at least one cell")
}

fn no_result(stage: &Path) -> Box<dyn std::error::Error> {
    format!("{} ends without a result; move it away", stage.display()).into()
}
