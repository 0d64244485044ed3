use crate::{
    device::Tuning,
    network::{CellShape, Layout},
    space::{CellKind, NODES},
};
use std::ops::Range;

/// Kernel size and dilation of the depthwise convolutions by kind: sep 3x3, sep 5x5, dil 3x3, dil 5x5.
pub(in crate::kernels) const DEPTHWISE: [(usize, usize); 4] = [(3, 1), (5, 1), (3, 2), (5, 2)];
/// Number of separable kinds: they come first, and have a second depthwise and pointwise convolution.
pub(in crate::kernels) const SEPARABLE: usize = 2;

/// Offsets of the weights of a node's first edge by kind, among the cell's parameters; those of its other edges follow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::kernels) struct NodePlan {
    /// First depthwise weights.
    pub depthwise: [usize; 4],
    /// Pointwise weights of separable convolutions between the two depthwise ones.
    pub inner_pointwise: [usize; 2],
    /// Second depthwise weights of separable convolutions.
    pub second_depthwise: [usize; 2],
    /// Last pointwise weights, and then those of the two convolutions of a factorized reduce.
    pub last_pointwise: [usize; 6],
}

/// Everything that the kernels of a relaxed cell depend on besides its tensors.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CellPlan {
    pub(in crate::kernels) shape: CellShape,
    pub(in crate::kernels) batch: usize,
    /// Height and width of the nodes.
    pub(in crate::kernels) size: [usize; 2],
    /// Number of the cell's parameters.
    pub(in crate::kernels) parameters: usize,
    pub(in crate::kernels) tuning: Tuning,
    pub(in crate::kernels) nodes: Vec<NodePlan>,
    /// Offsets of the pointwise weights that preprocess both inputs.
    pub(in crate::kernels) preprocess: [usize; 2],
}

impl CellPlan {
    /// The cell at `layer`, whose parameters are `layout`'s `range`, on `batch` images with nodes of `size`.
    pub fn new(
        layout: &Layout,
        layer: usize,
        shape: CellShape,
        range: Range<usize>,
        batch: usize,
        size: [usize; 2],
        tuning: Tuning,
    ) -> Self {
        let at = |name: String| {
            layout.get(&format!("cells.{layer}.{name}")).map_or(0, |parameter| parameter.offset - range.start)
        };
        let nodes = (0..NODES)
            .map(|node| {
                let edge = first_edge(node);
                let op = |op: usize, part: &str| at(format!("_ops.{edge}._ops.{op}.{part}.weight"));
                NodePlan {
                    depthwise: [4, 5, 6, 7].map(|i| op(i, "op.1")),
                    inner_pointwise: [4, 5].map(|i| op(i, "op.2")),
                    second_depthwise: [4, 5].map(|i| op(i, "op.5")),
                    last_pointwise: [
                        op(4, "op.6"),
                        op(5, "op.6"),
                        op(6, "op.2"),
                        op(7, "op.2"),
                        op(3, "conv_1"),
                        op(3, "conv_2"),
                    ],
                }
            })
            .collect();
        let first = if shape.after_reduction { "preprocess0.conv_1.weight" } else { "preprocess0.op.1.weight" };
        Self {
            shape,
            batch,
            size,
            parameters: range.len(),
            tuning,
            nodes,
            preprocess: [at(first.to_owned()), at("preprocess1.op.1.weight".to_owned())],
        }
    }

    /// Shape of the output.
    pub fn output(&self) -> [usize; 4] {
        [self.batch, NODES * self.shape.channels, self.size[0], self.size[1]]
    }

    /// Whether it is a reduction cell.
    pub(in crate::kernels) fn is_reduction(&self) -> bool {
        self.shape.kind == CellKind::Reduce
    }

    /// Stride of the ops on an edge out of a state.
    pub(in crate::kernels) fn stride(&self, state: usize) -> usize {
        if self.is_reduction() && state < 2 { 2 } else { 1 }
    }

    /// Channels of an input of the cell, and how many convolutions preprocess it side by side: two in a factorized reduce,
    /// which halves an input that is twice as high and wide as the other.
    pub(in crate::kernels) fn preprocess_channels(&self, which: usize) -> (usize, usize) {
        match which {
            0 => (self.shape.channels_before_last, if self.shape.after_reduction { 2 } else { 1 }),
            _ => (self.shape.channels_last, 1),
        }
    }
}

/// Gradients of a cell that are requested beside those of the op weights.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels) struct Requested {
    pub inputs: [bool; 2],
    pub parameters: bool,
}

/// The first edge of a node, which starts at state 0; those from states 1 to node + 1 follow.
pub(in crate::kernels) fn first_edge(node: usize) -> usize {
    node * (node + 3) / 2
}

#[cfg(test)]
mod tests {
    use super::{DEPTHWISE, SEPARABLE};
    use crate::space::CANDIDATES;

    /// The kernels find a candidate by its place: no pooling or convolution may move without them.
    #[test]
    fn candidates_are_those_that_the_kernels_know() {
        let convolutions = DEPTHWISE
            .iter()
            .enumerate()
            .map(|(kind, (size, _))| format!("{}_conv_{size}x{size}", if kind < SEPARABLE { "sep" } else { "dil" }));
        let others = ["none", "max_pool_3x3", "avg_pool_3x3", "skip_connect"].map(str::to_owned);
        let known: Vec<String> = others.into_iter().chain(convolutions).collect();
        assert_eq!(CANDIDATES.map(|op| op.name().to_owned()).as_slice(), known);
    }
}
