//! Pointwise convolutions and their gradients.

use crate::device::Tuning;
use crate::kernels::wgsl::{
    batch_norm::ChannelSums,
    joined::Joined,
    launch::{Launch, tile},
    pictures::Pictures,
    sums::{Placement, sum_parts},
};
use cubecl::{prelude::Client, server::Handle};

/// Pointwise convolutions of the same shape, branches: [branches, batch, groups * inputs, pixels] to
/// [branches, batch, outputs, pixels].
#[derive(Clone, Copy, Debug)]
pub(super) struct Pointwise {
    pub branches: usize,
    pub batch: usize,
    /// Pixels of a vector, and vectors of a plane.
    pub lanes: usize,
    pub plane: usize,
    /// Inputs per output, and all outputs.
    pub inputs: usize,
    pub outputs: usize,
    /// Convolutions that make up a branch, each with inputs of its own: two in a factorized reduce.
    pub groups: usize,
    /// Whether the input goes through a ReLU first.
    pub relu: bool,
    pub tuning: Tuning,
}

/// The gradient of convolutions that BatchNorm follows: a map of a gradient and a value. Both come with the vector at which
/// branch 0 begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct NormedGradient<'a> {
    pub gradient: (&'a Handle, usize),
    pub value: (&'a Handle, usize),
    /// Coefficients [branches * outputs, 4] of both.
    pub coefficients: &'a Handle,
}

/// Tensors that the backward pass of pointwise convolutions reads and writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct PointwiseBackward<'a> {
    pub gradient: NormedGradient<'a>,
    /// Input of the convolutions: for the weight gradients, and where it goes through a ReLU.
    pub source: Option<&'a Handle>,
    pub parameters: &'a Handle,
    /// Where the weights lie among the parameters.
    pub weights: Placement,
    /// Gradients of all parameters, where those of the weights are requested.
    pub parameter_gradients: Option<&'a Handle>,
    /// Whether the gradient of the input is requested.
    pub input_requested: bool,
}

impl Pointwise {
    /// One convolution without a ReLU between pictures of as many channels.
    pub fn square(pictures: &Pictures, branches: usize) -> Self {
        let lanes = pictures.lanes();
        Self {
            branches,
            batch: pictures.batch,
            lanes,
            plane: pictures.plane() / lanes,
            inputs: pictures.channels,
            outputs: pictures.channels,
            groups: 1,
            relu: false,
            tuning: pictures.tuning,
        }
    }

    /// One convolution to `pictures`.
    pub fn to(pictures: &Pictures, (inputs, groups): (usize, usize), relu: bool) -> Self {
        let lanes = pictures.plane_lanes();
        let plane = pictures.plane() / lanes;
        Self { branches: 1, lanes, plane, inputs, groups, relu, ..Self::square(pictures, 1) }
    }

    /// Pixels of a channel over the minibatch.
    fn pixels(&self) -> usize {
        self.batch * self.plane * self.lanes
    }

    /// Vectors that a thread takes at once.
    fn vectors(&self) -> usize {
        tile(self.plane, self.tuning.vectors())
    }

    /// The weights [branches, outputs, inputs], placed among the parameters, transposed to [branches, inputs, outputs].
    pub fn transpose_weights(&self, client: &Client, parameters: &Handle, weights: Placement) -> Handle {
        let Self { branches, inputs, outputs, .. } = *self;
        let floats = branches * inputs * outputs;
        let transposed = client.empty(4 * floats);
        let [weights_a, weights_b] = weights.offsets;
        Launch::new(1, &["pointwise/transpose_weights"])
            .set(&[
                ("CI", inputs),
                ("CO", outputs),
                ("BRANCHES", branches),
                ("WEIGHTS_A", weights_a),
                ("WEIGHTS_B", weights_b),
                ("SPLIT", weights.split),
            ])
            .run(client, floats, [1, 1], &[parameters, &transposed], 2 * floats);
        transposed
    }

