use super::{Genotype, NODES, Op};
use rand::{RngExt, SeedableRng, seq::index};
use rand_chacha::ChaCha8Rng;

impl Genotype {
    /// Cells drawn at random, as the paper's random search has them (section 3.2): for each node of each kind of cell two
    /// distinct earlier states, every pair as likely, and for each of them an op, every candidate but zero as likely; all
    /// nodes make the output. The states of a node are in ascending order.
    ///
    /// The same seed gives the same sequence: the first of many is the one of one.
    pub fn random(seed: u64, count: usize) -> impl Iterator<Item = Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut cell = move || {
            let mut ops = Vec::with_capacity(2 * NODES);
            for node in 0..NODES {
                let mut states = index::sample(&mut rng, node + 2, 2).into_vec();
                states.sort_unstable();
                ops.extend(
                    states.into_iter().map(|state| (Op::CANDIDATES[rng.random_range(1..Op::CANDIDATES.len())], state)),
                );
            }
            ops
        };
        let concat: Vec<usize> = (2..NODES + 2).collect();
        (0..count).map(move |_| Self {
            normal: cell(),
            normal_concat: concat.clone(),
            reduce: cell(),
            reduce_concat: concat.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_seed_is_a_sequence() {
        let many: Vec<Genotype> = Genotype::random(7, 5).collect();
        assert_eq!(Genotype::random(7, 2).collect::<Vec<_>>(), many[..2]);
        assert_ne!(Genotype::random(8, 1).next(), Some(many[0].clone()));
        assert_ne!(many[0], many[1]);
        for genotype in many {
            genotype.check_derived().unwrap();
        }
    }

    /// Counts of the 70 kinds of last node's halves lie within five deviations of what is expected.
    #[test]
    fn every_state_and_op_is_as_likely() {
        let draws = 4000;
        for node in 0..NODES {
            let mut counts: HashMap<(Op, usize), f64> = HashMap::new();
            let mut pairs: HashMap<(usize, usize), f64> = HashMap::new();
            for genotype in Genotype::random(1, draws) {
                for cell in [&genotype.normal, &genotype.reduce] {
                    let pair = &cell[2 * node..2 * node + 2];
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
}
