//! The code in the URL fragment: the settings, and what is looked at. Opening such an address shows the same again.
//!
//! ```text
//! fragment = item { "&" item }             in any order; what is not said stays at its default
//! item     = "task=" ( "convolutional" | "recurrent" )
//!          | setting "=" value             batch, epochs, lr, alr, order, seed; of the one task data, images, channels,
//!                                          cells, curvature; of the other text, words, units, bptt, dropout
//!          | "view=" ( "derived" | "relaxed" )
//!          | "show=" ( "weights" | "alphas" | "change" )
//!          | "at=" steps                   the moment looked at: steps done, once the run has come so far
//!          | "cell=" code                  cells of either task, shown where there is no search
//!          | "beside=" other { "," other } cells compared with it, at most five
//! other    = the name of a published cell | "random." seed | code
//! code     = a share code, see `darts_engine::space::code`
//! ```
//!
//! Numbers are decimal. What a fragment says wrongly is told and otherwise passed over; none of it is ever run.

use crate::{
    cells::{Cells, Task},
    setup::{Count, Setup, shown},
};
use darts_engine::space::{
    Genotype, PUBLISHED, RecurrentGenotype,
    code::{looks_like_code, looks_like_recurrent_code},
};

/// The most cells compared with the run's.
pub const MOST_BESIDE: usize = 5;

/// How the cells are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CellView {
    /// The ops that would be kept now.
    #[default]
    Derived,
    /// Every edge with all its ops.
    Relaxed,
}

/// What the heatmaps show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeatView {
    /// The softmax over the ops of each edge.
    #[default]
    Weights,
    /// The alphas as they are.
    Alphas,
    /// How far each softmax weight is from where it was before the first step.
    Change,
}

impl CellView {
    /// All of them, with their names in the URL.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Derived, "derived"), (Self::Relaxed, "relaxed")];
}

impl HeatView {
    /// All of them, with their names in the URL.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Weights, "weights"), (Self::Alphas, "alphas"), (Self::Change, "change")];
}

/// Cells to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Other {
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

impl Other {
    /// The cells, where there are such for this task.
    pub fn cells(&self, task: Task) -> Option<Cells> {
        match self {
            Self::Published(name) => task.published_cells(name),
            Self::Random(seed) => task.random_cells(*seed),
            Self::Given(cells) | Self::Recorded { cells, .. } => {
                Some(cells.clone()).filter(|cells| cells.task() == task)
            }
        }
    }

    /// What the page calls them.
    pub fn title(&self) -> String {
        match self {
            Self::Published(name) => title(name).into(),
            Self::Random(seed) => format!("Random cells, seed {seed}"),
            Self::Given(_) => "Given cells".into(),
            Self::Recorded { file, .. } => shown(file),
        }
    }

    /// The name in the URL.
    pub fn code(&self) -> Option<String> {
        match self {
            Self::Published(name) => Some((*name).to_owned()),
            Self::Random(seed) => Some(format!("random.{seed}")),
            Self::Given(cells) | Self::Recorded { cells, .. } => cells.code(),
        }
    }

    /// The cells of that name in a URL.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(seed) = text.strip_prefix("random.") {
            return Count::SEED.parse(seed).map(Self::Random);
        }
        if looks_like_code(text) || looks_like_recurrent_code(text) {
            return Cells::from_code(text)
                .map(Self::Given)
                .map_err(|error| format!("the share code \u{201c}{}\u{201d} cannot be read: {error}.", shown(text)));
        }
        let known = PUBLISHED.into_iter().find(|name| name.eq_ignore_ascii_case(text)).map(Self::Published);
        known.ok_or_else(|| format!("\u{201c}{}\u{201d} is no published cell ({}).", shown(text), PUBLISHED.join(", ")))
    }
}

/// What people call a published cell.
pub fn title(name: &str) -> &str {
    match name {
        "DARTS_V1" => "DARTS, first order",
        "DARTS_V2" => "DARTS, second order",
        "NASNet" => "NASNet-A",
        "AmoebaNet" => "AmoebaNet-A",
        "PNASNet" => "PNAS",
        other => other,
    }
}

/// What is looked at, beside the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// How the cells are drawn.
    pub cells: CellView,
    /// What the heatmaps show.
    pub heat: HeatView,
    /// The moment looked at, in steps done; the latest where it is not there.
    pub at: Option<usize>,
    /// Cells shown where there is no search.
    pub cell: Option<Cells>,
    /// Cells compared.
    pub beside: Vec<Other>,
}

