use super::{CellSpec, Genotype, Op, Space};
use rand::{RngExt, SeedableRng, seq::index};
use rand_chacha::ChaCha8Rng;

impl Genotype {
    /// Cells of a space drawn at random, as the paper's random search has them (section 3.2): for each node of each kind of
    /// cell as many distinct earlier states as the space keeps, every choice as likely, and for each an op, every candidate
    /// but zero as likely; all nodes make the output. The states of a node are in ascending order.
    ///
    /// The same seed gives the same sequence: the first of many is the one of one.
    pub fn random(space: Space, seed: u64, count: usize) -> impl Iterator<Item = Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(move |_| {
            let cells = space.spec().cells.iter();
            Self::new(space, cells.map(|cell| (ops(cell, &mut rng), cell.node_states(cell.nodes).collect())))
        })
    }
}

fn ops(cell: &CellSpec, rng: &mut ChaCha8Rng) -> Vec<(Op, usize)> {
    let mut ops = Vec::with_capacity(cell.kept_edges * cell.nodes);
    for node in 0..cell.nodes {
        let states = node + cell.inputs.len();
        let states = match cell.kept_edges {
            1 => vec![rng.random_range(0..states)],
            kept => {
                let mut drawn = index::sample(rng, states, kept).into_vec();
                drawn.sort_unstable();
                drawn
            }
        };
        let op = |state| (cell.candidates[rng.random_range(1..cell.candidates.len())], state);
        ops.extend(states.into_iter().map(op));
    }
    ops
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{CONVOLUTIONAL, NODES, RECURRENT, SPACES};
    use std::collections::HashMap;

    #[test]
    fn a_seed_is_a_sequence() {
        for space in SPACES {
            let many: Vec<Genotype> = Genotype::random(space, 7, 5).collect();
            assert_eq!(Genotype::random(space, 7, 2).collect::<Vec<_>>(), many[..2]);
            assert_ne!(Genotype::random(space, 8, 1).next(), Some(many[0].clone()));
            assert_ne!(many[0], many[1]);
            many.iter().for_each(|genotype| genotype.check_derived().unwrap());
        }
    }

    /// Counts of the 70 kinds of halves of a last node lie within five deviations of their expectation.
    #[test]
    fn every_state_and_op_is_as_likely() {
        let draws = 4000;
        for node in 0..NODES {
            let mut counts: HashMap<(Op, usize), f64> = HashMap::new();
            let mut pairs: HashMap<(usize, usize), f64> = HashMap::new();
            for genotype in Genotype::random(CONVOLUTIONAL, 1, draws) {
                for cell in genotype.cells() {
                    let pair = &cell.ops[2 * node..2 * node + 2];
                    *pairs.entry((pair[0].1, pair[1].1)).or_default() += 1.0;
                    pair.iter().for_each(|&edge| *counts.entry(edge).or_default() += 1.0);
                }
            }
            let cells = 2.0 * draws as f64;
            let states = node + 2;
            assert_eq!((counts.len(), pairs.len()), (7 * states, states * (states - 1) / 2));
            let even = |found: f64, share: f64| {
                let deviation = (cells * share * (1.0 - share)).sqrt();
                (found - cells * share).abs() <= 5.0 * deviation
            };
            let pair_share = 1.0 / pairs.len() as f64;
            assert!(pairs.values().all(|&found| even(found, pair_share)), "{pairs:?}");
            let edge_share = 2.0 / states as f64 / 7.0;
            assert!(counts.values().all(|&found| even(found, edge_share)), "{counts:?}");
        }
    }

    #[test]
    fn recurrent_nodes_read_every_state_by_every_op() {
        let many: Vec<_> = Genotype::random(RECURRENT, 7, 300).map(|genotype| genotype.cells()[0].ops[7]).collect();
        for op in &RECURRENT.cells[0].candidates[1..] {
            let share = many.iter().filter(|kept| kept.0 == *op).count();
            assert!((45..=105).contains(&share), "{op}: {share} of 300");
        }
        assert!((0..8).all(|state| many.iter().any(|kept| kept.1 == state)));
    }
}
