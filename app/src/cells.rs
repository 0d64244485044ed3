//! What a search of either task has, as the page shows it: kinds of cell with their edges and ops, alphas, derived cells.

use darts_engine::intervention::{Held, OpName, SteeredCell, Steering};
use darts_engine::space::{
    Alphas, CellKind, EDGES, Edge, Genotype, NODES, Op, PUBLISHED, PUBLISHED_RECURRENT, RECURRENT_EDGES,
    RECURRENT_NODES, RecurrentAlphas, RecurrentGenotype, RecurrentOp, code, edges, published, published_recurrent,
};

/// What is searched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Task {
    /// The cells of a network that tells what images show.
    #[default]
    Convolutional,
    /// The cell of a language model.
    Recurrent,
}

impl Task {
    /// All of them, with their names in the URL.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Convolutional, "convolutional"), (Self::Recurrent, "recurrent")];

    /// The kinds of cell that it has.
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Convolutional => &[Kind::Normal, Kind::Reduce],
            Self::Recurrent => &[Kind::Recurrent],
        }
    }

    /// The candidate ops of its edges, in the order of an alpha row.
    pub fn ops(self) -> Vec<AnyOp> {
        match self {
            Self::Convolutional => Op::CANDIDATES.map(AnyOp::Convolutional).to_vec(),
            Self::Recurrent => RecurrentOp::CANDIDATES.map(AnyOp::Recurrent).to_vec(),
        }
    }

    /// Names of its published cells.
    pub const fn published(self) -> &'static [&'static str] {
        match self {
            Self::Convolutional => &PUBLISHED,
            Self::Recurrent => &PUBLISHED_RECURRENT,
        }
    }

    /// A published cell of that name.
    pub fn published_cells(self, name: &str) -> Option<Cells> {
        match self {
            Self::Convolutional => published(name).map(Cells::Convolutional),
            Self::Recurrent => published_recurrent(name).map(Cells::Recurrent),
        }
    }

    /// The first cells that a random search draws with this seed.
    pub fn random_cells(self, seed: u64) -> Option<Cells> {
        match self {
            Self::Convolutional => Genotype::random(seed, 1).next().map(Cells::Convolutional),
            Self::Recurrent => RecurrentGenotype::random(seed, 1).next().map(Cells::Recurrent),
        }
    }
}

/// A kind of cell; cells of a kind share their alphas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The convolutional cell that keeps height and width.
    Normal,
    /// The convolutional cell that halves them.
    Reduce,
    /// The cell of a language model.
    Recurrent,
}

impl From<SteeredCell> for Kind {
    fn from(cell: SteeredCell) -> Self {
        match cell {
            SteeredCell::Normal => Self::Normal,
            SteeredCell::Reduce => Self::Reduce,
            SteeredCell::Recurrent => Self::Recurrent,
        }
    }
}

