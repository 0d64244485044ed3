//! Runs on text, and cells of either kind.

use super::{
    CONFIG_FILE, Events, GENOTYPE_FILE, Run, RunError, name, parse_json, python, python_error, read_config,
    read_genotype, read_text, read_weights_file,
};
use crate::{
    data::Corpus,
    device::DeviceChoice,
    search::RecurrentConfig,
    space::{Genotype, RecurrentGenotype, is_recurrent},
    train::{TextTrainConfig, TextWeights},
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The file of the words of a training run, one a line.
pub const VOCABULARY_FILE: &str = "vocabulary.txt";

pub(super) const RECURRENT: &str = "recurrent";
const CONVOLUTIONAL: &str = "convolutional";

/// All that decides a recurrent search or a language model's training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRunConfig {
    /// Version of the engine.
    pub engine: String,
    /// The device asked for.
    pub device: DeviceChoice,
    /// Where the text came from.
    pub text: TextSource,
    /// Every hyper-parameter of a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<RecurrentConfig>,
    /// Every hyper-parameter of a training run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<TextTrainConfig>,
}

/// Where text came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSource {
    /// The training text's file.
    pub train: String,
    /// The validation text's file.
    pub valid: String,
    /// The test text's file.
    pub test: String,
    /// Words of the training text, ends of lines among them.
    pub train_words: usize,
    /// Words of the validation text.
    pub valid_words: usize,
    /// Words of the test text.
    pub test_words: usize,
    /// Distinct words.
    pub vocabulary: usize,
}

impl TextSource {
    /// What a corpus came from.
    pub fn new(corpus: &Corpus) -> Self {
        let Corpus { vocabulary, train, valid, test } = corpus;
        Self {
            train: train.file.clone(),
            valid: valid.file.clone(),
            test: test.file.clone(),
            train_words: train.tokens.len(),
            valid_words: valid.tokens.len(),
            test_words: test.tokens.len(),
            vocabulary: vocabulary.len(),
        }
    }
}

/// A run on text that was written before, or is being written.
#[derive(Clone, Debug)]
pub struct TextRun {
    /// Its folder.
    pub folder: PathBuf,
    /// What decided it.
    pub config: TextRunConfig,
}

impl TextRun {
    /// Opens a run folder.
    ///
    /// # Errors
    /// It holds no run on text, or its settings cannot be read.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, RunError> {
        let folder = folder.into();
        if folder.join(CONFIG_FILE).exists() && !is_text_run(&folder) {
            // What is wrong with the settings comes first.
            read_config::<serde_json::Value>(&folder)?;
            return Err(other_kind(&folder, CONVOLUTIONAL));
        }
        Ok(Self { config: read_config(&folder)?, folder })
    }

    /// The events of its log in order.
    ///
    /// # Errors
    /// The log cannot be opened. An item is an error where a line cannot be read; nothing follows it.
    pub fn events(&self) -> Result<Events, RunError> {
        Events::open(&self.folder)
    }

    /// The cell that it derived or trains.
    ///
    /// # Errors
    /// The search has not finished, or the cell cannot be read.
    pub fn genotype(&self) -> Result<RecurrentGenotype, RunError> {
        let file = self.folder.join(GENOTYPE_FILE);
        if !file.exists() {
            return Err(RunError::Unfinished { folder: name(&self.folder) });
        }
        read_recurrent_genotype(&file)
    }
}

/// Cells of either kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum AnyGenotype {
    /// Cells of a convolutional network.
    Convolutional(Genotype),
    /// A recurrent cell.
    Recurrent(RecurrentGenotype),
}

/// The cells of a run folder of either kind.
///
/// # Errors
/// It holds no run, its search has not finished, or the cells cannot be read.
pub fn run_genotype(folder: &Path) -> Result<AnyGenotype, RunError> {
    match is_text_run(folder) {
        true => TextRun::open(folder)?.genotype().map(AnyGenotype::Recurrent),
        false => Run::open(folder)?.genotype().map(AnyGenotype::Convolutional),
    }
}

/// Reads a genotype file of either kind, in JSON or Python.
///
/// # Errors
/// It cannot be read, or is no well-formed genotype; the message names the place.
pub fn read_any_genotype(path: &Path) -> Result<AnyGenotype, RunError> {
    match is_recurrent_cell(&read_text(path)?) {
        true => read_recurrent_genotype(path).map(AnyGenotype::Recurrent),
        false => read_genotype(path).map(AnyGenotype::Convolutional),
    }
}

/// Reads the genotype file of a recurrent cell: JSON, as a run writes it, or Python ([`RecurrentGenotype::from_python`]).
///
/// # Errors
/// It cannot be read, or is no well-formed genotype of that kind; the message names the place.
pub fn read_recurrent_genotype(path: &Path) -> Result<RecurrentGenotype, RunError> {
    let file = name(path);
    let text = read_text(path)?;
    // A convolutional cell is told as such if it is a good one; whatever else is wrong is told by its place.
    if !is_recurrent_cell(&text) && read_genotype(path).is_ok() {
        return Err(other_kind(path, CONVOLUTIONAL));
    }
    let Some(python) = python(&text) else {
        let genotype: RecurrentGenotype = parse_json(path, &text)?;
        return genotype.check().map(|()| genotype).map_err(|source| RunError::RecurrentGenotype { file, source });
    };
    RecurrentGenotype::from_python(python).map_err(|error| python_error(file, error))
}

/// Reads weights of a language model around this cell.
///
/// # Errors
/// The file cannot be read, or is none of such a network; the message names the first tensor that does not fit.
pub fn read_text_weights(path: &Path, genotype: &RecurrentGenotype) -> Result<TextWeights, RunError> {
    let bytes = read_weights_file(path)?;
    TextWeights::from_safetensors(&bytes, genotype).map_err(|source| RunError::Weights { file: name(path), source })
}

/// Whether a folder's settings are those of a run on text.
pub(super) fn is_text_run(folder: &Path) -> bool {
    let config = read_config::<serde_json::Value>(folder);
    config.is_ok_and(|config| config.get("text").is_some())
}

/// Whether a genotype's text seems to be a recurrent cell's.
pub(super) fn is_recurrent_cell(text: &[u8]) -> bool {
    match python(text) {
        Some(python) => is_recurrent(python),
        None => {
            serde_json::from_slice::<serde_json::Value>(text).is_ok_and(|genotype| genotype.get(RECURRENT).is_some())
        }
    }
}

pub(super) fn other_kind(place: &Path, found: &'static str) -> RunError {
    let wanted = if found == RECURRENT { CONVOLUTIONAL } else { RECURRENT };
    RunError::OtherKind { place: name(place), found, wanted }
}
