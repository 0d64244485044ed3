use super::{CONFIG_FILE, GENOTYPE_FILE};
use crate::{checkpoint::CheckpointError, space::GenotypeError, train::WeightsError};
use std::io;

/// Run folder that cannot be written or read. Each message is one sentence that names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The folder holds a run.
    #[error("{folder} already holds a run; name another folder or move it away")]
    Exists {
        /// The folder.
        folder: String,
    },
    /// A path that exists but is not a folder.
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
        /// Error of the system.
        source: io::Error,
    },
    /// A file that cannot be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// Its path.
        file: String,
        /// Error of the system.
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
    /// Images or text other than the run's.
    #[error("{path} is not the data of the run: it is {found}, but the run had {expected}")]
    OtherData {
        /// Path of the data.
        path: String,
        /// Data found.
        found: String,
        /// Data of the run.
        expected: String,
    },
    /// A file of a checkpoint that cannot be used.
    #[error("{file} {source}")]
    Checkpoint {
        /// The file.
        file: String,
        /// Problem.
        source: CheckpointError,
    },
    /// The settings are not those that the run began with.
    #[error(
        "{config} was changed since {checkpoint} was written, but a run resumes only with the settings that it began with"
    )]
    OtherConfig {
        /// The settings.
        config: String,
        /// The checkpoint.
        checkpoint: String,
    },
    /// There is no state to resume from.
    #[error("{folder} cannot be resumed: {problem}")]
    NoCheckpoint {
        /// The folder.
        folder: String,
        /// Reason why each checkpoint cannot be used.
        problem: String,
    },
    /// A search that has derived nothing yet.
    #[error("{folder} has no {GENOTYPE_FILE}: its search has not finished")]
    Unfinished {
        /// The folder.
        folder: String,
    },
    /// A file with invalid content.
    #[error("{file}: {problem}")]
    Format {
        /// The file.
        file: String,
        /// Problem, with its place.
        problem: String,
    },
    /// A line of the log that is not an event.
    #[error("{file}, line {line}: {problem}")]
    Event {
        /// The log.
        file: String,
        /// The line, from 1.
        line: usize,
        /// Problem.
        problem: String,
    },
    /// Weights that cannot be read, or do not fit.
    #[error("{file}: {source}")]
    Weights {
        /// The file.
        file: String,
        /// Problem.
        source: WeightsError,
    },
    /// Cells that are not well formed.
    #[error("{file}: {source}")]
    Genotype {
        /// The file.
        file: String,
        /// Problem.
        source: GenotypeError,
    },
    /// A run or file of the other kind of cell.
    #[error("{place} has {found} cells, but {wanted} cells are needed")]
    OtherKind {
        /// The file or folder.
        place: String,
        /// The kind found.
        found: &'static str,
        /// The kind needed.
        wanted: &'static str,
    },
}