impl Kind {
    /// Its name in the page's elements and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Reduce => "reduce",
            Self::Recurrent => "recurrent",
        }
    }

    /// What it belongs to.
    pub const fn task(self) -> Task {
        match self {
            Self::Normal | Self::Reduce => Task::Convolutional,
            Self::Recurrent => Task::Recurrent,
        }
    }

    /// Its name in the engine, where it is convolutional.
    pub const fn convolutional(self) -> Option<CellKind> {
        match self {
            Self::Normal => Some(CellKind::Normal),
            Self::Reduce => Some(CellKind::Reduce),
            Self::Recurrent => None,
        }
    }

    /// Its name in changes of a search.
    pub const fn steered(self) -> SteeredCell {
        match self {
            Self::Normal => SteeredCell::Normal,
            Self::Reduce => SteeredCell::Reduce,
            Self::Recurrent => SteeredCell::Recurrent,
        }
    }

    /// Its place among those of its task.
    pub const fn place(self) -> usize {
        match self {
            Self::Normal | Self::Recurrent => 0,
            Self::Reduce => 1,
        }
    }

    /// Rows of its alphas.
    pub const fn edge_count(self) -> usize {
        match self {
            Self::Normal | Self::Reduce => EDGES,
            Self::Recurrent => RECURRENT_EDGES,
        }
    }

    /// Nodes of a cell that is searched.
    pub const fn nodes(self) -> usize {
        match self {
            Self::Normal | Self::Reduce => NODES,
            Self::Recurrent => RECURRENT_NODES,
        }
    }

    /// States before the first node: those that a node can read anyway.
    pub const fn inputs(self) -> usize {
        match self {
            Self::Normal | Self::Reduce => 2,
            Self::Recurrent => 1,
        }
    }

    /// Edges that a derived cell keeps for each node.
    pub const fn kept_a_node(self) -> usize {
        self.inputs()
    }

    /// Ops of an edge.
    pub const fn op_count(self) -> usize {
        match self {
            Self::Normal | Self::Reduce => Op::CANDIDATES.len(),
            Self::Recurrent => RecurrentOp::CANDIDATES.len(),
        }
    }

    /// The row of the alphas for the edge from `state` to `node`, both from 0; for nodes beyond a search's, the row that
    /// there would be.
    pub const fn edge_index(self, state: usize, node: usize) -> usize {
        node * (node + 2 * self.inputs() - 1) / 2 + state
    }

    /// Its edges in the order of the rows of its alphas.
    pub fn edges(self) -> Vec<Edge> {
        match self {
            Self::Normal | Self::Reduce => edges().collect(),
            Self::Recurrent => {
                (0..RECURRENT_NODES).flat_map(|node| (0..=node).map(move |state| Edge { state, node })).collect()
            }
        }
    }
}

/// An op of either task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyOp {
    /// On an edge of a convolutional cell.
    Convolutional(Op),
    /// On an edge of a recurrent cell.
    Recurrent(RecurrentOp),
}

impl AnyOp {
    /// The name that the authors' implementation uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Convolutional(op) => op.name(),
            Self::Recurrent(op) => op.name(),
        }
    }

    /// Its place in an alpha row; that after the last for ops that no search has.
    pub fn index(self) -> usize {
        let found = match self {
            Self::Convolutional(op) => Op::CANDIDATES.iter().position(|&candidate| candidate == op),
            Self::Recurrent(op) => RecurrentOp::CANDIDATES.iter().position(|&candidate| candidate == op),
        };
        found.unwrap_or(Op::CANDIDATES.len())
    }

    /// Its name in changes of a search.
    pub fn steered(self) -> OpName {
        match self {
            Self::Convolutional(op) => op.into(),
            Self::Recurrent(op) => op.into(),
        }
    }

    /// The number of its colour. Ops that do the same have the same one.
    pub fn colour(self) -> usize {
        match self {
            Self::Convolutional(_) => self.index(),
            Self::Recurrent(RecurrentOp::None) => 0,
            Self::Recurrent(RecurrentOp::Tanh) => 4,
            Self::Recurrent(RecurrentOp::Relu) => 1,
            Self::Recurrent(RecurrentOp::Sigmoid) => 7,
            Self::Recurrent(RecurrentOp::Identity) => 3,
        }
    }

    /// Whether it passes its input on as it is.
    pub const fn skips(self) -> bool {
        matches!(self, Self::Convolutional(Op::SkipConnect) | Self::Recurrent(RecurrentOp::Identity))
    }
}

/// The alphas of a search, or numbers of their shape.
#[derive(Clone, Debug, PartialEq)]
pub enum Matrices {
    /// Of normal and reduction cells.
    Convolutional(Alphas),
    /// Of a recurrent cell.
    Recurrent(RecurrentAlphas),
}

impl Matrices {
    /// What they belong to.
    pub const fn task(&self) -> Task {
        match self {
            Self::Convolutional(_) => Task::Convolutional,
            Self::Recurrent(_) => Task::Recurrent,
        }
    }

