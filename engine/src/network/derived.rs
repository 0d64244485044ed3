//! The network of a derived cell (paper, sections 3.2 and A.2), laid out as the authors' implementation has it.

#[cfg(feature = "compute")]
use crate::device::Tuning;
use crate::network::{CellShape, Init, Layout, op_parameters};
use crate::{
    config::Kernels,
    space::{CellKind, Genotype, Op, Stem, is_reduction},
};

/// Where the auxiliary head is in the module tree.
pub(crate) const AUXILIARY_HEAD: &str = "auxiliary_head.";
/// Channels inside the auxiliary head.
pub(crate) const AUXILIARY_CHANNELS: [usize; 2] = [128, 768];

/// A network of derived cells: a stem, a stack of cells, a linear classifier, and while it trains an auxiliary one after
/// two thirds of the cells.
///
/// All weights are one flat vector, as a supernet's are, and the running statistics of all BatchNorms are another.
#[derive(Clone, Debug)]
pub struct Network {
    pub(crate) genotype: Genotype,
    pub(crate) stem: Stem,
    pub(crate) cells: Vec<CellShape>,
    pub(crate) auxiliary: bool,
    pub(crate) label_smoothing: f64,
    pub(crate) layout: Layout,
    /// The same flat vector with all parameters of an op as one.
    pub(crate) packed: Layout,
    pub(crate) statistics: Layout,
    /// The same flat vector with both statistics of a BatchNorm as one.
    pub(crate) norms: Layout,
    pub(crate) paths: usize,
    pub(crate) kernels: Kernels,
    #[cfg(feature = "compute")]
    pub(crate) tuning: Option<Tuning>,
}

impl Network {
    /// Lays out a network of `layers` cells whose first has `init_channels` channels, reduction cells at one and two
    /// thirds, for `classes` classes.
    ///
    /// # Panics
    /// The genotype is not well formed, see [`Genotype::check`].
    pub fn new(
        genotype: Genotype,
        stem: Stem,
        init_channels: usize,
        layers: usize,
        classes: usize,
        auxiliary: bool,
    ) -> Self {
        genotype.check().expect("a well-formed genotype");
        let mut parts = Parts::default();
        let c = init_channels;
        let (mut before_last, mut after_reduction) = match stem {
            Stem::Cifar10 => {
                parts.conv("stem.0", [3 * c, 3, 3, 3]);
                parts.norm("stem.1", 3 * c);
                (3 * c, false)
            }
            Stem::ImageNet => {
                parts.conv("stem0.0", [c / 2, 3, 3, 3]);
                parts.norm("stem0.1", c / 2);
                parts.conv("stem0.3", [c, c / 2, 3, 3]);
                parts.norm("stem0.4", c);
                parts.conv("stem1.1", [c, c, 3, 3]);
                parts.norm("stem1.2", c);
                // The first cell's inputs are the two stems, one half as large as the other.
                (c, true)
            }
        };
        let (mut last, mut channels) = (before_last, c);
        let mut cells = Vec::new();
        let mut auxiliary_input = None;
        for layer in 0..layers {
            let kind = if is_reduction(layer, layers) { CellKind::Reduce } else { CellKind::Normal };
            if kind == CellKind::Reduce {
                channels *= 2;
            }
            let cell =
                CellShape { kind, after_reduction, channels_before_last: before_last, channels_last: last, channels };
            let (ops, concat) = of(&genotype, kind);
            parts.cell(layer, cell, ops);
            cells.push(cell);
            after_reduction = kind == CellKind::Reduce;
            (before_last, last) = (last, concat.len() * channels);
            if layer == auxiliary_layer(layers) {
                auxiliary_input = Some(last);
            }
        }
        if let Some(input) = auxiliary_input.filter(|_| auxiliary) {
            let [narrow, wide] = AUXILIARY_CHANNELS;
            parts.conv("auxiliary_head.features.2", [narrow, input, 1, 1]);
            parts.norm("auxiliary_head.features.3", narrow);
            parts.conv("auxiliary_head.features.5", [wide, narrow, 2, 2]);
            // The authors left this one out for ImageNet, by mistake at first and then on purpose.
            if stem == Stem::Cifar10 {
                parts.norm("auxiliary_head.features.6", wide);
            }
            parts.linear("auxiliary_head.classifier", wide, classes);
        }
        parts.linear("classifier", last, classes);
        let Parts { layout, statistics } = parts;
        let paths = cells
            .iter()
            .map(|cell| {
                let (ops, _) = of(&genotype, cell.kind);
                ops.iter().filter(|&&(op, state)| !is_identity(op, stride(cell.kind, state))).count()
            })
            .sum();
        let packed = layout.packed(|name| {
            let depth = match name.split('.').next() {
                Some("stem") => 0,
                Some("cells") if name.contains("._ops.") => 3,
                Some("cells") => 2,
                _ => return None,
            };
            name.match_indices('.').nth(depth).map(|(end, _)| &name[..end])
        });
        let norms = statistics.packed(|name| name.rsplit_once('.').map(|(norm, _)| norm));
        Self {
            genotype,
            stem,
            cells,
            auxiliary,
            label_smoothing: 0.0,
            layout,
            packed,
            statistics,
            norms,
            paths,
            kernels: Kernels::Reference,
            #[cfg(feature = "compute")]
            tuning: None,
        }
    }

