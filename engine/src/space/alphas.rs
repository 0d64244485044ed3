use super::{CellKind, EDGES, Genotype, NODES, Op};
use crate::finite::finite_rows;
use serde::{Deserialize, Serialize};

/// The architecture parameters: for each kind of cell, one row an edge ([`super::edges`]), one entry an op
/// ([`Op::CANDIDATES`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alphas {
    /// Alphas of the normal cells, 14 by 8.
    #[serde(deserialize_with = "finite_rows")]
    pub normal: Vec<Vec<f32>>,
    /// Alphas of the reduction cells, 14 by 8.
    #[serde(deserialize_with = "finite_rows")]
    pub reduce: Vec<Vec<f32>>,
}

impl Alphas {
    /// Both matrices from their concatenation, the normal cells' first, row-major.
    pub fn from_flat(values: &[f32]) -> Self {
        let rows = |half: &[f32]| half.chunks(Op::CANDIDATES.len()).map(<[f32]>::to_vec).collect();
        let (normal, reduce) = values.split_at(EDGES * Op::CANDIDATES.len());
        Self { normal: rows(normal), reduce: rows(reduce) }
    }

    /// The inverse of [`Alphas::from_flat`].
    pub fn to_flat(&self) -> Vec<f32> {
        self.normal.iter().chain(&self.reduce).flatten().copied().collect()
    }

    /// The matrix of one kind of cell.
    pub fn of(&self, kind: CellKind) -> &[Vec<f32>] {
        match kind {
            CellKind::Normal => &self.normal,
            CellKind::Reduce => &self.reduce,
        }
    }

    /// The softmax over the ops of each edge (equation 2).
    pub fn softmax(&self) -> Self {
        let rows = |matrix: &[Vec<f32>]| matrix.iter().map(|row| softmax(row)).collect();
        Self { normal: rows(&self.normal), reduce: rows(&self.reduce) }
    }

    /// The derived cell (section 2.4): for each node the two strongest edges from distinct states, an edge's strength
    /// being the softmax weight of its strongest op other than zero.
    ///
    /// Among equal strengths the earlier edge and the earlier op win.
    pub fn genotype(&self) -> Genotype {
        let cell = |kind| {
            let weights: Vec<_> = self.of(kind).iter().map(|row| softmax(row)).collect();
            let mut chosen = Vec::with_capacity(2 * NODES);
            for node in 0..NODES {
                let first = node * (node + 3) / 2;
                let mut ranked: Vec<(Op, usize, f32)> = (0..node + 2)
                    .map(|state| {
                        let (op, weight) = strongest(&weights[first + state]);
                        (op, state, weight)
                    })
                    .collect();
                ranked.sort_by(|a, b| b.2.total_cmp(&a.2));
                chosen.extend(ranked.iter().take(2).map(|&(op, state, _)| (op, state)));
            }
            chosen
        };
        let concat: Vec<usize> = (2..NODES + 2).collect();
        Genotype {
            normal: cell(CellKind::Normal),
            normal_concat: concat.clone(),
            reduce: cell(CellKind::Reduce),
            reduce_concat: concat,
        }
    }
}

/// The strongest op of an edge other than zero, and its weight.
fn strongest(weights: &[f32]) -> (Op, f32) {
    let mut best = (Op::CANDIDATES[1], weights[1]);
    for (&op, &weight) in Op::CANDIDATES.iter().zip(weights).skip(2) {
        if weight > best.1 {
            best = (op, weight);
        }
    }
    best
}

pub(super) fn softmax(row: &[f32]) -> Vec<f32> {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f32> = row.iter().map(|a| (a - top).exp()).collect();
    let sum: f32 = exps.iter().sum();
    exps.iter().map(|e| e / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_never_derived_and_states_are_distinct() {
        let mut alphas = Alphas::from_flat(&vec![0.0; 2 * EDGES * 8]);
        for row in alphas.normal.iter_mut().chain(&mut alphas.reduce) {
            row[0] = 9.0;
        }
        alphas.normal[4][6] = 5.0;
        let genotype = alphas.genotype();
        assert!(genotype.normal.iter().all(|(op, _)| *op != Op::None));
        // Edge 4 is node 1 from its own predecessor, state 2.
        assert_eq!(genotype.normal[2], (Op::DilConv3x3, 2));
        for pair in genotype.normal.chunks(2) {
            assert_ne!(pair[0].1, pair[1].1);
        }
        genotype.check().unwrap();
    }

    #[test]
    fn softmax_rows_sum_to_one() {
        let alphas = Alphas::from_flat(&(0..2 * EDGES * 8).map(|i| (i % 13) as f32 - 6.0).collect::<Vec<_>>());
        for row in alphas.softmax().normal {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
        assert_eq!(Alphas::from_flat(&alphas.to_flat()), alphas);
    }
}
