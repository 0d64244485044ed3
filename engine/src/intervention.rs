//! What somebody may change in a search while it runs. Each change is an event of the log, so that a replay shows it.

use crate::config::{ConfigError, Order, POSITIVE};
use crate::space::{Alphas, CellKind, EDGES, Op, RECURRENT_EDGES, RecurrentAlphas, RecurrentOp};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use std::fmt;

/// The alpha of an op that is taken out: its softmax weight is 2e-9 of an op's at 0, and it is finite as all alphas are.
pub const PRUNED: f32 = -20.0;
/// The most that one nudge moves an alpha.
const MOST_NUDGE: f32 = 10.0;

/// A kind of cell that a search of either task has alphas of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SteeredCell {
    /// The convolutional cell that keeps height and width.
    Normal,
    /// The convolutional cell that halves them.
    Reduce,
    /// The cell of a language model.
    Recurrent,
}

impl SteeredCell {
    /// Its name in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Reduce => "reduce",
            Self::Recurrent => "recurrent",
        }
    }
}

impl From<CellKind> for SteeredCell {
    fn from(kind: CellKind) -> Self {
        match kind {
            CellKind::Normal => Self::Normal,
            CellKind::Reduce => Self::Reduce,
        }
    }
}

/// An op of either task by its name, which the ops that pass nothing on share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OpName(&'static str);

impl<'de> Deserialize<'de> for OpName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let recurrent = name.parse::<RecurrentOp>().map(Self::from);
        recurrent.or_else(|_| name.parse::<Op>().map(Self::from)).map_err(D::Error::custom)
    }
}

impl From<Op> for OpName {
    fn from(op: Op) -> Self {
        Self(op.name())
    }
}

impl From<RecurrentOp> for OpName {
    fn from(op: RecurrentOp) -> Self {
        Self(op.name())
    }
}

impl fmt::Display for OpName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// Alphas that can be changed one by one: those of either task.
pub trait Steerable: Sized {
    /// The kinds of cell, in the order of their rows.
    const CELLS: &'static [SteeredCell];
    /// Rows of each: one an edge.
    const EDGES: usize;
    /// The ops of a row.
    fn ops() -> Vec<OpName>;
    /// All rows, one after the other.
    fn to_flat(&self) -> Vec<f32>;
    /// The inverse of [`Steerable::to_flat`].
    fn from_flat(values: &[f32]) -> Self;
}

impl Steerable for Alphas {
    const CELLS: &'static [SteeredCell] = &[SteeredCell::Normal, SteeredCell::Reduce];
    const EDGES: usize = EDGES;

    fn ops() -> Vec<OpName> {
        Op::CANDIDATES.map(OpName::from).to_vec()
    }

    fn to_flat(&self) -> Vec<f32> {
        self.to_flat()
    }

    fn from_flat(values: &[f32]) -> Self {
        Self::from_flat(values)
    }
}

impl Steerable for RecurrentAlphas {
    const CELLS: &'static [SteeredCell] = &[SteeredCell::Recurrent];
    const EDGES: usize = RECURRENT_EDGES;

    fn ops() -> Vec<OpName> {
        RecurrentOp::CANDIDATES.map(OpName::from).to_vec()
    }

    fn to_flat(&self) -> Vec<f32> {
        self.to_flat()
    }

    fn from_flat(values: &[f32]) -> Self {
        Self::from_flat(values)
    }
}

