//! Shapes, offsets and settings of the fused ops: all that kernels depend on besides tensors. Nothing here launches anything.

mod likelihood;
mod recurrent;
mod sgd;

pub(crate) use likelihood::LikelihoodPlan;
pub(crate) use recurrent::{RecurrentGraph, RecurrentPlan};
pub(crate) use sgd::SgdStep;
