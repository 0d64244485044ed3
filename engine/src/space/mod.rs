//! What can be searched: ops, the cell's graph, alphas, genotypes and their derivation (paper, section 2.1 and 3.1.1).

mod alphas;
mod cell;
mod genotype;
mod op;
mod published;

pub use alphas::Alphas;
pub use cell::{CellKind, EDGES, Edge, NODES, edges, is_reduction};
pub use genotype::{Genotype, GenotypeError};
pub use op::{Op, UnknownOp};
pub use published::{PUBLISHED, published};