/// The meaning of a fragment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The settings.
    pub setup: Setup,
    /// What is looked at.
    pub view: View,
}

fn named<T: Copy>(key: &str, value: &str, all: &[(T, &str)]) -> Result<T, String> {
    all.iter().find(|(_, name)| *name == value).map(|(one, _)| *one).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(_, name)| *name).collect();
        format!("{key} must be one of {}, not \u{201c}{}\u{201d}.", names.join(", "), shown(value))
    })
}

impl Link {
    /// The fragment, without `#`.
    pub fn to_fragment(&self) -> String {
        let View { cells, heat, at, cell, beside } = &self.view;
        let mut text = self.setup.to_fragment();
        let mut add = |key: &str, value: &str| text.extend(["&", key, "=", value]);
        if *cells != CellView::default() {
            add("view", CellView::ALL[*cells as usize].1);
        }
        if *heat != HeatView::default() {
            add("show", HeatView::ALL[*heat as usize].1);
        }
        if let Some(at) = at {
            add("at", &at.to_string());
        }
        if let Some(code) = cell.as_ref().and_then(Cells::code) {
            add("cell", &code);
        }
        let beside: Vec<String> = beside.iter().filter_map(Other::code).collect();
        if !beside.is_empty() {
            add("beside", &beside.join(","));
        }
        text
    }

    /// The meaning of a fragment. What it does not say stays at its default; so does what it says wrongly, each with a
    /// sentence about it, no more than can be read.
    pub fn from_fragment(fragment: &str) -> (Self, Vec<String>) {
        let mut link = Self::default();
        let mut problems = Vec::new();
        let items = || fragment.trim_start_matches('#').split('&').filter(|item| !item.is_empty());
        // The meaning of others depends on the task.
        let is_task = |item: &&str| item.starts_with("task=");
        for item in items().filter(is_task).chain(items().filter(|item| !is_task(item))) {
            let (key, value) = item.split_once('=').unwrap_or((item, ""));
            if let Err(problem) = link.set(key, value) {
                problems.push(format!("In this page\u{2019}s address, {problem}"));
            }
        }
        // Cells tell by themselves what they are.
        if let Some(cells) = link.view.cell.as_ref().filter(|cells| cells.task() != link.setup.task) {
            link.setup = Setup::of(cells.task());
        }
        problems.truncate(3);
        (link, problems)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let view = &mut self.view;
        match key {
            "view" => view.cells = named(key, value, &CellView::ALL)?,
            "show" => view.heat = named(key, value, &HeatView::ALL)?,
            "at" => view.at = Some(Count::AT.parse(value)? as usize),
            "cell" => {
                let cells = Cells::from_code(value);
                view.cell = Some(cells.map_err(|error| format!("cell cannot be read: {error}."))?);
            }
            "beside" => {
                let others: Vec<&str> = value.split(',').collect();
                if others.len() > MOST_BESIDE {
                    return Err(format!("beside names {} cells, and at most {MOST_BESIDE} fit.", others.len()));
                }
                view.beside = others.into_iter().map(Other::parse).collect::<Result<_, _>>()?;
            }
            _ => self.setup.set(key, value)?,
        }
        Ok(())
    }
}

