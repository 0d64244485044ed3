//! Shapes, offsets and settings of the fused ops: all that kernels depend on besides tensors. Nothing here launches anything.

mod cell;
mod conv_norm;
mod likelihood;
mod recurrent;
mod sgd;

pub(crate) use cell::CellPlan;
pub(in crate::kernels) use cell::{DEPTHWISE, Requested, SEPARABLE, first_edge};
pub(crate) use conv_norm::ConvNormPlan;
pub(in crate::kernels) use conv_norm::{Layer, NEIGHBOURS, Source};
pub(crate) use likelihood::LikelihoodPlan;
pub(crate) use recurrent::{RecurrentGraph, RecurrentPlan};
pub(crate) use sgd::SgdStep;
