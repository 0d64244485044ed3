//! Run folder: the settings of a search or a training run, its log, its checkpoints and its results.
//!
//! `config.json` is a [`RunConfig`], `events.jsonl` has one [`Event`](crate::event::Event) per line. `genotype.json` exists
//! once a search has finished, and from the start of a training run, which also writes `best.safetensors` and
//! `last.safetensors`. The folder `checkpoints` has the states that the run is resumed from, see [`Checkpoints`] and
//! [`Resumed`].
//!
//! A line of the log has at most 400 bytes, with alphas 4 KB, with alphas and cells 6 KB. So the log of the paper's search
//! (19,500 steps, alphas with one step in 50) is below 10 MB, and that of the paper's training, which reports one step in
//! 50, below 4 MB. A reader takes no more than 1 MiB for one event.

mod checkpoints;
mod config;
mod error;
mod files;
mod genotype;
mod log;
mod source;
#[cfg(test)]
mod tests;
mod writer;

pub use checkpoints::{CHECKPOINTS_FOLDER, Checkpoints, Resumed};
pub use config::{Run, RunConfig, RunSpace, run_genotype, space_of_run};
pub use error::RunError;
pub use files::replace_json;
pub use genotype::{read_genotype, read_genotype_of, read_text_weights, read_weights};
pub use log::Events;
pub use source::{DataSource, Source, TextSource};
pub use writer::RunWriter;

/// File of the settings.
pub const CONFIG_FILE: &str = "config.json";
/// Log of events.
pub const EVENTS_FILE: &str = "events.jsonl";
/// File of the derived cells.
pub const GENOTYPE_FILE: &str = "genotype.json";
/// Weights of the lowest test error.
pub const BEST_FILE: &str = "best.safetensors";
/// Weights after the last epoch done.
pub const LAST_FILE: &str = "last.safetensors";
/// Vocabulary of a training run on text, one word per line.
pub const VOCABULARY_FILE: &str = "vocabulary.txt";

/// Version of the engine.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
