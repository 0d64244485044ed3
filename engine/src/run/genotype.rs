//! Genotype and weights files.

use super::{
    RunError,
    files::{name, parse_json, read_text, read_weights_file},
};
use crate::{
    space::{Genotype, PythonError, Space, space_of_json, space_of_python},
    train::{TextWeights, Weights},
};
use std::path::Path;

/// Reads a genotype file of any space: JSON, as runs and the page write it, or Python ([`Genotype::from_python`]).
///
/// # Errors
/// The file cannot be read, or is not a well-formed genotype; the message names the place.
pub fn read_genotype(path: &Path) -> Result<Genotype, RunError> {
    parse_genotype(path, &read_text(path)?)
}

/// Reads a genotype file of one space.
///
/// # Errors
/// As [`read_genotype`], or it is of another space.
pub fn read_genotype_of(space: Space, path: &Path) -> Result<Genotype, RunError> {
    // A file of another space is refused as such before anything else that is wrong with it.
    let text = read_text(path)?;
    let seems = match python(&text) {
        Some(python) => space_of_python(python),
        None => space_of_json(&text),
    };
    match seems {
        Some(found) if found != space => Err(other_space(path, found, space)),
        _ => match parse_genotype(path, &text) {
            Ok(genotype) if genotype.space() != space => Err(other_space(path, genotype.space(), space)),
            read => read,
        },
    }
}

fn parse_genotype(path: &Path, text: &[u8]) -> Result<Genotype, RunError> {
    let file = name(path);
    let Some(python) = python(text) else {
        let genotype: Genotype = parse_json(path, text)?;
        return genotype.check().map(|()| genotype).map_err(|source| RunError::Genotype { file, source });
    };
    Genotype::from_python(python).map_err(|error| match error {
        PythonError::Genotype(source) => RunError::Genotype { file, source },
        PythonError::Text { .. } => RunError::Format { file, problem: error.to_string() },
    })
}

/// Text of a genotype in Python's form: JSON begins with a brace, Python with a name or a comment.
fn python(text: &[u8]) -> Option<&str> {
    str::from_utf8(text)
        .ok()
        .filter(|text| text.trim_start().starts_with(|first: char| first.is_alphabetic() || "_#".contains(first)))
}

/// Reads weights of a network of these cells with `classes` classes.
///
/// # Errors
/// The file cannot be read, or is not of such a network; the message names the first tensor that does not fit.
pub fn read_weights(path: &Path, genotype: &Genotype, classes: usize) -> Result<Weights, RunError> {
    let bytes = read_weights_file(path)?;
    Weights::from_safetensors(&bytes, genotype, classes)
        .map_err(|source| RunError::Weights { file: name(path), source })
}

/// Reads weights of a language model around this cell.
///
/// # Errors
/// The file cannot be read, or is not of such a network; the message names the first tensor that does not fit.
pub fn read_text_weights(path: &Path, genotype: &Genotype) -> Result<TextWeights, RunError> {
    let bytes = read_weights_file(path)?;
    TextWeights::from_safetensors(&bytes, genotype).map_err(|source| RunError::Weights { file: name(path), source })
}

/// Error of a run or file of another space than is needed.
pub(super) fn other_space(place: &Path, found: Space, wanted: Space) -> RunError {
    RunError::OtherKind { place: name(place), found: found.name, wanted: wanted.name }
}
