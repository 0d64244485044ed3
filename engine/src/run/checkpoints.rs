//! Checkpoints of a run folder: written whole during the run, and read to resume it.

use super::{
    CONFIG_FILE, EVENTS_FILE, Run, RunConfig, RunError, RunSpace, RunWriter,
    files::{UNFINISHED, name, write_new},
};
use crate::{
    checkpoint::{Checkpoint, CheckpointError, LogMark, MAX_BYTES, State},
    event::Event,
};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, ErrorKind, Read},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Folder of the checkpoints, in the run's folder.
pub const CHECKPOINTS_FOLDER: &str = "checkpoints";
/// File that the process that writes the run locks.
const LOCK_FILE: &str = "lock";
const PREFIX: &str = "step-";
const SUFFIX: &str = ".checkpoint";

/// Writer of a run's checkpoints, which removes old ones.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    config: String,
    every: Duration,
    keep: usize,
    written: Instant,
    latest: Option<usize>,
}

impl Checkpoints {
    /// Checkpoints of a run in `folder`: one is due once the last is older than `every`, and the last `keep` are kept.
    ///
    /// # Panics
    /// `keep` is 0.
    pub fn new(folder: &Path, config: &RunConfig<impl RunSpace>, every: Duration, keep: usize) -> Self {
        assert!(keep > 0, "a checkpoint is kept");
        let folder = folder.join(CHECKPOINTS_FOLDER);
        Self { folder, config: fingerprint(config), every, keep, written: Instant::now(), latest: None }
    }

    /// Whether the next checkpoint is due.
    pub fn is_due(&self) -> bool {
        self.written.elapsed() >= self.every
    }

    /// Step of the last checkpoint that was written, or that the run was resumed from.
    pub fn latest(&self) -> Option<usize> {
        self.latest
    }

    /// Writes the state after `step` steps and removes the oldest checkpoints beyond those to keep. The file appears whole
    /// or not at all, and the log that it refers to has reached the disk before.
    ///
    /// # Errors
    /// A file cannot be written; all older ones stay.
    pub fn save(&mut self, step: usize, state: State, run: &RunWriter) -> Result<(), RunError> {
        let checkpoint = Checkpoint { step, config: self.config.clone(), log: run.mark()?, state };
        write_new(&self.folder, &file_name(step), &checkpoint.to_bytes(), true)?;
        (self.latest, self.written) = (Some(step), Instant::now());
        for old in steps(&self.folder)?.into_iter().filter(|&other| other < step).skip(self.keep - 1) {
            remove(&self.folder.join(file_name(old)))?;
        }
        Ok(())
    }
}

/// Run about to be resumed; nothing of it has been changed yet, and no other process can write to it.
#[derive(Debug)]
pub struct Resumed<S: RunSpace> {
    /// Run.
    pub run: Run<S>,
    /// Checkpoint to resume from; none if the run stopped before its first step, so that it begins anew.
    pub checkpoint: Option<Checkpoint>,
    /// Reasons why later checkpoints were passed over, one sentence each.
    pub passed_over: Vec<String>,
    lock: File,
}

impl<S: RunSpace> Resumed<S> {
    /// Finds the last checkpoint of a run that is intact and fits the settings and the log.
    ///
    /// # Errors
    /// The folder holds no run, another process writes it, its settings were changed, or none of its checkpoints can be used.
    pub fn open(folder: &Path) -> Result<Self, RunError> {
        let run = Run::open(folder)?;
        let lock = lock(folder)?;
        let checkpoints = folder.join(CHECKPOINTS_FOLDER);
        let configs = [fingerprint(&run.config), fingerprint_of_version_1(&run.config)];
        let mut passed_over = Vec::new();
        for step in steps(&checkpoints)? {
            let path = checkpoints.join(file_name(step));
            let tried = read(&path).and_then(|checkpoint| {
                if !configs.contains(&checkpoint.config) {
                    let config = name(&folder.join(CONFIG_FILE));
                    return Err(RunError::OtherConfig { config, checkpoint: name(&path) });
                }
                check_log(folder, checkpoint.log)?;
                Ok(checkpoint)
            });
            match tried {
                Ok(checkpoint) => return Ok(Self { run, checkpoint: Some(checkpoint), passed_over, lock }),
                Err(error @ RunError::OtherConfig { .. }) => return Err(error),
                Err(error) => passed_over.push(error.to_string()),
            }
        }
        if passed_over.is_empty() && has_no_step(&run)? {
            return Ok(Self { run, checkpoint: None, passed_over, lock });
        }
        let problem = match passed_over.is_empty() {
            true => "it has no checkpoint".to_owned(),
            false => passed_over.join("; "),
        };
        Err(RunError::NoCheckpoint { folder: name(folder), problem })
    }

