//! What searches and training runs have in common: the loop, the checkpoints, and how a run is taken up again.

use crate::{
    device::{contain, logged},
    output::{Interrupted, Outcome, Output},
};
use clap::{ArgMatches, Args, Command, error::ErrorKind, parser::ValueSource};
use darts_engine::{
    checkpoint::Resumable,
    device::{DeviceChoice, block_on},
    event::Event,
    run::{
        CONFIG_FILE, Checkpoints, DataSource, Resumed, RunConfig, RunOf, RunWriter, Settings, TextRunConfig,
        TextSource, VERSION,
    },
};
use indicatif::{HumanDuration, ProgressBar};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Minutes from one checkpoint to the next, unless a flag says otherwise.
pub const CHECKPOINT_MINUTES: f64 = 10.0;

/// How a run is kept, and which one is taken up again.
#[derive(Args)]
pub struct Keeping {
    /// Go on with the run in this folder, bit for bit, from its last checkpoint; all its settings stay as they were.
    #[arg(long, value_name = "RUN", help_heading = "Run")]
    pub resume: Option<PathBuf>,
    /// Minutes from one checkpoint to the next, besides those after each epoch; 0 is one after each step.
    #[arg(long, value_name = "MINUTES", default_value_t = CHECKPOINT_MINUTES, value_parser = minutes, help_heading = "Run")]
    checkpoint_minutes: f64,
    /// Checkpoints to keep, the latest ones.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000),
        help_heading = "Run")]
    keep: u32,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if (0.0..=1e6).contains(&minutes) { Ok(minutes) } else { Err("must be from 0 to 1000000".to_owned()) }
}

impl Keeping {
    /// Where the run goes: a folder that takes a new one, or the run to go on with, locked.
    pub fn begin<C: Settings>(&self, out: Option<&PathBuf>) -> Outcome<Begin<C>> {
        if let Some(folder) = &self.resume {
            return Ok(Begin::Again(Resumed::open(folder)?.into()));
        }
        let out = out.ok_or("--out is needed: the folder to write the run to")?;
        RunWriter::check(out)?;
        Ok(Begin::New(out.clone()))
    }

    /// For a run that is one of several and keeps to the defaults.
    pub fn of_stage() -> Self {
        Self { resume: None, checkpoint_minutes: CHECKPOINT_MINUTES, keep: 1 }
    }

    fn checkpoints(&self, folder: &Path, config: &impl Settings) -> Checkpoints {
        Checkpoints::new(folder, config, Duration::from_secs_f64(60.0 * self.checkpoint_minutes), self.keep as usize)
    }
}

/// A run that begins in a folder, or one that goes on.
pub enum Begin<C> {
    New(PathBuf),
    Again(Box<Resumed<C>>),
}

impl<C: Settings> Begin<C> {
    /// The run to go on with.
    pub fn run(&self) -> Option<&RunOf<C>> {
        match self {
            Self::New(_) => None,
            Self::Again(resumed) => Some(&resumed.run),
        }
    }

    /// The run's folder.
    pub fn folder(&self) -> &Path {
        match self {
            Self::New(folder) => folder,
            Self::Again(resumed) => &resumed.run.folder,
        }
    }

    /// The device asked for, now or then.
    pub fn device(&self, flag: DeviceChoice) -> DeviceChoice {
        self.run().map_or(flag, |run| run.config.device())
    }
}

impl Begin<RunConfig> {
    /// Where the data is: as `flag` says, or where it was.
    pub fn data(&self, flag: Option<&PathBuf>) -> Outcome<PathBuf> {
        let data = flag.cloned().or(self.run().map(|run| run.config.data.path.clone().into()));
        Ok(data.ok_or("--data is needed: where the data is")?)
    }

    /// Side of the pictures of a folder: as a flag says, or as it was.
    pub fn image_size(&self, flag: Option<u32>) -> Option<u32> {
        self.run().map_or(flag, |run| u32::try_from(run.config.data.image_size).ok())
    }

    /// Fails unless the data is what it was.
    pub fn check(&self, data: &DataSource) -> Outcome {
        self.run().map_or(Ok(()), |run| Ok(data.check(&run.config.data)?))
    }
}

impl Begin<TextRunConfig> {
    /// Fails unless the text is what it was.
    pub fn check(&self, text: &TextSource) -> Outcome {
        self.run().map_or(Ok(()), |run| Ok(text.check(&run.config.text)?))
    }
}

