use super::{Edge, Genotype, Op};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
};

/// Search space as data: its kinds of cell, what a cell is made of, and how one is derived.
///
/// A space is a file with one of these in it, and a line in [`SPACES`](super::SPACES). Alphas, genotypes, derivation, share
/// codes, Python text and drawings follow from it.
#[derive(Debug)]
pub struct SpaceSpec {
    /// Name in commands, logs and links.
    pub name: &'static str,
    /// Kinds of cell, in the order of their alphas. Cells of a kind share their alphas.
    pub cells: &'static [CellSpec],
    /// Letter that share codes begin with; the version of the code follows.
    pub code: char,
    /// Letter of each op in share codes.
    pub code_letters: &'static [(char, Op)],
    /// Published cells.
    pub published: &'static [PublishedCells],
}

/// Kind of cell, as data.
#[derive(Debug)]
pub struct CellSpec {
    /// Name in genotypes and logs, for example `normal`; unique among all spaces.
    pub name: &'static str,
    /// Name in sentences, for example `reduction cell`.
    pub title: &'static str,
    /// Names of the states before the first node. Every node may read them.
    pub inputs: &'static [&'static str],
    /// Sources of the only input, in drawings: identifier and label.
    pub sources: &'static [(&'static str, &'static str)],
    /// Label of the output in drawings.
    pub output_label: &'static str,
    /// Number of the first node in names and messages.
    pub first_node: usize,
    /// Nodes of a cell that is searched. Each reads the inputs and all nodes before it.
    pub nodes: usize,
    /// Most nodes that a cell may have, so that one digit of base 36 names any of its states.
    pub max_nodes: usize,
    /// Candidate ops of every edge, in the order of a row of alphas.
    pub candidates: &'static [Op],
    /// Ops that published cells have and no search.
    pub other_ops: &'static [Op],
    /// Edges that derivation keeps for each node (section 2.4): those whose strongest op other than zero is strongest.
    pub kept_edges: usize,
    /// How nodes make the output.
    pub output: Output,
    /// Whether the output may name an input.
    pub input_in_output: bool,
    /// Op that passes its input on as it is.
    pub identity: Op,
}

/// How the states that a genotype names make the output of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Concatenated along the channels.
    Concat,
    /// Averaged.
    Mean,
}

/// Published cells of a space: for each kind of cell its ops, each with the state that it reads, and its output.
#[derive(Debug)]
pub struct PublishedCells {
    /// Name.
    pub name: &'static str,
    /// One entry a kind of cell.
    pub cells: &'static [PublishedCell],
}

/// Ops of a published cell, each with the state that it reads, and the states that make its output.
pub type PublishedCell = (&'static [(Op, usize)], &'static [usize]);

impl CellSpec {
    /// Edges of a cell that is searched: node `i` is reached from the inputs and every earlier node.
    pub const fn edge_count(&self) -> usize {
        self.nodes * (self.nodes + 2 * self.inputs.len() - 1) / 2
    }

    /// Row of alphas of the edge from `state` to `node`, both from 0; for nodes beyond a search's, the row that there
    /// would be.
    pub const fn edge_index(&self, state: usize, node: usize) -> usize {
        node * (node + 2 * self.inputs.len() - 1) / 2 + state
    }

    /// Edges in the order of the rows of alphas.
    pub fn edges(&self) -> impl Iterator<Item = Edge> + Clone + use<> {
        let inputs = self.inputs.len();
        (0..self.nodes).flat_map(move |node| (0..node + inputs).map(move |state| Edge { state, node }))
    }

    /// All ops that a cell may have, candidates first.
    pub fn ops(&self) -> impl Iterator<Item = Op> + Clone + use<> {
        self.candidates.iter().chain(self.other_ops).copied()
    }

    /// Column of an op in a row of alphas.
    pub fn op_index(&self, op: Op) -> Option<usize> {
        self.candidates.iter().position(|&candidate| candidate == op)
    }

