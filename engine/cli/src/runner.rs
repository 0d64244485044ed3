//! Runner: takes a search or a training run to its end, a failure or an interruption, and writes its log, its checkpoints
//! and its files.

use crate::{
    device::contain,
    keeping::{Begin, Keeping},
    output::{Interrupted, Outcome, Output, counted},
    view::{Placed, Summary, View},
};
use darts_engine::{
    config::{SearchSettings, TrainSettings},
    device::block_on,
    event::Event,
    run::{Checkpoints, Resumed, RunConfig, RunSpace, RunWriter, VERSION},
};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};
use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Files of a run folder: names and bytes.
pub type RunFiles = Vec<(&'static str, Vec<u8>)>;

/// Next action of a run.
pub enum Next {
    /// A step.
    Step,
    /// An intervention that was made, reported first; there may be more.
    Changed(Box<Event>),
    /// The end of the run, saved, for that reason.
    Stop(&'static str),
}

/// Hooks of a kind of run.
pub trait Hooks<R> {
    /// Called before each step; may change the run. `interrupted` is true if a signal asked the run to stop.
    fn before(&self, _run: &mut R, _interrupted: &dyn Fn() -> bool) -> Outcome<Next> {
        Ok(Next::Step)
    }

    /// Files to write before an event is reported.
    fn files(&self, _run: &R, _event: &Event) -> Outcome<RunFiles> {
        Ok(Vec::new())
    }
}

/// Run to complete.
pub struct Job<'a, S: RunSpace> {
    /// Folder where it begins or is resumed.
    pub begin: Begin<S>,
    /// Settings of a new run.
    pub config: &'a RunConfig<S>,
    pub keeping: &'a Keeping,
    pub output: &'a Output,
}

impl<S: RunSpace> Job<'_, S> {
    /// Runs to the end, a failure or an interruption; a finished run is only shown.
    pub fn run<R: Placed>(self, run: &mut R, hooks: &impl Hooks<R>) -> Outcome<Summary> {
        let Self { begin, config, keeping, output } = self;
        let mut view = View::new(begin.folder(), epochs(config), output);
        let started = run.started();
        let (mut resumes, folder) = (false, begin.folder().to_owned());
        let (writer, checkpoints) = match begin {
            Begin::New(_) => (RunWriter::create(&folder, config)?, keeping.checkpoints(&folder, config)),
            Begin::Resumed(resumed) => {
                resumes = resumed.checkpoint.is_some();
                match resume(*resumed, keeping, run, &mut view, output)? {
                    Some(resumed) => resumed,
                    None => return Ok(view.finish()),
                }
            }
        };
        let signal = interrupts()?;
        let mut steps = Steps { run, hooks, view, writer, checkpoints, signal: &signal, stopped: false };
        let outcome = contain(|| {
            steps.start(started, resumes)?;
            steps.take()
        });
        steps.end(outcome)
    }
}

/// Epochs of a run.
fn epochs<S: RunSpace>(config: &RunConfig<S>) -> usize {
    let search = config.search.as_ref().map(|search| search.basics().epochs);
    search.or(config.train.as_ref().map(TrainSettings::epochs)).unwrap_or(0)
}

/// Run while its steps are taken.
struct Steps<'a, R, H> {
    run: &'a mut R,
    hooks: &'a H,
    view: View<'a>,
    writer: RunWriter,
    checkpoints: Checkpoints,
    /// Signal that asked to stop, or 0.
    signal: &'a AtomicUsize,
    /// Whether the run was ended by its hooks.
    stopped: bool,
}

