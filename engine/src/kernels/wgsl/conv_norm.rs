//! Convolutions with BatchNorm of gamma and beta: the ops of derived cells, their preprocessing and stems.

use crate::kernels::{
    plan::{ConvNormPlan, Layer, NEIGHBOURS, Source},
    wgsl::{
        batch_norm::{ChannelSums, gamma_beta, gamma_beta_running},
        pictures::Pictures,
        pointwise::{NormedGradient, Pointwise, PointwiseBackward},
        space_to_depth::{PHASES, PhaseConvolution, Phases, StridedWeights},
        sums::{Placement, sum_parts},
    },
};
use cubecl::{prelude::Client, server::Handle};

/// Threads that share the pixels of a channel in a sum.
const CHUNKS: usize = 64;

/// Results of a layer that its backward pass needs.
#[derive(Clone, Debug)]
pub(crate) struct SavedLayer {
    input: Handle,
    /// Outputs of the convolution.
    values: Handle,
    /// BatchNorm's scale and shift without gamma and beta.
    norm: Handle,
}

impl ConvNormPlan {
    /// The forward pass: the output, what the backward pass needs, and the means and unbiased variances that each
    /// BatchNorm computed. With `running` ones BatchNorm uses those, computes none and saves nothing.
    pub fn forward(
        &self,
        client: &Client,
        input: &Handle,
        parameters: &Handle,
        running: Option<&[Handle]>,
    ) -> (Handle, Vec<SavedLayer>, Vec<Handle>) {
        let mut x = input.clone();
        let (mut memories, mut statistics) = (Vec::new(), Vec::new());
        for (i, layer) in self.on_device(client, parameters).enumerate() {
            let (values, norm) = layer.convolve(&x);
            let (scale_shift, found) = layer.gamma_beta(&norm, running.map(|running| &running[i]));
            let output = layer.normalise(&values, &scale_shift);
            if let Some(found) = found {
                memories.push(SavedLayer { input: x, values, norm });
                statistics.push(found);
            }
            x = output;
        }
        (x, memories, statistics)
    }

    /// The backward pass: gradients of the input, where requested and there is one, and of the parameters.
    pub fn backward(
        &self,
        client: &Client,
        parameters: &Handle,
        memories: Vec<SavedLayer>,
        output_gradient: &Handle,
        input_requested: bool,
    ) -> (Option<Handle>, Handle) {
        let result = client.empty(4 * self.parameters);
        let mut gradient = Some(output_gradient.clone());
        let layers: Vec<_> = self.on_device(client, parameters).zip(memories).collect();
        for (i, (layer, saved)) in layers.into_iter().enumerate().rev() {
            let of_output = gradient.expect("each layer but the first hands one on");
            gradient = layer.backward(saved, &of_output, &result, i > 0 || input_requested);
        }
        (gradient, result)
    }

    /// The layers with their parameters on a device.
    fn on_device<'a>(&'a self, client: &'a Client, parameters: &'a Handle) -> impl Iterator<Item = DeviceLayer<'a>> {
        self.layers.iter().map(move |layer| {
            let pictures =
                |channels| Pictures { batch: self.batch, channels, size: layer.size, stride: 1, tuning: self.tuning };
            DeviceLayer {
                client,
                parameters,
                layer,
                inputs: pictures(layer.channels_in),
                outputs: pictures(layer.channels_out),
            }
        })
    }
}

/// A layer with its parameters on a device.
struct DeviceLayer<'a> {
    client: &'a Client,
    parameters: &'a Handle,
    layer: &'a Layer,
    /// Pictures of the input's channels and of the output's, both of the output's size.
    inputs: Pictures,
    outputs: Pictures,
}

/// A depthwise convolution of the ReLU of a layer's input.
#[derive(Clone, Copy)]
struct Depthwise {
    k: usize,
    dilation: usize,
    /// Offset of its weights among the parameters.
    weights: usize,
}

/// Shader files that locate the input of a depthwise convolution, and phases.
const INPUT: &str = "cell/state_offset";
const PHASE: &str = "space_to_depth/state_offset";

