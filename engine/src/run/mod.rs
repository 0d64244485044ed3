//! The run folder: what a search or a training run was asked, what it told while it ran, and what came of it.
//!
//! `config.json` is a [`RunConfig`], or a [`TextRunConfig`] on text, `events.jsonl` has one [`Event`] a line. `genotype.json` is there once a search has
//! finished, and from the start of a training run, which also leaves `best.safetensors` and `last.safetensors`. The folder
//! `checkpoints` has what the run is taken up again from, see [`Checkpoints`] and [`Resumed`].
//!
//! A line of the log has at most 400 bytes, one with alphas 4 KB, one with alphas and cells 6 KB. So the paper's search, of
//! 19,500 steps one in 50 of which has alphas, leaves a log of less than 10 MB, and the paper's training, which tells one
//! step in 50, one of less than 4 MB. A reader takes no more than 1 MiB for one event.

mod checkpoints;
mod text;

pub use checkpoints::{CHECKPOINTS_FOLDER, Checkpoints, Resumed};
pub use text::{
    AnyGenotype, TextRun, TextRunConfig, TextSource, VOCABULARY_FILE, read_any_genotype, read_recurrent_genotype,
    read_text_weights, run_genotype,
};

use crate::{
    checkpoint::{CheckpointError, LogMark},
    config::{SearchConfig, TrainConfig},
    data::{Dataset, Pictures, without_path},
    device::DeviceChoice,
    event::Event,
    space::{Genotype, GenotypeError, PythonError, RecurrentGenotypeError},
    train::{Weights, WeightsError},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

/// The file of the settings.
pub const CONFIG_FILE: &str = "config.json";
/// The log of events.
pub const EVENTS_FILE: &str = "events.jsonl";
/// The file of the derived cells.
pub const GENOTYPE_FILE: &str = "genotype.json";
/// The weights of the test of lowest error.
pub const BEST_FILE: &str = "best.safetensors";
/// The weights after the last epoch done.
pub const LAST_FILE: &str = "last.safetensors";

/// Version of the engine.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Bytes read at most of a settings or genotype file or of a line of the log: many times what one has.
const TEXT_BYTES: u64 = 1 << 20;
/// Bytes read at most of a weights file: more than the largest network that is trained has.
const WEIGHTS_BYTES: u64 = 256 << 20;

/// What decides a run of one kind, and is its `config.json`.
pub trait Settings: Clone + PartialEq + Serialize + DeserializeOwned {
    /// The cells that such runs derive and train.
    type Genotype: PartialEq;
    /// What those cells are called.
    const KIND: &'static str;

    /// Version of the engine that began the run.
    fn engine(&self) -> &str;

    /// The device asked for.
    fn device(&self) -> DeviceChoice;

    /// The same, wherever the data is.
    fn without_paths(self) -> Self;

    /// Reads a genotype file of such cells.
    ///
    /// # Errors
    /// It cannot be read, or is none; the message names the place.
    fn read_genotype(path: &Path) -> Result<Self::Genotype, RunError>;
}

/// All that decides a search or a training run on images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Version of the engine.
    pub engine: String,
    /// The device asked for.
    pub device: DeviceChoice,
    /// Where the images came from.
    pub data: DataSource,
    /// Every hyper-parameter of a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchConfig>,
    /// Every hyper-parameter of a training run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<TrainConfig>,
    /// The cells of a training run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genotype: Option<Genotype>,
}

impl RunConfig {
    /// Of a search.
    pub fn search(device: DeviceChoice, data: DataSource, config: SearchConfig) -> Self {
        Self { engine: VERSION.to_owned(), device, data, search: Some(config), train: None, genotype: None }
    }

    /// Of a training run of these cells.
    pub fn train(device: DeviceChoice, data: DataSource, config: TrainConfig, genotype: Genotype) -> Self {
        Self { engine: VERSION.to_owned(), device, data, search: None, train: Some(config), genotype: Some(genotype) }
    }
}

