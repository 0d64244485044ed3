use crate::device::Tuning;
use crate::kernels::wgsl::{
    cell::{CellPlan, Pointwise, line},
    gpu::Launch,
};
use crate::space::Op;
use cubecl::{prelude::Client, server::Handle};

/// Inputs of one output of a 3 x 3 convolution, a channel.
const NEIGHBOURS: usize = 9;
/// Threads that share the pixels of a channel in a sum.
const CHUNKS: usize = 64;

/// What the pointwise convolution of a layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) enum Source {
    /// The ReLU of the layer's input.
    Input,
    /// A depthwise convolution of that, whose weights lie there.
    Depthwise { k: usize, dilation: usize, stride: usize, weights: usize },
    /// Every second pixel of that: the first half of the outputs from pixel 0 on, the second half from pixel 1 on.
    Halves,
    /// The 3 x 3 neighbourhoods of the pixels of the input itself.
    Neighbourhoods,
}

/// A convolution of one or two parts, and BatchNorm with learned factors and offsets.
#[derive(Clone, Debug)]
pub(in crate::kernels) struct Layer {
    pub(in crate::kernels) source: Source,
    /// The input's channels, and the output's, both at the output's resolution.
    inputs: CellPlan,
    outputs: CellPlan,
    pub(in crate::kernels) channels_in: usize,
    pub(in crate::kernels) channels_out: usize,
    pub(in crate::kernels) size: [usize; 2],
    /// Where the weights of the pointwise convolution lie among the parameters, and where the factors, which the offsets
    /// follow.
    pub(in crate::kernels) pointwise: usize,
    pub(in crate::kernels) factors: usize,
}

/// The launches of an op of a derived cell, of preprocessing or of a stem: one or two convolutions with BatchNorm of learned
/// factors and offsets. All its parameters lie together, those of the convolutions first.
#[derive(Clone, Debug)]
pub(crate) struct ConvNormPlan {
    pub(in crate::kernels) layers: Vec<Layer>,
    pub(in crate::kernels) batch: usize,
    pub(in crate::kernels) parameters: usize,
}

/// What the backward pass of a layer needs of the forward pass.
#[derive(Clone, Debug)]
pub(crate) struct LayerMemory {
    input: Handle,
    /// Outputs of the convolution.
    values: Handle,
    /// BatchNorm's scale and shift without what is learned.
    norm: Handle,
}

/// Input of a convolution of stride 2 as four quarters, and the weights with which a convolution of stride 1 reads them.
struct Quarters {
    values: Handle,
    /// None where the weights are as they are: an even dilation reads one quarter only.
    weights: Option<Handle>,
}

impl ConvNormPlan {
    /// The stem for small images: a 3x3 convolution with `channels` outputs on `batch` images of `size`.
    pub fn stem(channels: usize, batch: usize, size: [usize; 2], tuning: Tuning) -> Self {
        let mut plan = Self { layers: Vec::new(), batch, parameters: 0 };
        plan.push(Source::Neighbourhoods, [3, channels], size, tuning);
        plan.finish()
    }

    /// ReLU and a pointwise convolution from `input` [batch, channels, height, width] to `channels`.
    pub fn relu_conv([batch, from, height, width]: [usize; 4], channels: usize, tuning: Tuning) -> Self {
        let mut plan = Self { layers: Vec::new(), batch, parameters: 0 };
        plan.push(Source::Input, [from, channels], [height, width], tuning);
        plan.finish()
    }

    /// A factorised reduction; none of an odd picture or to an odd number of channels.
    pub fn factorized_reduce(
        [batch, from, height, width]: [usize; 4],
        channels: usize,
        tuning: Tuning,
    ) -> Option<Self> {
        let even = [height, width, channels].iter().all(|n| n.is_multiple_of(2));
        even.then(|| {
            let mut plan = Self { layers: Vec::new(), batch, parameters: 0 };
            plan.push(Source::Halves, [from, channels], [height / 2, width / 2], tuning);
            plan.finish()
        })
    }

