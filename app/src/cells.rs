//! Search spaces as the page shows them: thin wrappers of the engine's spaces, alphas and genotypes, which find the parts of a
//! kind of cell. All of it follows from the engine's [`SpaceSpec`](darts_engine::space::SpaceSpec)s and from tables by name,
//! with a fallback for ops that are not in them.

use darts_engine::{
    intervention::{AlphaMask, Intervention},
    space::{
        Alphas, CONVOLUTIONAL, CellName, CellSpec, CodeError, Edge, Genotype, GenotypeError, Op, RECURRENT, SPACES,
        Space,
    },
};

/// Spaces whose networks are language models.
const TEXT_SPACES: [Space; 1] = [RECURRENT];

/// Numbers of the colours of ops. Ops that do the same share a colour.
const COLOURS: [(Op, usize); 12] = [
    (Op::NONE, 0),
    (Op::MAX_POOL_3X3, 1),
    (Op::AVG_POOL_3X3, 2),
    (Op::SKIP_CONNECT, 3),
    (Op::SEP_CONV_3X3, 4),
    (Op::SEP_CONV_5X5, 5),
    (Op::DIL_CONV_3X3, 6),
    (Op::DIL_CONV_5X5, 7),
    (Op::RELU, 1),
    (Op::IDENTITY, 3),
    (Op::TANH, 4),
    (Op::SIGMOID, 7),
];
/// Number of the colour of ops that are no candidates; those of candidates are below it.
const FAINT: usize = 8;

/// Search space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Task(pub Space);

impl Default for Task {
    fn default() -> Self {
        Self::CONVOLUTIONAL
    }
}

impl Task {
    /// Cells of networks for images.
    pub const CONVOLUTIONAL: Self = Self(CONVOLUTIONAL);
    /// The cell of a language model.
    pub const RECURRENT: Self = Self(RECURRENT);

    /// All spaces.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        SPACES.into_iter().map(Self)
    }

    /// Space of that name.
    pub fn named(name: &str) -> Option<Self> {
        Space::named(name).map(Self)
    }

    /// Name in the URL.
    pub const fn name(self) -> &'static str {
        self.0.spec().name
    }

    /// Whether its networks are language models, which learn from a text.
    pub fn of_text(self) -> bool {
        TEXT_SPACES.contains(&self.0)
    }

    /// Its kinds of cell.
    pub fn kinds(self) -> Vec<Kind> {
        (0..self.0.cells.len()).map(|place| Kind { task: self, place }).collect()
    }

    /// Candidate ops of its edges, in the order of a row of alphas.
    pub fn ops(self) -> Vec<AnyOp> {
        Kind { task: self, place: 0 }.ops()
    }

    /// Names of its published cells.
    pub fn published(self) -> impl Iterator<Item = &'static str> + Clone {
        self.0.published_names()
    }

    /// Published cells of that name.
    pub fn published_cells(self, name: &str) -> Option<Cells> {
        self.0.published(name).map(Cells)
    }

    /// First cells that a random search draws with this seed.
    pub fn random_cells(self, seed: u64) -> Option<Cells> {
        Genotype::random(self.0, seed, 1).next().map(Cells)
    }
}

/// Names of the published cells of all spaces, each once.
pub fn published_names() -> Vec<&'static str> {
    let mut names = Vec::new();
    for name in Task::all().flat_map(Task::published) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Published cells of that name, whatever the case and the space.
pub fn published_name(name: &str) -> Option<&'static str> {
    published_names().into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

/// Kind of cell; cells of a kind share their alphas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    task: Task,
    place: usize,
}

impl From<CellName> for Kind {
    fn from(cell: CellName) -> Self {
        Self::named(cell.name()).expect("the name is that of a cell")
    }
}

impl Kind {
    /// Kind of cell of that name.
    pub fn named(name: &str) -> Option<Self> {
        Task::all().find_map(|task| Some(Self { task, place: task.0.cell_index(name)? }))
    }

