use super::{Genotype, Op, SPACES, Space};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};
use std::fmt;

/// Architecture parameters of a search: for each kind of cell of the space one row an edge, one entry a candidate op.
///
/// In JSON: the matrix of each kind of cell under its name. A bare matrix is read as the recurrent cell's, as logs had it
/// before version 2.
#[derive(Clone, Debug, PartialEq)]
pub struct Alphas {
    space: Space,
    rows: Vec<Vec<f32>>,
}

impl Alphas {
    /// Alphas of a space from all rows, one after the other, those of the first kind of cell first.
    ///
    /// # Panics
    /// There are more or fewer values than the space has alphas.
    pub fn from_flat(space: Space, values: &[f32]) -> Self {
        let [rows, ops] = space.alpha_shape();
        assert_eq!(values.len(), rows * ops, "alphas of the {space} space");
        Self { space, rows: values.chunks(ops).map(<[f32]>::to_vec).collect() }
    }

    /// Alphas of a space, all zero.
    pub fn zeros(space: Space) -> Self {
        let [rows, ops] = space.alpha_shape();
        Self { space, rows: vec![vec![0.0; ops]; rows] }
    }

    /// Inverse of [`Alphas::from_flat`].
    pub fn to_flat(&self) -> Vec<f32> {
        self.rows.iter().flatten().copied().collect()
    }

    /// The search space.
    pub fn space(&self) -> Space {
        self.space
    }

    /// All rows, those of the first kind of cell first.
    pub fn rows(&self) -> &[Vec<f32>] {
        &self.rows
    }

    /// All rows, to change values.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.rows.iter_mut().map(Vec::as_mut_slice)
    }

    /// Matrix of a kind of cell, by its place in the space.
    pub fn of(&self, cell: usize) -> &[Vec<f32>] {
        &self.rows[self.space.rows_of(cell)]
    }

    /// Entry of a kind of cell, where there is one.
    pub fn at(&self, cell: usize, edge: usize, op: usize) -> Option<f32> {
        (cell < self.space.cells.len()).then(|| self.of(cell).get(edge)?.get(op).copied()).flatten()
    }

    /// Softmax over the ops of each edge (equation 2): the op weights.
    pub fn softmax(&self) -> Self {
        Self { space: self.space, rows: self.rows.iter().map(|row| softmax(row)).collect() }
    }

    /// Each entry less that of `other`, which belongs to the same space.
    pub fn minus(&self, other: &Self) -> Self {
        let difference = |(a, b): (&Vec<f32>, &Vec<f32>)| a.iter().zip(b).map(|(a, b)| a - b).collect();
        Self { space: self.space, rows: self.rows.iter().zip(&other.rows).map(difference).collect() }
    }

    /// Derived cells (section 2.4): for each node the strongest edges, as many as the space keeps, an edge's strength being
    /// the softmax weight of its strongest op other than zero.
    ///
    /// Among equal strengths the earlier edge and the earlier op win.
    pub fn genotype(&self) -> Genotype {
        let cells = self.space.spec().cells.iter().enumerate().map(|(place, cell)| {
            let weights: Vec<_> = self.of(place).iter().map(|row| softmax(row)).collect();
            let mut kept = Vec::with_capacity(cell.kept_edges * cell.nodes);
            for node in 0..cell.nodes {
                let mut ranked: Vec<(Op, usize, f32)> = (0..node + cell.inputs.len())
                    .map(|state| {
                        let (op, weight) = strongest(cell.candidates, &weights[cell.edge_index(state, node)]);
                        (op, state, weight)
                    })
                    .collect();
                ranked.sort_by(|a, b| b.2.total_cmp(&a.2));
                kept.extend(ranked.iter().take(cell.kept_edges).map(|&(op, state, _)| (op, state)));
            }
            (kept, cell.node_states(cell.nodes).collect())
        });
        Genotype::new(self.space, cells)
    }
}

/// Strongest op of an edge other than zero, and its weight.
fn strongest(ops: &[Op], weights: &[f32]) -> (Op, f32) {
    let mut others = ops.iter().copied().zip(weights.iter().copied()).filter(|(op, _)| *op != Op::NONE);
    let first = others.next().expect("a candidate other than zero");
    others.fold(first, |best, next| if next.1 > best.1 { next } else { best })
}

/// Softmax of a row.
fn softmax(row: &[f32]) -> Vec<f32> {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f32> = row.iter().map(|a| (a - top).exp()).collect();
    let sum: f32 = exps.iter().sum();
    exps.iter().map(|e| e / sum).collect()
}

impl Serialize for Alphas {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let cells = self.space.spec().cells;
        let mut map = serializer.serialize_map(Some(cells.len()))?;
        for (place, cell) in cells.iter().enumerate() {
            map.serialize_entry(cell.name, self.of(place))?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Alphas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AlphasVisitor)
    }
}

/// Alphas of a kind of cell: a row an edge.
type Matrix = Vec<Vec<f32>>;

struct AlphasVisitor;

