//! Parsing of what users bring: cells pasted or from a file, and texts to learn from.

use crate::{
    cells::{Cells, Task},
    share_link::ShareLink,
};
use darts_engine::space::{
    Genotype, PUBLISHED, RecurrentGenotype,
    code::{looks_like_code, looks_like_recurrent_code},
};

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
        return Err("This is longer than any cells are.".into());
    }
    if looks_like_code(text) || looks_like_recurrent_code(text) {
        return Cells::from_code(text).map_err(|error| format!("This share code cannot be read: {error}."));
    }
    if let Some(name) = PUBLISHED.into_iter().find(|name| name.eq_ignore_ascii_case(text)) {
        return task.published_cells(name).ok_or_else(|| format!("There is no recurrent cell of {name}."));
    }
    if let Some((_, fragment)) = text.split_once('#').filter(|_| text.starts_with("http")) {
        let (link, problems) = ShareLink::from_fragment(fragment);
        return link
            .view
            .cell
            .ok_or_else(|| problems.into_iter().next().unwrap_or("This address names no cells.".into()));
    }
    let recurrent = text.contains("recurrent");
    if text.starts_with('{') {
        let cells = match recurrent {
            true => serde_json::from_str::<RecurrentGenotype>(text).map(Cells::Recurrent),
            false => serde_json::from_str::<Genotype>(text).map(Cells::Convolutional),
        };
        let cells = cells.map_err(|error| format!("This JSON is no genotype: {error}."))?;
        return cells.check().map(|()| cells).map_err(|error| format!("These cells cannot be built: {error}."));
    }
    let cells = match recurrent {
        true => RecurrentGenotype::from_python(text).map(Cells::Recurrent),
        false => Genotype::from_python(text).map(Cells::Convolutional),
    };
    cells.map_err(|error| format!("This is no genotype: {error}."))
}

/// The problem with bytes that should be a text to learn from, as a predicate; `None` for a good text.
pub fn text_problem(bytes: &[u8]) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_alphanumeric) => Some("has no words".into()),
        Ok(_) => None,
        Err(error) => {
            let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
            Some(format!("is no UTF-8 text: byte {}, on line {line}, does not fit", error.valid_up_to() + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darts_engine::space::published;

    #[test]
    fn pasted_cells_are_read_in_every_form() {
        let genotype = published("DARTS_V2").unwrap();
        let address = format!("http://127.0.0.1:8080/#data=textures&cell={}", genotype.code().unwrap());
        let json = serde_json::to_string_pretty(&genotype).unwrap();
        for text in [genotype.code().unwrap(), address, json, genotype.to_python(), " darts_v2\n".into()] {
            assert_eq!(parse_cells(&text, Task::Convolutional), Ok(Cells::Convolutional(genotype.clone())), "{text}");
        }
        let cells = Task::Recurrent.published_cells("DARTS_V2").unwrap();
        for text in [cells.code().unwrap(), cells.to_json(), cells.to_python(), "darts_v2".into()] {
            assert_eq!(parse_cells(&text, Task::Recurrent), Ok(cells.clone()), "{text}");
        }
        assert_eq!(parse_cells("nasnet", Task::Recurrent).unwrap_err(), "There is no recurrent cell of NASNet.");
        let parse_cells = |text: &str| super::parse_cells(text, Task::Convolutional);
        assert!(parse_cells("{}").unwrap_err().starts_with("This JSON is no genotype: missing field"));
        assert!(parse_cells("<script>alert(1)</script>").unwrap_err().starts_with("This is no genotype: line 1"));
        assert!(parse_cells("http://here/#view=relaxed").unwrap_err().contains("names no cells"));
    }

    #[test]
    fn problems_of_a_text_are_reported() {
        assert_eq!(text_problem(b"A word."), None);
        assert_eq!(text_problem(b" .\n"), Some("has no words".into()));
        let problem = text_problem(b"good\nba\xffd").unwrap();
        assert_eq!(problem, "is no UTF-8 text: byte 8, on line 2, does not fit");
    }
}
