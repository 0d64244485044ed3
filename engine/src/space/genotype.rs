use super::{CellKind, CellSpec, Op, SPACES, Space};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};
use std::fmt;

/// Derived architecture: for each kind of cell of the space the ops kept, each with the state that it reads, and the states
/// that make the output.
///
/// Its JSON is that of the authors' implementation: `{"normal": [["sep_conv_3x3", 1], ...], "normal_concat": [2, 3, 4, 5],
/// "reduce": ..., "reduce_concat": ...}`, or `{"recurrent": [["sigmoid", 0], ...], "concat": [1, 2, ...]}` for the one cell
/// of the recurrent space.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Genotype {
    space: Space,
    cells: Vec<DerivedCell>,
}

/// One kind of cell of a genotype.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DerivedCell {
    /// Ops kept, node by node, as many a node as the space keeps, each with the state that it reads.
    pub ops: Vec<(Op, usize)>,
    /// States that make the output.
    pub concat: Vec<usize>,
}

/// Edge of a derived cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptEdge {
    /// Op.
    pub op: Op,
    /// State that it reads.
    pub state: usize,
    /// Node that it is part of, from 0.
    pub node: usize,
}

/// Why cells cannot be built, or cannot have been derived by a search. Messages name cell and node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenotypeError {
    /// Not as many ops as the space keeps for each node.
    #[error("{cell} cell: {found} ops, expected {} for each node", if *expected == 1 { "one" } else { "two" })]
    OpCount {
        /// Kind of cell.
        cell: &'static str,
        /// Entries found.
        found: usize,
        /// Ops of a node.
        expected: usize,
    },
    /// More nodes than any cell has.
    #[error("{cell} cell: {found} nodes, the most is {max}")]
    Nodes {
        /// Kind of cell.
        cell: &'static str,
        /// Nodes found.
        found: usize,
        /// Most nodes of such a cell.
        max: usize,
    },
    /// A node reads a state that does not exist yet.
    #[error("{cell} cell, node {node}: reads state {state}, which comes after it")]
    Future {
        /// Kind of cell.
        cell: &'static str,
        /// Number of the node.
        node: usize,
        /// State it names.
        state: usize,
    },
    /// The zero op was kept.
    #[error("{cell} cell, node {node}: the zero op cannot be part of a derived cell")]
    Zero {
        /// Kind of cell.
        cell: &'static str,
        /// Number of the node.
        node: usize,
    },
    /// An op of another space.
    #[error("{cell} cell, node {node}: {op} is no op of such a cell")]
    Op {
        /// Kind of cell.
        cell: &'static str,
        /// Number of the node.
        node: usize,
        /// Op.
        op: Op,
    },
    /// The output names a state that the cell does not have.
    #[error("{cell} cell: its output names state {state}, the last is {last}")]
    Concat {
        /// Kind of cell.
        cell: &'static str,
        /// State named.
        state: usize,
        /// Last state of the cell.
        last: usize,
    },
    /// The output names a state twice.
    #[error("{cell} cell: its output names state {state} twice")]
    Twice {
        /// Kind of cell.
        cell: &'static str,
        /// State named.
        state: usize,
    },
    /// The output names an input that cannot be part of it.
    #[error("{cell} cell: its output names state {state}, an input, which is larger than the nodes")]
    Input {
        /// Kind of cell.
        cell: &'static str,
        /// State named.
        state: usize,
    },
    /// The output is empty.
    #[error("{cell} cell: its output is empty")]
    EmptyConcat {
        /// Kind of cell.
        cell: &'static str,
    },
    /// No search derives a cell of so many nodes.
    #[error("{cell} cell: {found} nodes, a search derives {expected}")]
    SearchNodes {
        /// Kind of cell.
        cell: &'static str,
        /// Nodes found.
        found: usize,
        /// Nodes of a cell that is searched.
        expected: usize,
    },
    /// No search derives a cell with an op that is no candidate.
    #[error("{cell} cell, node {node}: {op} is no candidate of a search")]
    SearchOp {
        /// Kind of cell.
        cell: &'static str,
        /// Number of the node.
        node: usize,
        /// Op.
        op: Op,
    },
    /// No search derives a node that reads one state by two ops.
    #[error("{cell} cell, node {node}: both ops read state {state}, a search derives two states")]
    SearchState {
        /// Kind of cell.
        cell: &'static str,
        /// Number of the node.
        node: usize,
        /// State.
        state: usize,
    },
    /// No search derives a cell whose output is not that of all nodes.
    #[error("{cell} cell: its output leaves out nodes, a search derives one that has all of them in order")]
    SearchConcat {
        /// Kind of cell.
        cell: &'static str,
    },
}

