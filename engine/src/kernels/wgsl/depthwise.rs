//! Depthwise convolutions, dilated ones too, and their gradients. Those of stride 2 read phases: see `space_to_depth`.

use crate::kernels::{
    plan::{DEPTHWISE, SEPARABLE},
    wgsl::{launch::Launch, pictures::Pictures},
};
use cubecl::{prelude::Client, server::Handle};

impl Pictures {
    /// A depthwise convolution of stride 1, or its transpose (`flip`), to be part of others: a thread for each column of vectors,
    /// a workgroup along y for each edge. `files` say where input comes from and output goes; with four `phases` each edge
    /// reads as many pictures.
    pub fn depthwise(
        &self,
        files: &[&'static str],
        (k, dilation): (usize, usize),
        phases: usize,
        flip: bool,
    ) -> Launch {
        self.halo_launch(files)
            .set(&[("K", k), ("DILATION", dilation), ("STRIPES", dilation), ("PHASES", phases)])
            .set_switch("FLIP", flip)
    }

    /// Partial sums [edges, channels, parts, k, k] of depthwise weight gradients, written from float `at` on: a launch to be part
    /// of others, whose `files` say where the convolution's input comes from.
    pub fn depthwise_weight_gradient(
        &self,
        files: &[&'static str],
        (k, dilation): (usize, usize),
        at: usize,
    ) -> Launch {
        self.halo_launch(files).set(&[
            ("K", k),
            ("DILATION", dilation),
            ("STRIPES", dilation),
            ("PARTS", self.image_groups()),
            ("RESULT", at),
        ])
    }

    /// Groups of images over which depthwise weight gradients are summed apart.
    fn image_groups(&self) -> usize {
        let columns = self.size[1] / self.lanes();
        (64 / columns).clamp(1, self.batch)
    }

    /// Partial sums of a depthwise weight's gradient: one for each vector of a row and group of images.
    pub fn weight_gradient_parts(&self) -> usize {
        self.size[1] / self.lanes() * self.image_groups()
    }
}

/// Partial sums of the gradients of all depthwise weights of a node, which one launch adds up.
pub(super) struct DepthwiseWeightGradients {
    pub partial: Handle,
    /// Sums of a weight.
    pub parts: usize,
    channels: usize,
    /// Partial sums reserved so far.
    reserved: usize,
    /// Weights of each block, taps of one, and where its gradients go.
    blocks: Vec<[usize; 3]>,
}

impl DepthwiseWeightGradients {
    /// The most blocks that the shader knows.
    const BLOCKS: usize = 8;
    const STARTS: [&'static str; Self::BLOCKS] =
        ["START_0", "START_1", "START_2", "START_3", "START_4", "START_5", "START_6", "START_7"];
    const RESULTS: [&'static str; Self::BLOCKS] =
        ["RESULT_0", "RESULT_1", "RESULT_2", "RESULT_3", "RESULT_4", "RESULT_5", "RESULT_6", "RESULT_7"];

    /// Room for the sums of a node with `edges` edges.
    pub fn new(client: &Client, pictures: &Pictures, edges: usize) -> Self {
        let channels = pictures.channels;
        let parts = pictures.weight_gradient_parts();
        let taps: usize = DEPTHWISE.iter().chain(&DEPTHWISE[..SEPARABLE]).map(|(k, _)| k * k).sum();
        let partial = client.empty(4 * edges * channels * parts * taps);
        Self { partial, parts, channels, reserved: 0, blocks: Vec::new() }
    }

    /// Reserves room for the sums of `edges` edges of k x k weights, whose gradients go to `result`: where they begin.
    pub fn reserve(&mut self, [edges, k, result]: [usize; 3]) -> usize {
        let at = self.reserved;
        let weights = edges * self.channels * k * k;
        self.reserved += weights * self.parts;
        self.blocks.push([weights, k * k, result]);
        at
    }

    /// Threads that sum for an edge.
    pub fn threads(&self) -> usize {
        self.channels * self.parts
    }

    /// Floats that they write for `edges` edges of k x k weights.
    pub fn floats(&self, edges: usize, k: usize) -> usize {
        edges * self.threads() * k * k
    }

    /// Adds everything up into the gradients of the parameters.
    pub fn sum(self, client: &Client, parameter_gradients: &Handle) {
        let total: usize = self.blocks.iter().map(|block| block[0]).sum();
        let mut launch =
            Launch::new(1, &["depthwise/sum_weight_gradients"]).set(&[("TOTAL", total), ("PARTS", self.parts)]);
        let mut start = 0;
        for i in 0..Self::BLOCKS {
            // Blocks that are not there start behind the last weight.
            let [weights, taps, at] = self.blocks.get(i).copied().unwrap_or([0, 9, 0]);
            // Whether the taps are nine or twenty-five fits in the lowest bit.
            launch = launch.set(&[(Self::STARTS[i], 2 * start + usize::from(taps == 25)), (Self::RESULTS[i], at)]);
            start += weights;
        }
        launch.run(client, total, [1, 1], &[&self.partial, parameter_gradients], total * (self.parts + 1));
    }
}