    /// The outputs, and scale and shift [branches * outputs, 2] of the BatchNorm that follows. The transposed weights lie as
    /// placed.
    pub fn forward(
        &self,
        client: &Client,
        (weights, placement): (&Handle, Placement),
        source: &Handle,
    ) -> (Handle, Handle) {
        let Self { branches, batch, lanes, plane, inputs, outputs, groups, relu, tuning } = *self;
        let vectors = self.vectors();
        let threads = batch * plane / vectors;
        let rows = tile(outputs / groups, tuning.outputs());
        let (parts, moments) = match tuning {
            Tuning::Gpu => (threads.div_ceil(64), "pointwise/moments_by_workgroup"),
            Tuning::Software | Tuning::Browser => (threads, "pointwise/moments_by_thread"),
        };
        let pixels = self.pixels();
        let result = client.empty(4 * branches * outputs * pixels);
        let partial = client.empty(4 * 2 * branches * outputs * parts);
        let [weights_a, weights_b] = placement.offsets;
        let load = load_weights(rows, &[weights_a, weights_b, outputs]);
        Launch::new(lanes, &["pointwise/convolution", moments, load])
            .set(&[
                ("N", batch),
                ("CI", inputs),
                ("CO", outputs),
                ("TILE", rows),
                ("PLANE", plane),
                ("VECTORS", vectors),
                ("GROUPS", groups),
                ("PARTS", parts),
                ("WEIGHTS_A", weights_a),
                ("WEIGHTS_B", weights_b),
                ("SPLIT", placement.split),
            ])
            .set_switch("RELU", relu)
            .run(
                client,
                threads,
                [outputs / rows, branches],
                &[weights, source, &result, &partial],
                branches * (pixels * (groups * inputs + outputs) + inputs * outputs + 2 * outputs * parts),
            );
        let sums = ChannelSums { partial: &partial, channels: branches * outputs, parts, count: pixels };
        (result, sums.scale_shift(client))
    }

    /// Sums over the pixels of products of the outputs' gradient, loaded by the file `of_outputs`, with the input: a
    /// launch to be part of others.
    pub fn weight_products(&self, client: &Client, of_outputs: &'static str) -> WeightProducts {
        let Self { branches, batch, lanes, plane, inputs, outputs, groups, relu, tuning } = *self;
        let most = tuning.tile();
        // Where the gradient takes two loads, the tile has twice the columns.
        let most_b = if of_outputs == WITH_BATCH_NORM { most.max(8) } else { most };
        let (tile_a, tile_b) = (tile(outputs / groups, most), tile(inputs, most_b));
        let tiles = (outputs / tile_a) * (inputs / tile_b);
        let chunks = (512 / tiles).clamp(8, 128).min(batch * plane);
        let launch = Launch::new(lanes, &["common/pixel_walk", "pointwise/weight_gradient", of_outputs])
            .set(&[
                ("N", batch),
                ("CA", outputs),
                ("CB", inputs),
                ("PLANE", plane),
                ("TILE_A", tile_a),
                ("TILE_B", tile_b),
                ("VECTORS", self.vectors()),
                ("CHUNKS", chunks),
                ("GROUPS", groups),
            ])
            .set_switch("RELU", relu)
            .set_switch("RUNS", tuning.runs());
        let sums = branches * chunks * outputs * inputs;
        WeightProducts {
            launch,
            threads: tiles * chunks,
            partial: client.empty(4 * sums),
            shape: [branches, chunks, outputs * inputs],
            moved: branches * self.pixels() * groups * inputs + sums,
        }
    }

