use super::{
    cell::{CellPlan, Tuning, line},
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
    /// The images, and the stem's output.
    images: CellPlan,
    plan: CellPlan,
    shape: [usize; 4],
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
        let plan = |channels| CellPlan::of_pixels(channels, batch, size, tuning);
        Self { images: plan(COLOURS), plan: plan(channels), shape: [batch, channels, size[0], size[1]] }
    }

    /// Shape of the output.
    pub fn output(&self) -> [usize; 4] {
        self.shape
    }

    fn channels(&self) -> usize {
        self.shape[1]
    }

    /// Weights of the convolution: the factors follow them, then the offsets.
    fn factors(&self) -> usize {
        self.channels() * INPUTS
    }

    fn parameters(&self) -> usize {
        self.factors() + 2 * self.channels()
    }

    /// The forward pass: output [batch, channels, height, width] of images [batch, 3, height, width], and what the backward
    /// pass needs.
    pub fn forward(&self, client: &Client, images: &Handle, parameters: &Handle) -> (Handle, StemMemory) {
        let lanes = self.plan.lanes();
        let plane = self.plan.plane() / lanes;
        let (pixels, c) = (self.plan.pixels(1), self.channels());
        let unfolded = client.empty(4 * INPUTS * pixels);
        self.images.rows(self.images.launch(lanes, &["unfold", line(lanes)]), lanes).run(
            client,
            COLOURS * pixels / lanes,
            [1, 1],
            &[images, &unfolded],
            (COLOURS + INPUTS) * pixels,
        );
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
        self.plan.launch(lanes, &["affine"]).all(&[("RESULT", 0)]).run(
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
        let lanes = self.plan.lanes();
        let plane = self.plan.plane() / lanes;
        let (pixels, c) = (self.plan.pixels(1), self.channels());
        let chunks = CHUNKS.min(pixels / lanes);
        let sums = client.empty(4 * 2 * c * chunks);
        self.plan.launch(lanes, &["stem_sums"]).all(&[("CHUNKS", chunks)]).run(
            client,
            c * chunks,
            [1, 1],
            &[&values, &norm, gradient, &sums],
            2 * c * (pixels + chunks),
        );
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