impl Genotype {
    /// Cells of a space from the ops and the output of each kind. They are not checked.
    pub fn new(space: Space, cells: impl IntoIterator<Item = (Vec<(Op, usize)>, Vec<usize>)>) -> Self {
        Self { space, cells: cells.into_iter().map(|(ops, concat)| DerivedCell { ops, concat }).collect() }
    }

    /// The search space.
    pub fn space(&self) -> Space {
        self.space
    }

    /// Each kind of cell, in the order of the space.
    pub fn cells(&self) -> &[DerivedCell] {
        &self.cells
    }

    /// Replaces the cells, one for each kind of the space.
    pub(super) fn set_cells(&mut self, cells: Vec<DerivedCell>) {
        self.cells = cells;
    }

    /// Each kind of cell, to be changed.
    pub fn cells_mut(&mut self) -> &mut [DerivedCell] {
        &mut self.cells
    }

    /// Ops of one kind of convolutional cell, and the states whose concatenation is its output.
    pub fn of(&self, kind: CellKind) -> (&[(Op, usize)], &[usize]) {
        let DerivedCell { ops, concat } = &self.cells[kind.place()];
        (ops, concat)
    }

    /// Nodes of a kind of cell.
    pub fn nodes(&self, cell: usize) -> usize {
        self.cells[cell].ops.len() / self.space.cells[cell].kept_edges
    }

    /// Edges of a kind of cell, node by node; those of a node in the order of the genotype.
    pub fn edges(&self, cell: usize) -> impl Iterator<Item = KeptEdge> {
        let kept = self.space.cells[cell].kept_edges;
        self.cells[cell].ops.iter().enumerate().map(move |(i, &(op, state))| KeptEdge { op, state, node: i / kept })
    }

    /// Kinds of cell with their specifications.
    fn specs(&self) -> impl Iterator<Item = (&'static CellSpec, &DerivedCell)> {
        self.space.spec().cells.iter().zip(&self.cells)
    }

    /// Checks that the cells can be built: as many ops a node as the space keeps, each reading an earlier state, none zero;
    /// an output of states that the cell has, each once. A node may read one state by two ops, as nodes of NASNet and
    /// AmoebaNet do.
    ///
    /// # Errors
    /// The first fault found, with cell and node.
    pub fn check(&self) -> Result<(), GenotypeError> {
        self.specs().try_for_each(|(spec, cell)| cell.check(spec))
    }

    /// Checks that a search could have derived the cells (section 2.4): beyond [`Genotype::check`], as many nodes as are
    /// searched, candidates only, distinct states a node, all nodes in the output.
    ///
    /// # Errors
    /// The first fault found, with cell and node.
    pub fn check_derived(&self) -> Result<(), GenotypeError> {
        self.check()?;
        self.specs().try_for_each(|(spec, cell)| cell.check_derived(spec))
    }

    /// Whether these are the same cells, whatever the order of a node's ops.
    pub fn same_cells(&self, other: &Self) -> bool {
        let sorted = |genotype: &Self, cell| {
            let mut edges: Vec<KeptEdge> = genotype.edges(cell).collect();
            edges.sort_by_key(|edge| (edge.node, edge.state, edge.op));
            edges
        };
        self.space == other.space && (0..self.cells.len()).all(|cell| sorted(self, cell) == sorted(other, cell))
    }
}

