//! Preprocessing of a cell's inputs: ReLU, a pointwise convolution or a factorized reduce, and BatchNorm.

use crate::kernels::plan::Requested;
use crate::kernels::wgsl::{
    batch_norm::ChannelSums,
    cell::Cell,
    launch::Launch,
    pictures::Pictures,
    pointwise::{NormedGradient, Pointwise, PointwiseBackward},
    sums::Placement,
};
use cubecl::server::Handle;

impl Cell<'_> {
    /// Pictures of a preprocessed input.
    fn input_pictures(&self) -> Pictures {
        let Pictures { size, stride, .. } = self.pictures;
        Pictures { size: size.map(|length| length * stride), stride: 1, ..self.pictures }
    }

    /// The convolution of an input, and where its weights lie.
    fn preprocessing(&self, which: usize) -> (Pointwise, Placement) {
        let (inputs, groups) = self.plan.preprocess_channels(which);
        let convolution = Pointwise::to(&self.input_pictures(), (inputs, groups), groups == 1);
        (convolution, Placement::together(self.plan.preprocess[which], 1))
    }

    /// The pictures that the convolution reads: the input, or both pictures of a factorized reduce.
    fn preprocessing_source(&self, which: usize, input: &Handle) -> Handle {
        match self.plan.preprocess_channels(which) {
            (_, 1) => input.clone(),
            (channels, _) => self.input_pictures().reduce(self.client, channels, input),
        }
    }

    /// Writes a preprocessed input [batch, channels, height, width] to its place among the states; its BatchNorm's scale and shift.
    pub(super) fn preprocess(&self, which: usize, input: &Handle, states: &Handle) -> Handle {
        let (convolution, weights) = self.preprocessing(which);
        let source = self.preprocessing_source(which, input);
        let transposed = convolution.transpose_weights(self.client, self.parameters, weights);
        let (values, norm) = convolution.forward(self.client, (&transposed, Placement::together(0, 1)), &source);
        self.input_pictures().normalise(self.client, &values, &norm, (states, self.state_at(which)));
        norm
    }

    /// Writes the requested gradients of the convolution's weights; the gradient of the input, where requested.
    pub(super) fn preprocess_gradient(
        &self,
        which: usize,
        requested: Requested,
        input: &Handle,
        [states, gradients, norm, parameter_gradients]: [&Handle; 4],
    ) -> Option<Handle> {
        if !requested.parameters && !requested.inputs[which] {
            return None;
        }
        let pictures = self.input_pictures();
        let (convolution, weights) = self.preprocessing(which);
        let Pointwise { lanes, plane, inputs: channels, groups, .. } = convolution;
        let at = self.state_at(which) / lanes;
        let c = self.channels();
        let chunks = 64.min(pictures.pixels(lanes));
        let partial = self.empty(2 * c * chunks);
        Launch::new(lanes, &["common/channel_walk", "batch_norm/gradient_sums"])
            .set(&[("N", pictures.batch), ("C", c), ("PLANE", plane), ("CHUNKS", chunks), ("STATE_AT", at)])
            .run(self.client, c * chunks, [1, 1], &[states, gradients, &partial], 2 * self.input());
        let sums = ChannelSums { partial: &partial, channels: c, parts: chunks, count: pictures.pixels(1) };
        let coefficients = sums.gradient(self.client, norm, true);
        let source = (groups == 1 || requested.parameters).then(|| self.preprocessing_source(which, input));
        let backward = PointwiseBackward {
            gradient: NormedGradient { gradient: (gradients, at), value: (states, at), coefficients: &coefficients },
            source: source.as_ref(),
            parameters: self.parameters,
            weights,
            parameter_gradients: requested.parameters.then_some(parameter_gradients),
            input_requested: requested.inputs[which],
        };
        let result = convolution.backward(self.client, backward)?;
        Some(match groups {
            1 => result,
            _ => pictures.reduce_gradient(self.client, channels, &result, input),
        })
    }
}
