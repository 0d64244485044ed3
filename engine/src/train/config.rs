use crate::search::{ConfigError, DECAY, Kernels, NOT_NEGATIVE, POSITIVE, cosine};
use serde::{Deserialize, Serialize};

/// Every hyper-parameter of a training run on CIFAR-10. The defaults are the paper's (appendix A.2.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images of a minibatch.
    pub batch_size: usize,
    /// Channels of the first cell.
    pub init_channels: usize,
    /// Cells of the network.
    pub layers: usize,
    /// Training images used; all when absent.
    pub train_images: Option<usize>,
    /// Fixes initial weights, choice and order of the images, augmentation and dropped paths.
    pub seed: u64,
    /// First learning rate (SGD), annealed along a cosine.
    pub learning_rate: f64,
    /// Learning rate that the cosine goes down to.
    pub learning_rate_min: f64,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Largest norm of the gradient.
    pub grad_clip: f64,
    /// How much the loss of the auxiliary head counts; 0 is no such head.
    pub auxiliary_weight: f64,
    /// Probability to drop a path that the run comes to; it grows from 0 in proportion to the epoch.
    pub drop_path: f64,
    /// Side of the square cut out of each training image; 0 is none.
    pub cutout: usize,
    /// Epochs from one test to the next; the last is always tested.
    pub test_every: usize,
    /// Steps between two step events.
    pub report_every: usize,
    /// The path that computes the network.
    pub kernels: Kernels,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 600,
            batch_size: 96,
            init_channels: 36,
            layers: 20,
            train_images: None,
            seed: 0,
            learning_rate: 0.025,
            learning_rate_min: 0.0,
            momentum: 0.9,
            weight_decay: 3e-4,
            grad_clip: 5.0,
            auxiliary_weight: 0.4,
            drop_path: 0.2,
            cutout: 16,
            test_every: 1,
            report_every: 50,
            kernels: Kernels::default(),
        }
    }
}

impl TrainConfig {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// The first setting that makes no training run.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (name, value, least, most) in [
            ("epochs", self.epochs, 1, 1_000_000),
            // The variance of a single value is none.
            ("batch-size", self.batch_size, 2, 1_000_000),
            ("init-channels", self.init_channels, 1, 1000),
            // With one cell there is one reduction, and the auxiliary head expects two.
            ("layers", self.layers, 2, 1000),
            ("train-images", self.train_images.unwrap_or(2), 2, usize::MAX),
            ("test-every", self.test_every, 1, usize::MAX),
            ("report-every", self.report_every, 1, usize::MAX),
        ] {
            ConfigError::count(name, value, least..=most)?;
        }
        for (name, value, range) in [
            ("learning-rate", self.learning_rate, POSITIVE),
            ("learning-rate-min", self.learning_rate_min, NOT_NEGATIVE),
            ("momentum", self.momentum, DECAY),
            ("weight-decay", self.weight_decay, NOT_NEGATIVE),
            ("grad-clip", self.grad_clip, POSITIVE),
            ("auxiliary-weight", self.auxiliary_weight, NOT_NEGATIVE),
            ("drop-path", self.drop_path, DECAY),
        ] {
            ConfigError::number(name, value, range)?;
        }
        Ok(())
    }

    /// How many of `available` training images are used.
    ///
    /// # Errors
    /// More images asked for than available, or fewer than a minibatch.
    pub fn images(&self, available: usize) -> Result<usize, ConfigError> {
        let images = ConfigError::images(self.train_images, available)?;
        if images < self.batch_size {
            return Err(ConfigError::TooFewImages { batch_size: self.batch_size, images });
        }
        Ok(images)
    }

    /// The learning rate of an epoch.
    pub fn learning_rate_at(&self, epoch: usize) -> f64 {
        cosine(self.learning_rate, self.learning_rate_min, epoch, self.epochs)
    }

    /// The probability to drop a path in an epoch.
    pub fn drop_path_at(&self, epoch: usize) -> f64 {
        self.drop_path * epoch as f64 / self.epochs as f64
    }
}
