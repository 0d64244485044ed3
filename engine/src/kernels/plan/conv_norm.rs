use crate::{device::Tuning, space::Op};

/// Pixels of a 3 x 3 neighbourhood.
pub(in crate::kernels) const NEIGHBOURS: usize = 9;

/// Input of the pointwise convolution of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) enum Source {
    /// The ReLU of the layer's input.
    Relu,
    /// A depthwise convolution of that, whose weights begin at `weights` among the parameters.
    Depthwise { k: usize, dilation: usize, stride: usize, weights: usize },
    /// Every second pixel of that: the first half of the outputs from pixel 0 on, the second half from pixel 1 on.
    FactorizedReduce,
    /// The 3 x 3 neighbourhoods of the pixels of the input itself.
    Neighbourhoods,
}

/// A convolution of one or two parts, and BatchNorm with gamma and beta.
#[derive(Clone, Debug)]
pub(in crate::kernels) struct Layer {
    pub source: Source,
    pub channels_in: usize,
    pub channels_out: usize,
    /// Height and width of the output.
    pub size: [usize; 2],
    /// Offset of the pointwise weights among the parameters.
    pub pointwise: usize,
    /// Offset of gamma among the parameters; beta follows.
    pub gamma: usize,
}

impl Layer {
    /// Inputs per output of the pointwise convolution, and the number of such convolutions side by side.
    pub fn pointwise_inputs(&self) -> (usize, usize) {
        match self.source {
            Source::Neighbourhoods => (NEIGHBOURS * self.channels_in, 1),
            Source::FactorizedReduce => (self.channels_in, 2),
            Source::Relu | Source::Depthwise { .. } => (self.channels_in, 1),
        }
    }
}

/// An op of a derived cell, preprocessing or a stem: one or two convolutions, each followed by BatchNorm with gamma and beta.
/// All its parameters lie together, those of the convolutions first.
#[derive(Clone, Debug)]
pub(crate) struct ConvNormPlan {
    pub(in crate::kernels) layers: Vec<Layer>,
    pub(in crate::kernels) batch: usize,
    /// Number of the op's parameters.
    pub(in crate::kernels) parameters: usize,
    pub(in crate::kernels) tuning: Tuning,
}

impl ConvNormPlan {
    /// The stem for small images: a 3x3 convolution with `channels` outputs on `batch` images of `size`.
    pub fn stem(channels: usize, batch: usize, size: [usize; 2], tuning: Tuning) -> Self {
        let mut plan = Self::without_layers(batch, tuning);
        plan.push(Source::Neighbourhoods, [3, channels], size);
        plan.finish()
    }

    /// ReLU and a pointwise convolution from `input` [batch, channels, height, width] to `channels`.
    pub fn relu_conv([batch, from, height, width]: [usize; 4], channels: usize, tuning: Tuning) -> Self {
        let mut plan = Self::without_layers(batch, tuning);
        plan.push(Source::Relu, [from, channels], [height, width]);
        plan.finish()
    }

    /// A factorized reduce; `None` for a picture of odd size or an odd number of channels.
    pub fn factorized_reduce(
        [batch, from, height, width]: [usize; 4],
        channels: usize,
        tuning: Tuning,
    ) -> Option<Self> {
        let even = [height, width, channels].iter().all(|n| n.is_multiple_of(2));
        even.then(|| {
            let mut plan = Self::without_layers(batch, tuning);
            plan.push(Source::FactorizedReduce, [from, channels], [height / 2, width / 2]);
            plan.finish()
        })
    }

    /// An op of a derived cell, where the kernels cover it: no pools, identities, large kernels, or strides over odd
    /// pictures.
    pub fn op(op: Op, stride: usize, input: [usize; 4], tuning: Tuning) -> Option<Self> {
        let [batch, channels, height, width] = input;
        let (k, dilation, twice) = match op {
            Op::SEP_CONV_3X3 => (3, 1, true),
            Op::SEP_CONV_5X5 => (5, 1, true),
            Op::DIL_CONV_3X3 => (3, 2, false),
            Op::DIL_CONV_5X5 => (5, 2, false),
            Op::SKIP_CONNECT if stride == 2 => return Self::factorized_reduce(input, channels, tuning),
            _ => return None,
        };
        if stride == 2 && !(height.is_multiple_of(2) && width.is_multiple_of(2)) {
            return None;
        }
        let size = [height / stride, width / stride];
        let mut plan = Self::without_layers(batch, tuning);
        for stride in [stride, 1].into_iter().take(if twice { 2 } else { 1 }) {
            let weights = plan.parameters;
            plan.parameters += channels * k * k;
            plan.push(Source::Depthwise { k, dilation, stride, weights }, [channels, channels], size);
        }
        Some(plan.finish())
    }

    /// A plan without layers.
    fn without_layers(batch: usize, tuning: Tuning) -> Self {
        Self { layers: Vec::new(), batch, parameters: 0, tuning }
    }

    /// Adds a layer whose output has `size`.
    fn push(&mut self, source: Source, [channels_in, channels_out]: [usize; 2], size: [usize; 2]) {
        let layer = Layer { source, channels_in, channels_out, size, pointwise: self.parameters, gamma: 0 };
        let inputs = if source == Source::Neighbourhoods { NEIGHBOURS * channels_in } else { channels_in };
        self.parameters += inputs * channels_out;
        self.layers.push(layer);
    }

    /// Puts gamma and beta of all layers behind the weights.
    fn finish(mut self) -> Self {
        for layer in &mut self.layers {
            layer.gamma = self.parameters;
            self.parameters += 2 * layer.channels_out;
        }
        self
    }

    /// Shape of the output.
    pub fn output(&self) -> [usize; 4] {
        let last = self.layers.last().expect("a layer");
        [self.batch, last.channels_out, last.size[0], last.size[1]]
    }

    /// Length of the statistics of each BatchNorm: twice its channels.
    pub fn statistics(&self) -> impl Iterator<Item = usize> {
        self.layers.iter().map(|layer| 2 * layer.channels_out)
    }
}