    /// Specification.
    pub const fn spec(self) -> &'static CellSpec {
        &self.task.0.spec().cells[self.place]
    }

    /// Name in the page's elements and in files.
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// Name in interventions.
    pub const fn cell_name(self) -> CellName {
        CellName::of(self.spec())
    }

    /// Search space.
    pub const fn task(self) -> Task {
        self.task
    }

    /// Place among the kinds of its space.
    pub const fn place(self) -> usize {
        self.place
    }

    /// Rows of its alphas.
    pub const fn edge_count(self) -> usize {
        self.spec().edge_count()
    }

    /// Rows of its alphas among those of all kinds.
    pub fn rows(self) -> std::ops::Range<usize> {
        self.task.0.rows_of(self.place)
    }

    /// Nodes of a cell that is searched.
    pub const fn nodes(self) -> usize {
        self.spec().nodes
    }

    /// States before the first node, which every node may read.
    pub const fn inputs(self) -> usize {
        self.spec().inputs.len()
    }

    /// Edges that a derived cell keeps for each node.
    pub const fn kept_a_node(self) -> usize {
        self.spec().kept_edges
    }

    /// Candidate ops of an edge.
    pub const fn op_count(self) -> usize {
        self.spec().candidates.len()
    }

    /// Candidate ops of an edge, in the order of a row of alphas.
    pub fn ops(self) -> Vec<AnyOp> {
        self.spec().candidates.iter().map(|&op| AnyOp { op, kind: self }).collect()
    }

    /// Row of alphas of the edge from `state` to `node`, both from 0; for nodes beyond a search's, the row that there would
    /// be.
    pub const fn edge_index(self, state: usize, node: usize) -> usize {
        self.spec().edge_index(state, node)
    }

    /// Edges in the order of the rows of alphas.
    pub fn edges(self) -> Vec<Edge> {
        self.spec().edges().collect()
    }

    /// Whether cells have so many nodes that they are drawn from top to bottom only.
    pub const fn is_deep(self) -> bool {
        self.nodes() > 6
    }
}

/// Op of a kind of cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnyOp {
    /// The op.
    pub op: Op,
    /// Kind of cell.
    pub kind: Kind,
}

impl AnyOp {
    /// Name in genotypes and logs.
    pub const fn name(self) -> &'static str {
        self.op.name()
    }

    /// Column in the alphas; the one after the last for ops that no search has.
    pub fn index(self) -> usize {
        self.kind.spec().op_index(self.op).unwrap_or(self.kind.op_count())
    }

    /// Number of its colour. Ops that do the same share a colour.
    pub fn colour(self) -> usize {
        let known = COLOURS.iter().find(|(op, _)| *op == self.op).map(|(_, colour)| *colour);
        let column = self.kind.spec().op_index(self.op);
        known.or(column.map(|column| column % FAINT)).unwrap_or(FAINT)
    }

    /// Whether it passes its input on as it is.
    pub fn skips(self) -> bool {
        self.op == self.kind.spec().identity
    }
}

/// Alphas of a search, or numbers of their shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrices(pub Alphas);

impl Matrices {
    /// Search space.
    pub fn task(&self) -> Task {
        Task(self.0.space())
    }

    /// Matrix of a kind of cell; no rows where the search has no such cell.
    pub fn of(&self, kind: Kind) -> &[Vec<f32>] {
        if kind.task == self.task() { self.0.of(kind.place) } else { &[] }
    }

    /// Entry, if there is one.
    pub fn at(&self, kind: Kind, row: usize, op: usize) -> Option<f32> {
        self.of(kind).get(row)?.get(op).copied()
    }

    /// All rows, those of the first kind of cell first.
    pub fn rows(&self) -> impl Iterator<Item = &Vec<f32>> {
        self.0.rows().iter()
    }

    /// Op weights: the softmax of each row (equation 2).
    pub fn softmax(&self) -> Self {
        Self(self.0.softmax())
    }

    /// Each entry less that of others of the same space.
    pub fn less(&self, other: &Self) -> Self {
        if self.task() == other.task() { Self(self.0.minus(&other.0)) } else { self.clone() }
    }

    /// Applies an intervention; one that cannot be made changes nothing.
    pub fn intervene(&mut self, intervention: Intervention, mask: &mut AlphaMask) {
        if let Ok(alphas) = intervention.apply(&self.0, mask) {
            self.0 = alphas;
        }
    }

    /// Cells that would be derived (section 2.4).
    pub fn cells(&self) -> Cells {
        Cells(self.0.genotype())
    }
}

/// Op that a derived cell keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Op.
    pub op: AnyOp,
    /// Row of the alphas that it comes from; for nodes beyond a search's, the row that there would be.
    pub edge: usize,
    /// State that it reads.
    pub state: usize,
    /// Node that it is part of, from 0.
    pub node: usize,
}

