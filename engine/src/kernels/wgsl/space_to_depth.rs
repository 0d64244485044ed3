//! Depthwise convolutions of stride 2 as convolutions of stride 1: space-to-depth splits a picture into four phases, the pixels
//! of even or odd rows and columns, so that what such a convolution reads lies side by side.

use crate::kernels::wgsl::{launch::Launch, pictures::Pictures};
use cubecl::{prelude::Client, server::Handle};

/// Phases of a picture.
pub(super) const PHASES: usize = 4;
/// Taps of the convolution that reads a phase, whatever the kernel of stride 2.
const TAPS: usize = 9;

/// The input of convolutions of stride 2.
#[derive(Clone, Debug)]
pub(super) struct Phases {
    /// Its ReLU [pictures, 4, batch, channels, height, width].
    pub values: Handle,
    /// The weights with which all four phases are read, if any convolution reads all.
    pub weights: Option<Handle>,
}

/// A depthwise convolution of stride 2 as it reads phases.
#[derive(Clone, Copy, Debug)]
pub(super) struct PhaseConvolution<'a> {
    /// Width of its kernel on a phase.
    pub k: usize,
    /// Phases that it reads, each with weights of its own.
    pub phases: usize,
    /// The weights, and where those of the first edge begin.
    pub weights: &'a Handle,
    pub at: usize,
}

impl PhaseConvolution<'_> {
    /// Phases from one edge's first to the next's, where an edge reads `phases` of them.
    pub fn step(&self) -> usize {
        PHASES / self.phases
    }
}

impl Phases {
    /// The convolution whose own weights begin at float `at` of the parameters, and at `spread_at` of those for all phases.
    pub fn convolution<'a>(
        &'a self,
        (k, dilation): (usize, usize),
        (parameters, at): (&'a Handle, usize),
        spread_at: usize,
    ) -> PhaseConvolution<'a> {
        match &self.weights {
            Some(weights) if dilation == 1 => PhaseConvolution { k: 3, phases: PHASES, weights, at: spread_at },
            // Every second pixel of every second row is in the first phase.
            _ => PhaseConvolution { k, phases: 1, weights: parameters, at },
        }
    }
}

impl Pictures {
    /// Space-to-depth of the ReLU of `count` states, each of as many pictures as these and twice as high and wide.
    pub fn space_to_depth(&self, client: &Client, states: &Handle, count: usize) -> Handle {
        let lanes = self.lanes();
        let floats = count * PHASES * self.floats();
        let phases = client.empty(4 * floats);
        self.row_launch(lanes, &["space_to_depth/space_to_depth"]).run(
            client,
            self.floats() / lanes,
            [count, 1],
            &[states, &phases],
            2 * floats,
        );
        phases
    }

    /// Gradients of `count` states from those of their phases: the inverse of [`Self::space_to_depth`].
    pub fn depth_to_space(&self, client: &Client, phase_gradients: &Handle, result: &Handle, count: usize) {
        let lanes = self.lanes();
        self.row_launch(lanes, &["space_to_depth/depth_to_space"]).run(
            client,
            self.floats() / lanes,
            [count, 1],
            &[phase_gradients, result],
            2 * count * PHASES * self.floats(),
        );
    }
}

/// Depthwise weights [edges, channels, k, k] of stride 2, which begin at float `at` of the parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct StridedWeights {
    pub edges: usize,
    pub channels: usize,
    pub k: usize,
    pub at: usize,
}

impl StridedWeights {
    /// Floats of the weights for all phases [edges, 4, channels, 3, 3].
    pub fn spread_floats(self) -> usize {
        self.edges * PHASES * self.channels * TAPS
    }

    /// Floats of the weights.
    fn floats(self) -> usize {
        self.edges * self.channels * self.k * self.k
    }

    /// Writes the weights for all phases to `result` from float `at` on.
    pub fn spread(self, client: &Client, parameters: &Handle, (result, at): (&Handle, usize)) {
        let total = self.spread_floats();
        Launch::new(1, &["space_to_depth/weights"])
            .set(&[("TOTAL", total), ("C", self.channels), ("K", self.k), ("WEIGHTS", self.at), ("RESULT", at)])
            .run(client, total, [1, 1], &[parameters, result], total + self.floats());
    }

    /// Writes the gradients of the weights, from partial sums [edges, 4, channels, parts, 3, 3] for all phases that begin at float
    /// `at`.
    pub fn gather_gradients(
        self,
        client: &Client,
        (partial, at): (&Handle, usize),
        parts: usize,
        parameter_gradients: &Handle,
    ) {
        let total = self.floats();
        Launch::new(1, &["space_to_depth/weight_gradient"])
            .set(&[
                ("TOTAL", total),
                ("C", self.channels),
                ("K", self.k),
                ("PARTS", parts),
                ("SOURCE", at),
                ("WEIGHTS", self.at),
            ])
            .run(client, total, [1, 1], &[partial, parameter_gradients], total * (parts + 1));
    }
}