impl Settings for RunConfig {
    type Genotype = Genotype;
    const KIND: &'static str = text::CONVOLUTIONAL;

    fn engine(&self) -> &str {
        &self.engine
    }

    fn device(&self) -> DeviceChoice {
        self.device
    }

    fn without_paths(mut self) -> Self {
        self.data.path.clear();
        self
    }

    fn read_genotype(path: &Path) -> Result<Genotype, RunError> {
        read_genotype(path)
    }
}

/// Where images came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// The path as it was given.
    pub path: String,
    /// What was found there, for example `CIFAR-10`.
    pub name: String,
    /// Training images found.
    pub train_images: usize,
    /// Test images found.
    pub test_images: usize,
    /// Side of the images.
    pub image_size: usize,
    /// CRC-32 of all labels and pixels; of pictures that are read while a run goes on, of their classes and paths.
    pub crc32: u32,
}

impl DataSource {
    /// What was found at `path`.
    pub fn new(path: &Path, data: &Dataset) -> Self {
        Self {
            path: path.display().to_string(),
            name: data.name.clone(),
            train_images: data.train.len(),
            test_images: data.test.len(),
            image_size: data.train.height,
            crc32: {
                let mut sum = crc32fast::Hasher::new();
                for images in [&data.train, &data.test] {
                    images.labels.iter().for_each(|label| sum.update(&label.to_le_bytes()));
                    sum.update(&images.pixels);
                }
                sum.finalize()
            },
        }
    }

    /// The pictures in folders at `path`, read at `image_size` while a run goes on.
    pub fn of_pictures(path: &Path, pictures: &Pictures, image_size: usize) -> Self {
        let mut sum = crc32fast::Hasher::new();
        for set in [&pictures.train, &pictures.test] {
            for i in 0..set.len() {
                let file = set.path(i);
                sum.update(file.strip_prefix(set.folder()).unwrap_or(&file).as_os_str().as_encoded_bytes());
                sum.update(&set.label(i).to_le_bytes());
            }
        }
        Self {
            path: path.display().to_string(),
            name: pictures.name.clone(),
            train_images: pictures.train.len(),
            test_images: pictures.test.len(),
            image_size,
            crc32: sum.finalize(),
        }
    }

    /// Fails unless the images are those that a run used, wherever they are now.
    ///
    /// # Errors
    /// They are others.
    pub fn check(&self, run: &Self) -> Result<(), RunError> {
        let told = |of: &Self| {
            let Self { name, train_images, test_images, crc32, .. } = of;
            format!("{name}, {train_images} training and {test_images} test images of CRC-32 {crc32:08x}")
        };
        match told(self) == told(run) {
            true => Ok(()),
            false => Err(RunError::OtherData { path: self.path.clone(), found: told(self), expected: told(run) }),
        }
    }
}

