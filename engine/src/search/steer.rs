//! What somebody may change in a search while it runs. Each change is an event of the log, so that a replay shows it.

use super::{ConfigError, Order, config::POSITIVE};
use crate::space::{Alphas, CellKind, EDGES, Op};
use serde::{Deserialize, Serialize};

/// The alpha of an op that is taken out: its softmax weight is 2e-9 of an op's at 0, and it is finite as all alphas are.
pub const PRUNED: f32 = -20.0;
/// The most that one nudge moves an alpha.
const MOST_NUDGE: f32 = 10.0;

/// One intervention into a running search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum Steering {
    /// Leaves an edge only this op; with [`Op::None`] the edge is cut.
    Pin {
        /// The kind of cell.
        cell: CellKind,
        /// The row of its alphas.
        edge: usize,
        /// The op that stays.
        op: Op,
    },
    /// Takes an op out of an edge: its alpha is [`PRUNED`] and stays there.
    Prune {
        /// The kind of cell.
        cell: CellKind,
        /// The row of its alphas.
        edge: usize,
        /// The op taken out.
        op: Op,
    },
    /// Gives an edge back the ops that were taken out of it, each at the least alpha of those left.
    Release {
        /// The kind of cell.
        cell: CellKind,
        /// The row of its alphas.
        edge: usize,
    },
    /// Adds to an alpha.
    Nudge {
        /// The kind of cell.
        cell: CellKind,
        /// The row of its alphas.
        edge: usize,
        /// The op.
        op: Op,
        /// What is added.
        by: f32,
    },
    /// Holds all alphas where they are, or lets them go: while they are held, only the weights learn.
    Freeze {
        /// Whether they are held.
        frozen: bool,
    },
    /// Other learning rates from the next step on.
    Rates {
        /// Of the weights: where their cosine starts; the present epoch's place on it stays.
        weights: f64,
        /// Of the alphas.
        alphas: f64,
    },
    /// The other approximation of the architecture gradient from the next step on.
    Order {
        /// Which.
        order: Order,
    },
}

/// What may be asked of a search that runs elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Control {
    /// Hold after the step in flight.
    Pause,
    /// Go on.
    Resume,
    /// Hold after one more step.
    Step,
    /// End the search.
    Stop,
    /// Change it.
    Steer {
        /// How.
        steering: Steering,
    },
}

/// A change that cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SteerError {
    /// No such edge.
    #[error("a cell has edges 0 to {last}, not {edge}", last = EDGES - 1)]
    Edge {
        /// The edge named.
        edge: usize,
    },
    /// An op that no edge of a search has.
    #[error("{op} is no candidate of a search")]
    Op {
        /// The op named.
        op: Op,
    },
    /// The last op of an edge.
    #[error("{op} is the last op of edge {edge}, which has to keep one")]
    LastOp {
        /// The op named.
        op: Op,
        /// The edge.
        edge: usize,
    },
    /// An op that was taken out before.
    #[error("{op} was taken out of edge {edge}; release the edge first")]
    Out {
        /// The op named.
        op: Op,
        /// The edge.
        edge: usize,
    },
    /// A nudge out of range.
    #[error("an alpha is nudged by {MOST_NUDGE} at most either way, not by {by}")]
    Nudge {
        /// What was to be added.
        by: f32,
    },
    /// A learning rate out of range.
    #[error(transparent)]
    Rate(#[from] ConfigError),
}

/// Which alphas are held at [`PRUNED`], [28][8], normal cells first.
pub type Held = Vec<[bool; Op::CANDIDATES.len()]>;

impl Steering {
    /// The row of [28, 8] that a change names, and the column of its op.
    ///
    /// # Errors
    /// An edge or op that no search has.
    fn place(cell: CellKind, edge: usize, op: Op) -> Result<(usize, usize), SteerError> {
        if edge >= EDGES {
            return Err(SteerError::Edge { edge });
        }
        let column = Op::CANDIDATES.iter().position(|&candidate| candidate == op).ok_or(SteerError::Op { op })?;
        Ok((edge + if cell == CellKind::Reduce { EDGES } else { 0 }, column))
    }

