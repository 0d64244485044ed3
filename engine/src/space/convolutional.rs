//! Convolutional cells for images (paper, section 3.1.1): a normal and a reduction cell of four nodes, each the sum of two
//! edges.

use super::{CellSpec, Op, Output, PublishedCells, SpaceSpec};
use serde::{Deserialize, Serialize};

/// Intermediate nodes of a cell: with its two inputs and its output, the paper's seven nodes.
pub const NODES: usize = 4;

/// Edges of a cell: node `i` is reached from the two inputs and every earlier node.
pub const EDGES: usize = 14;

/// The two kinds of convolutional cell; cells of a kind share their alphas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellKind {
    /// Keeps height and width.
    Normal,
    /// Halves height and width: ops that leave a cell input have stride 2.
    Reduce,
}

impl CellKind {
    /// Both, in the order of the space.
    pub const ALL: [Self; 2] = [Self::Normal, Self::Reduce];

    /// Place in the space.
    pub const fn place(self) -> usize {
        self as usize
    }

    /// `normal` or `reduce`, as genotypes have it.
    pub const fn name(self) -> &'static str {
        SPEC.cells[self.place()].name
    }
}

/// Whether the cell at `layer` of `layers` is a reduction cell: those at one and two thirds of the depth (section 3.1.1).
pub fn is_reduction(layer: usize, layers: usize) -> bool {
    layer == layers / 3 || layer == 2 * layers / 3
}

impl Op {
    /// 3x3 max pooling.
    pub const MAX_POOL_3X3: Self = Self::new("max_pool_3x3");
    /// 3x3 average pooling, padding not counted.
    pub const AVG_POOL_3X3: Self = Self::new("avg_pool_3x3");
    /// Identity, or a factorised reduction at stride 2.
    pub const SKIP_CONNECT: Self = Self::new("skip_connect");
    /// 3x3 depthwise-separable convolution, applied twice.
    pub const SEP_CONV_3X3: Self = Self::new("sep_conv_3x3");
    /// 5x5 depthwise-separable convolution, applied twice.
    pub const SEP_CONV_5X5: Self = Self::new("sep_conv_5x5");
    /// 3x3 depthwise-separable convolution with dilation 2.
    pub const DIL_CONV_3X3: Self = Self::new("dil_conv_3x3");
    /// 5x5 depthwise-separable convolution with dilation 2.
    pub const DIL_CONV_5X5: Self = Self::new("dil_conv_5x5");
    /// 7x7 depthwise-separable convolution, applied twice (NASNet-A, AmoebaNet-A, PNAS).
    pub const SEP_CONV_7X7: Self = Self::new("sep_conv_7x7");
    /// 1x7 then 7x1 convolution (AmoebaNet-A).
    pub const CONV_7X1_1X7: Self = Self::new("conv_7x1_1x7");
}

/// Candidates of an edge, in the order of a row of alphas.
pub const CANDIDATES: [Op; 8] = [
    Op::NONE,
    Op::MAX_POOL_3X3,
    Op::AVG_POOL_3X3,
    Op::SKIP_CONNECT,
    Op::SEP_CONV_3X3,
    Op::SEP_CONV_5X5,
    Op::DIL_CONV_3X3,
    Op::DIL_CONV_5X5,
];

const fn cell(name: &'static str, title: &'static str, input_in_output: bool) -> CellSpec {
    CellSpec {
        name,
        title,
        inputs: &["c_{k-2}", "c_{k-1}"],
        sources: &[],
        output_label: "c_{k}",
        first_node: 0,
        nodes: NODES,
        max_nodes: 34,
        candidates: &CANDIDATES,
        other_ops: &[Op::SEP_CONV_7X7, Op::CONV_7X1_1X7],
        kept_edges: 2,
        output: Output::Concat,
        input_in_output,
        identity: Op::SKIP_CONNECT,
    }
}