impl<R: Placed, H: Hooks<R>> Steps<'_, R, H> {
    fn start(&mut self, started: Event, resumes: bool) -> Outcome {
        if resumes {
            self.view.show(started);
            self.view.resumed(self.run);
            return Ok(());
        }
        self.report(started)?;
        self.save()
    }

    /// Takes all steps that are left.
    fn take(&mut self) -> Outcome {
        while !self.run.is_finished() {
            let signal = self.signal;
            match self.hooks.before(self.run, &|| signal.load(Ordering::SeqCst) != 0)? {
                Next::Step => self.step()?,
                Next::Changed(event) => {
                    self.writer.record(&event)?;
                    self.view.show(*event);
                }
                Next::Stop(reason) => {
                    self.stopped = true;
                    self.save()?;
                    return Err(reason.into());
                }
            }
        }
        Ok(())
    }

    /// Takes a step unless the run is interrupted, and saves where that is due.
    fn step(&mut self) -> Outcome {
        let interrupted = self.signal.load(Ordering::SeqCst) != 0;
        let events = if interrupted { Vec::new() } else { block_on(self.run.step())? };
        self.view.stepped(self.run);
        events.into_iter().try_for_each(|event| self.report(event))?;
        let signal = self.signal.load(Ordering::SeqCst);
        if signal != 0 || self.run.ends_epoch() || self.checkpoints.is_due() {
            self.save()?;
        }
        match signal {
            0 => Ok(()),
            _ if self.run.is_finished() => Ok(()),
            signal => Err(Interrupted { steps: self.run.steps_done(), signal }.into()),
        }
    }

    /// Writes and shows an event, once its files are there.
    fn report(&mut self, event: Event) -> Outcome {
        for (name, bytes) in self.hooks.files(self.run, &event)? {
            self.writer.save(name, &bytes)?;
        }
        self.writer.record(&event)?;
        self.view.show(event);
        Ok(())
    }

    fn save(&mut self) -> Outcome {
        let state = block_on(self.run.state())?;
        Ok(self.checkpoints.save(self.run.steps_done(), state, &self.writer)?)
    }

    /// Ends the log of a failed run with its error; an interrupted run may be resumed.
    fn end(mut self, outcome: Outcome) -> Outcome<Summary> {
        let summary = self.view.finish();
        let Err(error) = outcome else { return Ok(summary) };
        if error.is::<Interrupted>() {
            return Err(error);
        }
        let error = match self.checkpoints.latest() {
            Some(step) if !self.stopped => {
                format!("{error}; the last good checkpoint is the one after {}", counted(step, "step")).into()
            }
            _ => error,
        };
        // Where the log itself cannot be written, that is the error reported.
        let _ = self.writer.record(&Event::Failed { message: error.to_string() });
        Err(error)
    }
}

/// Resumes a run; `None` if it is finished and only shown.
fn resume<R: Placed, S: RunSpace>(
    mut resumed: Resumed<S>,
    keeping: &Keeping,
    run: &mut R,
    view: &mut View,
    output: &Output,
) -> Outcome<Option<(RunWriter, Checkpoints)>> {
    let folder = resumed.run.folder.display().to_string();
    for problem in resumed.passed_over.drain(..) {
        output.remark(format!("skipped: {problem}"));
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
            return Ok(None);
        }
        let (before, now) = (events.next().transpose()?.as_ref().and_then(adapter), adapter(&run.started()));
        if let (Some(before), Some(now)) = (before, now)
            && before != now
        {
            output.remark(format!("{folder} began on {before}, and {now} may round differently"));
        }
    }
    let version = &resumed.run.config.engine;
    if version != VERSION {
        output.remark(format!("{folder} was begun by version {version}, and {VERSION} may compute differently"));
    }
    let mut checkpoints = keeping.checkpoints(&resumed.run.folder, &resumed.run.config);
    let (writer, thrown_away) = resumed.go_on(&mut checkpoints)?;
    let place = match run.steps_done() {
        0 => "starts anew".to_owned(),
        steps => format!("resumes after {}", counted(steps, "step")),
    };
    output.remark(match thrown_away {
        0 => format!("{folder} {place}"),
        lines => format!("{folder} {place}; {} of its log after that will be written again", counted(lines, "line")),
    });
    Ok(Some((writer, checkpoints)))
}

/// Adapter that a run began on.
fn adapter(started: &Event) -> Option<String> {
    match started {
        Event::Started { adapter, backend, .. } | Event::TrainStarted { adapter, backend, .. } => {
            Some(format!("{adapter} ({backend})"))
        }
        _ => None,
    }
}

/// Signal that asked to stop, once there is one; a second one stops at once. It is the process's: one between two runs
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
