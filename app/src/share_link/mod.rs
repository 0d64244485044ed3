//! Share links: the settings and the view state in the URL fragment. Opening such an address shows the same again.
//!
//! ```text
//! fragment = item { "&" item }             in any order; missing items stay at their defaults
//! item     = "task=" space                the name of a search space, `convolutional` by default
//!          | setting "=" value             batch, epochs, lr, alr, order, seed; on images data, images, channels, cells,
//!                                          curvature; on text text, words, units, bptt, dropout
//!          | "view=" ( "derived" | "relaxed" )
//!          | "show=" ( "weights" | "alphas" | "change" )
//!          | "at=" steps                   the moment shown: steps done, once the run is that far
//!          | "cell=" code                  cells of any space, shown without a search
//!          | "beside=" other { "," other } cells compared with it, at most five
//! other    = the name of a published cell | "random." seed | code
//! code     = a share code, see `darts_engine::space::code`
//! ```
//!
//! Numbers are decimal. Errors in a fragment are reported and otherwise ignored; none of it is ever run.

mod compared;

pub use compared::{ComparedCells, MAX_COMPARED, published_title};

use crate::{
    cells::Cells,
    settings::{IntegerSetting, Settings, excerpt},
};

/// Drawing of the cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CellView {
    /// The ops that the derived cell keeps.
    #[default]
    Derived,
    /// Every edge with all its ops.
    Relaxed,
}

/// Quantity of the heatmaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeatView {
    /// The softmax over the ops of each edge.
    #[default]
    Weights,
    /// The alphas as they are.
    Alphas,
    /// Change of each softmax weight since before the first step.
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

/// State of the view, besides the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewState {
    /// Drawing of the cells.
    pub cells: CellView,
    /// Quantity of the heatmaps.
    pub heat: HeatView,
    /// The moment shown, in steps done; `None` is the latest.
    pub at: Option<usize>,
    /// Cells shown without a search.
    pub cell: Option<Cells>,
    /// Cells compared.
    pub compared: Vec<ComparedCells>,
}

/// The meaning of a fragment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShareLink {
    /// The settings.
    pub settings: Settings,
    /// State of the view.
    pub view: ViewState,
}

fn named<T: Copy>(key: &str, value: &str, all: &[(T, &str)]) -> Result<T, String> {
    all.iter().find(|(_, name)| *name == value).map(|(one, _)| *one).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(_, name)| *name).collect();
        format!("{key} must be one of {}, not \u{201c}{}\u{201d}.", names.join(", "), excerpt(value))
    })
}

impl ShareLink {
    /// The fragment, without `#`.
    pub fn to_fragment(&self) -> String {
        let ViewState { cells, heat, at, cell, compared } = &self.view;
        let mut text = self.settings.to_fragment();
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
        let compared: Vec<String> = compared.iter().filter_map(ComparedCells::code).collect();
        if !compared.is_empty() {
            add("beside", &compared.join(","));
        }
        text
    }

    /// Parses a fragment. Missing or wrong items stay at their defaults; each error is reported in a sentence, at most three
    /// of them.
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
        // The task follows from the cells.
        if let Some(cells) = link.view.cell.as_ref().filter(|cells| cells.task() != link.settings.task) {
            link.settings = Settings::for_task(cells.task());
        }
        problems.truncate(3);
        (link, problems)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let view = &mut self.view;
        match key {
            "view" => view.cells = named(key, value, &CellView::ALL)?,
            "show" => view.heat = named(key, value, &HeatView::ALL)?,
            "at" => view.at = Some(IntegerSetting::AT.parse(value)? as usize),
            "cell" => {
                let cells = Cells::from_code(value);
                view.cell = Some(cells.map_err(|error| format!("cell cannot be read: {error}."))?);
            }
            "beside" => {
                let others: Vec<&str> = value.split(',').collect();
                if others.len() > MAX_COMPARED {
                    return Err(format!("beside names {} cells, but at most {MAX_COMPARED} fit.", others.len()));
                }
                view.compared = others.into_iter().map(ComparedCells::parse).collect::<Result<_, _>>()?;
            }
            _ => self.settings.set(key, value)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cells::Task, import::parse_cells};

    fn published(name: &str) -> Cells {
        Task::CONVOLUTIONAL.published_cells(name).unwrap()
    }

