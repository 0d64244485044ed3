//! The folder of a run: one that takes a new run, or that of a run to resume.

use crate::{device::DeviceFlag, output::Outcome};
use clap::{ArgMatches, Args, Command, error::ErrorKind, parser::ValueSource};
use darts_engine::{
    device::DeviceChoice,
    run::{CONFIG_FILE, Checkpoints, Resumed, Run, RunConfig, RunSpace, RunWriter, Source},
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Default minutes between checkpoints.
pub const CHECKPOINT_MINUTES: f64 = 10.0;

/// Flags of searches and training runs.
#[derive(Args)]
pub struct RunFlags {
    /// Write the run to this folder; it must not hold one yet.
    #[arg(long, value_name = "RUN", required_unless_present = "resume", help_heading = "Run")]
    out: Option<PathBuf>,
    /// Resume the run in this folder from its last checkpoint, bit for bit, with its own settings.
    #[arg(long, value_name = "RUN", help_heading = "Run")]
    resume: Option<PathBuf>,
    #[command(flatten)]
    pub keeping: Keeping,
    #[command(flatten, next_help_heading = "Run")]
    device: DeviceFlag,
}

/// Flags of checkpoints.
#[derive(Args)]
pub struct Keeping {
    /// Minutes between checkpoints, besides the one after each epoch; 0 saves after every step.
    #[arg(long, value_name = "MINUTES", default_value_t = CHECKPOINT_MINUTES, value_parser = minutes, help_heading = "Run")]
    checkpoint_minutes: f64,
    /// Number of checkpoints to keep, the latest ones.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000),
        help_heading = "Run")]
    keep: u32,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if (0.0..=1e6).contains(&minutes) { Ok(minutes) } else { Err("must be from 0 to 1000000".to_owned()) }
}

impl RunFlags {
    /// Folder that takes a new run, or the run to resume, locked.
    pub fn begin<S: RunSpace>(&self) -> Outcome<Begin<S>> {
        if let Some(folder) = &self.resume {
            return Ok(Begin::Resumed(Resumed::open(folder)?.into()));
        }
        let out = self.out.as_ref().ok_or("--out is needed: the folder to write the run to")?;
        RunWriter::check(out)?;
        Ok(Begin::New(out.clone()))
    }

    /// Device requested, now or when the run began.
    pub fn device<S: RunSpace>(&self, begin: &Begin<S>) -> DeviceChoice {
        begin.config().map_or(self.device.device, |config| config.device)
    }
}

impl Keeping {
    /// Defaults, for a run that is one of several.
    pub const fn of_stage() -> Self {
        Self { checkpoint_minutes: CHECKPOINT_MINUTES, keep: 1 }
    }

    /// Checkpoints of a run.
    pub fn checkpoints(&self, folder: &Path, config: &RunConfig<impl RunSpace>) -> Checkpoints {
        Checkpoints::new(folder, config, Duration::from_secs_f64(60.0 * self.checkpoint_minutes), self.keep as usize)
    }
}

/// Run that begins in a folder, or one that is resumed.
pub enum Begin<S: RunSpace> {
    New(PathBuf),
    Resumed(Box<Resumed<S>>),
}

impl<S: RunSpace> Begin<S> {
    /// Run to resume.
    pub fn run(&self) -> Option<&Run<S>> {
        match self {
            Self::New(_) => None,
            Self::Resumed(resumed) => Some(&resumed.run),
        }
    }

    /// Settings of the run to resume.
    pub fn config(&self) -> Option<&RunConfig<S>> {
        self.run().map(|run| &run.config)
    }

    /// Folder of the run.
    pub fn folder(&self) -> &Path {
        match self {
            Self::New(folder) => folder,
            Self::Resumed(resumed) => &resumed.run.folder,
        }
    }

    /// Fails unless the data is that of the run to resume.
    pub fn check(&self, data: &S::Source) -> Outcome {
        self.config().map_or(Ok(()), |config| Ok(data.check(&config.data)?))
    }
}

/// Flags allowed with --resume: none of them changes the results.
const FREE: [&str; 10] = [
    "resume",
    "data",
    "train_file",
    "valid_file",
    "test_file",
    "threads",
    "watch",
    "page",
    "checkpoint_minutes",
    "keep",
];

/// Refuses flags that would change the settings of a resumed run, in any subcommand.
pub fn check_flags(command: &mut Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    if let Some((name, matches)) = matches.subcommand() {
        let command = command.find_subcommand_mut(name).expect("a subcommand that was parsed");
        return check_flags(command, matches);
    }
    if !matches!(matches.try_contains_id("resume"), Ok(true)) {
        return Ok(());
    }
    let fixed = command.get_arguments().filter(|argument| !argument.is_global_set()).find(|argument| {
        let id = argument.get_id().as_str();
        let given = matches!(matches.try_contains_id(id), Ok(true));
        given && matches.value_source(id) == Some(ValueSource::CommandLine) && !FREE.contains(&id)
    });
    let Some(flag) = fixed.and_then(|argument| argument.get_long()).map(str::to_owned) else { return Ok(()) };
    let problem = format!("--{flag} does not go with --resume: the run keeps the settings in its {CONFIG_FILE}");
    Err(command.error(ErrorKind::ArgumentConflict, problem))
}