impl AlphasVisitor {
    /// Alphas of a space, once each matrix is known to have its shape and finite values.
    fn checked<E: Error>(space: Space, matrices: Vec<Option<Matrix>>) -> Result<Alphas, E> {
        let mut rows = Vec::with_capacity(space.rows());
        for (cell, matrix) in space.spec().cells.iter().zip(matrices) {
            let matrix = matrix.ok_or_else(|| E::missing_field(cell.name))?;
            let (edges, ops) = (cell.edge_count(), cell.candidates.len());
            if matrix.len() != edges || matrix.iter().any(|row| row.len() != ops) {
                return Err(E::custom(format!("{} is not a matrix of {edges} rows and {ops} columns", cell.name)));
            }
            if matrix.iter().flatten().any(|value| !value.is_finite()) {
                return Err(E::custom("a number beyond float32"));
            }
            rows.extend(matrix);
        }
        Ok(Alphas { space, rows })
    }
}

impl<'de> Visitor<'de> for AlphasVisitor {
    type Value = Alphas;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the alphas of each kind of cell")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Alphas, A::Error> {
        let mut found: Option<(Space, Vec<Option<Matrix>>)> = None;
        while let Some(name) = map.next_key::<String>()? {
            let space = SPACES.into_iter().find(|space| space.cell_index(&name).is_some());
            let space = space.ok_or_else(|| A::Error::custom(format!("unknown cell {name:?}")))?;
            let (known, matrices) = found.get_or_insert_with(|| (space, vec![None; space.cells.len()]));
            let place = known
                .cell_index(&name)
                .ok_or_else(|| A::Error::custom(format!("{name:?} is no cell of the {known} space")))?;
            matrices[place] = Some(map.next_value()?);
        }
        let (space, matrices) = found.ok_or_else(|| A::Error::custom("no alphas"))?;
        Self::checked(space, matrices)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Alphas, A::Error> {
        let mut matrix = Vec::new();
        while let Some(row) = seq.next_element()? {
            matrix.push(row);
        }
        Self::checked(super::RECURRENT, vec![Some(matrix)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{CONVOLUTIONAL, RECURRENT};

    /// Values that differ from op to op.
    fn drawn(space: Space) -> Alphas {
        let [rows, ops] = space.alpha_shape();
        Alphas::from_flat(space, &(0..rows * ops).map(|i| (i % 13) as f32 - 6.0).collect::<Vec<_>>())
    }

    #[test]
    fn zero_is_never_derived_and_states_are_distinct() {
        let mut alphas = Alphas::zeros(CONVOLUTIONAL);
        alphas.rows_mut().for_each(|row| row[0] = 9.0);
        alphas.rows[4][6] = 5.0;
        let genotype = alphas.genotype();
        assert!(genotype.cells().iter().all(|cell| cell.ops.iter().all(|(op, _)| *op != Op::NONE)));
        // Edge 4 is node 1 from its own predecessor, state 2.
        assert_eq!(genotype.cells()[0].ops[2], (Op::DIL_CONV_3X3, 2));
        for pair in genotype.cells()[0].ops.chunks(2) {
            assert_ne!(pair[0].1, pair[1].1);
        }
        genotype.check().unwrap();
    }

    #[test]
    fn a_recurrent_node_keeps_one_edge() {
        let mut alphas = Alphas::zeros(RECURRENT);
        alphas.rows_mut().for_each(|row| row[0] = 9.0);
        // Edge 4 is node 3 from state 1.
        alphas.rows[4] = vec![0.0, 0.0, 0.0, 1.0, 0.5];
        let genotype = alphas.genotype();
        genotype.check().unwrap();
        let ops = &genotype.cells()[0].ops;
        assert_eq!((ops[2], ops[7]), ((Op::SIGMOID, 1), (Op::TANH, 0)));
    }

    #[test]
    fn softmax_rows_sum_to_one() {
        for space in SPACES {
            let alphas = drawn(space);
            assert!(alphas.softmax().rows().iter().all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6));
            assert_eq!(Alphas::from_flat(space, &alphas.to_flat()), alphas);
            assert_eq!(alphas.minus(&alphas), Alphas::zeros(space));
        }
    }

    #[test]
    fn json_names_the_cells_and_is_read_whatever_its_version() {
        for space in SPACES {
            let alphas = drawn(space);
            let json = serde_json::to_string(&alphas).unwrap();
            assert!(json.starts_with(&format!("{{\"{}\":[[", space.cells[0].name)), "{json}");
            assert_eq!(serde_json::from_str::<Alphas>(&json).unwrap(), alphas);
        }
        let bare = serde_json::to_string(drawn(RECURRENT).rows()).unwrap();
        assert_eq!(serde_json::from_str::<Alphas>(&bare).unwrap(), drawn(RECURRENT));
    }

    #[test]
    fn alphas_of_another_shape_are_refused() {
        let refusal = |json: &str| serde_json::from_str::<Alphas>(json).unwrap_err().to_string();
        let shape = refusal(r#"{"recurrent": [[1, 2, 3, 4, 5]]}"#);
        assert!(shape.starts_with("recurrent is not a matrix of 36 rows and 5 columns"), "{shape}");
        assert!(refusal(r#"{"normal": []}"#).starts_with("normal is not a matrix"));
        assert!(refusal(r#"{"hidden": []}"#).starts_with("unknown cell \"hidden\""));
        let mixed = refusal(r#"{"normal": [], "recurrent": []}"#);
        assert!(mixed.starts_with("\"recurrent\" is no cell of the convolutional space"), "{mixed}");
        let large = serde_json::to_string(&drawn(RECURRENT)).unwrap().replacen("-6.0", "1e39", 1);
        assert!(refusal(&large).starts_with("a number beyond float32"));
    }
}
