//! Search spaces as data: kinds of cell, ops, alphas, genotypes and their derivation (paper, sections 2.1, 2.4 and 3.1); the
//! forms in which genotypes are passed on; published cells with the paper's figures, and what a network of them costs.
//!
//! A space is a [`SpaceSpec`] in a file of its own and an entry of [`SPACES`]; everything here follows from that.

mod alphas;
pub mod code;
mod convolutional;
mod cost;
mod draw;
mod genotype;
mod op;
mod python;
mod random;
mod recurrent;
mod reported;
mod spec;

pub use alphas::Alphas;
pub use code::CodeError;
pub use convolutional::{CANDIDATES, CellKind, EDGES, NODES, is_reduction};
pub use cost::{Cost, DerivedCost, NetworkSize, Stem, supernet_cost};
pub use genotype::{DerivedCell, Genotype, GenotypeError, KeptEdge, space_of_json};
pub use op::{Op, UnknownOp};
pub use python::{PythonError, space_of_python};
pub use recurrent::{RECURRENT_CANDIDATES, RECURRENT_EDGES, RECURRENT_NODES, recurrent_parameters};
pub use reported::{
    Cifar10Report, ImageNetReport, REPORTED_CIFAR10, REPORTED_IMAGENET, REPORTED_PTB, REPORTED_WT2, TextReport,
};
pub use spec::{CellName, CellSpec, Output, PublishedCell, PublishedCells, Space, SpaceSpec};

use serde::{Deserialize, Serialize};

/// Convolutional cells for images.
pub const CONVOLUTIONAL: Space = Space(convolutional::SPEC);

/// Recurrent cells for language models.
pub const RECURRENT: Space = Space(recurrent::SPEC);

/// Type of the convolutional space: networks for images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolutional;

/// Type of the recurrent space: language models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurrent;

/// All search spaces.
pub const SPACES: [Space; 2] = [CONVOLUTIONAL, RECURRENT];

/// Edge of a cell that is searched: from a state to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Edge {
    /// Source state: the inputs of the cell come first, then its nodes.
    pub state: usize,
    /// Node reached, from 0.
    pub node: usize,
}
