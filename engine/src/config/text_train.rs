use crate::config::{ConfigError, Dropouts, Kernels, NOT_NEGATIVE, POSITIVE, Penalties};
use serde::{Deserialize, Serialize};

/// Every hyper-parameter of a language model's training run. The defaults are the paper's for the Penn Treebank (appendix
/// A.2.2 and the authors' implementation).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextTrainConfig {
    /// Passes over the training text.
    pub epochs: usize,
    /// Columns that the training text is cut into.
    pub batch_size: usize,
    /// Units: the length of word vectors and states.
    pub hidden: usize,
    /// Mean number of words that gradients are propagated through; every step draws its own number around it.
    pub bptt: usize,
    /// Seed of initial weights, step lengths and dropout masks.
    pub seed: u64,
    /// Learning rate, for steps of `bptt` words.
    pub learning_rate: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Largest norm of the gradient.
    pub grad_clip: f64,
    /// Dropout probabilities.
    pub dropouts: Dropouts,
    /// Penalties added to the loss.
    pub penalties: Penalties,
    /// Epochs to look back: weights are averaged (ASGD) once the validation loss is above one of more than this many epochs
    /// before.
    pub patience: usize,
    /// Columns that the test text is cut into.
    pub test_batch_size: usize,
    /// Steps between two step events.
    pub report_every: usize,
    /// Path that computes the network.
    pub kernels: Kernels,
}

impl Default for TextTrainConfig {
    fn default() -> Self {
        Self {
            epochs: 8000,
            batch_size: 64,
            hidden: 850,
            bptt: 35,
            seed: 0,
            learning_rate: 20.0,
            weight_decay: 8e-7,
            grad_clip: 0.25,
            dropouts: Dropouts { embedding: 0.1, input: 0.2, cell_input: 0.75, hidden: 0.25, output: 0.75 },
            penalties: Penalties { activation: 0.0, slowness: 1e-3 },
            patience: 5,
            test_batch_size: 1,
            report_every: 200,
            kernels: Kernels::default(),
        }
    }
}

impl TextTrainConfig {
    /// Paper's settings for WikiText-2.
    pub fn wikitext2() -> Self {
        let ptb = Self::default();
        Self { hidden: 700, weight_decay: 5e-7, dropouts: Dropouts { hidden: 0.15, ..ptb.dropouts }, ..ptb }
    }

    /// Checks every setting against its range.
    ///
    /// # Errors
    /// The first setting out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (name, value, least, most) in [
            ("epochs", self.epochs, 1, 1_000_000),
            ("batch-size", self.batch_size, 1, 1_000_000),
            ("hidden", self.hidden, 1, 10_000),
            ("bptt", self.bptt, 1, 10_000),
            ("patience", self.patience, 1, 1_000_000),
            ("test-batch-size", self.test_batch_size, 1, 1_000_000),
            ("report-every", self.report_every, 1, usize::MAX),
        ] {
            ConfigError::count(name, value, least..=most)?;
        }
        for (name, value, range) in [
            ("learning-rate", self.learning_rate, POSITIVE),
            ("weight-decay", self.weight_decay, NOT_NEGATIVE),
            ("grad-clip", self.grad_clip, POSITIVE),
        ] {
            ConfigError::number(name, value, range)?;
        }
        self.dropouts.check()?;
        self.penalties.check()
    }
}