impl DerivedCell {
    fn check(&self, spec: &'static CellSpec) -> Result<(), GenotypeError> {
        let (cell, inputs, kept) = (spec.name, spec.inputs.len(), spec.kept_edges);
        let Self { ops, concat } = self;
        if ops.is_empty() || ops.len() % kept != 0 {
            return Err(GenotypeError::OpCount { cell, found: ops.len(), expected: kept });
        }
        let nodes = ops.len() / kept;
        if nodes > spec.max_nodes {
            return Err(GenotypeError::Nodes { cell, found: nodes, max: spec.max_nodes });
        }
        for (i, &(op, state)) in ops.iter().enumerate() {
            let node = spec.node_number(i / kept);
            if state >= i / kept + inputs {
                return Err(GenotypeError::Future { cell, node, state });
            }
            if op == Op::NONE {
                return Err(GenotypeError::Zero { cell, node });
            }
            if spec.ops().all(|known| known != op) {
                return Err(GenotypeError::Op { cell, node, op });
            }
        }
        if concat.is_empty() {
            return Err(GenotypeError::EmptyConcat { cell });
        }
        let last = nodes + inputs - 1;
        for (i, &state) in concat.iter().enumerate() {
            if state > last {
                return Err(GenotypeError::Concat { cell, state, last });
            }
            if concat[..i].contains(&state) {
                return Err(GenotypeError::Twice { cell, state });
            }
            if state < inputs && !spec.input_in_output {
                return Err(GenotypeError::Input { cell, state });
            }
        }
        Ok(())
    }

    fn check_derived(&self, spec: &'static CellSpec) -> Result<(), GenotypeError> {
        let (cell, kept) = (spec.name, spec.kept_edges);
        let nodes = self.ops.len() / kept;
        if nodes != spec.nodes {
            return Err(GenotypeError::SearchNodes { cell, found: nodes, expected: spec.nodes });
        }
        for (node, ops) in self.ops.chunks(kept).enumerate() {
            let node = spec.node_number(node);
            if let Some(&(op, _)) = ops.iter().find(|(op, _)| spec.op_index(*op).is_none()) {
                return Err(GenotypeError::SearchOp { cell, node, op });
            }
            for (i, &(_, state)) in ops.iter().enumerate() {
                if ops[..i].iter().any(|&(_, before)| before == state) {
                    return Err(GenotypeError::SearchState { cell, node, state });
                }
            }
        }
        if !self.concat.iter().copied().eq(spec.node_states(nodes)) {
            return Err(GenotypeError::SearchConcat { cell });
        }
        Ok(())
    }
}

/// Names of the fields of genotypes of a space in JSON and Python: ops, then output, of each kind of cell.
pub(super) fn field_names(space: Space) -> Vec<String> {
    let cells = space.spec().cells;
    let concat = |cell: &CellSpec| match cells.len() {
        1 => "concat".to_owned(),
        _ => format!("{}_concat", cell.name),
    };
    cells.iter().flat_map(|cell| [cell.name.to_owned(), concat(cell)]).collect()
}

/// Space that a genotype in JSON seems to be of: that of its first known field.
pub fn space_of_json(json: &[u8]) -> Option<Space> {
    let genotype: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(json).ok()?;
    genotype.keys().find_map(|field| space_of_field(field))
}

/// Space whose genotypes have a field of that name.
pub(super) fn space_of_field(name: &str) -> Option<Space> {
    SPACES.into_iter().find(|&space| field_names(space).iter().any(|field| field == name))
}

impl Serialize for Genotype {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = field_names(self.space);
        let mut map = serializer.serialize_map(Some(names.len()))?;
        for (names, cell) in names.chunks(2).zip(&self.cells) {
            map.serialize_entry(&names[0], &cell.ops)?;
            map.serialize_entry(&names[1], &cell.concat)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Genotype {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(GenotypeVisitor)
    }
}

struct GenotypeVisitor;

impl<'de> Visitor<'de> for GenotypeVisitor {
    type Value = Genotype;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a genotype")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Genotype, A::Error> {
        let mut space = None;
        let mut ops: Vec<Option<Vec<(Op, usize)>>> = Vec::new();
        let mut concats: Vec<Option<Vec<usize>>> = Vec::new();
        while let Some((known, field)) = map.next_key_seed(Field(space))? {
            space = Some(known);
            ops.resize(known.cells.len(), None);
            concats.resize(known.cells.len(), None);
            let twice = match field % 2 {
                0 => ops[field / 2].replace(map.next_value_seed(Ops(known))?).is_some(),
                _ => concats[field / 2].replace(map.next_value()?).is_some(),
            };
            if twice {
                return Err(A::Error::custom(format!("duplicate field `{}`", field_names(known)[field])));
            }
        }
        let space = space.unwrap_or(super::CONVOLUTIONAL);
        let mut cells = Vec::new();
        let names = field_names(space);
        ops.resize(names.len() / 2, None);
        concats.resize(names.len() / 2, None);
        for (names, (ops, concat)) in names.chunks(2).zip(ops.into_iter().zip(concats)) {
            let missing = |name: &String| A::Error::custom(format!("missing field `{name}`"));
            cells.push((ops.ok_or_else(|| missing(&names[0]))?, concat.ok_or_else(|| missing(&names[1]))?));
        }
        Ok(Genotype::new(space, cells))
    }
}

