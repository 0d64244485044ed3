//! Inputs of the two pointwise convolutions of a factorized reduce: every second pixel of the ReLU, once from pixel 0 and once
//! from pixel 1 on.

use crate::kernels::wgsl::{launch::Launch, pictures::Pictures};
use cubecl::{prelude::Client, server::Handle};

/// Where the pictures of a factorized reduce lie, in floats.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReducedPictures {
    /// The source, and both pictures of the first image.
    pub source: usize,
    pub pictures: [usize; 2],
    /// From one image's pictures to the next's.
    pub image: usize,
}

impl Pictures {
    /// A launch over reduced pictures of as many images and this size.
    fn reduce_launch(&self, file: &'static str, channels: usize, at: ReducedPictures) -> Launch {
        let [height, width] = self.size;
        let [first, second] = at.pictures;
        Launch::new(1, &[file]).set(&[
            ("N", self.batch),
            ("CI", channels),
            ("H", height),
            ("W", width),
            ("SOURCE", at.source),
            ("FIRST", first),
            ("SECOND", second),
            ("IMAGE", at.image),
        ])
    }

    /// Writes both reduced pictures [batch, channels, height, width] of a source twice as high and wide to where they lie.
    pub fn reduce_into(&self, client: &Client, channels: usize, [source, result]: [&Handle; 2], at: ReducedPictures) {
        let floats = self.pixels(1) * channels;
        self.reduce_launch("factorized_reduce/inputs", channels, at).run(
            client,
            floats,
            [1, 1],
            &[source, result],
            4 * floats,
        );
    }

    /// Both reduced pictures of each image [batch, 2, channels, height, width].
    pub fn reduce(&self, client: &Client, channels: usize, source: &Handle) -> Handle {
        let picture = channels * self.plane();
        let result = client.empty(4 * 2 * self.batch * picture);
        let at = ReducedPictures { source: 0, pictures: [0, picture], image: 2 * picture };
        self.reduce_into(client, channels, [source, &result], at);
        result
    }

    /// The gradient of the source of [`Self::reduce`], from those of all first pictures and then of all second ones,
    /// [2, batch, channels, height, width].
    pub fn reduce_gradient(&self, client: &Client, channels: usize, gradient: &Handle, source: &Handle) -> Handle {
        let picture = channels * self.plane();
        let floats = self.batch * picture;
        let result = client.empty(4 * 4 * floats);
        let at = ReducedPictures { source: 0, pictures: [0, floats], image: picture };
        self.reduce_launch("factorized_reduce/input_gradient", channels, at).run(
            client,
            floats,
            [1, 1],
            &[gradient, source, &result],
            8 * floats,
        );
        result
    }
}