    /// Error of a checkpoint whose state is at another step than its own.
    pub fn wrong_step(&self, found: usize) -> RunError {
        self.refused(CheckpointError::Progress { what: "the step of its state", value: found.to_string() })
    }

    /// Error of a checkpoint that does not fit the run, with its file.
    pub fn refused(&self, source: CheckpointError) -> RunError {
        let step = self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.step);
        RunError::Checkpoint { file: name(&self.run.folder.join(CHECKPOINTS_FOLDER).join(file_name(step))), source }
    }

    /// Discards everything after the checkpoint: events, later checkpoints, unfinished files. Returns the number of events
    /// discarded.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn go_on(self, checkpoints: &mut Checkpoints) -> Result<(RunWriter, usize), RunError> {
        let folder = self.run.folder;
        let mark = self.checkpoint.as_ref().map_or_else(LogMark::default, |checkpoint| checkpoint.log);
        let mut run = RunWriter::open(&folder, self.lock)?;
        let path = folder.join(EVENTS_FILE);
        let after = lines_after(&path, mark.bytes)?;
        run.log.set_len(mark.bytes).map_err(|source| RunError::Write { file: name(&path), source })?;
        run.bytes = mark.bytes;
        run.crc32 = crc32fast::Hasher::new_with_initial_len(mark.crc32, mark.bytes);
        checkpoints.latest = self.checkpoint.as_ref().map(|checkpoint| checkpoint.step);
        for step in steps(&checkpoints.folder)? {
            if checkpoints.latest.is_none_or(|latest| step > latest) {
                remove(&checkpoints.folder.join(file_name(step)))?;
            }
        }
        clean(&folder)?;
        Ok((run, after))
    }
}

/// Fingerprint of settings, without the paths of the data.
fn fingerprint(config: &RunConfig<impl RunSpace>) -> String {
    digest(&json(config))
}

/// Fingerprint of version 1, which named the data differently.
fn fingerprint_of_version_1<S: RunSpace>(config: &RunConfig<S>) -> String {
    let json = json(config).replacen(&format!("\"space\":\"{}\",", config.space), "", 1);
    digest(&json.replacen("\"data\":", &format!("\"{}\":", S::DATA_OF_VERSION_1), 1))
}

fn json(config: &RunConfig<impl RunSpace>) -> String {
    serde_json::to_string(&config.clone().without_paths()).expect("settings are JSON")
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Locks a run folder against other processes that write, and makes it if it does not exist.
pub(super) fn lock(folder: &Path) -> Result<File, RunError> {
    let path = folder.join(CHECKPOINTS_FOLDER).join(LOCK_FILE);
    let error = |source| RunError::Write { file: name(&path), source };
    fs::create_dir_all(folder.join(CHECKPOINTS_FOLDER)).map_err(error)?;
    let file = OpenOptions::new().append(true).create(true).open(&path).map_err(error)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(RunError::Busy { folder: name(folder) }),
        Err(TryLockError::Error(source)) if source.kind() != ErrorKind::Unsupported => Err(error(source)),
        // Without locks on this file system, other processes cannot be kept away.
        _ => Ok(file),
    }
}

/// Removes files that a killed process had not finished writing. The folder must be locked.
pub(super) fn clean(folder: &Path) -> Result<(), RunError> {
    for folder in [folder, &folder.join(CHECKPOINTS_FOLDER)] {
        for file in names(folder)?.into_iter().filter(|file| file.starts_with(UNFINISHED)) {
            remove(&folder.join(file))?;
        }
    }
    Ok(())
}

