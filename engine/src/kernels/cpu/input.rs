//! Input of convolutions: pictures [channels, height, width] in Burn's layout, and their gradients.

use crate::kernels::{
    cpu::{
        blocks::{LANES, Vector, ZERO, above_zero, blocks, from_blocks, mask, pad_relu, padded, relu, to_blocks},
        factorized_reduce::{reduce, reduce_gradient},
    },
    plan::NEIGHBOURS,
};

/// How a convolution reads a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// Its ReLU.
    Relu,
    /// Its ReLU with a margin.
    PaddedRelu,
    /// Every second pixel of that in every second row, once from pixel 0 and once from pixel 1 on.
    FactorizedReduce,
    /// The 3 x 3 neighbourhoods of its pixels.
    Neighbourhoods,
}

/// A reader of pictures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    pub channels: usize,
    /// Height and width of the pictures.
    pub size: [usize; 2],
    pub reads: Reads,
}

/// A picture that was read.
pub(super) struct ReadPicture {
    /// Input of the convolution.
    pub source: Vec<Vector>,
    /// The picture, or its gradient.
    own: Vec<Vector>,
    padded: Vec<Vector>,
}

impl Reader {
    /// Pixels of a channel.
    fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Floats of a picture.
    pub fn floats(&self) -> usize {
        self.channels * self.plane()
    }

    /// Memory for reading one picture.
    pub fn memory(&self) -> ReadPicture {
        let blocks_of = |channels| blocks(channels) * self.plane();
        let whole = blocks_of(self.channels);
        let margin = blocks(self.channels) * padded(self.size);
        let [source, own, padded] = match self.reads {
            Reads::Relu => [whole, 0, 0],
            Reads::PaddedRelu => [margin, whole, 0],
            Reads::FactorizedReduce => [2 * (whole / 4), whole, margin],
            Reads::Neighbourhoods => [blocks_of(NEIGHBOURS * self.channels), 0, 0],
        }
        .map(|length| vec![ZERO; length]);
        ReadPicture { source, own, padded }
    }

    /// Memory for the gradient of what is read, without any margin.
    pub fn gradient(&self) -> Vec<Vector> {
        let whole = blocks(self.channels) * self.plane();
        vec![ZERO; if self.reads == Reads::FactorizedReduce { 2 * (whole / 4) } else { whole }]
    }

    /// Reads a picture.
    pub fn read(&self, picture: &[f32], read: &mut ReadPicture) {
        match self.reads {
            Reads::Relu => {
                to_blocks(picture, self.plane(), &mut read.source);
                read.source.iter_mut().for_each(|pixel| *pixel = relu(pixel));
            }
            Reads::PaddedRelu => {
                to_blocks(picture, self.plane(), &mut read.own);
                pad_relu(&read.own, self.size, &mut read.source);
            }
            Reads::FactorizedReduce => {
                to_blocks(picture, self.plane(), &mut read.own);
                pad_relu(&read.own, self.size, &mut read.padded);
                reduce(&read.padded, self.size, &mut read.source);
            }
            Reads::Neighbourhoods => im2col(picture, self.size, &mut read.source),
        }
    }

    /// Writes the gradient of the picture that was read last, from that of what the convolution read.
    ///
    /// # Panics
    /// If neighbourhoods were read: they are those of images, which get no gradient.
    pub fn write_gradient(&self, read: &mut ReadPicture, gradient: &[Vector], picture: &mut [f32]) {
        let own = match self.reads {
            Reads::Relu => {
                for (x, gradient) in read.source.iter_mut().zip(gradient) {
                    *x = above_zero(x, gradient);
                }
                &read.source
            }
            Reads::PaddedRelu => {
                read.own.copy_from_slice(gradient);
                mask(&mut read.own, &read.source, self.size);
                &read.own
            }
            Reads::FactorizedReduce => {
                read.own.fill(ZERO);
                reduce_gradient(gradient, self.size, &mut read.own);
                mask(&mut read.own, &read.padded, self.size);
                &read.own
            }
            Reads::Neighbourhoods => panic!("images get no gradient"),
        };
        from_blocks(own, self.plane(), picture);
    }
}

/// The 3 x 3 neighbourhoods of a picture's pixels as channels, those of a channel together, zero outside.
fn im2col(picture: &[f32], [height, width]: [usize; 2], output: &mut [Vector]) {
    let plane = height * width;
    output.fill(ZERO);
    for (channel, picture) in picture.chunks_exact(plane).enumerate() {
        for tap in 0..NEIGHBOURS {
            let (dy, dx) = (tap / 3, tap % 3);
            let (block, l) = ((NEIGHBOURS * channel + tap) / LANES, (NEIGHBOURS * channel + tap) % LANES);
            let output = &mut output[block * plane..][..plane];
            for y in 1usize.saturating_sub(dy)..(height + 1 - dy).min(height) {
                for x in 1usize.saturating_sub(dx)..(width + 1 - dx).min(width) {
                    output[y * width + x][l] = picture[(y + dy - 1) * width + x + dx - 1];
                }
            }
        }
    }
}
