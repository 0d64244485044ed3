//! BatchNorm over the minibatch: y = x * scale + shift for each channel, and its gradient, which is a map of the output's
//! gradient and the value with coefficients for each channel.

use crate::kernels::wgsl::{launch::Launch, pictures::Pictures};
use cubecl::{prelude::Client, server::Handle};

/// Partial sums [channels, parts] of two quantities over the `count` values of each channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChannelSums<'a> {
    pub partial: &'a Handle,
    pub channels: usize,
    pub parts: usize,
    pub count: usize,
}

impl ChannelSums<'_> {
    /// Scale and shift [channels, 2], from sums of the values and of their squares.
    pub fn scale_shift(self, client: &Client) -> Handle {
        let norm = client.empty(4 * 2 * self.channels);
        self.scale_shift_into(client, &norm, 0);
        norm
    }

    /// The same written to `result` from channel `first` on.
    pub fn scale_shift_into(self, client: &Client, result: &Handle, first: usize) {
        let Self { partial, channels, parts, count } = self;
        Launch::new(1, &["batch_norm/channel_parts", "batch_norm/scale_shift"])
            .set(&[("CHANNELS", channels), ("PARTS", parts), ("RESULT", first)])
            .set_float("COUNT", count as f64)
            .run(client, channels, [1, 1], &[partial, result], 2 * channels * (parts + 1));
    }

    /// Coefficients [channels, 4] of the gradient g and of the value x, which is normalised already or not, from sums of g and of
    /// g times the normalised value.
    pub fn gradient(self, client: &Client, norm: &Handle, normalised: bool) -> Handle {
        let Self { partial, channels, parts, count } = self;
        let coefficients = client.empty(4 * 4 * channels);
        Launch::new(1, &["batch_norm/channel_parts", "batch_norm/gradient"])
            .set(&[("CHANNELS", channels), ("PARTS", parts)])
            .set_float("COUNT", count as f64)
            .set_switch("NORMALISED", normalised)
            .run(client, channels, [1, 1], &[partial, norm, &coefficients], 2 * channels * (parts + 3));
        coefficients
    }

    /// Writes the gradients of gamma and beta, which begin at float `gamma` of the parameters, and returns coefficients
    /// [channels, 4] of the value x and of the gradient g, from sums of g and of g times the normalised value.
    pub fn gamma_beta_gradient(
        self,
        client: &Client,
        norm: &Handle,
        gamma: usize,
        [parameters, parameter_gradients]: [&Handle; 2],
    ) -> Handle {
        let Self { partial, channels, parts, count } = self;
        let coefficients = client.empty(4 * 4 * channels);
        Launch::new(1, &["batch_norm/channel_parts", "batch_norm/gamma_beta_gradient"])
            .set(&[("C", channels), ("PARTS", parts), ("GAMMA", gamma)])
            .set_float("COUNT", count as f64)
            .run(
                client,
                channels,
                [1, 1],
                &[partial, norm, parameters, parameter_gradients, &coefficients],
                2 * channels * (parts + 5),
            );
        coefficients
    }
}

/// Scale and shift [channels, 2] with gamma and beta, which begin at float `gamma` of the parameters, from those
/// without; and the statistics [2 channels] that they stand for over `count` values: means, then unbiased variances.
pub(super) fn gamma_beta(
    client: &Client,
    norm: &Handle,
    (parameters, gamma): (&Handle, usize),
    [channels, count]: [usize; 2],
) -> (Handle, Handle) {
    let [result, statistics] = [(); 2].map(|()| client.empty(4 * 2 * channels));
    Launch::new(1, &["batch_norm/gamma_beta"])
        .set(&[("C", channels), ("GAMMA", gamma)])
        .set_float("COUNT", count as f64)
        .run(client, channels, [1, 1], &[parameters, norm, &result, &statistics], 8 * channels);
    (result, statistics)
}

/// Scale and shift [channels, 2] with gamma and beta by running statistics [2 channels].
pub(super) fn gamma_beta_running(
    client: &Client,
    running: &Handle,
    (parameters, gamma): (&Handle, usize),
    channels: usize,
) -> Handle {
    let result = client.empty(4 * 2 * channels);
    Launch::new(1, &["batch_norm/gamma_beta_running"]).set(&[("C", channels), ("GAMMA", gamma)]).run(
        client,
        channels,
        [1, 1],
        &[parameters, running, &result],
        6 * channels,
    );
    result
}

impl Pictures {
    /// Scales and shifts pictures, written to `result` from float `at` on.
    pub fn normalise(&self, client: &Client, values: &Handle, norm: &Handle, (result, at): (&Handle, usize)) {
        let lanes = self.plane_lanes();
        Launch::new(lanes, &["batch_norm/apply"])
            .set(&[("N", self.batch), ("C", self.channels), ("PLANE", self.plane() / lanes), ("RESULT", at / lanes)])
            .run(client, self.floats() / lanes, [1, 1], &[values, norm, result], 2 * self.floats());
    }
}