/// Derived cells, one of each kind of their space.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cells(pub Genotype);

impl Cells {
    /// Search space.
    pub fn task(&self) -> Task {
        Task(self.0.space())
    }

    /// Ops kept, node by node; those of a node in the order of the genotype.
    pub fn kept(&self, kind: Kind) -> Vec<Kept> {
        if kind.task != self.task() {
            return Vec::new();
        }
        let edges = self.0.edges(kind.place).map(|edge| Kept {
            op: AnyOp { op: edge.op, kind },
            edge: kind.edge_index(edge.state, edge.node),
            state: edge.state,
            node: edge.node,
        });
        edges.collect()
    }

    /// States that make the output.
    pub fn output(&self, kind: Kind) -> &[usize] {
        if kind.task == self.task() { &self.0.cells()[kind.place].concat } else { &[] }
    }

    /// Whether these are the same cells, whatever the order of a node's ops.
    pub fn same(&self, other: &Self) -> bool {
        self.0.same_cells(&other.0)
    }

    /// Ops that pass their input on as it is, in each kind of cell.
    pub fn skips(&self) -> Vec<usize> {
        let count = |kind: Kind| self.kept(kind).iter().filter(|kept| kept.op.skips()).count();
        self.task().kinds().into_iter().map(count).collect()
    }

    /// Checks that they can be built.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self) -> Result<(), GenotypeError> {
        self.0.check()
    }

    /// Share code.
    pub fn code(&self) -> Option<String> {
        self.0.code().ok()
    }

    /// Cells of a share code of any space.
    ///
    /// # Errors
    /// The text is no code, or names cells that cannot be built.
    pub fn from_code(text: &str) -> Result<Self, CodeError> {
        Genotype::from_code(text).map(Self)
    }

    /// JSON of the authors' implementation.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.0).unwrap_or_default() + "\n"
    }

    /// Python of the authors' implementation.
    pub fn to_python(&self) -> String {
        self.0.to_python()
    }

    /// Graphviz document.
    pub fn dot(&self) -> String {
        self.0.dot()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_numbered_as_the_edges_are() {
        for kind in Task::all().flat_map(Task::kinds) {
            let edges = kind.edges();
            assert_eq!((edges.len(), kind.rows().len()), (kind.edge_count(), kind.edge_count()));
            assert_eq!(edges.last().unwrap().node + 1, kind.nodes());
            for (row, edge) in edges.iter().enumerate() {
                assert_eq!(kind.edge_index(edge.state, edge.node), row);
            }
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert_eq!(Kind::from(kind.cell_name()), kind);
        }
    }

    #[test]
    fn cells_of_any_space_are_passed_on_and_compared() {
        for task in Task::all() {
            for name in task.published() {
                let cells = task.published_cells(name).unwrap();
                assert_eq!((cells.task(), cells.check()), (task, Ok(())));
                assert_eq!(Cells::from_code(&cells.code().unwrap()), Ok(cells.clone()));
                assert!(cells.same(&cells) && !cells.same(&task.random_cells(1).unwrap()));
                for kind in task.kinds() {
                    assert!(!cells.kept(kind).is_empty() && !cells.output(kind).is_empty());
                }
            }
        }
        let [v1, v2] = ["DARTS_V1", "DARTS_V2"].map(|name| Task::RECURRENT.published_cells(name).unwrap());
        assert_eq!((v1.skips(), v2.skips()), (vec![1], vec![1]));
        assert!(Cells::from_code("r1.x0.0000").unwrap_err().to_string().contains("its check is 0000"));
        assert_eq!(published_names(), ["DARTS_V1", "DARTS_V2", "NASNet", "AmoebaNet", "PNASNet", "ENAS"]);
    }

    #[test]
    fn ops_of_the_same_effect_have_the_same_colour() {
        let colours = |task: Task| task.ops().into_iter().map(AnyOp::colour).collect::<Vec<_>>();
        assert_eq!(colours(Task::CONVOLUTIONAL), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(colours(Task::RECURRENT), [0, 4, 1, 7, 3]);
        let seven = AnyOp { op: Op::SEP_CONV_7X7, kind: Kind::named("normal").unwrap() };
        assert_eq!((seven.index(), seven.colour()), (8, FAINT));
        let [normal, recurrent] = ["normal", "recurrent"].map(|name| Kind::named(name).unwrap());
        assert!(recurrent.is_deep() && !normal.is_deep());
    }
}