/// One intervention into a running search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum Steering {
    /// Leaves an edge only this op; with `none` the edge is cut.
    Pin {
        /// The kind of cell.
        cell: SteeredCell,
        /// The row of its alphas.
        edge: usize,
        /// The op that stays.
        op: OpName,
    },
    /// Takes an op out of an edge: its alpha is [`PRUNED`] and stays there.
    Prune {
        /// The kind of cell.
        cell: SteeredCell,
        /// The row of its alphas.
        edge: usize,
        /// The op taken out.
        op: OpName,
    },
    /// Gives an edge back the ops that were taken out of it, each at the least alpha of those left.
    Release {
        /// The kind of cell.
        cell: SteeredCell,
        /// The row of its alphas.
        edge: usize,
    },
    /// Adds to an alpha.
    Nudge {
        /// The kind of cell.
        cell: SteeredCell,
        /// The row of its alphas.
        edge: usize,
        /// The op.
        op: OpName,
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
    /// No such kind of cell.
    #[error("the search has no {} cell", cell.name())]
    Cell {
        /// The kind named.
        cell: SteeredCell,
    },
    /// No such edge.
    #[error("a cell has edges 0 to {last}, not {edge}")]
    Edge {
        /// The edge named.
        edge: usize,
        /// The last there is.
        last: usize,
    },
    /// An op that no edge of the search has.
    #[error("{op} is no candidate of a search")]
    Op {
        /// The op named.
        op: OpName,
    },
    /// The last op of an edge.
    #[error("{op} is the last op of edge {edge}, which has to keep one")]
    LastOp {
        /// The op named.
        op: OpName,
        /// The edge.
        edge: usize,
    },
    /// An op that was taken out before.
    #[error("{op} was taken out of edge {edge}; release the edge first")]
    Out {
        /// The op named.
        op: OpName,
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

/// Which alphas are held at [`PRUNED`]: a row an edge, as the alphas have them; none at all before the first change.
pub type Held = Vec<Vec<bool>>;

impl Steering {
    /// The row of its cell's edge among all rows.
    fn row<A: Steerable>(cell: SteeredCell, edge: usize) -> Result<usize, SteerError> {
        let place = A::CELLS.iter().position(|&known| known == cell).ok_or(SteerError::Cell { cell })?;
        match edge < A::EDGES {
            true => Ok(place * A::EDGES + edge),
            false => Err(SteerError::Edge { edge, last: A::EDGES - 1 }),
        }
    }

    /// The row that a change names, and the column of its op.
    fn place<A: Steerable>(cell: SteeredCell, edge: usize, op: OpName) -> Result<(usize, usize), SteerError> {
        let row = Self::row::<A>(cell, edge)?;
        let column = A::ops().iter().position(|&candidate| candidate == op).ok_or(SteerError::Op { op })?;
        Ok((row, column))
    }

    /// The alphas after a change to them, and which are held from then on; other changes leave both as they are.
    ///
    /// # Errors
    /// A change that cannot be made; then nothing is changed.
    pub fn apply<A: Steerable>(self, alphas: &A, held: &mut Held) -> Result<A, SteerError> {
        let ops = A::ops().len();
        held.resize(A::CELLS.len() * A::EDGES, vec![false; ops]);
        let mut flat = alphas.to_flat();
        match self {
            Self::Pin { cell, edge, op } => {
                let (row, column) = Self::place::<A>(cell, edge, op)?;
                if held[row][column] {
                    return Err(SteerError::Out { op, edge });
                }
                held[row].fill(true);
                held[row][column] = false;
            }
            Self::Prune { cell, edge, op } => {
                let (row, column) = Self::place::<A>(cell, edge, op)?;
                if (0..ops).all(|other| other == column || held[row][other]) {
                    return Err(SteerError::LastOp { op, edge });
                }
                held[row][column] = true;
            }
            Self::Release { cell, edge } => {
                let row = Self::row::<A>(cell, edge)?;
                let alphas = &mut flat[row * ops..][..ops];
                let left = alphas.iter().zip(&held[row]).filter(|(_, held)| !**held).map(|(alpha, _)| *alpha);
                let least = left.fold(f32::INFINITY, f32::min);
                for (alpha, held) in alphas.iter_mut().zip(&mut held[row]) {
                    if std::mem::take(held) {
                        *alpha = least;
                    }
                }
            }
            Self::Nudge { cell, edge, op, by } => {
                let (row, column) = Self::place::<A>(cell, edge, op)?;
                if by.is_nan() || by.abs() > MOST_NUDGE {
                    return Err(SteerError::Nudge { by });
                }
                if held[row][column] {
                    return Err(SteerError::Out { op, edge });
                }
                flat[row * ops + column] += by;
            }
            Self::Rates { weights, alphas } => {
                ConfigError::number("learning-rate", weights, POSITIVE)?;
                ConfigError::number("arch-learning-rate", alphas, POSITIVE)?;
            }
            Self::Freeze { .. } | Self::Order { .. } => {}
        }
        for (alpha, _) in flat.iter_mut().zip(held.iter().flatten()).filter(|(_, held)| **held) {
            *alpha = PRUNED;
        }
        Ok(A::from_flat(&flat))
    }

    /// Whether it changes the alphas themselves.
    pub const fn is_of_alphas(self) -> bool {
        matches!(self, Self::Pin { .. } | Self::Prune { .. } | Self::Release { .. } | Self::Nudge { .. })
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
        let cell = SteeredCell::Reduce;
        let mut held = Held::new();
        let pinned = Steering::Pin { cell, edge: 3, op: Op::SepConv5x5.into() }.apply(&flat(), &mut held).unwrap();
        let weights = pinned.softmax();
        assert!(weights.reduce[3][5] > 0.999_999 && weights.normal[3] == flat().softmax().normal[3]);
        let last = Steering::Prune { cell, edge: 3, op: Op::SepConv5x5.into() }.apply(&pinned, &mut held).unwrap_err();
        assert_eq!(last.to_string(), "sep_conv_5x5 is the last op of edge 3, which has to keep one");
        let out =
            Steering::Nudge { cell, edge: 3, op: Op::None.into(), by: 1.0 }.apply(&pinned, &mut held).unwrap_err();
        assert_eq!(out.to_string(), "none was taken out of edge 3; release the edge first");
        let free = Steering::Release { cell, edge: 3 }.apply(&pinned, &mut held).unwrap();
        assert_eq!(free.reduce[3], [flat().reduce[3][5]; 8]);
        assert!(held.iter().flatten().all(|held| !held));
        let nudged =
            Steering::Nudge { cell, edge: 0, op: Op::SkipConnect.into(), by: 0.5 }.apply(&free, &mut held).unwrap();
        assert_eq!(nudged.reduce[0][3], flat().reduce[0][3] + 0.5);
    }

    #[test]
    fn what_cannot_be_changed_is_told() {
        let mut held = Held::new();
        let mut told = |change: Steering| change.apply(&flat(), &mut held).unwrap_err().to_string();
        let cell = SteeredCell::Normal;
        assert_eq!(told(Steering::Release { cell, edge: 14 }), "a cell has edges 0 to 13, not 14");
        let cell_of_text = SteeredCell::Recurrent;
        assert_eq!(told(Steering::Release { cell: cell_of_text, edge: 0 }), "the search has no recurrent cell");
        let tanh = Steering::Prune { cell, edge: 0, op: RecurrentOp::Tanh.into() };
        assert_eq!(told(tanh), "tanh is no candidate of a search");
        let seven = Steering::Pin { cell, edge: 0, op: Op::SepConv7x7.into() };
        assert_eq!(told(seven), "sep_conv_7x7 is no candidate of a search");
        let far = Steering::Nudge { cell, edge: 0, op: Op::None.into(), by: f32::NAN };
        assert_eq!(told(far), "an alpha is nudged by 10 at most either way, not by NaN");
        let rates = Steering::Rates { weights: 0.0, alphas: 0.1 };
        assert_eq!(told(rates), "learning-rate must be above 0, not 0");
    }

    #[test]
    fn recurrent_cells_are_steered_alike_and_events_name_what_is_changed() {
        let cell = SteeredCell::Recurrent;
        let alphas = RecurrentAlphas::from_flat(&(0..180).map(|i| (i % 7) as f32 / 10.0).collect::<Vec<_>>());
        let mut held = Held::new();
        let pin = Steering::Pin { cell, edge: 35, op: RecurrentOp::None.into() };
        let pinned = pin.apply(&alphas, &mut held).unwrap();
        assert!(pinned.softmax().rows[35][0] > 0.999_999 && pinned.rows[..35] == alphas.rows[..35]);
        let last = Steering::Release { cell, edge: 36 }.apply(&pinned, &mut held).unwrap_err();
        assert_eq!(last.to_string(), "a cell has edges 0 to 35, not 36");
        let free = Steering::Release { cell, edge: 35 }.apply(&pinned, &mut held).unwrap();
        assert_eq!(free.rows[35], [alphas.rows[35][0]; 5]);
        let text = serde_json::to_string(&pin).unwrap();
        assert_eq!(text, r#"{"change":"pin","cell":"recurrent","edge":35,"op":"none"}"#);
        assert_eq!(serde_json::from_str::<Steering>(&text).unwrap(), pin);
        let unknown = serde_json::from_str::<Steering>(&text.replace("none", "cosine")).unwrap_err();
        assert!(unknown.to_string().starts_with("unknown op \"cosine\" (known: none, max_pool_3x3,"), "{unknown}");
    }
}
