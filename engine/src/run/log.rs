use super::{
    EVENTS_FILE, RunError,
    files::{MAX_TEXT_BYTES, name},
};
use crate::event::Event;
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

/// Events of a log, from [`Run::events`](super::Run::events). An item is an error where a line cannot be read; nothing follows it.
#[derive(Debug)]
pub struct Events<R = BufReader<File>> {
    file: String,
    log: R,
    line: usize,
    over: bool,
}

impl Events {
    pub(super) fn open(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join(EVENTS_FILE);
        let file = name(&path);
        match File::open(&path) {
            Ok(log) => Ok(Self::of(BufReader::new(log), &file)),
            Err(source) => Err(RunError::Read { file, source }),
        }
    }
}

impl<R: BufRead> Events<R> {
    /// Events of a log; `file` is its name in errors.
    pub fn of(log: R, file: &str) -> Self {
        Self { file: file.to_owned(), log, line: 0, over: false }
    }

    fn read(&mut self) -> Result<Option<Event>, RunError> {
        let mut text = Vec::new();
        let read = self.log.by_ref().take(MAX_TEXT_BYTES).read_until(b'\n', &mut text);
        self.line += 1;
        match read {
            Err(source) => return Err(RunError::Read { file: self.file.clone(), source }),
            Ok(0) => return Ok(None),
            Ok(_) => {}
        }
        let problem = match (text.last(), Event::from_json(&text)) {
            (Some(b'\n'), Ok(event)) => return Ok(Some(event)),
            (Some(b'\n'), Err(error)) => without_line(&error),
            _ if text.len() as u64 == MAX_TEXT_BYTES => "longer than any event".to_owned(),
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

/// Message of a JSON error without its line, which is always 1: each line of a log is a document of its own.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.replace(
        &format!(" at line {} column {}", error.line(), error.column()),
        &format!(" at column {}", error.column()),
    )
}