    /// The network, trained with a share of each label spread over all classes.
    pub fn with_label_smoothing(self, label_smoothing: f64) -> Self {
        Self { label_smoothing, ..self }
    }

    /// The stem, by the images that the network is made for.
    pub fn stem(&self) -> Stem {
        self.stem
    }

    /// The same network computed by `kernels`; a new one is computed in plain Burn ops.
    pub fn on(self, kernels: Kernels) -> Self {
        Self { kernels, ..self }
    }

    /// The path that computes the network.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Where each weight lies in the flat vector.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Number of weights of the network without its auxiliary head, and of the head.
    pub fn parameters(&self) -> (usize, usize) {
        let head = self.layout.parameters().iter().filter(|p| p.name.starts_with(AUXILIARY_HEAD));
        let head = head.map(|p| p.range().len()).sum();
        (self.layout.len() - head, head)
    }

    /// Where each running mean and variance lies in the flat vector of them.
    pub fn statistics(&self) -> &Layout {
        &self.statistics
    }

    /// Ops that drop-path may drop: all but identities.
    pub fn paths(&self) -> usize {
        self.paths
    }
}

/// The ops and the output's states of a kind of cell.
pub(crate) fn of(genotype: &Genotype, kind: CellKind) -> (&[(Op, usize)], &[usize]) {
    genotype.of(kind)
}

/// The cell whose output the auxiliary head reads: the second reduction.
pub(crate) fn auxiliary_layer(layers: usize) -> usize {
    2 * layers / 3
}

pub(crate) fn stride(kind: CellKind, state: usize) -> usize {
    if kind == CellKind::Reduce && state < 2 { 2 } else { 1 }
}

pub(crate) fn is_identity(op: Op, stride: usize) -> bool {
    op == Op::SKIP_CONNECT && stride == 1
}

/// The BatchNorms of an op, by their names inside the op's module.
pub(crate) fn op_norms(op: Op, stride: usize) -> &'static [&'static str] {
    match op {
        Op::SEP_CONV_3X3 | Op::SEP_CONV_5X5 | Op::SEP_CONV_7X7 => &["op.3", "op.7"],
        Op::DIL_CONV_3X3 | Op::DIL_CONV_5X5 => &["op.3"],
        Op::CONV_7X1_1X7 => &["3"],
        Op::SKIP_CONNECT if stride == 2 => &["bn"],
        _ => &[],
    }
}

/// The layouts of a network while it is built up.
#[derive(Default)]
struct Parts {
    layout: Layout,
    statistics: Layout,
}

impl Parts {
    fn conv(&mut self, name: &str, shape: [usize; 4]) {
        self.layout.push_conv(format!("{name}.weight"), shape);
    }

    fn norm(&mut self, name: &str, channels: usize) {
        self.layout.push(format!("{name}.weight"), &[channels], Init::Ones);
        self.layout.push(format!("{name}.bias"), &[channels], Init::Zeros);
        self.statistics.push(format!("{name}.running_mean"), &[channels], Init::Zeros);
        self.statistics.push(format!("{name}.running_var"), &[channels], Init::Ones);
    }

    fn linear(&mut self, name: &str, inputs: usize, outputs: usize) {
        self.layout.push(format!("{name}.weight"), &[outputs, inputs], Init::Uniform { fan_in: inputs });
        self.layout.push(format!("{name}.bias"), &[outputs], Init::Uniform { fan_in: inputs });
    }

    fn cell(&mut self, layer: usize, cell: CellShape, ops: &[(Op, usize)]) {
        let CellShape { channels, channels_before_last, channels_last, .. } = cell;
        let first = format!("cells.{layer}.preprocess0");
        if cell.after_reduction {
            for (half, count) in [("conv_1", channels / 2), ("conv_2", channels - channels / 2)] {
                self.conv(&format!("{first}.{half}"), [count, channels_before_last, 1, 1]);
            }
            self.norm(&format!("{first}.bn"), channels);
        } else {
            self.conv(&format!("{first}.op.1"), [channels, channels_before_last, 1, 1]);
            self.norm(&format!("{first}.op.2"), channels);
        }
        let second = format!("cells.{layer}.preprocess1");
        self.conv(&format!("{second}.op.1"), [channels, channels_last, 1, 1]);
        self.norm(&format!("{second}.op.2"), channels);
        for (i, &(op, state)) in ops.iter().enumerate() {
            let stride = stride(cell.kind, state);
            for (name, shape) in op_parameters(op, channels, stride) {
                self.layout.push_conv(format!("cells.{layer}._ops.{i}.{name}"), shape);
            }
            for norm in op_norms(op, stride) {
                self.norm(&format!("cells.{layer}._ops.{i}.{norm}"), channels);
            }
        }
    }
}
