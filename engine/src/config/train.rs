use crate::{
    config::{ConfigError, DECAY, Kernels, NOT_NEGATIVE, PORTION, POSITIVE, cosine},
    space::Stem,
};
use serde::{Deserialize, Serialize};

/// Every hyper-parameter of a training run. The defaults are the paper's for CIFAR-10 (appendix A.2.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Stem, which decides the data set that the network is made for.
    pub stem: Stem,
    /// Side that pictures are cropped and resized to; absent for images of a fixed size.
    pub image_size: Option<usize>,
    /// Passes over the training images.
    pub epochs: usize,
    /// Images of a minibatch.
    pub batch_size: usize,
    /// Channels of the first cell.
    pub init_channels: usize,
    /// Cells of the network.
    pub layers: usize,
    /// Training images used; all if absent.
    pub train_images: Option<usize>,
    /// Seed of initial weights, choice and order of the images, augmentation and drop-path.
    pub seed: u64,
    /// Share of the training images that is trained on; below 1, the network is tested on the rest instead of the test images.
    pub train_portion: f64,
    /// First learning rate (SGD), annealed along a cosine.
    pub learning_rate: f64,
    /// Last learning rate, at the end of the cosine.
    pub learning_rate_min: f64,
    /// Factor that multiplies the learning rate after each epoch, in place of the cosine.
    pub learning_rate_decay: Option<f64>,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Largest norm of the gradient.
    pub grad_clip: f64,
    /// Share of each label that is spread over all classes.
    pub label_smoothing: f64,
    /// Weight of the auxiliary head's loss; 0 builds no such head.
    pub auxiliary_weight: f64,
    /// Drop-path probability at the end of the run; it grows linearly from 0 with the epoch.
    pub drop_path: f64,
    /// Side of the square cut out of each training image; 0 cuts none.
    pub cutout: usize,
    /// Epochs from one test to the next; the last is always tested.
    pub test_every: usize,
    /// Steps between two step events.
    pub report_every: usize,
    /// Path that computes the network.
    pub kernels: Kernels,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            stem: Stem::Cifar10,
            image_size: None,
            epochs: 600,
            batch_size: 96,
            init_channels: 36,
            layers: 20,
            train_images: None,
            seed: 0,
            train_portion: 1.0,
            learning_rate: 0.025,
            learning_rate_min: 0.0,
            learning_rate_decay: None,
            momentum: 0.9,
            weight_decay: 3e-4,
            grad_clip: 5.0,
            label_smoothing: 0.0,
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
    /// Paper's settings for ImageNet in the mobile setting (section 3.4; appendix A.2.3).
    pub fn imagenet() -> Self {
        Self {
            stem: Stem::ImageNet,
            image_size: Some(224),
            epochs: 250,
            batch_size: 128,
            init_channels: 48,
            layers: 14,
            learning_rate: 0.1,
            learning_rate_decay: Some(0.97),
            weight_decay: 3e-5,
            label_smoothing: 0.1,
            drop_path: 0.0,
            cutout: 0,
            ..Self::default()
        }
    }

    /// Checks every setting against its range.
    ///
    /// # Errors
    /// The first setting out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (name, value, least, most) in [
            ("epochs", self.epochs, 1, 1_000_000),
            // BatchNorm needs the variance of at least two values.
            ("batch-size", self.batch_size, 2, 1_000_000),
            ("init-channels", self.init_channels, 1, 1000),
            // A single cell gives one reduction, but the auxiliary head expects two.
            ("layers", self.layers, 2, 1000),
            ("train-images", self.train_images.unwrap_or(2), 2, usize::MAX),
            ("test-every", self.test_every, 1, usize::MAX),
            ("report-every", self.report_every, 1, usize::MAX),
        ] {
            ConfigError::count(name, value, least..=most)?;
        }
        for (name, value, range) in [
            ("train-portion", self.train_portion, PORTION),
            ("learning-rate", self.learning_rate, POSITIVE),
            ("learning-rate-min", self.learning_rate_min, NOT_NEGATIVE),
            ("momentum", self.momentum, DECAY),
            ("weight-decay", self.weight_decay, NOT_NEGATIVE),
            ("learning-rate-decay", self.learning_rate_decay.unwrap_or(1.0), PORTION),
            ("grad-clip", self.grad_clip, POSITIVE),
            ("label-smoothing", self.label_smoothing, DECAY),
            ("auxiliary-weight", self.auxiliary_weight, NOT_NEGATIVE),
            ("drop-path", self.drop_path, DECAY),
        ] {
            ConfigError::number(name, value, range)?;
        }
        if self.stem == Stem::ImageNet {
            let side = self.image_size.unwrap_or(0);
            ConfigError::count("image-size", side, 32..=4096)?;
            // The side is halved five times, and reductions need even sizes.
            if !side.is_multiple_of(32) {
                return Err(ConfigError::ImageSize { side, must: "a multiple of 32" });
            }
            if self.auxiliary_weight > 0.0 && ![224, 256].contains(&side) {
                return Err(ConfigError::ImageSize { side, must: "224 or 256 unless auxiliary-weight is 0" });
            }
            if !self.init_channels.is_multiple_of(2) {
                return Err(ConfigError::OddChannels(self.init_channels));
            }
        }
        Ok(())
    }

    /// Number of training images used, of `available` ones.
    ///
    /// # Errors
    /// More images requested than available, or fewer than a minibatch to train on.
    pub fn images(&self, available: usize) -> Result<usize, ConfigError> {
        let images = ConfigError::images(self.train_images, available)?;
        let trained = (images as f64 * self.train_portion).floor() as usize;
        if trained < self.batch_size {
            return Err(ConfigError::TooFewImages { batch_size: self.batch_size, images: trained });
        }
        Ok(images)
    }

    /// Learning rate of an epoch.
    pub fn learning_rate_at(&self, epoch: usize) -> f64 {
        match self.learning_rate_decay {
            Some(decay) => self.learning_rate * decay.powi(i32::try_from(epoch).unwrap_or(i32::MAX)),
            None => cosine(self.learning_rate, self.learning_rate_min, epoch, self.epochs),
        }
    }

    /// Drop-path probability in an epoch.
    pub fn drop_path_at(&self, epoch: usize) -> f64 {
        self.drop_path * epoch as f64 / self.epochs as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_falls_as_the_paper_has_it() {
        let imagenet = TrainConfig::imagenet();
        imagenet.check().unwrap();
        let rates = [0, 1, 100].map(|epoch| imagenet.learning_rate_at(epoch));
        assert_eq!(rates[0], 0.1);
        assert!((rates[1] - 0.097).abs() < 1e-12 && (rates[2] - 0.1 * 0.97f64.powf(100.0)).abs() < 1e-12, "{rates:?}");
        let cifar10 = TrainConfig::default();
        assert!((cifar10.learning_rate_at(300) - 0.0125).abs() < 1e-12);
    }

    #[test]
    fn sizes_that_imagenet_networks_cannot_halve_are_refused() {
        let refusal = |change: fn(&mut TrainConfig)| {
            let mut config = TrainConfig::imagenet();
            change(&mut config);
            config.check().err().map(|error| error.to_string())
        };
        let size = |what: &str, side: usize| Some(format!("image-size must be {what}, not {side}"));
        assert_eq!(refusal(|c| c.image_size = None), size("at least 32", 0));
        assert_eq!(refusal(|c| c.image_size = Some(8192)), size("at most 4096", 8192));
        assert_eq!(refusal(|c| c.image_size = Some(112)), size("a multiple of 32", 112));
        assert_eq!(refusal(|c| c.image_size = Some(192)), size("224 or 256 unless auxiliary-weight is 0", 192));
        assert_eq!(refusal(|c| (c.image_size, c.auxiliary_weight) = (Some(192), 0.0)), None);
        assert_eq!(refusal(|c| c.image_size = Some(256)), None);
        assert_eq!(refusal(|c| c.init_channels = 7), Some("init-channels must be even for ImageNet, not 7".into()));
    }

    #[test]
    fn a_portion_must_fill_a_minibatch() {
        let config = TrainConfig { train_portion: 0.5, batch_size: 8, ..TrainConfig::default() };
        assert_eq!(config.images(16).unwrap(), 16);
        let error = config.images(15).unwrap_err().to_string();
        assert_eq!(error, "batch-size is 8, but there are only 7 training images");
        assert!(TrainConfig { train_portion: 1.5, ..config }.check().is_err());
    }
}