/// Flags that a run may be taken up again with: none of them decides what it computes.
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

/// Refuses flags that would change the settings of a run that is taken up again, whatever the subcommand.
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
    let told = format!("--{flag} does not go with --resume: the run keeps the settings in its {CONFIG_FILE}");
    Err(command.error(ErrorKind::ArgumentConflict, told))
}

/// So many steps, in words.
pub fn counted_steps(steps: usize) -> String {
    format!("{steps} step{}", if steps == 1 { "" } else { "s" })
}

/// What shows a run while it goes on.
pub trait Show<R> {
    /// The bar that shows how far it is.
    fn bar(&self) -> &ProgressBar;
    /// Something happened.
    fn show(&mut self, event: Event);
    /// It has taken a step, or goes on where it was.
    fn stepped(&mut self, run: &R);
}

/// Where a run is that has so many steps an epoch.
pub fn at_step(bar: &ProgressBar, steps: usize, epochs: usize, steps_per_epoch: usize) {
    bar.set_position(steps as u64);
    let (epoch, step) = match steps {
        0 => (1, 0),
        _ => ((steps - 1) / steps_per_epoch + 1, (steps - 1) % steps_per_epoch + 1),
    };
    bar.set_prefix(format!("epoch {epoch} of {epochs}, step {step} of {steps_per_epoch}{}", left(bar)));
}

/// Where a run on text is: the epoch, from 0, and the rows that it has gone through.
pub fn at_row(bar: &ProgressBar, (epoch, row): (usize, usize), epochs: usize, rows: usize) {
    bar.set_position((epoch * rows + row) as u64);
    let epoch = (epoch + 1).min(epochs);
    bar.set_prefix(format!("epoch {epoch} of {epochs}, row {row} of {rows}{}", left(bar)));
}

/// The time left, as far as anything is known of it.
fn left(bar: &ProgressBar) -> String {
    match bar.position() {
        0 => String::new(),
        _ => format!(", {:#} left", HumanDuration(bar.eta())),
    }
}

