use super::{CANDIDATES, CONVOLUTIONAL, CellKind, Genotype, NODES, Op, is_reduction};
use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// Cost of a network: trainable parameters, and multiply-accumulates of one image's forward pass in convolutions and
/// linear layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Trainable parameters.
    pub params: u64,
    /// Multiply-accumulates per image.
    pub macs: u64,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.params += other.params;
        self.macs += other.macs;
    }
}

/// Layers before the first cell, by the images that a network is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stem {
    /// One 3x3 convolution to three times the initial channels, at the size of the image.
    Cifar10,
    /// Three 3x3 convolutions of stride 2; the first cell's inputs are a quarter and an eighth of the image's side,
    /// and its channels must be even.
    ImageNet,
}

/// The size of a derived network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NetworkSize {
    /// Layers before the first cell.
    pub stem: Stem,
    /// Channels of the first cell's nodes; each reduction cell doubles them.
    pub init_channels: usize,
    /// Number of cells.
    pub layers: usize,
    /// Side of the square images, in pixels.
    pub image: usize,
    /// Number of classes.
    pub classes: usize,
}

impl NetworkSize {
    /// The paper's network for CIFAR-10 (section A.2.1).
    pub const CIFAR10: Self = Self { stem: Stem::Cifar10, init_channels: 36, layers: 20, image: 32, classes: 10 };

    /// The paper's network for ImageNet in the mobile setting (section A.2.3).
    pub const IMAGENET: Self = Self { stem: Stem::ImageNet, init_channels: 48, layers: 14, image: 224, classes: 1000 };
}

/// Cost of a derived network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DerivedCost {
    /// The network as it is evaluated.
    #[serde(flatten)]
    pub network: Cost,
    /// The auxiliary head, which is there in training only; none where its input, the output of the cell at two thirds of
    /// the depth, is not of the size that it is made for (8x8 on CIFAR-10, 7x7 on ImageNet).
    pub auxiliary: Option<Cost>,
}

impl Op {
    /// Cost of one op of a cell, BatchNorm with gamma and beta: `channels` in and out, its output of side `side`, its
    /// input larger by `stride`.
    pub fn cost(self, channels: usize, side: usize, stride: usize) -> Cost {
        let mut counter = Counter::affine();
        counter.op(self, channels, side * stride, side);
        counter.cost
    }
}

impl Genotype {
    /// Cost of the network of these cells in the structure of the authors' implementation: every BatchNorm with gamma
    /// and beta, pools and skips without any, biases in the classifier only. The genotype must be well formed.
    pub fn cost(&self, size: &NetworkSize) -> DerivedCost {
        let mut total = Counter::affine();
        let c = size.init_channels;
        let (mut inputs, mut previous_reduces) = match size.stem {
            Stem::Cifar10 => {
                total.conv_norm(3, 3 * c, 9, size.image);
                ([State { channels: 3 * c, side: size.image }; 2], false)
            }
            Stem::ImageNet => {
                let sides = [2, 4, 8].map(|shrink| size.image.div_ceil(shrink));
                total.conv_norm(3, c / 2, 9, sides[0]);
                total.conv_norm(c / 2, c, 9, sides[1]);
                total.conv_norm(c, c, 9, sides[2]);
                ([State { channels: c, side: sides[1] }, State { channels: c, side: sides[2] }], true)
            }
        };
        let mut auxiliary = None;
        let mut channels = c;
        for layer in 0..size.layers {
            let kind = if is_reduction(layer, size.layers) { CellKind::Reduce } else { CellKind::Normal };
            let (ops, concat) = self.of(kind);
            let edges = ops.iter().map(|&(op, state)| (op, state < 2));
            inputs = total.cell(kind, inputs, previous_reduces, &mut channels, edges, concat.len());
            previous_reduces = kind == CellKind::Reduce;
            if layer == 2 * size.layers / 3 {
                auxiliary = auxiliary_head(size, inputs[1]);
            }
        }
        total.linear(inputs[1].channels, size.classes);
        DerivedCost { network: total.cost, auxiliary }
    }
}