impl DeviceLayer<'_> {
    /// The pointwise convolution, and where its weights lie.
    fn pointwise(&self) -> (Pointwise, Placement) {
        let relu = self.layer.source == Source::Relu;
        let convolution = Pointwise::to(&self.outputs, self.layer.pointwise_inputs(), relu);
        (convolution, Placement::together(self.layer.pointwise, 1))
    }

    /// Input of the pointwise convolution [batch, inputs, height, width], and the phases of the input of a convolution of stride 2.
    fn source(&self, input: &Handle) -> (Handle, Option<Phases>) {
        match self.layer.source {
            Source::Relu => (input.clone(), None),
            Source::FactorizedReduce => (self.outputs.reduce(self.client, self.layer.channels_in, input), None),
            Source::Neighbourhoods => (self.im2col(input), None),
            Source::Depthwise { k, dilation, stride, weights } => {
                let depthwise = Depthwise { k, dilation, weights };
                let phases = (stride == 2).then(|| self.phases(depthwise, input));
                (self.depthwise(depthwise, input, phases.as_ref()), phases)
            }
        }
    }

    /// The 3 x 3 neighbourhoods of the input's pixels [batch, 9 channels, height, width].
    fn im2col(&self, input: &Handle) -> Handle {
        let floats = self.inputs.floats();
        let result = self.client.empty(4 * NEIGHBOURS * floats);
        self.inputs.halo_launch(&["pointwise/im2col"]).run(
            self.client,
            floats / self.inputs.lanes(),
            [1, 1],
            &[input, &result],
            (1 + NEIGHBOURS) * floats,
        );
        result
    }

    /// A depthwise convolution of the ReLU of the input, or of its phases.
    fn depthwise(&self, of: Depthwise, input: &Handle, phases: Option<&Phases>) -> Handle {
        let Depthwise { k, dilation, weights } = of;
        let (client, pictures) = (self.client, &self.inputs);
        let (threads, floats) = (pictures.all_columns(), pictures.floats());
        let result = client.empty(4 * floats);
        let launch = |place, kernel, phases| {
            let files = [place, "depthwise/convolution", "depthwise/first", "depthwise/no_output_sums"];
            pictures.depthwise(&files, kernel, phases, false).set(&[("EDGE", 0), ("RESULT", 0)])
        };
        let Some(phases) = phases else {
            launch(INPUT, (k, dilation), 1).set(&[("WEIGHTS", weights)]).run(
                client,
                threads,
                [1, 1],
                &[self.parameters, input, &result],
                2 * floats,
            );
            return result;
        };
        let convolution = self.phase_convolution(of, phases, self.parameters);
        launch(PHASE, (convolution.k, 1), convolution.phases)
            .set(&[("STEP", convolution.step()), ("WEIGHTS", convolution.at)])
            .run(
                client,
                threads,
                [1, 1],
                &[convolution.weights, &phases.values, &result],
                (1 + convolution.phases) * floats,
            );
        result
    }

    /// The weights of a convolution of stride 2.
    fn strided_weights(&self, of: Depthwise) -> StridedWeights {
        StridedWeights { edges: 1, channels: self.inputs.channels, k: of.k, at: of.weights }
    }

    /// The input of a convolution of stride 2 in phases, and its weights for them unless a dilation of 2 has it read one only.
    fn phases(&self, of: Depthwise, input: &Handle) -> Phases {
        let values = self.inputs.space_to_depth(self.client, input, 1);
        let weights = (of.dilation == 1).then(|| {
            let weights = self.strided_weights(of);
            let spread = self.client.empty(4 * weights.spread_floats());
            weights.spread(self.client, self.parameters, (&spread, 0));
            spread
        });
        Phases { values, weights }
    }

    /// A convolution of stride 2 as it reads phases.
    fn phase_convolution<'b>(&self, of: Depthwise, phases: &'b Phases, parameters: &'b Handle) -> PhaseConvolution<'b> {
        phases.convolution((of.k, of.dilation), (parameters, of.weights), 0)
    }

    /// The output of the convolution [batch, channels, height, width], and BatchNorm's scale and shift of it.
    fn convolve(&self, input: &Handle) -> (Handle, Handle) {
        let (source, _) = self.source(input);
        let (convolution, weights) = self.pointwise();
        let transposed = convolution.transpose_weights(self.client, self.parameters, weights);
        convolution.forward(self.client, (&transposed, Placement::together(0, 1)), &source)
    }

    /// BatchNorm's scale and shift with gamma and beta, and the statistics that `norm` stands for, unless `running`
    /// ones are used instead.
    fn gamma_beta(&self, norm: &Handle, running: Option<&Handle>) -> (Handle, Option<Handle>) {
        let c = self.outputs.channels;
        let parameters = (self.parameters, self.layer.gamma);
        match running {
            Some(running) => (gamma_beta_running(self.client, running, parameters, c), None),
            None => {
                let count = self.outputs.pixels(1);
                let (scale_shift, statistics) = gamma_beta(self.client, norm, parameters, [c, count]);
                (scale_shift, Some(statistics))
            }
        }
    }

    /// Values [batch, channels, height, width] scaled and shifted.
    fn normalise(&self, values: &Handle, scale_shift: &Handle) -> Handle {
        let output = self.client.empty(4 * self.outputs.floats());
        self.outputs.normalise(self.client, values, scale_shift, (&output, 0));
        output
    }

    /// Writes the gradients of the parameters to `result`. Returns that of the input, where requested and there is one.
    fn backward(
        &self,
        saved: SavedLayer,
        output_gradient: &Handle,
        result: &Handle,
        input_requested: bool,
    ) -> Option<Handle> {
        let SavedLayer { input, values, norm } = saved;
        let coefficients = self.batch_norm_gradient([&values, &norm], output_gradient, result);
        // The convolution's input is recomputed rather than kept: it is cheap, and would be half of all that is kept.
        let (source, phases) = self.source(&input);
        let is_depthwise = matches!(self.layer.source, Source::Depthwise { .. });
        let (convolution, weights) = self.pointwise();
        let backward = PointwiseBackward {
            gradient: NormedGradient {
                gradient: (&values, 0),
                value: (output_gradient, 0),
                coefficients: &coefficients,
            },
            source: Some(&source),
            parameters: self.parameters,
            weights,
            parameter_gradients: Some(result),
            input_requested: self.layer.source != Source::Neighbourhoods && (input_requested || is_depthwise),
        };
        let gradient = convolution.backward(self.client, backward)?;
        drop((source, values));
        match self.layer.source {
            Source::FactorizedReduce => {
                Some(self.outputs.reduce_gradient(self.client, self.layer.channels_in, &gradient, &input))
            }
            Source::Depthwise { k, dilation, weights, .. } => {
                let of = Depthwise { k, dilation, weights };
                self.depthwise_weight_gradient(of, &input, phases.as_ref(), &gradient, result);
                input_requested.then(|| self.depthwise_input_gradient(of, &input, phases, &gradient))
            }
            Source::Relu | Source::Neighbourhoods => Some(gradient),
        }
    }

    /// Writes the gradients of gamma and beta. Returns BatchNorm's coefficients of the values and of the output's
    /// gradient.
    fn batch_norm_gradient(
        &self,
        [values, norm]: [&Handle; 2],
        output_gradient: &Handle,
        parameter_gradients: &Handle,
    ) -> Handle {
        let lanes = self.outputs.plane_lanes();
        let (pixels, channels) = (self.outputs.pixels(1), self.outputs.channels);
        let chunks = CHUNKS.min(pixels / lanes);
        let partial = self.client.empty(4 * 2 * channels * chunks);
        self.outputs
            .launch(lanes, &["common/channel_walk", "batch_norm/gamma_beta_sums"])
            .set(&[("CHUNKS", chunks)])
            .run(
                self.client,
                channels * chunks,
                [1, 1],
                &[values, norm, output_gradient, &partial],
                2 * channels * (pixels + chunks),
            );
        let sums = ChannelSums { partial: &partial, channels, parts: chunks, count: pixels };
        let parameters = [self.parameters, parameter_gradients];
        sums.gamma_beta_gradient(self.client, norm, self.layer.gamma, parameters)
    }

    /// Writes the gradients of the weights of a depthwise convolution, from the gradient of its output.
    fn depthwise_weight_gradient(
        &self,
        of: Depthwise,
        input: &Handle,
        phases: Option<&Phases>,
        gradient: &Handle,
        result: &Handle,
    ) {
        let Depthwise { k, dilation, weights } = of;
        let (client, pictures) = (self.client, &self.inputs);
        let (c, floats, parts) = (pictures.channels, pictures.floats(), pictures.weight_gradient_parts());
        let placement = Placement::together(weights, c);
        let launch = |place, kernel| {
            let files = [place, "depthwise/weight_gradient", "depthwise/weight_gradient_first"];
            pictures.depthwise_weight_gradient(&files, kernel, 0).set(&[("SOURCE", 0), ("EDGE", 0)])
        };
        let Some(phases) = phases else {
            let sums = c * parts * k * k;
            let partial = client.empty(4 * sums);
            launch(INPUT, (k, dilation)).set(&[("SHARE", 1)]).run(
                client,
                c * parts,
                [1, 1],
                &[gradient, &partial, input],
                2 * floats + sums,
            );
            return sum_parts(client, &partial, [c, parts, k * k], (result, placement));
        };
        let convolution = self.phase_convolution(of, phases, self.parameters);
        let count = convolution.phases;
        let sums = count * c * parts * convolution.k * convolution.k;
        let partial = client.empty(4 * sums);
        launch(PHASE, (convolution.k, 1)).set(&[("SHARE", count), ("STEP", convolution.step())]).run(
            client,
            c * parts,
            [count, 1],
            &[gradient, &partial, &phases.values],
            (1 + count) * floats + sums,
        );
        if count == 1 {
            return sum_parts(client, &partial, [c, parts, k * k], (result, placement));
        }
        self.strided_weights(of).gather_gradients(client, (&partial, 0), parts, result);
    }

    /// The gradient of the input of a depthwise convolution of its ReLU, from the gradient of the output.
    fn depthwise_input_gradient(
        &self,
        of: Depthwise,
        input: &Handle,
        phases: Option<Phases>,
        gradient: &Handle,
    ) -> Handle {
        let Depthwise { k, dilation, weights } = of;
        let (client, pictures) = (self.client, &self.inputs);
        let (threads, floats) = (pictures.all_columns(), pictures.floats());
        let launch = |place, kernel| {
            let files = [place, "depthwise/convolution", "depthwise/first_input_gradient"];
            pictures.depthwise(&files, kernel, 1, true).set(&[("EDGE", 0), ("SOURCE", 0)])
        };
        let Some(phases) = phases else {
            let result = client.empty(4 * floats);
            launch(INPUT, (k, dilation)).set(&[("WEIGHTS", weights), ("SHARE", 1), ("FRESH", 1)]).run(
                client,
                threads,
                [1, 1],
                &[self.parameters, gradient, input, &result],
                3 * floats,
            );
            return result;
        };
        let convolution = self.phase_convolution(of, &phases, self.parameters);
        let count = convolution.phases;
        let phase_gradients = client.empty(4 * PHASES * floats);
        if count < PHASES {
            pictures.zero(client, &phase_gradients, PHASES);
        }
        launch(PHASE, (convolution.k, 1))
            .set(&[("WEIGHTS", convolution.at), ("SHARE", count), ("STEP", convolution.step()), ("FRESH", PHASES)])
            .run(
                client,
                threads,
                [count, 1],
                &[convolution.weights, gradient, &phases.values, &phase_gradients],
                (1 + 2 * count) * floats,
            );
        let result = client.empty(4 * PHASES * floats);
        pictures.depth_to_space(client, &phase_gradients, &result, 1);
        result
    }
}
