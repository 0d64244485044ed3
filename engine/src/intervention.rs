//! Interventions: changes that a user makes to a running search. Each is an event of the log, so that a replay shows it.

use crate::{
    config::{ConfigError, Order, POSITIVE},
    space::{Alphas, CellName, Op},
};
use serde::{Deserialize, Serialize};

/// Alpha of an op that is pruned: its op weight is 2e-9 of that of an op at 0, and it is finite as all alphas are.
pub const PRUNED: f32 = -20.0;
/// Most that one nudge moves an alpha.
const MAX_NUDGE: f32 = 10.0;

/// Change to a running search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum Intervention {
    /// Leaves an edge only this op; with `none` the edge is cut.
    Pin {
        /// Kind of cell.
        cell: CellName,
        /// Row of its alphas.
        edge: usize,
        /// Op that stays.
        op: Op,
    },
    /// Takes an op out of an edge: its alpha is [`PRUNED`] and stays there.
    Prune {
        /// Kind of cell.
        cell: CellName,
        /// Row of its alphas.
        edge: usize,
        /// Op taken out.
        op: Op,
    },
    /// Gives an edge back the ops that were taken out of it, each at the least alpha of those left.
    Release {
        /// Kind of cell.
        cell: CellName,
        /// Row of its alphas.
        edge: usize,
    },
    /// Adds to an alpha.
    Nudge {
        /// Kind of cell.
        cell: CellName,
        /// Row of its alphas.
        edge: usize,
        /// Op.
        op: Op,
        /// Number added.
        by: f32,
    },
    /// Freezes all alphas, or lets them learn again: while they are frozen, only the weights learn.
    Freeze {
        /// Whether they are frozen.
        frozen: bool,
    },
    /// Sets the learning rates from the next step on.
    Rates {
        /// Initial rate of the weights' cosine schedule; the present epoch's place on it stays.
        weights: f64,
        /// Rate of the alphas.
        alphas: f64,
    },
    /// Sets the order of the architecture gradient from the next step on.
    Order {
        /// First or second.
        order: Order,
    },
}

/// Request to a search that runs elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Control {
    /// Pause after the step in flight.
    Pause,
    /// Resume.
    Resume,
    /// Pause after one more step.
    Step,
    /// End the search.
    Stop,
    /// Change it.
    #[serde(alias = "steer")]
    Intervene {
        /// The change.
        #[serde(alias = "steering")]
        intervention: Intervention,
    },
}

/// Intervention that cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InterventionError {
    /// No such kind of cell.
    #[error("the search has no {cell} cell")]
    Cell {
        /// Kind named.
        cell: CellName,
    },
    /// No such edge.
    #[error("a cell has edges 0 to {last}, not {edge}")]
    Edge {
        /// Edge named.
        edge: usize,
        /// Last edge of the cell.
        last: usize,
    },
    /// An op that no edge of the search has.
    #[error("{op} is no candidate of a search")]
    Op {
        /// Op named.
        op: Op,
    },
    /// The last op of an edge.
    #[error("{op} is the last op of edge {edge}, which has to keep one")]
    LastOp {
        /// Op named.
        op: Op,
        /// Edge.
        edge: usize,
    },
    /// An op that was taken out before.
    #[error("{op} was taken out of edge {edge}; release the edge first")]
    Out {
        /// Op named.
        op: Op,
        /// Edge.
        edge: usize,
    },
    /// A nudge out of range.
    #[error("an alpha is nudged by {MAX_NUDGE} at most either way, not by {by}")]
    Nudge {
        /// Number to be added.
        by: f32,
    },
    /// A learning rate out of range.
    #[error(transparent)]
    Rate(#[from] ConfigError),
}

/// Mask of the alphas fixed at [`PRUNED`]: a row per edge, in the order of the alphas; empty before the first
/// intervention.
pub type AlphaMask = Vec<Vec<bool>>;

/// Row of the edge of a kind of cell among all rows of alphas.
fn row(alphas: &Alphas, cell: CellName, edge: usize) -> Result<usize, InterventionError> {
    let space = alphas.space();
    let place = space.cell_index(cell.name()).ok_or(InterventionError::Cell { cell })?;
    let rows = space.rows_of(place);
    match edge < rows.len() {
        true => Ok(rows.start + edge),
        false => Err(InterventionError::Edge { edge, last: rows.len() - 1 }),
    }
}