    fn full() -> ShareLink {
        ShareLink {
            settings: Settings { seed: 12, ..Settings::default() },
            view: ViewState {
                cells: CellView::Relaxed,
                heat: HeatView::Change,
                at: Some(1234),
                cell: Some(published("DARTS_V1")),
                compared: vec![
                    ComparedCells::Published("NASNet"),
                    ComparedCells::Random(7),
                    ComparedCells::Given(published("AmoebaNet")),
                ],
            },
        }
    }

    fn recurrent() -> ShareLink {
        let cell = Task::RECURRENT.published_cells("ENAS");
        ShareLink {
            settings: Settings::for_task(Task::RECURRENT),
            view: ViewState {
                at: Some(3),
                compared: cell.iter().cloned().map(ComparedCells::Given).collect(),
                cell,
                ..ViewState::default()
            },
        }
    }

    #[test]
    fn a_fragment_brings_back_all_that_is_looked_at() {
        for link in [ShareLink::default(), full(), recurrent()] {
            let fragment = link.to_fragment();
            assert_eq!(ShareLink::from_fragment(&format!("#{fragment}")), (link, vec![]), "{fragment}");
            assert!(fragment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.,_&=".contains(&b)), "{fragment}");
        }
    }

    /// Fragments as pages wrote them while there were two tasks.
    #[test]
    fn older_fragments_mean_what_they_meant() {
        let old = "data=cifar10&images=2000&channels=8&cells=5&batch=16&epochs=10&lr=0.025&alr=0.003&seed=12&view=relaxed&show=change&at=1234\
            &cell=d1.s1s0i0s1i0s1s0i2.m0m1i2m0m0i2i2a0.b103&beside=NASNet,random.7";
        let (link, problems) = ShareLink::from_fragment(old);
        let compared = vec![ComparedCells::Published("NASNet"), ComparedCells::Random(7)];
        assert_eq!((link.to_fragment().as_str(), problems), (old, vec![]));
        assert_eq!(link, ShareLink { view: ViewState { compared, ..full().view }, ..full() });
        let old = "task=recurrent&text=book&words=500&units=32&bptt=10&batch=16&epochs=10&lr=5&alr=0.01&seed=0&at=3\
            &cell=r1.t0t1r1t3t3r3r4r7r8r8r8-2569ab.781f";
        let (link, problems) = ShareLink::from_fragment(old);
        assert_eq!((link.to_fragment().as_str(), problems), (old, vec![]));
        assert_eq!(link, ShareLink { view: ViewState { compared: vec![], ..recurrent().view }, ..recurrent() });
    }

    #[test]
    fn problems_are_reported() {
        let problems = |fragment: &str| ShareLink::from_fragment(fragment).1.join(" ");
        assert!(
            problems("view=sideways").ends_with("view must be one of derived, relaxed, not \u{201c}sideways\u{201d}.")
        );
        assert!(problems("cell=d1.m0").contains("cell cannot be read: it has 2 parts between points"));
        assert!(problems("beside=NASNet,mine").contains("\u{201c}mine\u{201d} is not a published cell (DARTS_V1, "));
        assert!(problems("beside=ENAS,ENAS,ENAS,ENAS,ENAS,ENAS").contains("beside names 6 cells, but at most 5 fit."));
        assert!(problems("at=-1").contains("at must be a whole number from 0 to "));
        assert!(problems("beside=random.x").contains("seed must be a whole number"));
    }

    /// Whatever is done to a fragment or a pasted text, it is read or refused, and what is read can be drawn.
    #[test]
    fn mutated_fragments_and_texts_are_read_or_refused() {
        let cells = published("AmoebaNet");
        let texts = [
            full().to_fragment(),
            recurrent().to_fragment(),
            cells.code().unwrap(),
            recurrent().view.cell.unwrap().to_python(),
            cells.to_python(),
            serde_json::to_string(&cells.0).unwrap(),
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
            let (link, problems) = ShareLink::from_fragment(&text);
            assert!(problems.len() <= 3 && problems.iter().all(|problem| problem.len() < 400));
            link.settings.search_config().unwrap().check().unwrap();
            for task in Task::all() {
                let compared = link.view.compared.iter().filter_map(|other| other.cells(task));
                for cells in compared.chain(link.view.cell.clone()).chain(parse_cells(&text, task).ok()) {
                    cells.check().unwrap();
                }
            }
        }
    }
}
