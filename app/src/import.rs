//! Parsing of the user's data: cells pasted or from a file, and texts to learn.

use crate::{
    cells::{Cells, Task, published_name},
    share_link::ShareLink,
};
use darts_engine::space::{Genotype, code::space_of_code};

/// Parses cells in any form: a share code, an address of this page, JSON, Python, or the name of published
/// ones, which are of the task shown.
///
/// # Errors
/// A sentence about the first problem and its place.
pub fn parse_cells(text: &str, task: Task) -> Result<Cells, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("There is nothing to read.".into());
    }
    if text.len() > 1 << 16 {
        return Err("This is too long for cells.".into());
    }
    if space_of_code(text).is_some() {
        return Cells::from_code(text).map_err(|error| format!("This share code cannot be read: {error}."));
    }
    if let Some(name) = published_name(text) {
        return task.published_cells(name).ok_or_else(|| format!("There is no {} cell of {name}.", task.name()));
    }
    if let Some((_, fragment)) = text.split_once('#').filter(|_| text.starts_with("http")) {
        let (link, problems) = ShareLink::from_fragment(fragment);
        return link
            .view
            .cell
            .ok_or_else(|| problems.into_iter().next().unwrap_or("This address names no cells.".into()));
    }
    if text.starts_with('{') {
        let cells = serde_json::from_str(text).map(Cells);
        let cells = cells.map_err(|error| format!("This JSON is not a genotype: {error}."))?;
        return cells.check().map(|()| cells).map_err(|error| format!("These cells cannot be built: {error}."));
    }
    Genotype::from_python(text).map(Cells).map_err(|error| format!("This is not a genotype: {error}."))
}

/// The problem with bytes that should be a text to learn from, as a predicate; `None` for a good text.
pub fn text_problem(bytes: &[u8]) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_alphanumeric) => Some("has no words".into()),
        Ok(_) => None,
        Err(error) => {
            let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
            Some(format!("is not UTF-8 text: byte {}, on line {line}, is invalid", error.valid_up_to() + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_cells_are_read_in_every_form() {
        for task in Task::all() {
            let cells = task.published_cells("DARTS_V2").unwrap();
            let address = format!("http://127.0.0.1:8080/#data=textures&cell={}", cells.code().unwrap());
            for text in [cells.code().unwrap(), address, cells.to_json(), cells.to_python(), " darts_v2\n".into()] {
                assert_eq!(parse_cells(&text, task), Ok(cells.clone()), "{text}");
            }
        }
        assert_eq!(parse_cells("nasnet", Task::RECURRENT).unwrap_err(), "There is no recurrent cell of NASNet.");
        let parse_cells = |text: &str| super::parse_cells(text, Task::CONVOLUTIONAL);
        assert!(parse_cells("{}").unwrap_err().starts_with("This JSON is not a genotype: missing field"));
        assert!(parse_cells("<script>alert(1)</script>").unwrap_err().starts_with("This is not a genotype: line 1"));
        assert!(parse_cells("http://here/#view=relaxed").unwrap_err().contains("names no cells"));
    }

    #[test]
    fn problems_of_a_text_are_reported() {
        assert_eq!(text_problem(b"A word."), None);
        assert_eq!(text_problem(b" .\n"), Some("has no words".into()));
        let problem = text_problem(b"good\nba\xffd").unwrap();
        assert_eq!(problem, "is not UTF-8 text: byte 8, on line 2, is invalid");
    }
}
