//! The relaxed networks.

use serde::{Deserialize, Serialize};

/// The path that computes a supernet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kernels {
    /// Hand-written WGSL compute shaders.
    Fused,
    /// Plain Burn ops: slow, and the yardstick of the fused path.
    #[default]
    Reference,
}
