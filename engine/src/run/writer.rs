use super::{
    CONFIG_FILE, EVENTS_FILE, GENOTYPE_FILE, RunError, checkpoints,
    files::{name, replace_json, write_new, write_whole},
};
use crate::{checkpoint::LogMark, data::without_path, event::Event};
use serde::Serialize;
use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

/// Run that is being written; no other process can write to it meanwhile.
#[derive(Debug)]
pub struct RunWriter {
    pub(super) folder: PathBuf,
    pub(super) log: File,
    /// Bytes of the log, in whole lines.
    pub(super) bytes: u64,
    /// CRC-32 of these bytes.
    pub(super) crc32: crc32fast::Hasher,
    /// Lock held while the run is written.
    _lock: File,
}

impl RunWriter {
    /// Checks that a run can be written to `folder`, which need not exist. Changes nothing.
    ///
    /// # Errors
    /// The folder holds a run, or it cannot be written or made.
    pub fn check(folder: &Path) -> Result<(), RunError> {
        if [CONFIG_FILE, EVENTS_FILE, GENOTYPE_FILE].iter().any(|file| folder.join(file).exists()) {
            return Err(RunError::Exists { folder: name(folder) });
        }
        let error = |source| RunError::Write { file: name(folder), source };
        // The nearest existing ancestor decides whether folders can be made in it.
        for path in folder.ancestors() {
            let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            match fs::metadata(path) {
                Ok(there) if there.is_dir() => {
                    return tempfile::tempfile_in(path).map(drop).map_err(|e| error(without_path(e)));
                }
                Ok(_) => return Err(RunError::NotAFolder { path: name(path) }),
                Err(e) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&e.kind()) => {}
                Err(e) => return Err(error(e)),
            }
        }
        Ok(())
    }

    /// Makes the folder if it does not exist and starts a run in it.
    ///
    /// # Errors
    /// As [`RunWriter::check`], or another process is about to write there; then nothing is left behind.
    pub fn create(folder: &Path, config: &impl Serialize) -> Result<Self, RunError> {
        Self::check(folder)?;
        let new = !folder.exists();
        let lock = checkpoints::lock(folder);
        let busy = matches!(lock, Err(RunError::Busy { .. }));
        let mut begun = false;
        let started = lock.and_then(|lock| {
            Self::check(folder)?;
            checkpoints::clean(folder)?;
            // The settings come first: with them alone, a run can be resumed.
            write_whole(folder, CONFIG_FILE, config)?;
            begun = true;
            Self::open(folder, lock)
        });
        if started.is_err() && !busy {
            if begun {
                let _ = fs::remove_file(folder.join(CONFIG_FILE));
            }
            checkpoints::unlock(folder);
            if new {
                let _ = fs::remove_dir(folder);
            }
        }
        started
    }

    /// Opens the log of a run, which may exist.
    pub(super) fn open(folder: &Path, lock: File) -> Result<Self, RunError> {
        let path = folder.join(EVENTS_FILE);
        let log = OpenOptions::new().append(true).create(true).open(&path);
        let log = log.map_err(|source| RunError::Write { file: name(&path), source })?;
        Ok(Self { folder: folder.to_owned(), log, bytes: 0, crc32: crc32fast::Hasher::new(), _lock: lock })
    }

    /// Appends a line to the log. The event that ends a search, or starts a training run, writes the cells first, so that
    /// a reader of the log finds them.
    ///
    /// # Errors
    /// A file cannot be written; the log still ends with a whole line.
    pub fn record(&mut self, event: &Event) -> Result<(), RunError> {
        if let Event::Finished { genotype, .. } | Event::TrainStarted { genotype, .. } = event {
            // A resumed run may have written it before.
            replace_json(&self.folder, GENOTYPE_FILE, genotype)?;
        }
        let mut line = serde_json::to_vec(event).expect("an event is JSON");
        line.push(b'\n');
        if let Err(source) = self.log.write_all(&line) {
            let _ = self.log.set_len(self.bytes);
            return Err(RunError::Write { file: name(&self.folder.join(EVENTS_FILE)), source });
        }
        self.bytes += line.len() as u64;
        self.crc32.update(&line);
        Ok(())
    }

    /// Syncs the log to the disk and returns its mark.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn mark(&self) -> Result<LogMark, RunError> {
        let synced = self.log.sync_data();
        synced.map_err(|source| RunError::Write { file: name(&self.folder.join(EVENTS_FILE)), source })?;
        Ok(LogMark { bytes: self.bytes, crc32: self.crc32.clone().finalize() })
    }

    /// Writes a file of weights or words and replaces one of that name atomically.
    ///
    /// # Errors
    /// The file cannot be written; the old one stays.
    pub fn save(&self, file: &str, bytes: &[u8]) -> Result<(), RunError> {
        write_new(&self.folder, file, bytes, true)
    }
}