/// Field of a genotype of a space, of any until one is known: its place among the [names](field_names). An unknown name
/// fails here, so that the reader of the file can report where.
struct Field(Option<Space>);

impl<'de> DeserializeSeed<'de> for Field {
    type Value = (Space, usize);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let name = String::deserialize(deserializer)?;
        let space = self.0.or_else(|| space_of_field(&name)).unwrap_or(super::CONVOLUTIONAL);
        let names = field_names(space);
        let place = names.iter().position(|field| *field == name).ok_or_else(|| {
            let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            D::Error::custom(format!("unknown field `{name}`, expected one of {names}"))
        })?;
        Ok((space, place))
    }
}

/// List of ops of a space, each with a state.
struct Ops(Space);

impl<'de> DeserializeSeed<'de> for Ops {
    type Value = Vec<(Op, usize)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Ops {
    type Value = Vec<(Op, usize)>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list of ops, each with the state that it reads")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut ops = Vec::new();
        while let Some(op) = seq.next_element_seed(KeptOp(self.0))? {
            ops.push(op);
        }
        Ok(ops)
    }
}

/// Op of a space, and the state that it reads.
struct KeptOp(Space);

impl<'de> DeserializeSeed<'de> for KeptOp {
    type Value = (Op, usize);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_tuple(2, self)
    }
}

impl<'de> Visitor<'de> for KeptOp {
    type Value = (Op, usize);

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an op and a state")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let op = seq.next_element_seed(OpName(self.0))?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let state = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
        Ok((op, state))
    }
}

/// Op of a space by its name.
struct OpName(Space);