/// A run folder that cannot be written or read. Each message is one sentence that names the file.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder holds a run.
    #[error("{folder} already holds a run; name another folder or move it away")]
    Exists {
        /// The folder.
        folder: String,
    },
    /// A path that is there and is no folder.
    #[error("{path} is not a folder")]
    NotAFolder {
        /// The path.
        path: String,
    },
    /// A file or folder that cannot be written.
    #[error("cannot write {file}: {source}")]
    Write {
        /// Its path.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file that cannot be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// Its path.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// A folder without a run.
    #[error("{folder} holds no run: it has no {CONFIG_FILE}")]
    NoRun {
        /// The folder.
        folder: String,
    },
    /// Another process writes to the folder.
    #[error("{folder} is being written by another process")]
    Busy {
        /// The folder.
        folder: String,
    },
    /// Images or text that is not the run's.
    #[error("{path} is not the data of the run: it is {found}, and the run had {expected}")]
    OtherData {
        /// Where it is.
        path: String,
        /// What it is.
        found: String,
        /// What the run's was.
        expected: String,
    },
    /// A file of a checkpoint that cannot be used.
    #[error("{file} {source}")]
    Checkpoint {
        /// The file.
        file: String,
        /// What is wrong.
        source: CheckpointError,
    },
    /// The settings are not those that the run began with.
    #[error("{config} was changed since {checkpoint} was written, and a run goes on with the settings it began with")]
    OtherConfig {
        /// The settings.
        config: String,
        /// The checkpoint.
        checkpoint: String,
    },
    /// There is no state to go on from.
    #[error("{folder} cannot be taken up again: {problem}")]
    NoCheckpoint {
        /// The folder.
        folder: String,
        /// Why each checkpoint there is will not do.
        problem: String,
    },
    /// A search that has derived nothing yet.
    #[error("{folder} has no {GENOTYPE_FILE}: its search has not finished")]
    Unfinished {
        /// The folder.
        folder: String,
    },
    /// A file that is not what it should be.
    #[error("{file}: {problem}")]
    Format {
        /// The file.
        file: String,
        /// What is wrong, and where.
        problem: String,
    },
    /// A line of the log that is no event.
    #[error("{file}, line {line}: {problem}")]
    Event {
        /// The log.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Weights that cannot be read, or do not fit.
    #[error("{file}: {source}")]
    Weights {
        /// The file.
        file: String,
        /// What is wrong.
        source: WeightsError,
    },
    /// Cells that cannot be.
    #[error("{file}: {source}")]
    Genotype {
        /// The file.
        file: String,
        /// What is wrong.
        source: GenotypeError,
    },
    /// A recurrent cell that cannot be.
    #[error("{file}: {source}")]
    RecurrentGenotype {
        /// The file.
        file: String,
        /// What is wrong.
        source: RecurrentGenotypeError,
    },
    /// A run or file of the other kind of cell.
    #[error("{place} is of {found} cells, and {wanted} ones are needed here")]
    OtherKind {
        /// The file or folder.
        place: String,
        /// The kind found.
        found: &'static str,
        /// The kind needed.
        wanted: &'static str,
    },
}

/// A run that is being written. No other process can write to it meanwhile.
#[derive(Debug)]
pub struct RunWriter {
    folder: PathBuf,
    log: File,
    /// Bytes of the log, all in whole lines.
    bytes: u64,
    /// Of those bytes.
    crc32: crc32fast::Hasher,
    /// Held as long as the run is written.
    _lock: File,
}

impl RunWriter {
    /// Whether a run can be written to `folder`, which need not be there yet. Leaves everything as it is.
    ///
    /// # Errors
    /// The folder holds a run, or it cannot be written or made.
    pub fn check(folder: &Path) -> Result<(), RunError> {
        if [CONFIG_FILE, EVENTS_FILE, GENOTYPE_FILE].iter().any(|file| folder.join(file).exists()) {
            return Err(RunError::Exists { folder: name(folder) });
        }
        let error = |source| RunError::Write { file: name(folder), source };
        // The nearest folder that is there says whether more can be made in it.
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

    /// Makes the folder where there is none and starts a run in it.
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
            // The settings come first: with them alone, a run can be taken up again.
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

    /// Opens the log of a run, which may be there.
    fn open(folder: &Path, lock: File) -> Result<Self, RunError> {
        let path = folder.join(EVENTS_FILE);
        let log = OpenOptions::new().append(true).create(true).open(&path);
        let log = log.map_err(|source| RunError::Write { file: name(&path), source })?;
        Ok(Self { folder: folder.to_owned(), log, bytes: 0, crc32: crc32fast::Hasher::new(), _lock: lock })
    }

    /// Adds a line to the log. The event that ends a search, or starts a training run, writes the cells first, so that
    /// whoever reads of it finds them.
    ///
    /// # Errors
    /// A file cannot be written; the log still ends with a whole line.
    pub fn record(&mut self, event: &Event) -> Result<(), RunError> {
        if let Event::Finished { genotype, .. } | Event::TrainStarted { genotype, .. } = event {
            // A run that was taken up again may find it there.
            replace_json(&self.folder, GENOTYPE_FILE, genotype)?;
        }
        if let Event::RecurrentFinished { genotype, .. } | Event::TextTrainStarted { genotype, .. } = event {
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

    /// The log so far, when it has reached the disk.
    ///
    /// # Errors
    /// It does not get there.
    pub fn mark(&self) -> Result<LogMark, RunError> {
        let synced = self.log.sync_data();
        synced.map_err(|source| RunError::Write { file: name(&self.folder.join(EVENTS_FILE)), source })?;
        Ok(LogMark { bytes: self.bytes, crc32: self.crc32.clone().finalize() })
    }

    /// Writes a file of weights or words, in place of the one of that name; at any time it is the old one or the new one.
    ///
    /// # Errors
    /// The file cannot be written; the old one stays.
    pub fn save(&self, file: &str, bytes: &[u8]) -> Result<(), RunError> {
        write_new(&self.folder, file, bytes, true)
    }
}

/// A run that was written before, or is being written.
#[derive(Clone, Debug)]
pub struct RunOf<C> {
    /// Its folder.
    pub folder: PathBuf,
    /// What decided it.
    pub config: C,
}

/// A run on images.
pub type Run = RunOf<RunConfig>;

impl<C: Settings> RunOf<C> {
    /// Opens a run folder.
    ///
    /// # Errors
    /// It holds no run, one of the other kind, or its settings cannot be read.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, RunError> {
        let folder = folder.into();
        text::check_kind(&folder, C::KIND)?;
        Ok(Self { config: read_config(&folder)?, folder })
    }

    /// The events of its log in order.
    ///
    /// # Errors
    /// The log cannot be opened. An item is an error where a line cannot be read; nothing follows it.
    pub fn events(&self) -> Result<Events, RunError> {
        Events::open(&self.folder)
    }

    /// The cells that its search derived, or that it trains.
    ///
    /// # Errors
    /// The search has not finished, or the cells cannot be read.
    pub fn genotype(&self) -> Result<C::Genotype, RunError> {
        let file = self.folder.join(GENOTYPE_FILE);
        if !file.exists() {
            return Err(RunError::Unfinished { folder: name(&self.folder) });
        }
        C::read_genotype(&file)
    }
}

/// The events of a log, from [`RunOf::events`]. An item is an error where a line cannot be read; nothing follows it.
#[derive(Debug)]
pub struct Events<R = BufReader<File>> {
    file: String,
    log: R,
    line: usize,
    over: bool,
}

impl Events {
    fn open(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join(EVENTS_FILE);
        let file = name(&path);
        match File::open(&path) {
            Ok(log) => Ok(Self::of(BufReader::new(log), &file)),
            Err(source) => Err(RunError::Read { file, source }),
        }
    }
}

impl<R: BufRead> Events<R> {
    /// The events of a log that errors call `file`.
    pub fn of(log: R, file: &str) -> Self {
        Self { file: file.to_owned(), log, line: 0, over: false }
    }

    fn read(&mut self) -> Result<Option<Event>, RunError> {
        let mut text = Vec::new();
        let read = self.log.by_ref().take(TEXT_BYTES).read_until(b'\n', &mut text);
        self.line += 1;
        match read {
            Err(source) => return Err(RunError::Read { file: self.file.clone(), source }),
            Ok(0) => return Ok(None),
            Ok(_) => {}
        }
        let problem = match (text.last(), serde_json::from_slice(&text)) {
            (Some(b'\n'), Ok(event)) => return Ok(Some(event)),
            (Some(b'\n'), Err(error)) => without_line(&error),
            _ if text.len() as u64 == TEXT_BYTES => "longer than any event".to_owned(),
            _ => "it ends in the middle of an event".to_owned(),
        };
        Err(RunError::Event { file: self.file.clone(), line: self.line, problem })
    }
}

impl<R: BufRead> Iterator for Events<R> {
    type Item = Result<Event, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        let event = if self.over { Ok(None) } else { self.read() };
        self.over = !matches!(event, Ok(Some(_)));
        event.transpose()
    }
}

/// Reads a genotype file: JSON, as a run and the page write it, or Python ([`Genotype::from_python`]).
///
/// # Errors
/// It cannot be read, or is no well-formed genotype; the message names the place.
pub fn read_genotype(path: &Path) -> Result<Genotype, RunError> {
    let file = name(path);
    let text = read_text(path)?;
    if text::is_recurrent_cell(&text) {
        return Err(text::other_kind(path, text::RECURRENT));
    }
    let Some(python) = python(&text) else {
        let genotype: Genotype = parse_json(path, &text)?;
        return genotype.check().map(|()| genotype).map_err(|source| RunError::Genotype { file, source });
    };
    Genotype::from_python(python).map_err(|error| python_error(file, error))
}

/// The text of a genotype in Python's form: JSON that could be a genotype begins with a brace, Python with a name or a
/// comment.
fn python(text: &[u8]) -> Option<&str> {
    str::from_utf8(text)
        .ok()
        .filter(|text| text.trim_start().starts_with(|first: char| first.is_alphabetic() || "_#".contains(first)))
}

fn python_error(file: String, error: PythonError) -> RunError {
    match error {
        PythonError::Genotype(source) => RunError::Genotype { file, source },
        PythonError::Recurrent(source) => RunError::RecurrentGenotype { file, source },
        PythonError::Text { .. } => RunError::Format { file, problem: error.to_string() },
    }
}

/// Reads weights of a network of these cells that tells `classes` classes apart.
///
/// # Errors
/// The file cannot be read, or is none of such a network; the message names the first tensor that does not fit.
pub fn read_weights(path: &Path, genotype: &Genotype, classes: usize) -> Result<Weights, RunError> {
    let bytes = read_weights_file(path)?;
    Weights::from_safetensors(&bytes, genotype, classes)
        .map_err(|source| RunError::Weights { file: name(path), source })
}

/// The bytes of a weights file that is not larger than any that is trained.
fn read_weights_file(path: &Path) -> Result<Vec<u8>, RunError> {
    let file = name(path);
    let mut bytes = Vec::new();
    match File::open(path).and_then(|opened| opened.take(WEIGHTS_BYTES + 1).read_to_end(&mut bytes)) {
        Err(source) => Err(RunError::Read { file, source }),
        Ok(_) if bytes.len() as u64 > WEIGHTS_BYTES => {
            Err(RunError::Format { file, problem: format!("has more than {WEIGHTS_BYTES} bytes") })
        }
        Ok(_) => Ok(bytes),
    }
}

/// The settings of a run folder.
fn read_config<T: DeserializeOwned>(folder: &Path) -> Result<T, RunError> {
    let file = folder.join(CONFIG_FILE);
    if folder.is_dir() && !file.exists() {
        return Err(RunError::NoRun { folder: name(folder) });
    }
    read_json(&file)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, RunError> {
    parse_json(path, &read_text(path)?)
}

/// The bytes of a file that is not larger than any that a person or a run writes.
fn read_text(path: &Path) -> Result<Vec<u8>, RunError> {
    let file = name(path);
    let mut text = Vec::new();
    match File::open(path).and_then(|opened| opened.take(TEXT_BYTES + 1).read_to_end(&mut text)) {
        Err(source) => Err(RunError::Read { file, source }),
        Ok(_) if text.len() as u64 > TEXT_BYTES => {
            Err(RunError::Format { file, problem: format!("has more than {TEXT_BYTES} bytes") })
        }
        Ok(_) => Ok(text),
    }
}

fn parse_json<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T, RunError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut json)
        .map_err(|error| match error.path().iter().next() {
            Some(_) => format!("{}: {}", error.path(), error.inner()),
            None => error.into_inner().to_string(),
        })
        .and_then(|value| json.end().map(|()| value).map_err(|error| error.to_string()))
        .map_err(|problem| RunError::Format { file: name(path), problem })
}

/// Writes a file of a folder as JSON, in place of the one of that name; it is the old one or the new one at any time.
///
/// # Errors
/// The file cannot be written; the old one stays.
pub fn replace_json(folder: &Path, file: &str, value: &impl Serialize) -> Result<(), RunError> {
    write_new(folder, file, &json(value), true)
}

/// Writes a new file as JSON; it appears whole or not at all.
fn write_whole(folder: &Path, file: &str, value: &impl Serialize) -> Result<(), RunError> {
    write_new(folder, file, &json(value), false)
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(value).expect("settings, genotypes and reports are JSON");
    json.push(b'\n');
    json
}

/// What the names of files begin with that are not whole yet.
const UNFINISHED: &str = ".darts-";

/// Writes a file that appears whole or not at all, in place of another only if `replace` says so.
fn write_new(folder: &Path, file: &str, bytes: &[u8], replace: bool) -> Result<(), RunError> {
    let path = folder.join(file);
    let mut builder = tempfile::Builder::new();
    // The permissions of any new file: the umask takes away the rest.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut write = || {
        let mut new = builder.prefix(UNFINISHED).tempfile_in(folder)?;
        new.as_file_mut().write_all(bytes)?;
        new.as_file().sync_all()?;
        if replace { new.persist(&path) } else { new.persist_noclobber(&path) }.map_err(|error| error.error)?;
        // The name too has to reach the disk.
        #[cfg(unix)]
        File::open(folder)?.sync_all()?;
        Ok(())
    };
    write().map_err(|e| RunError::Write { file: name(&path), source: without_path(e) })
}

