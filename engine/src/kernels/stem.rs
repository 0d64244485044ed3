use super::{
    cell::{CellPlan, Tuning},
    gpu::Launch,
};
use cubecl::{prelude::Client, server::Handle};

/// Colours of an image.
const COLOURS: usize = 3;
/// Inputs of one output of a 3 x 3 convolution.
const INPUTS: usize = 9 * COLOURS;
/// Threads that share the pixels of a channel in a sum.
const CHUNKS: usize = 64;

/// The launches of the stem: a 3x3 convolution and BatchNorm with learned factors and offsets. The convolution is a
/// pointwise one over every pixel's neighbourhood.
#[derive(Clone, Debug)]
pub(crate) struct StemPlan {
    plan: CellPlan,
    channels: usize,
    batch: usize,
    size: [usize; 2],
}

/// What the backward pass of the stem needs of the forward pass.
#[derive(Clone, Debug)]
pub(crate) struct StemMemory {
    unfolded: Handle,
    values: Handle,
    norm: Handle,
}

impl StemPlan {
    /// The stem with `channels` outputs on `batch` images of `size`.
    pub fn new(channels: usize, batch: usize, size: [usize; 2], tuning: Tuning) -> Self {
        Self { plan: CellPlan::of_pixels(channels, batch, size, tuning), channels, batch, size }
    }

    /// Shape of the output.
    pub fn output(&self) -> [usize; 4] {
        [self.batch, self.channels, self.size[0], self.size[1]]
    }

    /// Weights of the convolution: the factors follow them, then the offsets.
    fn factors(&self) -> usize {
        self.channels * INPUTS
    }

    fn parameters(&self) -> usize {
        self.factors() + 2 * self.channels
    }

    fn lanes(&self) -> usize {
        if self.size[1].is_multiple_of(4) { 4 } else { 1 }
    }

    /// Pixels of a channel.
    fn pixels(&self) -> usize {
        self.batch * self.size[0] * self.size[1]
    }

    /// The forward pass: output [batch, channels, height, width] of images [batch, 3, height, width], and what the backward
    /// pass needs.
    pub fn forward(&self, client: &Client, images: &Handle, parameters: &Handle) -> (Handle, StemMemory) {
        let [h, w] = self.size;
        let lanes = self.lanes();
        let plane = h * w / lanes;
        let (pixels, c) = (self.pixels(), self.channels);
        let unfolded = client.empty(4 * INPUTS * pixels);
        let line = if lanes == 4 { "line4" } else { "line1" };
        Launch::new(lanes, &["unfold", line])
            .all(&[("N", self.batch), ("C", COLOURS), ("H", h), ("W", w), ("COLUMNS", w / lanes), ("PLANE", plane)])
            .run(client, COLOURS * pixels / lanes, [1, 1], &[images, &unfolded], (COLOURS + INPUTS) * pixels);
        let packed = self.plan.pack(client, [INPUTS, c, 1], ([0, 0], 1), parameters);
        let shape = [INPUTS, c, 1, 1];
        let (values, norm) = self.plan.pointwise(client, lanes, plane, shape, false, (&packed, [0, 0], 1), &unfolded);
        let learned = client.empty(4 * 2 * c);
        Launch::new(1, &["stem_norm"]).all(&[("C", c), ("FACTORS", self.factors())]).run(
            client,
            c,
            [1, 1],
            &[parameters, &norm, &learned],
            6 * c,
        );
        let output = client.empty(4 * c * pixels);
        Launch::new(lanes, &["affine"]).all(&[("N", self.batch), ("C", c), ("PLANE", plane), ("RESULT", 0)]).run(
            client,
            c * pixels / lanes,
            [1, 1],
            &[&values, &learned, &output],
            2 * c * pixels,
        );
        (output, StemMemory { unfolded, values, norm })
    }

    /// The backward pass: the gradient of the parameters.
    pub fn backward(&self, client: &Client, parameters: &Handle, memory: StemMemory, gradient: &Handle) -> Handle {
        let StemMemory { unfolded, values, norm } = memory;
        let lanes = self.lanes();
        let plane = self.size[0] * self.size[1] / lanes;
        let (pixels, c) = (self.pixels(), self.channels);
        let chunks = CHUNKS.min(pixels / lanes);
        let sums = client.empty(4 * 2 * c * chunks);
        Launch::new(lanes, &["stem_sums"])
            .all(&[("N", self.batch), ("C", c), ("PLANE", plane), ("CHUNKS", chunks)])
            .run(client, c * chunks, [1, 1], &[&values, &norm, gradient, &sums], 2 * c * (pixels + chunks));
        let result = client.empty(4 * self.parameters());
        let affine = client.empty(4 * 4 * c);
        Launch::new(1, &["stem_back"])
            .all(&[("C", c), ("PARTS", chunks), ("FACTORS", self.factors())])
            .f("COUNT", pixels)
            .run(client, c, [1, 1], &[&sums, &norm, parameters, &result, &affine], 2 * c * (chunks + 5));
        // The values are not needed again: the gradient of the convolution takes their place.
        self.plan.norm_gradient(client, lanes, plane, 1, (&values, 0), (gradient, 0), &affine);
        self.plan.outer(
            client,
            &["outer", "outer_gradient"],
            1,
            &unfolded,
            [c, INPUTS, 1],
            false,
            |launch| (launch.all(&[("GRADIENT", 0)]), vec![&values]),
            (&result, [0, 0], 1),
        );
        result
    }
}