impl<'de> DeserializeSeed<'de> for OpName {
    type Value = Op;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Op, D::Error> {
        let name = String::deserialize(deserializer)?;
        Op::find(&name, self.0.ops()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{CONVOLUTIONAL, RECURRENT};

    /// Change to a genotype, and the message that it leads to.
    type Case<'a> = (&'a dyn Fn(&mut [DerivedCell]), &'a str);

    fn faults(space: Space, change: impl Fn(&mut [DerivedCell])) -> (String, String) {
        let mut genotype = space.published("DARTS_V2").unwrap();
        change(genotype.cells_mut());
        let text =
            |result: Result<(), GenotypeError>| result.map_or_else(|error| error.to_string(), |()| String::new());
        (text(genotype.check()), text(genotype.check_derived()))
    }

    #[test]
    fn published_cells_are_well_formed_and_survive_json() {
        for space in SPACES {
            for name in space.published_names() {
                let genotype = space.published(&name.to_lowercase()).unwrap();
                genotype.check().unwrap();
                let json = serde_json::to_string(&genotype).unwrap();
                assert_eq!(serde_json::from_str::<Genotype>(&json).unwrap(), genotype);
            }
        }
    }

    #[test]
    fn json_of_no_genotype_is_refused() {
        let refusal = |json: &str| serde_json::from_str::<Genotype>(json).unwrap_err().to_string();
        assert!(refusal("{}").starts_with("missing field `normal`"));
        assert!(refusal(r#"{"concat": [1]}"#).starts_with("missing field `recurrent`"));
        let unknown = refusal(r#"{"recurrent": [], "normal": []}"#);
        assert!(unknown.starts_with("unknown field `normal`, expected one of `recurrent`, `concat`"), "{unknown}");
        let op = refusal(r#"{"recurrent": [["sep_conv_3x3", 0]]}"#);
        assert!(op.starts_with("unknown op \"sep_conv_3x3\" (known: none, tanh, relu, sigmoid, identity)"), "{op}");
        assert!(refusal(r#"{"normal": [], "normal": []}"#).starts_with("duplicate field `normal`"));
    }

    #[test]
    fn cells_that_cannot_be_built_are_named_by_cell_and_node() {
        let cases: [Case; 9] = [
            (&|c| c[0].ops.truncate(7), "normal cell: 7 ops, expected two for each node"),
            (&|c| c[1].ops.clear(), "reduce cell: 0 ops, expected two for each node"),
            (&|c| c[0].ops.resize(70, (Op::SKIP_CONNECT, 0)), "normal cell: 35 nodes, the most is 34"),
            (&|c| c[0].ops[5].1 = 4, "normal cell, node 2: reads state 4, which comes after it"),
            (&|c| c[1].ops[2].0 = Op::NONE, "reduce cell, node 1: the zero op cannot be part of a derived cell"),
            (&|c| c[0].concat.clear(), "normal cell: its output is empty"),
            (&|c| c[1].concat[3] = 6, "reduce cell: its output names state 6, the last is 5"),
            (&|c| c[0].concat[0] = 5, "normal cell: its output names state 5 twice"),
            (
                &|c| c[1].concat[0] = 1,
                "reduce cell: its output names state 1, an input, which is larger than the nodes",
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(faults(CONVOLUTIONAL, change), (expected.to_owned(), expected.to_owned()));
        }
        let cases: [Case; 7] = [
            (&|c| c[0].ops.clear(), "recurrent cell: 0 ops, expected one for each node"),
            (&|c| c[0].ops.resize(36, (Op::TANH, 0)), "recurrent cell: 36 nodes, the most is 35"),
            (&|c| c[0].ops[3].1 = 4, "recurrent cell, node 4: reads state 4, which comes after it"),
            (&|c| c[0].ops[0].0 = Op::NONE, "recurrent cell, node 1: the zero op cannot be part of a derived cell"),
            (&|c| c[0].ops[0].0 = Op::SKIP_CONNECT, "recurrent cell, node 1: skip_connect is no op of such a cell"),
            (&|c| c[0].concat[0] = 9, "recurrent cell: its output names state 9, the last is 8"),
            (&|c| c[0].concat[0] = 2, "recurrent cell: its output names state 2 twice"),
        ];
        for (change, expected) in cases {
            assert_eq!(faults(RECURRENT, change).0, expected);
        }
    }

    #[test]
    fn cells_that_a_search_does_not_derive_are_cells() {
        let cases: [Case; 3] = [
            (&|c| c[1].ops[2].0 = Op::SEP_CONV_7X7, "reduce cell, node 1: sep_conv_7x7 is no candidate of a search"),
            (&|c| c[0].ops[7].1 = 0, "normal cell, node 3: both ops read state 0, a search derives two states"),
            (
                &|c| c[1].concat.truncate(3),
                "reduce cell: its output leaves out nodes, a search derives one that has all of them in order",
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(faults(CONVOLUTIONAL, change), (String::new(), expected.to_owned()));
        }
        let nodes = |space: Space, name| space.published(name).unwrap().check_derived().unwrap_err().to_string();
        assert_eq!(nodes(CONVOLUTIONAL, "NASNet"), "normal cell: 5 nodes, a search derives 4");
        assert_eq!(nodes(RECURRENT, "ENAS"), "recurrent cell: 11 nodes, a search derives 8");
    }

    #[test]
    fn the_order_of_a_nodes_ops_makes_no_other_cells() {
        let genotype = CONVOLUTIONAL.published("DARTS_V1").unwrap();
        let mut swapped = genotype.clone();
        swapped.cells_mut()[1].ops.swap(2, 3);
        assert!(genotype != swapped && genotype.same_cells(&swapped));
        swapped.cells_mut()[1].ops.swap(3, 4);
        assert!(!genotype.same_cells(&swapped));
    }
}
