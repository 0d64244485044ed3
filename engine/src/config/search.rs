use super::{ConfigError, DECAY, Kernels, NOT_NEGATIVE, Order, POSITIVE, SHARE, cosine};
use serde::{Deserialize, Serialize};

/// Every hyper-parameter of a convolutional search. The defaults are the paper's (appendix A.1.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchConfig {
    /// First- or second-order architecture gradient.
    pub order: Order,
    /// Passes over the train split.
    pub epochs: usize,
    /// Images of a minibatch.
    pub batch_size: usize,
    /// Channels of the first cell.
    pub init_channels: usize,
    /// Cells of the supernet.
    pub layers: usize,
    /// Training images used, before the split; all if absent.
    pub train_images: Option<usize>,
    /// Share of the training images in the train split; the rest is the valid split.
    pub train_portion: f64,
    /// Seed of initial weights and alphas, split, order of the images and augmentation.
    pub seed: u64,
    /// First weight learning rate (SGD), annealed along a cosine.
    pub learning_rate: f64,
    /// Last weight learning rate.
    pub learning_rate_min: f64,
    /// Momentum of the weights.
    pub momentum: f64,
    /// Weight decay of the weights.
    pub weight_decay: f64,
    /// Largest norm of the weight gradient.
    pub grad_clip: f64,
    /// Learning rate of the alphas (Adam).
    pub arch_learning_rate: f64,
    /// Adam's decay rates for the alphas.
    pub arch_betas: (f64, f64),
    /// Weight decay of the alphas.
    pub arch_weight_decay: f64,
    /// Path that computes the supernet.
    pub kernels: Kernels,
    /// Steps between two step events that carry the alphas.
    pub report_every: usize,
    /// Hessian-vector products (Lanczos iterations) that measure the curvature after each epoch; 0 skips it.
    pub curvature_rounds: usize,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self {
            order: Order::First,
            epochs: 50,
            batch_size: 64,
            init_channels: 16,
            layers: 8,
            train_images: None,
            train_portion: 0.5,
            seed: 0,
            learning_rate: 0.025,
            learning_rate_min: 0.001,
            momentum: 0.9,
            weight_decay: 3e-4,
            grad_clip: 5.0,
            arch_learning_rate: 3e-4,
            arch_betas: (0.5, 0.999),
            arch_weight_decay: 1e-3,
            kernels: Kernels::default(),
            report_every: 50,
            curvature_rounds: 0,
        }
    }
}

impl SearchConfig {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// The first setting out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (name, value, least, most) in [
            ("epochs", self.epochs, 1, 1_000_000),
            ("batch-size", self.batch_size, 1, usize::MAX),
            ("init-channels", self.init_channels, 1, 1000),
            ("layers", self.layers, 1, 1000),
            ("report-every", self.report_every, 1, usize::MAX),
            ("curvature-rounds", self.curvature_rounds, 0, 1000),
            ("train-images", self.train_images.unwrap_or(2), 2, usize::MAX),
        ] {
            ConfigError::count(name, value, least..=most)?;
        }
        for (name, value, range) in [
            ("train-portion", self.train_portion, SHARE),
            ("learning-rate", self.learning_rate, POSITIVE),
            ("learning-rate-min", self.learning_rate_min, NOT_NEGATIVE),
            ("momentum", self.momentum, DECAY),
            ("weight-decay", self.weight_decay, NOT_NEGATIVE),
            ("grad-clip", self.grad_clip, POSITIVE),
            ("arch-learning-rate", self.arch_learning_rate, POSITIVE),
            ("arch-beta1", self.arch_betas.0, DECAY),
            ("arch-beta2", self.arch_betas.1, DECAY),
            ("arch-weight-decay", self.arch_weight_decay, NOT_NEGATIVE),
        ] {
            ConfigError::number(name, value, range)?;
        }
        Ok(())
    }

    /// Weight learning rate of an epoch, annealed along a cosine from the first to the last (appendix A.1.1).
    pub fn learning_rate_at(&self, epoch: usize) -> f64 {
        cosine(self.learning_rate, self.learning_rate_min, epoch, self.epochs)
    }

    /// Sizes of the train and the valid split, of `available` training images.
    ///
    /// # Errors
    /// More images requested than available, or a split smaller than one minibatch.
    pub fn split(&self, available: usize) -> Result<(usize, usize), ConfigError> {
        let images = ConfigError::images(self.train_images, available)?;
        let train = (images as f64 * self.train_portion).floor() as usize;
        for (split, count) in [("train", train), ("valid", images - train)] {
            if count < self.batch_size {
                return Err(ConfigError::SplitTooSmall { batch_size: self.batch_size, split, images: count });
            }
        }
        Ok((train, images - train))
    }
}
