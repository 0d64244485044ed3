//! Runs on text, and cells of either kind.

use super::{
    Run, RunError, RunOf, Settings, VERSION, name, parse_json, python, python_error, read_config, read_genotype,
    read_text, read_weights_file,
};
use crate::{
    config::{RecurrentConfig, TextTrainConfig},
    data::{Corpus, Text},
    device::DeviceChoice,
    space::{Genotype, RecurrentGenotype, is_recurrent},
    train::TextWeights,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file of the words of a training run, one a line.
pub const VOCABULARY_FILE: &str = "vocabulary.txt";

pub(super) const RECURRENT: &str = "recurrent";
pub(super) const CONVOLUTIONAL: &str = "convolutional";

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
    /// The cell of a training run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genotype: Option<RecurrentGenotype>,
}

impl TextRunConfig {
    /// Of a search.
    pub fn search(device: DeviceChoice, text: TextSource, config: RecurrentConfig) -> Self {
        Self { engine: VERSION.to_owned(), device, text, search: Some(config), train: None, genotype: None }
    }

    /// Of a training run of this cell.
    pub fn train(device: DeviceChoice, text: TextSource, config: TextTrainConfig, genotype: RecurrentGenotype) -> Self {
        Self { engine: VERSION.to_owned(), device, text, search: None, train: Some(config), genotype: Some(genotype) }
    }
}

impl Settings for TextRunConfig {
    type Genotype = RecurrentGenotype;
    const KIND: &'static str = RECURRENT;

    fn engine(&self) -> &str {
        &self.engine
    }

    fn device(&self) -> DeviceChoice {
        self.device
    }

    fn without_paths(mut self) -> Self {
        let TextSource { train, valid, test, .. } = &mut self.text;
        [train, valid, test].into_iter().for_each(String::clear);
        self
    }

    fn read_genotype(path: &Path) -> Result<RecurrentGenotype, RunError> {
        read_recurrent_genotype(path)
    }
}

/// A run on text.
pub type TextRun = RunOf<TextRunConfig>;

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
    /// CRC-32 of the words of each text, in their order.
    pub crc32: [u32; 3],
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
            crc32: [train, valid, test].map(|text: &Text| {
                let mut sum = crc32fast::Hasher::new();
                for &token in &text.tokens {
                    sum.update(vocabulary.words()[token as usize].as_bytes());
                    sum.update(b" ");
                }
                sum.finalize()
            }),
        }
    }

    /// Fails unless the texts are those that a run used, wherever they are now.
    ///
    /// # Errors
    /// One is another; names its file.
    pub fn check(&self, run: &Self) -> Result<(), RunError> {
        let told = |of: &Self| {
            let words = [of.train_words, of.valid_words, of.test_words];
            [0, 1, 2].map(|i| format!("a text of {} words and CRC-32 {:08x}", words[i], of.crc32[i]))
        };
        for ((path, found), expected) in
            [&self.train, &self.valid, &self.test].into_iter().zip(told(self)).zip(told(run))
        {
            if found != expected {
                return Err(RunError::OtherData { path: path.clone(), found, expected });
            }
        }
        Ok(())
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
    match kind(folder)? {
        RECURRENT => TextRun::open(folder)?.genotype().map(AnyGenotype::Recurrent),
        _ => Run::open(folder)?.genotype().map(AnyGenotype::Convolutional),
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

/// The kind of cells that the run in a folder is of, by its settings.
fn kind(folder: &Path) -> Result<&'static str, RunError> {
    let config = read_config::<serde_json::Value>(folder)?;
    Ok(if config.get("text").is_some() { RECURRENT } else { CONVOLUTIONAL })
}

/// Fails unless the run in a folder is of that kind of cells.
pub(super) fn check_kind(folder: &Path, wanted: &str) -> Result<(), RunError> {
    let found = kind(folder)?;
    if found == wanted { Ok(()) } else { Err(other_kind(folder, found)) }
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
