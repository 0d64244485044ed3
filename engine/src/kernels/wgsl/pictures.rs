//! Sizes of pictures on a device, and how kernels walk over them.

use crate::device::Tuning;
use crate::kernels::wgsl::launch::{Launch, tile};
use cubecl::{prelude::Client, server::Handle};

/// Pictures [batch, channels, height, width].
#[derive(Clone, Copy, Debug)]
pub(super) struct Pictures {
    pub batch: usize,
    pub channels: usize,
    /// Height and width.
    pub size: [usize; 2],
    /// How many times as high and wide as these nodes their cell's inputs are.
    pub stride: usize,
    pub tuning: Tuning,
}

impl Pictures {
    /// Pixels of a channel.
    pub fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Floats of all pictures.
    pub fn floats(&self) -> usize {
        self.batch * self.channels * self.plane()
    }

    /// Floats of all pictures of a cell's input.
    pub fn input_floats(&self) -> usize {
        self.floats() * self.stride * self.stride
    }

    /// Pixels of a vector for kernels that go along rows.
    pub fn lanes(&self) -> usize {
        if self.size[1].is_multiple_of(4) { 4 } else { 1 }
    }

    /// Pixels of a vector for kernels that ignore rows.
    pub fn plane_lanes(&self) -> usize {
        if self.plane().is_multiple_of(4) { 4 } else { 1 }
    }

    /// Pixels, or vectors of so many, of a channel over the minibatch.
    pub fn pixels(&self, lanes: usize) -> usize {
        self.batch * self.plane() / lanes
    }

    /// Columns of vectors of a channel over the minibatch.
    pub fn columns(&self) -> usize {
        self.batch * self.size[1] / self.lanes()
    }

    /// Columns of vectors of all channels: the threads of a depthwise kernel.
    pub fn all_columns(&self) -> usize {
        self.channels * self.columns()
    }

    /// Threads that share the pixels in a sum for `tiles` tiles.
    pub fn chunks(&self, tiles: usize, lanes: usize) -> usize {
        (512 / tiles).clamp(8, 128).min(self.pixels(lanes))
    }

    /// Threads that share the pixels where each channel has a sum of its own.
    pub fn chunks_of_channels(&self, lanes: usize) -> usize {
        self.chunks(self.channels.div_ceil(4), lanes)
    }

    /// Vectors that a thread takes at once in products with weights where a plane has `plane` of them.
    pub fn vectors_at_once(&self, plane: usize) -> usize {
        tile(plane, self.tuning.vectors())
    }

    /// A launch over the pictures, with the sizes that most kernels read.
    pub fn launch(&self, lanes: usize, files: &[&'static str]) -> Launch {
        Launch::new(lanes, files).set(&[
            ("N", self.batch),
            ("C", self.channels),
            ("PLANE", self.plane() / lanes),
            ("INPUT", self.input_floats() / lanes),
            ("NODE", self.floats() / lanes),
        ])
    }

    /// A launch of a kernel that goes along rows.
    pub fn row_launch(&self, lanes: usize, files: &[&'static str]) -> Launch {
        let [height, width] = self.size;
        self.launch(lanes, files).set(&[("H", height), ("W", width), ("COLUMNS", width / lanes)])
    }

    /// A launch of a kernel that reads pixels with their neighbours along a row.
    pub fn halo_launch(&self, files: &[&'static str]) -> Launch {
        let lanes = self.lanes();
        let halo = if lanes == 4 { "common/halo_4" } else { "common/halo_1" };
        self.row_launch(lanes, &[files, &[halo]].concat())
    }

    /// Fills a buffer with zeros, as long as so many times all pictures.
    pub fn zero(&self, client: &Client, buffer: &Handle, times: usize) {
        let lanes = self.lanes();
        let vectors = times * self.floats() / lanes;
        Launch::new(lanes, &["common/zero"]).set(&[("TOTAL", vectors)]).run(
            client,
            vectors,
            [1, 1],
            &[buffer],
            vectors * lanes,
        );
    }
}