/// Cost of the search supernet: every edge has every candidate op, no BatchNorm but the stem's has parameters. Alphas
/// are not counted.
pub fn supernet_cost(init_channels: usize, layers: usize, image: usize, classes: usize) -> Cost {
    let mut total = Counter::affine();
    total.conv_norm(3, 3 * init_channels, 9, image);
    total.affine = false;
    let mut inputs = [State { channels: 3 * init_channels, side: image }; 2];
    let (mut channels, mut previous_reduces) = (init_channels, false);
    for layer in 0..layers {
        let kind = if is_reduction(layer, layers) { CellKind::Reduce } else { CellKind::Normal };
        let edges =
            CONVOLUTIONAL.spec().cells[kind.place()].edges().flat_map(|edge| CANDIDATES.map(|op| (op, edge.state < 2)));
        inputs = total.cell(kind, inputs, previous_reduces, &mut channels, edges, NODES);
        previous_reduces = kind == CellKind::Reduce;
    }
    total.linear(inputs[1].channels, classes);
    total.cost
}

/// The head that is trained beside the classifier: average pooling 5x5, a 1x1 and a 2x2 convolution, a linear layer.
fn auxiliary_head(size: &NetworkSize, input: State) -> Option<Cost> {
    let stride = match size.stem {
        Stem::Cifar10 => 3,
        Stem::ImageNet => 2,
    };
    // The pool must leave 2x2 pixels for the second convolution to leave one.
    let pooled = input.side.checked_sub(5)? / stride + 1;
    if pooled != 2 {
        return None;
    }
    let mut head = Counter::affine();
    head.conv_norm(input.channels, 128, 1, pooled);
    head.conv(128, 768, 4, 1);
    if size.stem == Stem::Cifar10 {
        head.norm(768);
    }
    head.linear(768, size.classes);
    Some(head.cost)
}

/// Shape of a cell's input: channels and side of a square.
#[derive(Clone, Copy)]
struct State {
    channels: usize,
    side: usize,
}

/// Adds up layers.
struct Counter {
    cost: Cost,
    /// Whether BatchNorm has gamma and beta.
    affine: bool,
}

impl Counter {
    fn affine() -> Self {
        Self { cost: Cost::default(), affine: true }
    }

    /// A convolution without bias: `from` channels a group, `window` pixels, output of side `side`.
    fn conv(&mut self, from: usize, to: usize, window: usize, side: usize) {
        let weights = (from * to * window) as u64;
        self.cost += Cost { params: weights, macs: weights * (side * side) as u64 };
    }

    fn norm(&mut self, channels: usize) {
        if self.affine {
            self.cost.params += 2 * channels as u64;
        }
    }

    fn conv_norm(&mut self, from: usize, to: usize, window: usize, side: usize) {
        self.conv(from, to, window, side);
        self.norm(to);
    }

    fn linear(&mut self, from: usize, to: usize) {
        self.conv(from, to, 1, 1);
        self.cost.params += to as u64;
    }

    /// Depthwise, then pointwise convolution and BatchNorm.
    fn separable(&mut self, channels: usize, window: usize, side: usize) {
        self.conv(1, channels, window, side);
        self.conv_norm(channels, channels, 1, side);
    }

    /// A factorised reduction: two 1x1 convolutions of stride 2, each to half of the channels, concatenated.
    fn factorised(&mut self, from: usize, to: usize, side: usize) {
        self.conv_norm(from, to, 1, side);
    }

    /// An op on an edge of stride 1 or 2, output of side `side`; `wide` is the side of its input.
    fn op(&mut self, op: Op, channels: usize, wide: usize, side: usize) {
        match op {
            Op::NONE | Op::MAX_POOL_3X3 | Op::AVG_POOL_3X3 => {}
            Op::SKIP_CONNECT if wide == side => {}
            Op::SKIP_CONNECT => self.factorised(channels, channels, side),
            Op::SEP_CONV_3X3 => (0..2).for_each(|_| self.separable(channels, 9, side)),
            Op::SEP_CONV_5X5 => (0..2).for_each(|_| self.separable(channels, 25, side)),
            Op::SEP_CONV_7X7 => (0..2).for_each(|_| self.separable(channels, 49, side)),
            Op::DIL_CONV_3X3 => self.separable(channels, 9, side),
            Op::DIL_CONV_5X5 => self.separable(channels, 25, side),
            Op::CONV_7X1_1X7 => {
                // The stride is (1, s), then (s, 1): the first output is as high as the input, as wide as the second.
                let weights = (channels * channels * 7) as u64;
                self.cost += Cost { params: weights, macs: weights * (wide * side) as u64 };
                self.conv_norm(channels, channels, 7, side);
            }
            other => unreachable!("{other} is no op of a convolutional cell"),
        }
    }

