//! Cells that are compared with the run's.

use crate::{
    cells::{Cells, Task, published_name, published_names},
    settings::{IntegerSetting, excerpt},
};
use darts_engine::space::code::space_of_code;

/// Limit of the cells compared with the run's.
pub const MAX_COMPARED: usize = 5;

/// Cells to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComparedCells {
    /// A published cell, of whichever task is shown.
    Published(&'static str),
    /// The first cell that the random search draws with this seed.
    Random(u64),
    /// Any cells, from a share code or a text.
    Given(Cells),
    /// The last cells of a recorded run.
    Recorded {
        /// The name of its file.
        file: String,
        /// The cells.
        cells: Cells,
    },
}

impl ComparedCells {
    /// The cells, if there are any for this task.
    pub fn cells(&self, task: Task) -> Option<Cells> {
        match self {
            Self::Published(name) => task.published_cells(name),
            Self::Random(seed) => task.random_cells(*seed),
            Self::Given(cells) | Self::Recorded { cells, .. } => {
                Some(cells.clone()).filter(|cells| cells.task() == task)
            }
        }
    }

    /// Title on the page.
    pub fn title(&self) -> String {
        match self {
            Self::Published(name) => published_title(name).into(),
            Self::Random(seed) => format!("Random cells, seed {seed}"),
            Self::Given(_) => "Given cells".into(),
            Self::Recorded { file, .. } => excerpt(file),
        }
    }

    /// Name in the URL.
    pub fn code(&self) -> Option<String> {
        match self {
            Self::Published(name) => Some((*name).to_owned()),
            Self::Random(seed) => Some(format!("random.{seed}")),
            Self::Given(cells) | Self::Recorded { cells, .. } => cells.code(),
        }
    }

    /// Parses a name in the URL.
    ///
    /// # Errors
    /// A sentence about the first problem.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(seed) = text.strip_prefix("random.") {
            return IntegerSetting::SEED.parse(seed).map(Self::Random);
        }
        if space_of_code(text).is_some() {
            return Cells::from_code(text)
                .map(Self::Given)
                .map_err(|error| format!("the share code \u{201c}{}\u{201d} cannot be read: {error}.", excerpt(text)));
        }
        published_name(text).map(Self::Published).ok_or_else(|| {
            format!("\u{201c}{}\u{201d} is not a published cell ({}).", excerpt(text), published_names().join(", "))
        })
    }
}

/// Common title of a published cell.
pub fn published_title(name: &str) -> &str {
    match name {
        "DARTS_V1" => "DARTS, first order",
        "DARTS_V2" => "DARTS, second order",
        "NASNet" => "NASNet-A",
        "AmoebaNet" => "AmoebaNet-A",
        "PNASNet" => "PNAS",
        other => other,
    }
}