/// Files of the run's folder that must be there before an event is told: their names and bytes.
pub type RunFiles = Vec<(&'static str, Vec<u8>)>;

/// What comes before a step.
pub enum Before {
    /// A change, to be told at once; there may be more.
    Changed(Box<Event>),
    /// Nothing: the step is next.
    Step,
    /// The end of the run, saved, for that reason.
    Stop(&'static str),
}

/// Runs to the end, a failure or an interruption: writes the log, checkpoints and what `files` wants written, and shows it.
/// `config` is what a new run was asked; `before` each step may change the run, and hears whether it is interrupted.
#[allow(clippy::too_many_arguments)]
pub fn drive<R: Resumable, C: Settings>(
    begin: Begin<C>,
    config: &C,
    keeping: &Keeping,
    run: &mut R,
    mut before: impl FnMut(&mut R, &dyn Fn() -> bool) -> Outcome<Before>,
    files: impl Fn(&R, &Event) -> Outcome<RunFiles>,
    view: &mut impl Show<R>,
    output: &Output,
) -> Outcome {
    let started = run.started();
    let new = match &begin {
        Begin::New(_) => true,
        Begin::Again(resumed) => resumed.checkpoint.is_none(),
    };
    let (mut writer, mut checkpoints) = match begin {
        Begin::New(folder) => (RunWriter::create(&folder, config)?, keeping.checkpoints(&folder, config)),
        Begin::Again(resumed) => match take_up(*resumed, keeping, run, view, output)? {
            Some(taken_up) => taken_up,
            None => return Ok(()),
        },
    };
    let interrupts = interrupts()?;
    let interrupted = || interrupts.load(Ordering::SeqCst) != 0;
    let mut stopped = false;
    let outcome = contain(|| {
        if new {
            for (name, bytes) in files(run, &started)? {
                writer.save(name, &bytes)?;
            }
            writer.record(&started)?;
            view.show(started);
            checkpoints.save(0, block_on(run.state())?, &writer)?;
        } else {
            view.show(started);
            view.stepped(run);
            view.bar().reset_eta();
        }
        while !run.is_finished() {
            match before(run, &interrupted)? {
                Before::Step => {}
                Before::Changed(event) => {
                    writer.record(&event)?;
                    view.show(*event);
                    continue;
                }
                Before::Stop(reason) => {
                    stopped = true;
                    checkpoints.save(run.steps_done(), block_on(run.state())?, &writer)?;
                    return Err(reason.into());
                }
            }
            let events = if interrupted() { Vec::new() } else { block_on(run.step())? };
            view.stepped(run);
            for event in events {
                for (name, bytes) in files(run, &event)? {
                    writer.save(name, &bytes)?;
                }
                writer.record(&event)?;
                view.show(event);
            }
            let signal = interrupts.load(Ordering::SeqCst);
            if signal != 0 || run.ends_epoch() || checkpoints.is_due() {
                checkpoints.save(run.steps_done(), block_on(run.state())?, &writer)?;
            }
            if signal != 0 && !run.is_finished() {
                return Err(Interrupted { steps: run.steps_done(), signal }.into());
            }
        }
        Ok(())
    });
    view.bar().finish_and_clear();
    let outcome = outcome.map_err(|error| match checkpoints.latest() {
        Some(step) if !stopped && !error.is::<Interrupted>() => {
            format!("{error}; the last good checkpoint is the one after {}", counted_steps(step)).into()
        }
        _ => error,
    });
    logged(outcome, &mut writer)
}

/// Takes a run up again; none where it is finished and only shown.
fn take_up<R: Resumable, C: Settings>(
    mut resumed: Resumed<C>,
    keeping: &Keeping,
    run: &mut R,
    view: &mut impl Show<R>,
    output: &Output,
) -> Outcome<Option<(RunWriter, Checkpoints)>> {
    let folder = resumed.run.folder.display().to_string();
    for problem in resumed.passed_over.drain(..) {
        output.remark(format!("passed over: {problem}"));
    }
    if let Some(checkpoint) = &resumed.checkpoint {
        contain(|| Ok(run.restore(&checkpoint.state)))?.map_err(|error| resumed.refused(error))?;
        if checkpoint.step != run.steps_done() {
            return Err(resumed.wrong_step(run.steps_done()).into());
        }
        let mut events = resumed.run.events()?;
        if run.is_finished() {
            output.remark(format!("{folder} is finished:"));
            events.try_for_each(|event| event.map(|event| view.show(event)))?;
            view.bar().finish_and_clear();
            return Ok(None);
        }
        let (before, now) = (events.next().transpose()?.as_ref().and_then(adapter), adapter(&run.started()));
        if let (Some(before), Some(now)) = (before, now)
            && before != now
        {
            output.remark(format!("{folder} began on {before}, and {now} may round otherwise"));
        }
    }
    let version = resumed.run.config.engine();
    if version != VERSION {
        output.remark(format!("{folder} was begun by version {version}, and {VERSION} may compute otherwise"));
    }
    let mut checkpoints = keeping.checkpoints(&resumed.run.folder, &resumed.run.config);
    let (writer, thrown_away) = resumed.go_on(&mut checkpoints)?;
    let place = match run.steps_done() {
        0 => "begins anew".to_owned(),
        steps => format!("goes on after {}", counted_steps(steps)),
    };
    let plural = if thrown_away == 1 { "" } else { "s" };
    output.remark(match thrown_away {
        0 => format!("{folder} {place}"),
        lines => format!("{folder} {place}; {lines} line{plural} of its log that followed will be told again"),
    });
    Ok(Some((writer, checkpoints)))
}

/// What a run began on.
fn adapter(started: &Event) -> Option<String> {
    match started {
        Event::Started { adapter, backend, .. }
        | Event::TrainStarted { adapter, backend, .. }
        | Event::RecurrentStarted { adapter, backend, .. }
        | Event::TextTrainStarted { adapter, backend, .. } => Some(format!("{adapter} ({backend})")),
        _ => None,
    }
}

/// The signal that asked to stop, once there is one; a second one stops at once. It is the process's: one between two runs
/// stops the second.
fn interrupts() -> io::Result<Arc<AtomicUsize>> {
    static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();
    if let Some(signal) = SIGNAL.get() {
        return Ok(signal.clone());
    }
    let (signal, again) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    for kind in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(kind, 128 + kind, again.clone())?;
        flag::register(kind, again.clone())?;
        flag::register_usize(kind, signal.clone(), kind as usize)?;
    }
    Ok(SIGNAL.get_or_init(|| signal).clone())
}