    /// An op of a derived cell, as long as the kernels cover it: not pools, identities, large kernels, nor strides over odd
    /// pictures.
    pub fn op(op: Op, stride: usize, input: [usize; 4], tuning: Tuning) -> Option<Self> {
        let [batch, channels, height, width] = input;
        let (k, dilation, twice) = match op {
            Op::SepConv3x3 => (3, 1, true),
            Op::SepConv5x5 => (5, 1, true),
            Op::DilConv3x3 => (3, 2, false),
            Op::DilConv5x5 => (5, 2, false),
            Op::SkipConnect if stride == 2 => return Self::factorized_reduce(input, channels, tuning),
            _ => return None,
        };
        if stride == 2 && !(height.is_multiple_of(2) && width.is_multiple_of(2)) {
            return None;
        }
        let size = [height / stride, width / stride];
        let mut plan = Self { layers: Vec::new(), batch, parameters: 0 };
        for stride in [stride, 1].into_iter().take(if twice { 2 } else { 1 }) {
            let weights = plan.parameters;
            plan.parameters += channels * k * k;
            plan.push(Source::Depthwise { k, dilation, stride, weights }, [channels, channels], size, tuning);
        }
        Some(plan.finish())
    }

    /// Adds a layer whose output has `size`.
    fn push(&mut self, source: Source, [from, to]: [usize; 2], size: [usize; 2], tuning: Tuning) {
        let plan = |channels| CellPlan::of_pixels(channels, self.batch, size, tuning);
        let neighbours = if source == Source::Neighbourhoods { NEIGHBOURS } else { 1 };
        self.layers.push(Layer {
            source,
            inputs: plan(from),
            outputs: plan(to),
            channels_in: from,
            channels_out: to,
            size,
            pointwise: self.parameters,
            factors: 0,
        });
        self.parameters += from * neighbours * to;
    }