    /// Writes the requested weight gradients, and returns the requested gradient of the input: all of it, or with a
    /// ReLU only where its input was positive.
    pub fn backward(&self, client: &Client, of: PointwiseBackward) -> Option<Handle> {
        let Self { branches, batch, plane, inputs, outputs, groups, .. } = *self;
        let PointwiseBackward { gradient, source, parameter_gradients, .. } = of;
        let pixels = branches * self.pixels();
        let products = parameter_gradients.map(|_| self.weight_products(client, WITH_BATCH_NORM));
        let result = of.input_requested.then(|| client.empty(4 * groups * inputs * pixels));
        // Workgroups along y of a branch: one sums products, the others compute gradients of its inputs.
        let sums = usize::from(products.is_some());
        let tiles = if of.input_requested { groups * inputs / tile(inputs, self.tuning.outputs()) } else { 0 };
        let mut threads = 0;
        let mut moved = 2 * outputs * pixels;
        let mut parts = Vec::new();
        if let (Some(products), Some(source)) = (&products, source) {
            threads = products.threads;
            moved += products.moved;
            let at = [("GRADIENT", gradient.gradient.1), ("VALUE", gradient.value.1)];
            let buffers = vec![source, &products.partial, gradient.gradient.0, gradient.value.0, gradient.coefficients];
            parts.push((products.launch.clone().set(&at), [0, 1], buffers));
        }
        if let Some(result) = &result {
            threads = threads.max(batch * plane / self.vectors());
            moved += groups * inputs * pixels + branches * outputs * inputs;
            if self.relu && sums == 0 {
                moved += inputs * pixels;
            }
            let (launch, gate) = self.input_gradient(&of);
            let buffers = [of.parameters, gradient.gradient.0, result, gradient.value.0, gradient.coefficients];
            parts.push((launch, [sums, tiles], buffers.into_iter().chain(gate).collect()));
        }
        // Both read the gradients of a branch at about the same time.
        let mut joined = Joined::new(self.tuning.joins());
        joined.group(threads, branches * (sums + tiles), moved);
        for (launch, turn, buffers) in parts {
            joined.part_in_turn(launch, sums + tiles, turn, &buffers);
        }
        joined.run(client);
        if let (Some(products), Some(result)) = (products, parameter_gradients) {
            products.sum(client, result, of.weights);
        }
        result
    }

    /// The launch that computes the gradient of the input, and the buffer that gates it where there is a ReLU.
    fn input_gradient<'a>(&self, of: &PointwiseBackward<'a>) -> (Launch, Option<&'a Handle>) {
        let Self { batch, lanes, plane, inputs, outputs, groups, relu, .. } = *self;
        let PointwiseBackward { gradient, source, weights, .. } = *of;
        let vectors = self.vectors();
        let rows = tile(inputs, self.tuning.outputs());
        let [weights_a, weights_b] = weights.offsets;
        // Each convolution of a factorized reduce reads its own part of the gradient, as a branch.
        let matrix = outputs / groups * inputs;
        let files = [
            "pointwise/input_gradient",
            "pointwise/input_gradient_batch_norm",
            if relu { "pointwise/input_gradient_relu" } else { "pointwise/input_gradient_all" },
            load_weights(rows, &[weights_a, weights_b, inputs, matrix]),
        ];
        let launch = Launch::new(lanes, &files).set(&[
            ("N", batch),
            ("PLANE", plane),
            ("CI", inputs),
            ("CO", outputs / groups),
            ("TILE", rows),
            ("VECTORS", vectors),
            ("WEIGHTS_A", weights_a),
            ("WEIGHTS_B", weights_b),
            ("SPLIT", groups * weights.split),
            ("MATRIX", matrix),
            ("GRADIENT", gradient.gradient.1 / vectors),
            ("VALUE", gradient.value.1 / vectors),
            ("BRANCH_CHANNELS", if groups == 1 { batch * outputs } else { outputs / groups }),
            ("IMAGE_CHANNELS", outputs),
        ]);
        (launch, source.filter(|_| relu))
    }
}

/// The file of a gradient that is a map of two tensors.
const WITH_BATCH_NORM: &str = "pointwise/weight_gradient_batch_norm";

/// A launch, to be part of others, that sums products over the pixels.
pub(super) struct WeightProducts {
    pub launch: Launch,
    pub threads: usize,
    /// Sums [branches, chunks, outputs * inputs].
    pub partial: Handle,
    shape: [usize; 3],
    /// Floats of the input, read, and of the sums, written.
    pub moved: usize,
}

impl WeightProducts {
    /// Sums the parts into `result`, where the branches lie as placed.
    pub fn sum(&self, client: &Client, result: &Handle, placement: Placement) {
        sum_parts(client, &self.partial, self.shape, (result, placement));
    }
}

/// The file that loads the weights of a tile of outputs from matrices that begin at, and whose rows are, multiples of all of
/// `steps`.
pub(super) fn load_weights(tile: usize, steps: &[usize]) -> &'static str {
    let vectors = tile.is_multiple_of(4) && steps.iter().all(|step| step.is_multiple_of(tile));
    if vectors { "pointwise/load_weights_4" } else { "pointwise/load_weights_1" }
}