/// The space. An input of a reduction cell is larger than its nodes and cannot be part of its output.
pub(super) const SPEC: &SpaceSpec = &SpaceSpec {
    name: "convolutional",
    cells: &[cell("normal", "normal cell", true), cell("reduce", "reduction cell", false)],
    code: 'd',
    code_letters: &[
        ('m', Op::MAX_POOL_3X3),
        ('a', Op::AVG_POOL_3X3),
        ('i', Op::SKIP_CONNECT),
        ('s', Op::SEP_CONV_3X3),
        ('t', Op::SEP_CONV_5X5),
        ('v', Op::SEP_CONV_7X7),
        ('d', Op::DIL_CONV_3X3),
        ('e', Op::DIL_CONV_5X5),
        ('x', Op::CONV_7X1_1X7),
    ],
    published: PUBLISHED,
};

/// Published cells.
///
/// - `DARTS_V1`, `DARTS_V2`: the paper's, of first and second order (figures 4 and 5).
/// - `NASNet`, `AmoebaNet`: NASNet-A (Zoph et al., 2018) and AmoebaNet-A (Real et al., 2018) as the authors' implementation
///   has them.
/// - `PNASNet`: PNASNet-5 (Liu et al., 2018, figure 1), as `genotypes.py` of `chenxi116/PNASNet.pytorch` has it. One cell
///   serves for both kinds; its output has all five nodes, also the one that another node reads. In its own network a skip
///   of stride 2 is one 1x1 convolution, and the stem on ImageNet is one convolution and two more reduction cells.
/// - `ENAS`: the micro cell of Pham et al. (2018), the `fixed_arc` of `scripts/cifar10_micro_final.sh` in
///   `melodyguan/enas`. The output has the nodes that no other reads. In its own network one more 1x1 convolution stands
///   before the newer input, and a skip of stride 2 has no ReLU.
const PUBLISHED: &[PublishedCells] = &[
    PublishedCells {
        name: "DARTS_V1",
        cells: &[
            (
                &[
                    (Op::SEP_CONV_3X3, 1),
                    (Op::SEP_CONV_3X3, 0),
                    (Op::SKIP_CONNECT, 0),
                    (Op::SEP_CONV_3X3, 1),
                    (Op::SKIP_CONNECT, 0),
                    (Op::SEP_CONV_3X3, 1),
                    (Op::SEP_CONV_3X3, 0),
                    (Op::SKIP_CONNECT, 2),
                ],
                &[2, 3, 4, 5],
            ),
            (
                &[
                    (Op::MAX_POOL_3X3, 0),
                    (Op::MAX_POOL_3X3, 1),
                    (Op::SKIP_CONNECT, 2),
                    (Op::MAX_POOL_3X3, 0),
                    (Op::MAX_POOL_3X3, 0),
                    (Op::SKIP_CONNECT, 2),
                    (Op::SKIP_CONNECT, 2),
                    (Op::AVG_POOL_3X3, 0),
                ],
                &[2, 3, 4, 5],
            ),
        ],
    },
    PublishedCells {
        name: "DARTS_V2",
        cells: &[
            (
                &[
                    (Op::SEP_CONV_3X3, 0),
                    (Op::SEP_CONV_3X3, 1),
                    (Op::SEP_CONV_3X3, 0),
                    (Op::SEP_CONV_3X3, 1),
                    (Op::SEP_CONV_3X3, 1),
                    (Op::SKIP_CONNECT, 0),
                    (Op::SKIP_CONNECT, 0),
                    (Op::DIL_CONV_3X3, 2),
                ],
                &[2, 3, 4, 5],
            ),
            (
                &[
                    (Op::MAX_POOL_3X3, 0),
                    (Op::MAX_POOL_3X3, 1),
                    (Op::SKIP_CONNECT, 2),
                    (Op::MAX_POOL_3X3, 1),
                    (Op::MAX_POOL_3X3, 0),
                    (Op::SKIP_CONNECT, 2),
                    (Op::SKIP_CONNECT, 2),
                    (Op::MAX_POOL_3X3, 1),
                ],
                &[2, 3, 4, 5],
            ),
        ],
    },
    PublishedCells {
        name: "NASNet",
        cells: &[
            (
                &[
                    (Op::SEP_CONV_5X5, 1),
                    (Op::SEP_CONV_3X3, 0),
                    (Op::SEP_CONV_5X5, 0),
                    (Op::SEP_CONV_3X3, 0),
                    (Op::AVG_POOL_3X3, 1),
                    (Op::SKIP_CONNECT, 0),
                    (Op::AVG_POOL_3X3, 0),
                    (Op::AVG_POOL_3X3, 0),
                    (Op::SEP_CONV_3X3, 1),
                    (Op::SKIP_CONNECT, 1),
                ],
                &[2, 3, 4, 5, 6],
            ),
            (
                &[
                    (Op::SEP_CONV_5X5, 1),
                    (Op::SEP_CONV_7X7, 0),
                    (Op::MAX_POOL_3X3, 1),
                    (Op::SEP_CONV_7X7, 0),
                    (Op::AVG_POOL_3X3, 1),
                    (Op::SEP_CONV_5X5, 0),
                    (Op::SKIP_CONNECT, 3),
                    (Op::AVG_POOL_3X3, 2),
                    (Op::SEP_CONV_3X3, 2),
                    (Op::MAX_POOL_3X3, 1),
                ],
                &[4, 5, 6],
            ),
        ],
    },
    PublishedCells {
        name: "AmoebaNet",
        cells: &[
            (
                &[
                    (Op::AVG_POOL_3X3, 0),
                    (Op::MAX_POOL_3X3, 1),
                    (Op::SEP_CONV_3X3, 0),
                    (Op::SEP_CONV_5X5, 2),
                    (Op::SEP_CONV_3X3, 0),
                    (Op::AVG_POOL_3X3, 3),
                    (Op::SEP_CONV_3X3, 1),
                    (Op::SKIP_CONNECT, 1),
                    (Op::SKIP_CONNECT, 0),
                    (Op::AVG_POOL_3X3, 1),
                ],
                &[4, 5, 6],
            ),
            (
                &[
                    (Op::AVG_POOL_3X3, 0),
                    (Op::SEP_CONV_3X3, 1),
                    (Op::MAX_POOL_3X3, 0),
                    (Op::SEP_CONV_7X7, 2),
                    (Op::SEP_CONV_7X7, 0),
                    (Op::AVG_POOL_3X3, 1),
                    (Op::MAX_POOL_3X3, 0),
                    (Op::MAX_POOL_3X3, 1),
                    (Op::CONV_7X1_1X7, 0),
                    (Op::SEP_CONV_3X3, 5),
                ],
                &[3, 4, 6],
            ),
        ],
    },
    PublishedCells { name: "PNASNet", cells: &[(&PNASNET, &[2, 3, 4, 5, 6]), (&PNASNET, &[2, 3, 4, 5, 6])] },
    PublishedCells {
        name: "ENAS",
        cells: &[
            (
                &[
                    (Op::AVG_POOL_3X3, 0),
                    (Op::SEP_CONV_3X3, 0),
                    (Op::SKIP_CONNECT, 0),
                    (Op::SEP_CONV_5X5, 0),
                    (Op::SKIP_CONNECT, 0),
                    (Op::SEP_CONV_5X5, 1),
                    (Op::SEP_CONV_3X3, 1),
                    (Op::SEP_CONV_5X5, 0),
                    (Op::AVG_POOL_3X3, 0),
                    (Op::SEP_CONV_5X5, 1),
                ],
                &[2, 3, 4, 5, 6],
            ),
            (
                &[
                    (Op::SEP_CONV_3X3, 1),
                    (Op::SEP_CONV_3X3, 1),
                    (Op::MAX_POOL_3X3, 0),
                    (Op::AVG_POOL_3X3, 0),
                    (Op::SEP_CONV_5X5, 1),
                    (Op::SEP_CONV_5X5, 3),
                    (Op::SEP_CONV_3X3, 1),
                    (Op::SKIP_CONNECT, 0),
                    (Op::MAX_POOL_3X3, 0),
                    (Op::SEP_CONV_5X5, 1),
                ],
                &[2, 4, 5, 6],
            ),
        ],
    },
];

/// Both cells of PNASNet-5.
const PNASNET: [(Op, usize); 10] = [
    (Op::SEP_CONV_5X5, 0),
    (Op::MAX_POOL_3X3, 0),
    (Op::SEP_CONV_7X7, 1),
    (Op::MAX_POOL_3X3, 1),
    (Op::SEP_CONV_5X5, 1),
    (Op::SEP_CONV_3X3, 1),
    (Op::SEP_CONV_3X3, 4),
    (Op::MAX_POOL_3X3, 1),
    (Op::SEP_CONV_3X3, 0),
    (Op::SKIP_CONNECT, 1),
];