/// Reads cells from what somebody pasted: a share code, an address of this page, JSON, Python, or the name of published ones,
/// which are of the task that is shown.
///
/// # Errors
/// A sentence that says what is wrong and where.
pub fn read_cells(text: &str, task: Task) -> Result<Cells, String> {
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
        let (link, problems) = Link::from_fragment(fragment);
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

#[cfg(test)]
mod tests {
    use super::*;
    use darts_engine::space::published;

    fn full() -> Link {
        Link {
            setup: Setup { seed: 12, ..Setup::default() },
            view: View {
                cells: CellView::Relaxed,
                heat: HeatView::Change,
                at: Some(1234),
                cell: published("DARTS_V1").map(Cells::Convolutional),
                beside: vec![
                    Other::Published("NASNet"),
                    Other::Random(7),
                    Other::Given(Cells::Convolutional(published("AmoebaNet").unwrap())),
                ],
            },
        }
    }

    fn recurrent() -> Link {
        let cell = Task::Recurrent.published_cells("ENAS");
        Link {
            setup: Setup::of(Task::Recurrent),
            view: View {
                at: Some(3),
                beside: cell.iter().cloned().map(Other::Given).collect(),
                cell,
                ..View::default()
            },
        }
    }

    #[test]
    fn a_fragment_brings_back_all_that_is_looked_at() {
        for link in [Link::default(), full(), recurrent()] {
            let fragment = link.to_fragment();
            assert_eq!(Link::from_fragment(&format!("#{fragment}")), (link, vec![]), "{fragment}");
            assert!(fragment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.,_&=".contains(&b)), "{fragment}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let told = |fragment: &str| Link::from_fragment(fragment).1.join(" ");
        assert!(told("view=sideways").ends_with("view must be one of derived, relaxed, not \u{201c}sideways\u{201d}."));
        assert!(told("cell=d1.m0").contains("cell cannot be read: it has 2 parts between points"));
        assert!(told("beside=NASNet,mine").contains("\u{201c}mine\u{201d} is no published cell (DARTS_V1, "));
        assert!(told("beside=ENAS,ENAS,ENAS,ENAS,ENAS,ENAS").contains("beside names 6 cells, and at most 5 fit."));
        assert!(told("at=-1").contains("at must be a whole number from 0 to "));
        assert!(told("beside=random.x").contains("seed must be a whole number"));
    }

    #[test]
    fn pasted_cells_are_read_in_every_form() {
        let genotype = published("DARTS_V2").unwrap();
        let address = format!("http://127.0.0.1:8080/#data=textures&cell={}", genotype.code().unwrap());
        let json = serde_json::to_string_pretty(&genotype).unwrap();
        for text in [genotype.code().unwrap(), address, json, genotype.to_python(), " darts_v2\n".into()] {
            assert_eq!(read_cells(&text, Task::Convolutional), Ok(Cells::Convolutional(genotype.clone())), "{text}");
        }
        let cells = Task::Recurrent.published_cells("DARTS_V2").unwrap();
        for text in [cells.code().unwrap(), cells.to_json(), cells.to_python(), "darts_v2".into()] {
            assert_eq!(read_cells(&text, Task::Recurrent), Ok(cells.clone()), "{text}");
        }
        assert_eq!(read_cells("nasnet", Task::Recurrent).unwrap_err(), "There is no recurrent cell of NASNet.");
        let read_cells = |text: &str| super::read_cells(text, Task::Convolutional);
        assert!(read_cells("{}").unwrap_err().starts_with("This JSON is no genotype: missing field"));
        assert!(read_cells("<script>alert(1)</script>").unwrap_err().starts_with("This is no genotype: line 1"));
        assert!(read_cells("http://here/#view=relaxed").unwrap_err().contains("names no cells"));
    }

    /// Whatever is done to a fragment or a pasted text, it is read or refused, and what is read can be drawn.
    #[test]
    fn mutated_fragments_and_texts_are_read_or_refused() {
        let genotype = published("AmoebaNet").unwrap();
        let texts = [
            full().to_fragment(),
            recurrent().to_fragment(),
            genotype.code().unwrap(),
            recurrent().view.cell.unwrap().to_python(),
            genotype.to_python(),
            serde_json::to_string(&genotype).unwrap(),
        ];
        let mut rng = fastrand::Rng::with_seed(3);
        let alphabet: Vec<char> = "abdeimstvx0123459.-,=&#%<>\"'()[]{} \u{e9}\u{1f600}\0".chars().collect();
        for round in 0..20_000 {
            let mut text: Vec<char> = texts[round % texts.len()].chars().collect();
            for _ in 0..rng.usize(1..5) {
                let at = rng.usize(..text.len());
                match rng.usize(..4) {
                    0 => text[at] = alphabet[rng.usize(..alphabet.len())],
                    1 => text.insert(at, alphabet[rng.usize(..alphabet.len())]),
                    2 if text.len() > 1 => drop(text.remove(at)),
                    _ => {
                        let other = rng.usize(..text.len());
                        text.swap(at, other);
                    }
                }
            }
            let text: String = text.into_iter().collect();
            let (link, problems) = Link::from_fragment(&text);
            assert!(problems.len() <= 3 && problems.iter().all(|problem| problem.len() < 400));
            match link.setup.task {
                Task::Convolutional => link.setup.config().check().unwrap(),
                Task::Recurrent => link.setup.text_config().check().unwrap(),
            }
            for task in [Task::Convolutional, Task::Recurrent] {
                let beside = link.view.beside.iter().filter_map(|other| other.cells(task));
                for cells in beside.chain(link.view.cell.clone()).chain(read_cells(&text, task).ok()) {
                    cells.check().unwrap();
                }
            }
        }
    }
}