/// What JSON says is wrong; each line of a log is a document of its own, so that its line is always 1.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.replace(
        &format!(" at line {} column {}", error.line(), error.column()),
        &format!(" at column {}", error.column()),
    )
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Measure,
        space::{Alphas, published},
    };
    use std::process::Command;

    fn config() -> RunConfig {
        RunConfig {
            engine: "1.2.3".into(),
            device: DeviceChoice::Auto,
            data: DataSource {
                path: "here".into(),
                name: "textures".into(),
                train_images: 10,
                test_images: 2,
                image_size: 32,
                crc32: u32::MAX,
            },
            search: Some(SearchConfig { learning_rate: 0.1 + 0.2, train_images: Some(7), ..SearchConfig::default() }),
            train: None,
            genotype: None,
        }
    }

    fn step(step: usize) -> Event {
        let weights = Measure { loss: 0.1 + step as f32, accuracy: 1.0 / 3.0 };
        Event::Step { epoch: 0, step, weights, alphas: weights, gradient_norm: 1e-7, seconds: 0.5, architecture: None }
    }

    fn finished() -> Event {
        let architecture = Alphas::from_flat(&(0..224).map(|i| 1.0 / (i + 1) as f32).collect::<Vec<_>>());
        Event::Finished { genotype: published("DARTS_V2").unwrap(), architecture, epochs: 1, seconds: 2.25 }
    }

    #[test]
    fn lines_of_the_log_are_as_short_as_is_said() {
        // As long as numbers get.
        let measure = Measure { loss: -f32::MIN_POSITIVE, accuracy: -f32::MIN_POSITIVE };
        let alphas = Alphas::from_flat(&[-f32::MIN_POSITIVE; 224]);
        let (seconds, epoch) = (-f64::MIN_POSITIVE, usize::MAX);
        let step = |architecture| Event::Step {
            epoch,
            step: usize::MAX,
            weights: measure,
            alphas: measure,
            gradient_norm: -f32::MIN_POSITIVE,
            seconds,
            architecture,
        };
        let genotype = published("DARTS_V1").unwrap();
        let length = |event: &Event| serde_json::to_vec(event).unwrap().len();
        assert!(length(&step(None)) < 400);
        assert!(length(&step(Some(alphas.clone()))) < 4 << 10);
        let ended = Event::Epoch {
            epoch,
            learning_rate: seconds,
            weights: measure,
            alphas: measure,
            images_per_second: seconds,
            seconds,
            architecture: alphas,
            genotype,
            curvature: Some(-f32::MIN_POSITIVE),
        };
        assert!(length(&ended) < 6 << 10);
    }

    fn listing(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_run_reads_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("some/where");
        let mut writer = RunWriter::create(&folder, &config()).unwrap();
        let events = [step(0), step(1), finished()];
        for event in &events[..2] {
            writer.record(event).unwrap();
        }
        let run = Run::open(&folder).unwrap();
        assert_eq!(run.config, config());
        assert_eq!(run.events().unwrap().map(Result::unwrap).collect::<Vec<_>>(), events[..2]);
        let unfinished = format!("{} has no genotype.json: its search has not finished", folder.display());
        assert_eq!(run.genotype().unwrap_err().to_string(), unfinished);

        writer.record(&events[2]).unwrap();
        assert_eq!(run.events().unwrap().map(Result::unwrap).collect::<Vec<_>>(), events);
        assert_eq!(run.genotype().unwrap(), published("DARTS_V2").unwrap());
        assert_eq!(listing(&folder), [CHECKPOINTS_FOLDER, CONFIG_FILE, EVENTS_FILE, GENOTYPE_FILE]);
    }

    #[test]
    fn a_folder_that_cannot_take_a_run_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let told = |path: &str| {
            let folder = dir.path().join(path);
            let error = RunWriter::create(&folder, &config()).unwrap_err().to_string();
            assert_eq!(RunWriter::check(&folder).unwrap_err().to_string(), error);
            error.replace(&dir.path().display().to_string(), "")
        };
        fs::write(dir.path().join("file"), "mine").unwrap();
        assert_eq!(told("file"), "/file is not a folder");
        assert_eq!(told("file/deep/run"), "/file is not a folder");
        for file in [CONFIG_FILE, EVENTS_FILE, GENOTYPE_FILE] {
            let folder = dir.path().join(file).join("run");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(file), "mine").unwrap();
            let exists = format!("/{file}/run already holds a run; name another folder or move it away");
            assert_eq!(told(&format!("{file}/run")), exists);
            assert_eq!(listing(&folder), [file]);
            assert_eq!(fs::read_to_string(folder.join(file)).unwrap(), "mine");
        }
        assert_eq!(fs::read_to_string(dir.path().join("file")).unwrap(), "mine");
        RunWriter::check(&dir.path().join("none/so/far")).unwrap();
        assert_eq!(listing(dir.path()), [CONFIG_FILE, EVENTS_FILE, "file", GENOTYPE_FILE]);
    }

    /// On a full disk a line may be written in part.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_log_that_cannot_grow_keeps_whole_lines() {
        const FOLDER: &str = "DARTS_RUN_OF_LIMITED_SIZE";
        if let Some(folder) = std::env::var_os(FOLDER) {
            let mut writer = RunWriter::create(Path::new(&folder), &config()).unwrap();
            let error = (0..1000).find_map(|i| writer.record(&step(i)).err()).expect("a limit");
            assert!(error.to_string().contains("events.jsonl: File too large"), "{error}");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("run");
        let test = "run::tests::a_log_that_cannot_grow_keeps_whole_lines";
        // The signal of the limit must be ignored for the write to fail instead.
        let shell = format!("trap '' XFSZ; ulimit -f 4; exec \"$0\" --exact {test}");
        let program = std::env::current_exe().unwrap();
        let output = Command::new("sh").args(["-c", &shell]).arg(program).env(FOLDER, &folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let events: Vec<_> = Run::open(&folder).unwrap().events().unwrap().map(Result::unwrap).collect();
        assert!(events.len() > 1);
        assert_eq!(events, (0..events.len()).map(step).collect::<Vec<_>>());
    }

    #[test]
    fn a_log_that_is_not_right_names_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::create(&dir.path().join("run"), &config()).unwrap();
        writer.record(&step(0)).unwrap();
        let run = Run::open(dir.path().join("run")).unwrap();
        let log = run.folder.join(EVENTS_FILE);
        let good = fs::read_to_string(&log).unwrap();
        let told = |more: &str| {
            fs::write(&log, good.clone() + more).unwrap();
            let events: Vec<_> = run.events().unwrap().collect();
            assert_eq!((events.len(), events[0].as_ref().unwrap()), (2, &step(0)));
            let error = events[1].as_ref().unwrap_err().to_string();
            error.replace(&dir.path().display().to_string(), "")
        };
        assert_eq!(told(&good[..good.len() / 2]), "/run/events.jsonl, line 2: it ends in the middle of an event");
        assert_eq!(told("{} {}\n"), "/run/events.jsonl, line 2: missing field `type` at column 2");
        let unknown = told("{\"type\": \"rested\"}\n");
        assert!(unknown.starts_with("/run/events.jsonl, line 2: unknown variant `rested`"), "{unknown}");
        let long = format!("{}\n", " ".repeat(TEXT_BYTES as usize));
        assert_eq!(told(&long), "/run/events.jsonl, line 2: longer than any event");
    }

    #[test]
    fn files_that_are_not_right_name_the_place() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("g.json");
        let whole = serde_json::to_value(published("DARTS_V1").unwrap()).unwrap();
        let told = |text: &str| {
            fs::write(&file, text).unwrap();
            read_genotype(&file).unwrap_err().to_string().replace(&dir.path().display().to_string(), "")
        };
        let changed = |pointer: &str, value: serde_json::Value| {
            let mut json = whole.clone();
            *json.pointer_mut(pointer).unwrap() = value;
            told(&json.to_string())
        };
        let op = changed("/reduce/3/0", "conv_9x9".into());
        assert!(op.starts_with("/g.json: reduce[3][0]: unknown op \"conv_9x9\" (known: none, max_pool_3x3, "), "{op}");
        let state = changed("/normal/1/1", (-1).into());
        assert!(state.starts_with("/g.json: normal[1][1]: invalid value: integer `-1`, expected usize"), "{state}");
        let future = "/g.json: normal cell, node 0: reads state 5, which comes after it";
        assert_eq!(changed("/normal/1/1", 5.into()), future);
        assert_eq!(told(""), "/g.json: EOF while parsing a value at line 1 column 0");
        assert_eq!(told(&format!("{whole} more")), "/g.json: trailing characters at line 1 column 381");
        assert_eq!(told(&" ".repeat(TEXT_BYTES as usize + 1)), "/g.json: has more than 1048576 bytes");
        let unknown = told(&whole.to_string().replace("reduce_concat", "other"));
        assert!(unknown.starts_with("/g.json: other: unknown field `other`, expected one of "), "{unknown}");

        let told = |folder: &str| {
            Run::open(dir.path().join(folder)).unwrap_err().to_string().replace(&dir.path().display().to_string(), "")
        };
        assert_eq!(told("."), "/. holds no run: it has no config.json");
        assert_eq!(told("none"), "cannot read /none/config.json: No such file or directory (os error 2)");
        let mut json = serde_json::to_value(config()).unwrap();
        json["search"]["epochs"] = "many".into();
        fs::write(dir.path().join(CONFIG_FILE), json.to_string()).unwrap();
        let epochs = told("");
        let invalid = "/config.json: search.epochs: invalid type: string \"many\", expected usize at line 1 column";
        assert!(epochs.replace("//", "/").starts_with(invalid), "{epochs}");
    }
}