    /// Name of a state: an input's, or `node` and its number.
    pub fn state_name(&self, state: usize) -> String {
        match self.inputs.get(state) {
            Some(name) => (*name).to_owned(),
            None => format!("node {}", self.node_number(state - self.inputs.len())),
        }
    }

    /// Number of a node, from 0, in names and messages.
    pub const fn node_number(&self, node: usize) -> usize {
        node + self.first_node
    }

    /// States of all nodes of a cell of so many.
    pub const fn node_states(&self, nodes: usize) -> std::ops::Range<usize> {
        self.inputs.len()..self.inputs.len() + nodes
    }
}

/// Search space: a [`SpaceSpec`] that lives as long as the program.
#[derive(Clone, Copy)]
pub struct Space(pub(super) &'static SpaceSpec);

impl Deref for Space {
    type Target = SpaceSpec;

    fn deref(&self) -> &SpaceSpec {
        self.0
    }
}

impl Space {
    /// The specification.
    pub const fn spec(self) -> &'static SpaceSpec {
        self.0
    }

    /// Space of that name.
    pub fn named(name: &str) -> Option<Self> {
        super::SPACES.into_iter().find(|space| space.name == name)
    }

    /// Place of the kind of cell of that name.
    pub fn cell_index(self, name: &str) -> Option<usize> {
        self.0.cells.iter().position(|cell| cell.name == name)
    }

    /// Ops of all kinds of cell, each once.
    pub fn ops(self) -> impl Iterator<Item = Op> + Clone + use<> {
        let cells = self.0.cells;
        cells.iter().enumerate().flat_map(move |(i, cell)| {
            cell.ops().filter(move |op| cells[..i].iter().all(|before| before.ops().all(|known| known != *op)))
        })
    }

    /// Rows of alphas: an edge of each kind of cell a row.
    pub fn rows(self) -> usize {
        self.0.cells.iter().map(CellSpec::edge_count).sum()
    }

    /// Shape of the alphas as one matrix: an edge of each kind of cell a row, an op a column.
    pub fn alpha_shape(self) -> [usize; 2] {
        [self.rows(), self.0.cells[0].candidates.len()]
    }

    /// Rows of alphas of a kind of cell.
    pub fn rows_of(self, cell: usize) -> std::ops::Range<usize> {
        let first = self.0.cells[..cell].iter().map(CellSpec::edge_count).sum();
        first..first + self.0.cells[cell].edge_count()
    }

    /// Names of the published cells.
    pub fn published_names(self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        self.0.published.iter().map(|cells| cells.name)
    }

    /// Published cells by name, whatever the case.
    pub fn published(self, name: &str) -> Option<Genotype> {
        let known = self.0.published.iter().find(|cells| cells.name.eq_ignore_ascii_case(name))?;
        Some(Genotype::new(self, known.cells.iter().map(|&(ops, output)| (ops.to_vec(), output.to_vec()))))
    }
}

impl PartialEq for Space {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Space {}

impl Hash for Space {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.name)
    }
}

impl Serialize for Space {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for Space {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| D::Error::custom(format!("unknown search space {name:?}")))
    }
}

/// Name of a kind of cell of any space, for example `normal`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CellName(&'static str);

impl CellName {
    /// Name of a kind of cell.
    pub const fn of(cell: &'static CellSpec) -> Self {
        Self(cell.name)
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for CellName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for CellName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl Serialize for CellName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for CellName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let mut cells = super::SPACES.iter().flat_map(|space| space.spec().cells);
        cells.find(|cell| cell.name == name).map(Self::of).ok_or_else(|| {
            let known: Vec<_> = super::SPACES.iter().flat_map(|space| space.spec().cells).map(|c| c.name).collect();
            D::Error::custom(format!("unknown cell {name:?} (known: {})", known.join(", ")))
        })
    }
}