    /// The matrix of a kind of cell; no rows where the search has no such cell.
    pub fn of(&self, kind: Kind) -> &[Vec<f32>] {
        match (self, kind.convolutional()) {
            (Self::Convolutional(alphas), Some(kind)) => alphas.of(kind),
            (Self::Recurrent(alphas), None) => &alphas.rows,
            _ => &[],
        }
    }

    /// An entry, where there is one.
    pub fn at(&self, kind: Kind, row: usize, op: usize) -> Option<f32> {
        self.of(kind).get(row)?.get(op).copied()
    }

    /// All rows, those of the first kind of cell first.
    pub fn rows(&self) -> impl Iterator<Item = &Vec<f32>> {
        self.task().kinds().iter().flat_map(|&kind| self.of(kind))
    }

    /// The softmax of each row (equation 2).
    pub fn softmax(&self) -> Self {
        match self {
            Self::Convolutional(alphas) => Self::Convolutional(alphas.softmax()),
            Self::Recurrent(alphas) => Self::Recurrent(alphas.softmax()),
        }
    }

    /// Each entry less that of others of the same shape.
    pub fn less(&self, other: &Self) -> Self {
        let values = |a: Vec<f32>, b: Vec<f32>| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>();
        match (self, other) {
            (Self::Convolutional(a), Self::Convolutional(b)) => {
                Self::Convolutional(Alphas::from_flat(&values(a.to_flat(), b.to_flat())))
            }
            (Self::Recurrent(a), Self::Recurrent(b)) => {
                Self::Recurrent(RecurrentAlphas::from_flat(&values(a.to_flat(), b.to_flat())))
            }
            _ => self.clone(),
        }
    }

    /// Makes a change to them; one that makes no sense changes nothing.
    pub fn steer(&mut self, change: Steering, held: &mut Held) {
        match self {
            Self::Convolutional(alphas) => *alphas = change.apply(alphas, held).unwrap_or_else(|_| alphas.clone()),
            Self::Recurrent(alphas) => *alphas = change.apply(alphas, held).unwrap_or_else(|_| alphas.clone()),
        }
    }

    /// The cells that would be derived (section 2.4).
    pub fn cells(&self) -> Cells {
        match self {
            Self::Convolutional(alphas) => Cells::Convolutional(alphas.genotype()),
            Self::Recurrent(alphas) => Cells::Recurrent(alphas.genotype()),
        }
    }
}

/// An op that a derived cell keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The op.
    pub op: AnyOp,
    /// The row of the alphas that it comes from; for nodes beyond a search's, the row that there would be.
    pub edge: usize,
    /// The state that it reads.
    pub state: usize,
    /// The node that it is part of, from 0.
    pub node: usize,
}

/// Derived cells of either task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cells {
    /// A normal and a reduction cell.
    Convolutional(Genotype),
    /// A recurrent cell.
    Recurrent(RecurrentGenotype),
}

impl Cells {
    /// What they belong to.
    pub const fn task(&self) -> Task {
        match self {
            Self::Convolutional(_) => Task::Convolutional,
            Self::Recurrent(_) => Task::Recurrent,
        }
    }

