use super::{CONFIG_FILE, GENOTYPE_FILE};
use crate::{checkpoint::CheckpointError, space::GenotypeError, train::WeightsError};
use std::io;

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
