//! How convolutions read the pictures [channels, height, width] that come from outside.

use crate::kernels::cpu::blocks::{
    Lane, ZERO, above_zero, blocks, from_blocks, halves, halves_back, mask, neighbourhoods, pad_relu, padded, relu,
    to_blocks,
};

/// Taps of the neighbourhood that a pixel's 3 x 3 convolution reads.
const NEIGHBOURS: usize = 9;

/// What is read of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadingKind {
    /// Its ReLU.
    All,
    /// Its ReLU with a margin.
    Padded,
    /// Every second pixel of that in every second row, once from pixel 0 and once from pixel 1 on.
    Halves,
    /// The 3 x 3 neighbourhoods of its pixels.
    Neighbourhoods,
}

/// How pictures are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub channels: usize,
    pub size: [usize; 2],
    pub kind: ReadingKind,
}

/// A picture that was read.
pub(super) struct Read {
    /// What the convolution reads.
    pub source: Vec<Lane>,
    own: Vec<Lane>,
    padded: Vec<Lane>,
}

impl Reading {
    fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Floats of a picture.
    pub fn floats(&self) -> usize {
        self.channels * self.plane()
    }

    /// Memory for reading one picture.
    pub fn memory(&self) -> Read {
        let blocks_of = |channels| blocks(channels) * self.plane();
        let whole = blocks_of(self.channels);
        let margin = blocks(self.channels) * padded(self.size);
        let [source, own, padded] = match self.kind {
            ReadingKind::All => [whole, 0, 0],
            ReadingKind::Padded => [margin, whole, 0],
            ReadingKind::Halves => [2 * (whole / 4), whole, margin],
            ReadingKind::Neighbourhoods => [blocks_of(NEIGHBOURS * self.channels), 0, 0],
        }
        .map(|length| vec![ZERO; length]);
        Read { source, own, padded }
    }

    /// Memory for the gradient of what is read, without any margin.
    pub fn gradient(&self) -> Vec<Lane> {
        let whole = blocks(self.channels) * self.plane();
        vec![ZERO; if self.kind == ReadingKind::Halves { 2 * (whole / 4) } else { whole }]
    }

    pub fn read(&self, picture: &[f32], read: &mut Read) {
        match self.kind {
            ReadingKind::All => {
                to_blocks(picture, self.plane(), &mut read.source);
                read.source.iter_mut().for_each(|lane| *lane = relu(lane));
            }
            ReadingKind::Padded => {
                to_blocks(picture, self.plane(), &mut read.own);
                pad_relu(&read.own, self.size, &mut read.source);
            }
            ReadingKind::Halves => {
                to_blocks(picture, self.plane(), &mut read.own);
                pad_relu(&read.own, self.size, &mut read.padded);
                halves(&read.padded, self.size, &mut read.source);
            }
            ReadingKind::Neighbourhoods => neighbourhoods(picture, self.size, &mut read.source),
        }
    }

    /// The gradient of the picture that was read last, from that of what the convolution read.
    ///
    /// # Panics
    /// Neighbourhoods were read: those are of images, which get none.
    pub fn write(&self, read: &mut Read, gradient: &[Lane], picture: &mut [f32]) {
        let own = match self.kind {
            ReadingKind::All => {
                for (x, gradient) in read.source.iter_mut().zip(gradient) {
                    *x = above_zero(x, gradient);
                }
                &read.source
            }
            ReadingKind::Padded => {
                read.own.copy_from_slice(gradient);
                mask(&mut read.own, &read.source, self.size);
                &read.own
            }
            ReadingKind::Halves => {
                read.own.fill(ZERO);
                halves_back(gradient, self.size, &mut read.own);
                mask(&mut read.own, &read.padded, self.size);
                &read.own
            }
            ReadingKind::Neighbourhoods => panic!("images get no gradient"),
        };
        from_blocks(own, self.plane(), picture);
    }
}