/// Removes the files and folders that [`lock`] made, unless a folder holds something else.
pub(super) fn unlock(folder: &Path) {
    let folder = folder.join(CHECKPOINTS_FOLDER);
    let _ = fs::remove_file(folder.join(LOCK_FILE));
    let _ = fs::remove_dir(folder);
}

fn file_name(step: usize) -> String {
    format!("{PREFIX}{step:09}{SUFFIX}")
}

/// Steps of all checkpoints, the last first.
fn steps(folder: &Path) -> Result<Vec<usize>, RunError> {
    let step = |file: String| {
        let step = file.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()?;
        (file_name(step) == file).then_some(step)
    };
    let mut steps: Vec<usize> = names(folder)?.into_iter().filter_map(step).collect();
    steps.sort_unstable_by(|a, b| b.cmp(a));
    Ok(steps)
}

/// Names of a folder's entries.
fn names(folder: &Path) -> Result<Vec<String>, RunError> {
    let read = || -> io::Result<Vec<String>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    read().map_err(|source| RunError::Read { file: name(folder), source })
}

fn remove(path: &Path) -> Result<(), RunError> {
    fs::remove_file(path).map_err(|source| RunError::Write { file: name(path), source })
}

fn read(path: &Path) -> Result<Checkpoint, RunError> {
    let file = name(path);
    let mut bytes = Vec::new();
    match File::open(path).and_then(|opened| opened.take(MAX_BYTES + 1).read_to_end(&mut bytes)) {
        Err(source) => Err(RunError::Read { file, source }),
        Ok(_) if bytes.len() as u64 > MAX_BYTES => {
            Err(RunError::Format { file, problem: format!("has more than {MAX_BYTES} bytes") })
        }
        Ok(_) => Checkpoint::from_bytes(&bytes).map_err(|source| RunError::Checkpoint { file, source }),
    }
}

/// Fails unless the log begins as it did when a checkpoint was written.
fn check_log(folder: &Path, mark: LogMark) -> Result<(), RunError> {
    let path = folder.join(EVENTS_FILE);
    let file = name(&path);
    let mut sum = crc32fast::Hasher::new();
    let mut bytes = 0;
    let mut read = || {
        let mut log = BufReader::new(File::open(&path)?.take(mark.bytes));
        loop {
            let part = log.fill_buf()?;
            if part.is_empty() {
                return Ok(());
            }
            sum.update(part);
            let length = part.len();
            bytes += length as u64;
            log.consume(length);
        }
    };
    match read() {
        Err(source) => Err(RunError::Read { file, source }),
        Ok(()) if bytes < mark.bytes => {
            let problem = format!("has only {bytes} of the {} bytes that it had at the checkpoint", mark.bytes);
            Err(RunError::Format { file, problem })
        }
        Ok(()) if sum.finalize() != mark.crc32 => {
            Err(RunError::Format { file, problem: "was changed in the part that the checkpoint covers".into() })
        }
        Ok(()) => Ok(()),
    }
}

/// Whether the log of a run has no event but its start and an error.
fn has_no_step(run: &Run<impl RunSpace>) -> Result<bool, RunError> {
    let log = run.folder.join(EVENTS_FILE);
    if lines_after(&log, 0)? > 2 {
        return Ok(false);
    }
    let reported =
        |event: Result<Event, RunError>| !matches!(event, Ok(Event::Failed { .. }) | Err(RunError::Event { .. }));
    Ok(!log.exists() || !run.events()?.skip(1).any(reported))
}

/// Number of lines of a log from byte `start`, a truncated last one included.
fn lines_after(path: &Path, start: u64) -> Result<usize, RunError> {
    let count = || -> io::Result<usize> {
        let mut log = match File::open(path) {
            // A run stopped before its first event.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            log => log?,
        };
        io::Seek::seek(&mut log, io::SeekFrom::Start(start))?;
        let (mut lines, mut whole) = (0, true);
        let mut log = BufReader::new(log);
        loop {
            let part = log.fill_buf()?;
            let Some(last) = part.last() else { return Ok(lines + usize::from(!whole)) };
            whole = *last == b'\n';
            lines += part.iter().filter(|byte| **byte == b'\n').count();
            let length = part.len();
            log.consume(length);
        }
    };
    count().map_err(|source| RunError::Read { file: name(path), source })
}