/// Row of an edge, and column of its op.
fn entry(alphas: &Alphas, cell: CellName, edge: usize, op: Op) -> Result<(usize, usize), InterventionError> {
    let row = row(alphas, cell, edge)?;
    let spec = alphas.space().spec().cells.iter().find(|spec| spec.name == cell.name());
    let column = spec.and_then(|spec| spec.op_index(op)).ok_or(InterventionError::Op { op })?;
    Ok((row, column))
}

impl Intervention {
    /// Applies a change to alphas and their mask; other interventions leave both as they are.
    ///
    /// # Errors
    /// The change cannot be made; then alphas and mask are as they were.
    pub fn apply(self, alphas: &Alphas, mask: &mut AlphaMask) -> Result<Alphas, InterventionError> {
        let [rows, ops] = alphas.space().alpha_shape();
        mask.resize(rows, vec![false; ops]);
        let mut flat = alphas.to_flat();
        match self {
            Self::Pin { cell, edge, op } => {
                let (row, column) = entry(alphas, cell, edge, op)?;
                if mask[row][column] {
                    return Err(InterventionError::Out { op, edge });
                }
                mask[row].fill(true);
                mask[row][column] = false;
            }
            Self::Prune { cell, edge, op } => {
                let (row, column) = entry(alphas, cell, edge, op)?;
                if (0..ops).all(|other| other == column || mask[row][other]) {
                    return Err(InterventionError::LastOp { op, edge });
                }
                mask[row][column] = true;
            }
            Self::Release { cell, edge } => {
                let row = row(alphas, cell, edge)?;
                release(&mut flat[row * ops..][..ops], &mut mask[row]);
            }
            Self::Nudge { cell, edge, op, by } => {
                let (row, column) = entry(alphas, cell, edge, op)?;
                if by.is_nan() || by.abs() > MAX_NUDGE {
                    return Err(InterventionError::Nudge { by });
                }
                if mask[row][column] {
                    return Err(InterventionError::Out { op, edge });
                }
                flat[row * ops + column] += by;
            }
            Self::Rates { weights, alphas } => {
                ConfigError::number("learning-rate", weights, POSITIVE)?;
                ConfigError::number("arch-learning-rate", alphas, POSITIVE)?;
            }
            Self::Freeze { .. } | Self::Order { .. } => {}
        }
        for (alpha, _) in flat.iter_mut().zip(mask.iter().flatten()).filter(|(_, masked)| **masked) {
            *alpha = PRUNED;
        }
        Ok(Alphas::from_flat(alphas.space(), &flat))
    }

    /// Whether it changes the alphas themselves.
    pub const fn changes_alphas(self) -> bool {
        matches!(self, Self::Pin { .. } | Self::Prune { .. } | Self::Release { .. } | Self::Nudge { .. })
    }
}

