//! `darts train`, on any benchmark.

use crate::{
    device::made_on,
    flags::SharedFlags,
    genotype::{cell_help, find},
    keeping::{Begin, RunFlags},
    output::{Outcome, Output},
    runner::{Hooks, Job, RunFiles},
    subcommand::Subcommand,
    view::Summary,
};
use clap::Args;
use darts_engine::{
    config::{ConfigError, TrainSettings},
    device::{Compute, block_on},
    event::Event,
    run::{BEST_FILE, LAST_FILE, RunConfig, RunSpace},
    space::Genotype,
    train::{Trainee, Training},
};
use serde_json::Value;
use std::marker::PhantomData;

/// Data set that networks of derived cells are trained on by `darts train`.
pub trait Benchmark: Sized + 'static {
    /// Name of the subcommand.
    const NAME: &'static str;
    /// Help of the subcommand.
    const ABOUT: &'static str;
    /// Name of its runs in messages.
    const RUN: &'static str = "training run";
    /// Search space of the cells.
    type Space: RunSpace;
    /// Network in training.
    type Trainee: Trainee<Config = ConfigOf<Self>>;
    /// Flags of this benchmark only: its data and its hyper-parameters.
    type Flags: Args;
    /// Data.
    type Data;

    /// Hyper-parameters of the paper.
    fn paper() -> ConfigOf<Self>;

    /// Hyper-parameters from the flags.
    fn config(flags: &Self::Flags, shared: &SharedFlags) -> ConfigOf<Self>;

    /// Whether a run with these settings belongs to this benchmark.
    fn is_run(_config: &ConfigOf<Self>) -> bool {
        true
    }

    /// Opens the data that the flags name, or that of the run to resume, and returns it with its source.
    fn open(
        flags: &Self::Flags,
        config: &ConfigOf<Self>,
        begin: &Begin<Self::Space>,
        output: &Output,
    ) -> Outcome<(Self::Data, SourceOf<Self>)>;

    /// Fails unless there is enough data.
    fn fits(_config: &ConfigOf<Self>, _data: &Self::Data) -> Result<(), ConfigError> {
        Ok(())
    }

    /// New training run.
    fn training(
        config: ConfigOf<Self>,
        genotype: Genotype,
        data: &Self::Data,
        compute: &Compute,
    ) -> Outcome<Training<Self::Trainee>>;

    /// Files that a run writes at its start, besides those of all runs.
    fn files(_data: &Self::Data) -> RunFiles {
        Vec::new()
    }

    /// File of weights after `steps` steps.
    fn to_safetensors(weights: &<Self::Trainee as Trainee>::Weights, steps: u64) -> Vec<u8>;
}

/// Hyper-parameters of a benchmark.
pub type ConfigOf<B> = <<B as Benchmark>::Space as RunSpace>::Train;
/// Where the data of a benchmark came from.
pub type SourceOf<B> = <<B as Benchmark>::Space as RunSpace>::Source;

/// `darts train BENCHMARK`.
#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct Train<B: Benchmark> {
    #[arg(long, value_name = "CELL", required_unless_present = "resume", help = cell_help(B::Space::SPACE),
        help_heading = "Network")]
    arch: Option<String>,
    #[command(flatten)]
    own: B::Flags,
    #[command(flatten)]
    run: RunFlags,
    #[command(flatten)]
    shared: SharedFlags,
}

impl<B: Benchmark> Subcommand for Train<B> {
    const NAME: &'static str = B::NAME;
    const ABOUT: &'static str = B::ABOUT;

    fn defaults() -> Value {
        serde_json::to_value(B::paper()).expect("settings are JSON")
    }

    fn run(self, output: &Output) -> Outcome {
        let begin = self.run.begin::<B::Space>()?;
        let (config, genotype) = self.settings(&begin)?;
        // Bad input is refused before anything slow begins.
        config.check()?;
        genotype.check()?;
        let (data, source) = B::open(&self.own, &config, &begin, output)?;
        begin.check(&source)?;
        B::fits(&config, &data)?;
        let device = self.run.device(&begin);
        let training = |compute: &Compute| B::training(config.clone(), genotype.clone(), &data, compute);
        let (training, _) = made_on(device, output, training)?;
        let files = B::files(&data);
        drop(data);
        let config = RunConfig::train(device, source, config, genotype);
        let job = Job { begin, config: &config, keeping: &self.run.keeping, output };
        let summary = perform::<B>(training, job, files)?;
        output.print(&summary, summary.text())
    }
}

impl<B: Benchmark> Train<B> {
    /// Hyper-parameters from the flags.
    pub fn config(&self) -> ConfigOf<B> {
        B::config(&self.own, &self.shared)
    }

    /// Settings and cells of a run that begins or is resumed.
    fn settings(&self, begin: &Begin<B::Space>) -> Outcome<(ConfigOf<B>, Genotype)> {
        let Some(run) = begin.run() else {
            let cell = self.arch.as_ref().ok_or("--arch is needed: the cells of the network")?;
            return Ok((self.config(), find(B::Space::SPACE, cell)?));
        };
        let decided = run.config.train.clone().zip(run.config.genotype.clone());
        let decided = decided.filter(|(config, _)| B::is_run(config));
        Ok(decided.ok_or_else(|| format!("{} holds no {}", run.folder.display(), B::RUN))?)
    }
}

/// Trains to the end; `files` are those of [`Benchmark::files`].
pub fn perform<B: Benchmark>(
    mut training: Training<B::Trainee>,
    job: Job<B::Space>,
    files: RunFiles,
) -> Outcome<Summary> {
    job.run(&mut training, &WeightFiles::<B> { files, benchmark: PhantomData })
}

/// Writes the weights that events announce.
struct WeightFiles<B> {
    files: RunFiles,
    benchmark: PhantomData<B>,
}

impl<B: Benchmark> Hooks<Training<B::Trainee>> for WeightFiles<B> {
    fn files(&self, training: &Training<B::Trainee>, event: &Event) -> Outcome<RunFiles> {
        let names: &[_] = match event {
            Event::TrainStarted { .. } => return Ok(self.files.clone()),
            Event::TrainEpoch { best: Some(true), .. } => &[LAST_FILE, BEST_FILE],
            Event::TrainEpoch { .. } => &[LAST_FILE],
            Event::Evaluated { best: true, .. } => &[BEST_FILE],
            _ => return Ok(Vec::new()),
        };
        let weights = block_on(training.weights())?;
        let bytes = B::to_safetensors(&weights, training.steps_done() as u64);
        Ok(names.iter().map(|&name| (name, bytes.clone())).collect())
    }
}