    /// Puts factors and offsets behind the weights.
    fn finish(mut self) -> Self {
        for layer in &mut self.layers {
            layer.factors = self.parameters;
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

    /// The forward pass: the output, what the backward pass needs, and the means and unbiased variances that each BatchNorm
    /// found. With `running` ones BatchNorm uses those, finds none and keeps no memory.
    pub fn forward(
        &self,
        client: &Client,
        input: &Handle,
        parameters: &Handle,
        running: Option<&[Handle]>,
    ) -> (Handle, Vec<LayerMemory>, Vec<Handle>) {
        let mut x = input.clone();
        let (mut memories, mut statistics) = (Vec::new(), Vec::new());
        for (i, layer) in self.layers.iter().enumerate() {
            let (values, norm) = layer.convolve(client, &x, parameters);
            let (learned, found) = layer.learned_norm(client, parameters, &norm, running.map(|running| &running[i]));
            let output = layer.normalise(client, &values, &learned);
            if let Some(found) = found {
                memories.push(LayerMemory { input: x, values, norm });
                statistics.push(found);
            }
            x = output;
        }
        (x, memories, statistics)
    }

    /// The backward pass: gradients of the input, where wanted and there is one, and of the parameters.
    pub fn backward(
        &self,
        client: &Client,
        parameters: &Handle,
        memories: Vec<LayerMemory>,
        output_gradient: &Handle,
        wants_input: bool,
    ) -> (Option<Handle>, Handle) {
        let result = client.empty(4 * self.parameters);
        let mut gradient = Some(output_gradient.clone());
        for (i, (layer, memory)) in self.layers.iter().zip(memories).enumerate().rev() {
            let of_output = gradient.expect("each layer but the first hands one on");
            gradient = layer.backward(client, parameters, memory, &of_output, &result, i > 0 || wants_input);
        }
        (gradient, result)
    }
}

impl Layer {
    /// Channels that a row of the pointwise weights reads, and how many such convolutions there are side by side.
    fn read(&self) -> (usize, usize) {
        match self.source {
            Source::Neighbourhoods => (NEIGHBOURS * self.channels_in, 1),
            Source::Halves => (self.channels_in, 2),
            Source::Input | Source::Depthwise { .. } => (self.channels_in, 1),
        }
    }

    /// Pixels of a channel, over the minibatch.
    fn pixels(&self) -> usize {
        self.outputs.pixels(1)
    }

    /// What the pointwise convolution reads.
    fn source(&self, client: &Client, input: &Handle, parameters: &Handle) -> (Handle, Option<Quarters>) {
        match self.source {
            Source::Input => (input.clone(), None),
            Source::Halves => (self.outputs.both_halves(client, self.channels_in, input), None),
            Source::Neighbourhoods => {
                let lanes = self.inputs.lanes();
                let floats = self.channels_in * self.pixels();
                let unfolded = client.empty(4 * NEIGHBOURS * floats);
                self.inputs.rows(self.inputs.launch(lanes, &["pointwise/im2col", line(lanes)]), lanes).run(
                    client,
                    floats / lanes,
                    [1, 1],
                    &[input, &unfolded],
                    (1 + NEIGHBOURS) * floats,
                );
                (unfolded, None)
            }
            Source::Depthwise { k, dilation, stride, weights } => {
                let floats = self.channels_in * self.pixels();
                let result = client.empty(4 * floats);
                let quarters = (stride == 2).then(|| self.split(client, input, parameters, (k, dilation), weights));
                let threads = self.inputs.columns_of_node();
                let launch = |place, dilated, phases| {
                    self.inputs
                        .depthwise(
                            &[place, "depthwise/convolution", "depthwise/first", "depthwise/no_output_sums"],
                            dilated,
                            phases,
                            false,
                        )
                        .all(&[("EDGE", 0), ("RESULT", 0)])
                };
                match &quarters {
                    None => launch("cell/state_offset", (k, dilation), 1).all(&[("WEIGHTS", weights)]).run(
                        client,
                        threads,
                        [1, 1],
                        &[parameters, input, &result],
                        2 * floats,
                    ),
                    Some(quarters) => {
                        let strided = quarters.of(k, weights, parameters);
                        launch("space_to_depth/state_offset", (strided.k, 1), strided.count)
                            .all(&[("STEP", 4 / strided.count), ("WEIGHTS", strided.at)])
                            .run(
                                client,
                                threads,
                                [1, 1],
                                &[strided.weights, &quarters.values, &result],
                                (1 + strided.count) * floats,
                            );
                    }
                }
                (result, quarters)
            }
        }
    }

    /// The input of a convolution of stride 2 in quarters, and its weights for them.
    fn split(
        &self,
        client: &Client,
        input: &Handle,
        parameters: &Handle,
        (k, dilation): (usize, usize),
        weights: usize,
    ) -> Quarters {
        let lanes = self.inputs.lanes();
        let c = self.channels_in;
        let floats = c * self.pixels();
        let values = client.empty(4 * 4 * floats);
        self.inputs.rows(self.inputs.launch(lanes, &["space_to_depth/space_to_depth"]), lanes).run(
            client,
            floats / lanes,
            [1, 1],
            &[input, &values],
            8 * floats,
        );
        let weights = (dilation == 1).then(|| {
            let total = 4 * c * 9;
            let expanded = client.empty(4 * total);
            Launch::new(1, &["space_to_depth/weights"])
                .all(&[("TOTAL", total), ("C", c), ("K", k), ("WEIGHTS", weights), ("RESULT", 0)])
                .run(client, total, [1, 1], &[parameters, &expanded], total + c * k * k);
            expanded
        });
        Quarters { values, weights }
    }

    /// The output of the convolution, and BatchNorm's scale and shift of it.
    fn convolve(&self, client: &Client, input: &Handle, parameters: &Handle) -> (Handle, Handle) {
        let (source, _) = self.source(client, input, parameters);
        let (ci, halves) = self.read();
        let co = self.channels_out;
        let packed = self.outputs.pack(client, [ci, co, 1], ([self.pointwise, 0], 1), parameters);
        let lanes = self.outputs.input_lanes();
        let plane = self.outputs.plane() / lanes;
        let relu = self.source == Source::Input;
        self.outputs.pointwise(client, lanes, plane, [ci, co, halves, 1], relu, (&packed, [0, 0], 1), &source)
    }

    /// BatchNorm's scale and shift with what is learned, and the statistics that `norm` means unless `running` ones are
    /// used instead.
    fn learned_norm(
        &self,
        client: &Client,
        parameters: &Handle,
        norm: &Handle,
        running: Option<&Handle>,
    ) -> (Handle, Option<Handle>) {
        let c = self.channels_out;
        let learned = client.empty(4 * 2 * c);
        let launch = |file| Launch::new(1, &[file]).all(&[("C", c), ("GAMMA", self.factors)]);
        match running {
            Some(running) => {
                launch("batch_norm/gamma_beta_running").run(client, c, [1, 1], &[parameters, running, &learned], 6 * c);
                (learned, None)
            }
            None => {
                let found = client.empty(4 * 2 * c);
                launch("batch_norm/gamma_beta").f("COUNT", self.pixels()).run(
                    client,
                    c,
                    [1, 1],
                    &[parameters, norm, &learned, &found],
                    8 * c,
                );
                (learned, Some(found))
            }
        }
    }

    fn normalise(&self, client: &Client, values: &Handle, norm: &Handle) -> Handle {
        let floats = self.channels_out * self.pixels();
        let lanes = self.outputs.input_lanes();
        let output = client.empty(4 * floats);
        self.outputs.launch(lanes, &["batch_norm/apply"]).all(&[("RESULT", 0)]).run(
            client,
            floats / lanes,
            [1, 1],
            &[values, norm, &output],
            2 * floats,
        );
        output
    }

    /// Writes the gradients of the parameters to `result`; the gradient of the input, where wanted and there is one.
    fn backward(
        &self,
        client: &Client,
        parameters: &Handle,
        memory: LayerMemory,
        output_gradient: &Handle,
        result: &Handle,
        wants_input: bool,
    ) -> Option<Handle> {
        let LayerMemory { input, values, norm } = memory;
        let lanes = self.outputs.input_lanes();
        let plane = self.outputs.plane() / lanes;
        let (ci, halves) = self.read();
        let (pixels, co) = (self.pixels(), self.channels_out);
        let chunks = CHUNKS.min(pixels / lanes);
        let sums = client.empty(4 * 2 * co * chunks);
        self.outputs
            .launch(lanes, &["common/channel_walk", "batch_norm/gamma_beta_sums"])
            .all(&[("CHUNKS", chunks)])
            .run(client, co * chunks, [1, 1], &[&values, &norm, output_gradient, &sums], 2 * co * (pixels + chunks));
        let affine = client.empty(4 * 4 * co);
        Launch::new(1, &["batch_norm/channel_parts", "batch_norm/gamma_beta_gradient"])
            .all(&[("C", co), ("PARTS", chunks), ("GAMMA", self.factors)])
            .f("COUNT", pixels)
            .run(client, co, [1, 1], &[&sums, &norm, parameters, result, &affine], 2 * co * (chunks + 5));
        // What the convolution read is computed once more rather than kept: it is cheap, and half of all that would be kept.
        let (source, quarters) = self.source(client, &input, parameters);
        let convolution = Pointwise {
            vectors: [lanes, plane],
            slots: 1,
            channels: [ci, co, halves],
            gradient: (&values, 0),
            value: (output_gradient, 0),
            affine: &affine,
            source: Some(&source),
            relu: self.source == Source::Input,
            weights: [self.pointwise, 0],
            split: 1,
        };
        let depthwise = matches!(self.source, Source::Depthwise { .. });
        let wanted = self.source != Source::Neighbourhoods && (wants_input || depthwise);
        let gradient = self.outputs.pointwise_back(client, convolution, parameters, Some(result), wanted)?;
        drop((source, values));
        match self.source {
            Source::Halves => Some(self.outputs.both_halves_back(client, ci, &gradient, &input)),
            Source::Depthwise { k, dilation, weights, .. } => {
                let convolution = (k, dilation, weights);
                self.depthwise_weights(client, convolution, &input, quarters.as_ref(), &gradient, result);
                wants_input.then(|| self.depthwise_back(client, convolution, parameters, &input, quarters, &gradient))
            }
            _ => Some(gradient),
        }
    }

    /// Gradients of the weights of a depthwise convolution, from the gradient of its output.
    fn depthwise_weights(
        &self,
        client: &Client,
        (k, dilation, weights): (usize, usize, usize),
        input: &Handle,
        quarters: Option<&Quarters>,
        gradient: &Handle,
        result: &Handle,
    ) {
        let c = self.channels_in;
        let parts: usize = self.inputs.weight_parts().iter().product();
        let floats = c * self.pixels();
        let launch = |place, dilated| {
            self.inputs
                .depthwise_weights(&[place, "depthwise/weight_gradient", "depthwise/weight_gradient_first"], dilated, 0)
                .all(&[("SOURCE", 0), ("EDGE", 0)])
        };
        let Some(quarters) = quarters else {
            let partial = client.empty(4 * c * parts * k * k);
            launch("cell/state_offset", (k, dilation)).all(&[("SHARE", 1)]).run(
                client,
                c * parts,
                [1, 1],
                &[gradient, &partial, input],
                2 * floats + c * parts * k * k,
            );
            return self.inputs.reduce(client, &partial, result, [c, parts, k * k], [weights, 0], c);
        };
        let strided = quarters.of(k, weights, result);
        let count = strided.count;
        let partial = client.empty(4 * count * c * parts * strided.k * strided.k);
        launch("space_to_depth/state_offset", (strided.k, 1)).all(&[("SHARE", count), ("STEP", 4 / count)]).run(
            client,
            c * parts,
            [count, 1],
            &[gradient, &partial, &quarters.values],
            (1 + count) * floats + count * c * parts * strided.k * strided.k,
        );
        if count == 1 {
            return self.inputs.reduce(client, &partial, result, [c, parts, k * k], [weights, 0], c);
        }
        let total = c * k * k;
        Launch::new(1, &["space_to_depth/weight_gradient"])
            .all(&[("TOTAL", total), ("C", c), ("K", k), ("PARTS", parts), ("SOURCE", 0), ("WEIGHTS", weights)])
            .run(client, total, [1, 1], &[&partial, result], total * (parts + 1));
    }

    /// The gradient of the input of a depthwise convolution of its ReLU, from the gradient of the output.
    fn depthwise_back(
        &self,
        client: &Client,
        (k, dilation, weights): (usize, usize, usize),
        parameters: &Handle,
        input: &Handle,
        quarters: Option<Quarters>,
        gradient: &Handle,
    ) -> Handle {
        let lanes = self.inputs.lanes();
        let threads = self.inputs.columns_of_node();
        let floats = self.channels_in * self.pixels();
        let launch = |place, dilated| {
            self.inputs
                .depthwise(&[place, "depthwise/convolution", "depthwise/first_input_gradient"], dilated, 1, true)
                .all(&[("EDGE", 0), ("SOURCE", 0)])
        };
        let Some(quarters) = quarters else {
            let result = client.empty(4 * floats);
            launch("cell/state_offset", (k, dilation)).all(&[("WEIGHTS", weights), ("SHARE", 1), ("FRESH", 1)]).run(
                client,
                threads,
                [1, 1],
                &[parameters, gradient, input, &result],
                3 * floats,
            );
            return result;
        };
        let strided = quarters.of(k, weights, parameters);
        let spread = client.empty(4 * 4 * floats);
        if strided.count < 4 {
            let vectors = 4 * floats / lanes;
            Launch::new(lanes, &["common/zero"]).all(&[("TOTAL", vectors)]).run(
                client,
                vectors,
                [1, 1],
                &[&spread],
                4 * floats,
            );
        }
        launch("space_to_depth/state_offset", (strided.k, 1))
            .all(&[("WEIGHTS", strided.at), ("SHARE", strided.count), ("STEP", 4 / strided.count), ("FRESH", 4)])
            .run(
                client,
                threads,
                [strided.count, 1],
                &[strided.weights, gradient, &quarters.values, &spread],
                (1 + 2 * strided.count) * floats,
            );
        let result = client.empty(4 * 4 * floats);
        self.inputs.rows(self.inputs.launch(lanes, &["space_to_depth/depth_to_space"]), lanes).run(
            client,
            floats / lanes,
            [1, 1],
            &[&spread, &result],
            8 * floats,
        );
        result
    }
}

/// How a convolution of stride 2 reads the quarters of its input.
struct Strided<'a> {
    /// Width of its kernel on a quarter.
    k: usize,
    /// Quarters that it reads, each with weights of its own.
    count: usize,
    /// The weights, and where they begin.
    weights: &'a Handle,
    at: usize,
}

impl Quarters {
    /// For a convolution whose own weights of k x k begin `at` in `parameters`.
    fn of<'a>(&'a self, k: usize, at: usize, parameters: &'a Handle) -> Strided<'a> {
        match &self.weights {
            Some(weights) => Strided { k: 3, count: 4, weights, at: 0 },
            // Every second pixel of every second row is in the first quarter.
            None => Strided { k, count: 1, weights: parameters, at },
        }
    }
}