    /// The ops kept, node by node; those of a node in the order of the genotype.
    pub fn kept(&self, kind: Kind) -> Vec<Kept> {
        let kept = |i: usize, op: AnyOp, state: usize| {
            let node = i / kind.kept_a_node();
            Kept { op, edge: kind.edge_index(state, node), state, node }
        };
        match (self, kind.convolutional()) {
            (Self::Convolutional(genotype), Some(of)) => {
                let (ops, _) = genotype.of(of);
                ops.iter().enumerate().map(|(i, &(op, state))| kept(i, AnyOp::Convolutional(op), state)).collect()
            }
            (Self::Recurrent(genotype), None) => {
                let ops = genotype.recurrent.iter().enumerate();
                ops.map(|(i, &(op, state))| kept(i, AnyOp::Recurrent(op), state)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// States that make the output.
    pub fn output(&self, kind: Kind) -> &[usize] {
        match (self, kind.convolutional()) {
            (Self::Convolutional(genotype), Some(kind)) => genotype.of(kind).1,
            (Self::Recurrent(genotype), None) => &genotype.concat,
            _ => &[],
        }
    }

    /// Whether these are the same cells, whatever the order of a node's ops.
    pub fn same(&self, other: &Self) -> bool {
        let sorted = |cells: &Self, kind| {
            let mut kept = cells.kept(kind);
            kept.sort_by_key(|kept| (kept.node, kept.state, kept.op.index()));
            kept
        };
        self.task() == other.task() && self.task().kinds().iter().all(|&kind| sorted(self, kind) == sorted(other, kind))
    }

    /// Ops that pass their input on as it is, in each kind of cell.
    pub fn skips(&self) -> Vec<usize> {
        let count = |kind: &Kind| self.kept(*kind).iter().filter(|kept| kept.op.skips()).count();
        self.task().kinds().iter().map(count).collect()
    }

    /// Whether they can be built.
    ///
    /// # Errors
    /// A sentence without its stop: the first thing found wrong.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Convolutional(genotype) => genotype.check().map_err(|error| error.to_string()),
            Self::Recurrent(genotype) => genotype.check().map_err(|error| error.to_string()),
        }
    }

    /// The share code.
    pub fn code(&self) -> Option<String> {
        match self {
            Self::Convolutional(genotype) => genotype.code().ok(),
            Self::Recurrent(genotype) => genotype.code().ok(),
        }
    }

    /// The cells of a share code of either task.
    ///
    /// # Errors
    /// A sentence without its stop that says what is wrong.
    pub fn from_code(text: &str) -> Result<Self, String> {
        if code::looks_like_recurrent_code(text) {
            return RecurrentGenotype::from_code(text).map(Self::Recurrent).map_err(|error| error.to_string());
        }
        Genotype::from_code(text).map(Self::Convolutional).map_err(|error| error.to_string())
    }

    /// The cells in the JSON of the authors' implementation.
    pub fn to_json(&self) -> String {
        let json = match self {
            Self::Convolutional(genotype) => serde_json::to_string_pretty(genotype),
            Self::Recurrent(genotype) => serde_json::to_string_pretty(genotype),
        };
        json.unwrap_or_default() + "\n"
    }

    /// The cells in the Python that people pass on.
    pub fn to_python(&self) -> String {
        match self {
            Self::Convolutional(genotype) => genotype.to_python(),
            Self::Recurrent(genotype) => genotype.to_python(),
        }
    }

    /// The cells as a Graphviz document.
    pub fn dot(&self) -> String {
        match self {
            Self::Convolutional(genotype) => genotype.dot(),
            Self::Recurrent(genotype) => genotype.dot(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_numbered_as_the_edges_are() {
        for kind in [Kind::Normal, Kind::Reduce, Kind::Recurrent] {
            let edges = kind.edges();
            assert_eq!(edges.len(), kind.edge_count());
            assert_eq!(edges.last().unwrap().node + 1, kind.nodes());
            for (row, edge) in edges.iter().enumerate() {
                assert_eq!(kind.edge_index(edge.state, edge.node), row);
            }
        }
    }

    #[test]
    fn cells_of_either_task_are_passed_on_and_compared() {
        for task in [Task::Convolutional, Task::Recurrent] {
            for name in task.published() {
                let cells = task.published_cells(name).unwrap();
                assert_eq!((cells.task(), cells.check()), (task, Ok(())));
                assert_eq!(Cells::from_code(&cells.code().unwrap()), Ok(cells.clone()));
                assert!(cells.same(&cells) && !cells.same(&task.random_cells(1).unwrap()));
                for &kind in task.kinds() {
                    assert!(!cells.kept(kind).is_empty() && !cells.output(kind).is_empty());
                }
            }
        }
        let [v1, v2] = ["DARTS_V1", "DARTS_V2"].map(|name| Task::Recurrent.published_cells(name).unwrap());
        assert_eq!((v1.skips(), v2.skips()), (vec![1], vec![1]));
        assert!(Cells::from_code("r1.x0.0000").unwrap_err().contains("its check is 0000"));
    }
}