/// Gives an edge its pruned ops back, at the least alpha of the others.
fn release(alphas: &mut [f32], mask: &mut [bool]) {
    let left = alphas.iter().zip(&*mask).filter(|(_, masked)| !**masked).map(|(alpha, _)| *alpha);
    let least = left.fold(f32::INFINITY, f32::min);
    for (alpha, masked) in alphas.iter_mut().zip(mask) {
        if std::mem::take(masked) {
            *alpha = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{CONVOLUTIONAL, EDGES, RECURRENT};

    const NORMAL: CellName = CellName::of(&CONVOLUTIONAL.spec().cells[0]);
    const REDUCE: CellName = CellName::of(&CONVOLUTIONAL.spec().cells[1]);
    const RECURRENT_CELL: CellName = CellName::of(&RECURRENT.spec().cells[0]);

    fn flat() -> Alphas {
        Alphas::from_flat(CONVOLUTIONAL, &(0..2 * EDGES * 8).map(|i| (i % 7) as f32 / 10.0).collect::<Vec<_>>())
    }

    #[test]
    fn an_edge_can_be_pinned_pruned_and_released() {
        let cell = REDUCE;
        let mut mask = AlphaMask::new();
        let pinned = Intervention::Pin { cell, edge: 3, op: Op::SEP_CONV_5X5 }.apply(&flat(), &mut mask).unwrap();
        let weights = pinned.softmax();
        assert!(weights.of(1)[3][5] > 0.999_999 && weights.of(0)[3] == flat().softmax().of(0)[3]);
        let last = Intervention::Prune { cell, edge: 3, op: Op::SEP_CONV_5X5 }.apply(&pinned, &mut mask).unwrap_err();
        assert_eq!(last.to_string(), "sep_conv_5x5 is the last op of edge 3, which has to keep one");
        let out = Intervention::Nudge { cell, edge: 3, op: Op::NONE, by: 1.0 }.apply(&pinned, &mut mask).unwrap_err();
        assert_eq!(out.to_string(), "none was taken out of edge 3; release the edge first");
        let free = Intervention::Release { cell, edge: 3 }.apply(&pinned, &mut mask).unwrap();
        assert_eq!(free.of(1)[3], [flat().of(1)[3][5]; 8]);
        assert!(mask.iter().flatten().all(|mask| !mask));
        let nudged =
            Intervention::Nudge { cell, edge: 0, op: Op::SKIP_CONNECT, by: 0.5 }.apply(&free, &mut mask).unwrap();
        assert_eq!(nudged.of(1)[0][3], flat().of(1)[0][3] + 0.5);
    }

    #[test]
    fn what_cannot_be_changed_is_refused() {
        let mut mask = AlphaMask::new();
        let mut refusal = |change: Intervention| change.apply(&flat(), &mut mask).unwrap_err().to_string();
        let cell = NORMAL;
        assert_eq!(refusal(Intervention::Release { cell, edge: 14 }), "a cell has edges 0 to 13, not 14");
        let cell_of_text = RECURRENT_CELL;
        assert_eq!(refusal(Intervention::Release { cell: cell_of_text, edge: 0 }), "the search has no recurrent cell");
        let tanh = Intervention::Prune { cell, edge: 0, op: Op::TANH };
        assert_eq!(refusal(tanh), "tanh is no candidate of a search");
        let seven = Intervention::Pin { cell, edge: 0, op: Op::SEP_CONV_7X7 };
        assert_eq!(refusal(seven), "sep_conv_7x7 is no candidate of a search");
        let far = Intervention::Nudge { cell, edge: 0, op: Op::NONE, by: f32::NAN };
        assert_eq!(refusal(far), "an alpha is nudged by 10 at most either way, not by NaN");
        let rates = Intervention::Rates { weights: 0.0, alphas: 0.1 };
        assert_eq!(refusal(rates), "learning-rate must be above 0, not 0");
    }

    #[test]
    fn recurrent_cells_take_the_same_interventions_and_json_names_them() {
        let cell = RECURRENT_CELL;
        let alphas = Alphas::from_flat(RECURRENT, &(0..180).map(|i| (i % 7) as f32 / 10.0).collect::<Vec<_>>());
        let mut mask = AlphaMask::new();
        let pin = Intervention::Pin { cell, edge: 35, op: Op::NONE };
        let pinned = pin.apply(&alphas, &mut mask).unwrap();
        assert!(pinned.softmax().rows()[35][0] > 0.999_999 && pinned.rows()[..35] == alphas.rows()[..35]);
        let last = Intervention::Release { cell, edge: 36 }.apply(&pinned, &mut mask).unwrap_err();
        assert_eq!(last.to_string(), "a cell has edges 0 to 35, not 36");
        let free = Intervention::Release { cell, edge: 35 }.apply(&pinned, &mut mask).unwrap();
        assert_eq!(free.rows()[35], [alphas.rows()[35][0]; 5]);
        let text = serde_json::to_string(&pin).unwrap();
        assert_eq!(text, r#"{"change":"pin","cell":"recurrent","edge":35,"op":"none"}"#);
        assert_eq!(serde_json::from_str::<Intervention>(&text).unwrap(), pin);
        let unknown = serde_json::from_str::<Intervention>(&text.replace("none", "cosine")).unwrap_err();
        assert!(unknown.to_string().starts_with("unknown op \"cosine\" (known: none, max_pool_3x3,"), "{unknown}");
    }
}