    /// The alphas after a change to them, and which are held from then on; other changes leave both as they are.
    ///
    /// # Errors
    /// A change that cannot be made; then nothing is changed.
    pub fn apply(self, alphas: &Alphas, held: &mut Held) -> Result<Alphas, SteerError> {
        held.resize(2 * EDGES, Default::default());
        let mut rows: Vec<Vec<f32>> = alphas.normal.iter().chain(&alphas.reduce).cloned().collect();
        match self {
            Self::Pin { cell, edge, op } => {
                let (row, column) = Self::place(cell, edge, op)?;
                if held[row][column] {
                    return Err(SteerError::Out { op, edge });
                }
                held[row] = [true; Op::CANDIDATES.len()];
                held[row][column] = false;
            }
            Self::Prune { cell, edge, op } => {
                let (row, column) = Self::place(cell, edge, op)?;
                if (0..Op::CANDIDATES.len()).all(|other| other == column || held[row][other]) {
                    return Err(SteerError::LastOp { op, edge });
                }
                held[row][column] = true;
            }
            Self::Release { cell, edge } => {
                let (row, _) = Self::place(cell, edge, Op::None)?;
                let left = rows[row].iter().zip(&held[row]).filter(|(_, held)| !**held).map(|(alpha, _)| *alpha);
                let least = left.fold(f32::INFINITY, f32::min);
                for (alpha, held) in rows[row].iter_mut().zip(&mut held[row]) {
                    if std::mem::take(held) {
                        *alpha = least;
                    }
                }
            }
            Self::Nudge { cell, edge, op, by } => {
                let (row, column) = Self::place(cell, edge, op)?;
                if by.is_nan() || by.abs() > MOST_NUDGE {
                    return Err(SteerError::Nudge { by });
                }
                if held[row][column] {
                    return Err(SteerError::Out { op, edge });
                }
                rows[row][column] += by;
            }
            Self::Rates { weights, alphas } => {
                ConfigError::number("learning-rate", weights, POSITIVE)?;
                ConfigError::number("arch-learning-rate", alphas, POSITIVE)?;
            }
            Self::Freeze { .. } | Self::Order { .. } => {}
        }
        for (row, held) in rows.iter_mut().zip(held.iter()) {
            for (alpha, _) in row.iter_mut().zip(held).filter(|(_, held)| **held) {
                *alpha = PRUNED;
            }
        }
        let reduce = rows.split_off(EDGES);
        Ok(Alphas { normal: rows, reduce })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat() -> Alphas {
        Alphas::from_flat(&(0..2 * EDGES * 8).map(|i| (i % 7) as f32 / 10.0).collect::<Vec<_>>())
    }

    #[test]
    fn an_edge_can_be_pinned_pruned_and_released() {
        let cell = CellKind::Reduce;
        let mut held = Held::new();
        let pinned = Steering::Pin { cell, edge: 3, op: Op::SepConv5x5 }.apply(&flat(), &mut held).unwrap();
        let weights = pinned.softmax();
        assert!(weights.reduce[3][5] > 0.999_999 && weights.normal[3] == flat().softmax().normal[3]);
        let last = Steering::Prune { cell, edge: 3, op: Op::SepConv5x5 }.apply(&pinned, &mut held).unwrap_err();
        assert_eq!(last.to_string(), "sep_conv_5x5 is the last op of edge 3, which has to keep one");
        let out = Steering::Nudge { cell, edge: 3, op: Op::None, by: 1.0 }.apply(&pinned, &mut held).unwrap_err();
        assert_eq!(out.to_string(), "none was taken out of edge 3; release the edge first");
        let free = Steering::Release { cell, edge: 3 }.apply(&pinned, &mut held).unwrap();
        assert_eq!(free.reduce[3], [flat().reduce[3][5]; 8]);
        assert!(held.iter().flatten().all(|held| !held));
        let nudged = Steering::Nudge { cell, edge: 0, op: Op::SkipConnect, by: 0.5 }.apply(&free, &mut held).unwrap();
        assert_eq!(nudged.reduce[0][3], flat().reduce[0][3] + 0.5);
    }

    #[test]
    fn what_cannot_be_changed_is_told() {
        let mut held = Held::new();
        let mut told = |change: Steering| change.apply(&flat(), &mut held).unwrap_err().to_string();
        let cell = CellKind::Normal;
        assert_eq!(told(Steering::Release { cell, edge: 14 }), "a cell has edges 0 to 13, not 14");
        let seven = Steering::Pin { cell, edge: 0, op: Op::SepConv7x7 };
        assert_eq!(told(seven), "sep_conv_7x7 is no candidate of a search");
        let far = Steering::Nudge { cell, edge: 0, op: Op::None, by: f32::NAN };
        assert_eq!(told(far), "an alpha is nudged by 10 at most either way, not by NaN");
        let rates = Steering::Rates { weights: 0.0, alphas: 0.1 };
        assert_eq!(told(rates), "learning-rate must be above 0, not 0");
    }
}
