//! Watching what is launched.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

/// Shader texts and the files that each is made of, while they are kept.
type Sources = BTreeMap<String, Vec<&'static str>>;

static SOURCES: Mutex<Option<Sources>> = Mutex::new(None);

fn sources() -> MutexGuard<'static, Option<Sources>> {
    SOURCES.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Starts to keep the text of every shader launched.
pub fn start_sources() {
    *sources() = Some(Sources::new());
}

/// Ends it: the distinct texts, each with the names of its files.
pub fn end_sources() -> BTreeMap<String, Vec<&'static str>> {
    sources().take().unwrap_or_default()
}

/// Keeps a text, if texts are kept.
pub(super) fn keep_source(text: impl FnOnce() -> String, files: &[&'static str]) {
    if let Some(sources) = sources().as_mut() {
        sources.insert(text(), files.to_vec());
    }
}
