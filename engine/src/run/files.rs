//! Files of a run folder, read within limits and written whole.

use super::RunError;
use crate::data::without_path;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
};

/// Most bytes read of a settings or genotype file or of a line of the log: many times the usual size.
pub(super) const MAX_TEXT_BYTES: u64 = 1 << 20;
/// Most bytes read of a weights file: more than the largest network has.
const MAX_WEIGHTS_BYTES: u64 = 256 << 20;

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, RunError> {
    parse_json(path, &read_text(path)?)
}

/// Bytes of a text file, within the limit.
pub(super) fn read_text(path: &Path) -> Result<Vec<u8>, RunError> {
    let file = name(path);
    let mut text = Vec::new();
    match File::open(path).and_then(|opened| opened.take(MAX_TEXT_BYTES + 1).read_to_end(&mut text)) {
        Err(source) => Err(RunError::Read { file, source }),
        Ok(_) if text.len() as u64 > MAX_TEXT_BYTES => {
            Err(RunError::Format { file, problem: format!("has more than {MAX_TEXT_BYTES} bytes") })
        }
        Ok(_) => Ok(text),
    }
}

pub(super) fn parse_json<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T, RunError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut json)
        .map_err(|error| match error.path().iter().next() {
            Some(_) => format!("{}: {}", error.path(), error.inner()),
            None => error.into_inner().to_string(),
        })
        .and_then(|value| json.end().map(|()| value).map_err(|error| error.to_string()))
        .map_err(|problem| RunError::Format { file: name(path), problem })
}

/// Bytes of a weights file, within the limit.
pub(super) fn read_weights_file(path: &Path) -> Result<Vec<u8>, RunError> {
    let file = name(path);
    let mut bytes = Vec::new();
    match File::open(path).and_then(|opened| opened.take(MAX_WEIGHTS_BYTES + 1).read_to_end(&mut bytes)) {
        Err(source) => Err(RunError::Read { file, source }),
        Ok(_) if bytes.len() as u64 > MAX_WEIGHTS_BYTES => {
            Err(RunError::Format { file, problem: format!("has more than {MAX_WEIGHTS_BYTES} bytes") })
        }
        Ok(_) => Ok(bytes),
    }
}

/// Writes a file of a folder as JSON and replaces one of that name atomically.
///
/// # Errors
/// The file cannot be written; the old one stays.
pub fn replace_json(folder: &Path, file: &str, value: &impl Serialize) -> Result<(), RunError> {
    write_new(folder, file, &json(value), true)
}

/// Writes a new file as JSON; it appears whole or not at all.
pub(super) fn write_whole(folder: &Path, file: &str, value: &impl Serialize) -> Result<(), RunError> {
    write_new(folder, file, &json(value), false)
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(value).expect("settings, genotypes and reports are JSON");
    json.push(b'\n');
    json
}

/// Prefix of the names of unfinished files.
pub(super) const UNFINISHED: &str = ".darts-";

/// Writes a file that appears whole or not at all; it replaces another only if `replace` is set.
pub(super) fn write_new(folder: &Path, file: &str, bytes: &[u8], replace: bool) -> Result<(), RunError> {
    let path = folder.join(file);
    let mut builder = tempfile::Builder::new();
    // Permissions of any new file; the umask restricts them.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut write = || {
        let mut new = builder.prefix(UNFINISHED).tempfile_in(folder)?;
        new.as_file_mut().write_all(bytes)?;
        new.as_file().sync_all()?;
        if replace { new.persist(&path) } else { new.persist_noclobber(&path) }.map_err(|error| error.error)?;
        // The directory entry has to reach the disk as well.
        #[cfg(unix)]
        File::open(folder)?.sync_all()?;
        Ok(())
    };
    write().map_err(|e| RunError::Write { file: name(&path), source: without_path(e) })
}

pub(super) fn name(path: &Path) -> String {
    path.display().to_string()
}