    /// A cell on its two inputs; `edges` are its ops, each with whether it reads an input of the cell. Returns the
    /// inputs of the next cell, and doubles `channels` in a reduction.
    fn cell(
        &mut self,
        kind: CellKind,
        [before, last]: [State; 2],
        previous_reduces: bool,
        channels: &mut usize,
        edges: impl Iterator<Item = (Op, bool)>,
        outputs: usize,
    ) -> [State; 2] {
        let wide = last.side;
        let mut side = wide;
        if kind == CellKind::Reduce {
            *channels *= 2;
            side = wide.div_ceil(2);
        }
        // Both inputs are brought to the cell's channels, the older one also to the size of the other.
        if previous_reduces {
            self.factorised(before.channels, *channels, wide);
        } else {
            self.conv_norm(before.channels, *channels, 1, wide);
        }
        self.conv_norm(last.channels, *channels, 1, wide);
        for (op, from_input) in edges {
            self.op(op, *channels, if from_input { wide } else { side }, side);
        }
        [last, State { channels: *channels * outputs, side }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two cells, the second a reduction, counted by hand: C = 2, 4x4 images, 3 classes.
    #[test]
    fn a_small_network_counted_by_hand() {
        let genotype = Genotype::new(
            CONVOLUTIONAL,
            [
                (vec![(Op::SEP_CONV_3X3, 0), (Op::SKIP_CONNECT, 1)], vec![2]),
                (vec![(Op::CONV_7X1_1X7, 0), (Op::SKIP_CONNECT, 1)], vec![2]),
            ],
        );
        let size = NetworkSize { stem: Stem::Cifar10, init_channels: 2, layers: 4, image: 4, classes: 3 };
        // Reductions are the cells 1 and 2, of 4 and 8 channels.
        let stem = 3 * 6 * 9 + 12;
        let first = (6 * 2 + 4) * 2 + 2 * (2 * 9 + 2 * 2 + 4);
        let reduction = |before: u64, last: u64, c: u64| (before + last + 14 * c + c) * c + 4 * c + 4 * c;
        let last = 4 * 8 + 16 + 8 * 8 + 16 + 2 * (8 * 9 + 8 * 8 + 16);
        let params = stem + first + reduction(6, 2, 4) + reduction(2, 4, 8) + last + 8 * 3 + 3;
        let cost = genotype.cost(&size);
        assert_eq!(cost.network.params, params);
        let macs = 162 * 16
            + (24 + 2 * 22) * 16
            + (6 + 2) * 4 * 16
            + 7 * 16 * 8
            + 7 * 16 * 4
            + 16 * 4
            + (2 + 4) * 8 * 4
            + 7 * 64 * 2
            + 7 * 64
            + 64
            + (4 + 8) * 8
            + 2 * 136
            + 24;
        assert_eq!(cost.network.macs, macs);
        assert_eq!(cost.auxiliary, None, "the head is made for 8x8");
    }

    #[test]
    fn an_op_costs_what_its_layers_do() {
        let twice = Cost { params: 2 * (36 * 9 + 36 * 36 + 72), macs: 2 * 1024 * (36 * 9 + 36 * 36) };
        assert_eq!(Op::SEP_CONV_3X3.cost(36, 32, 1), twice);
        assert_eq!(Op::MAX_POOL_3X3.cost(36, 32, 2), Cost::default());
        assert_eq!(Op::SKIP_CONNECT.cost(36, 32, 1), Cost::default());
        assert_eq!(Op::SKIP_CONNECT.cost(72, 16, 2).params, 72 * 72 + 144);
    }

    #[test]
    fn the_auxiliary_head_needs_its_size() {
        let genotype = CONVOLUTIONAL.published("DARTS_V2").unwrap();
        for size in [NetworkSize::CIFAR10, NetworkSize::IMAGENET] {
            let head = genotype.cost(&size).auxiliary.unwrap();
            // Two convolutions and a linear layer: the first on 2x2 pixels, the others on one.
            let channels = 16 * size.init_channels as u64;
            assert_eq!(head.macs, channels * 128 * 4 + 128 * 768 * 4 + 768 * size.classes as u64);
            assert_eq!(genotype.cost(&NetworkSize { image: size.image / 2, ..size }).auxiliary, None);
        }
    }
}
