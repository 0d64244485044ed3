//! What can be searched: ops, the cell's graph, alphas, genotypes and their derivation (paper, section 2.1 and 3.1.1); and
//! cells as data: published ones with the paper's figures, what a network of them costs, the forms in which they are passed
//! on.

mod alphas;
mod cell;
pub mod code;
mod cost;
mod genotype;
mod op;
mod published;
mod python;
mod random;
mod recurrent;
mod reported;

pub use alphas::Alphas;
pub use cell::{CellKind, EDGES, Edge, NODES, edges, is_reduction};
pub use code::CodeError;
pub use cost::{Cost, DerivedCost, NetworkSize, Stem, supernet_cost};
pub use genotype::{Genotype, GenotypeError};
pub use op::{Op, UnknownOp};
pub use published::{PUBLISHED, published};
pub use python::PythonError;
#[cfg(all(feature = "files", not(target_arch = "wasm32")))]
pub(crate) use python::is_recurrent;
pub use recurrent::{
    PUBLISHED_RECURRENT, RECURRENT_EDGES, RECURRENT_NODES, RecurrentAlphas, RecurrentGenotype, RecurrentGenotypeError,
    RecurrentOp, UnknownRecurrentOp, published_recurrent, recurrent_parameters,
};
pub use reported::{
    Cifar10Report, ImageNetReport, REPORTED_CIFAR10, REPORTED_IMAGENET, REPORTED_PTB, REPORTED_WT2, TextReport,
};
