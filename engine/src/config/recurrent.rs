use crate::config::{ConfigError, DECAY, Kernels, NOT_NEGATIVE, Order, POSITIVE};
use serde::{Deserialize, Serialize};

/// Dropout probabilities; zero drops nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dropouts {
    /// A word of the vocabulary, wherever it stands.
    pub embedding: f64,
    /// A component of the word vectors, the same for all words of a column.
    pub input: f64,
    /// A component of the cell's input, the same for all words of a column.
    pub cell_input: f64,
    /// A component of the states that matrices are applied to, the same for all words of a column and all nodes.
    pub hidden: f64,
    /// A component of the cell's output, the same for all words of a column.
    pub output: f64,
}

/// Penalties added to the loss of a weight step (Merity et al., 2017).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Penalties {
    /// Weight of the mean square of the output after dropout.
    pub activation: f64,
    /// Weight of the mean square of its change from word to word (slowness).
    pub slowness: f64,
}

impl Dropouts {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for (name, value) in [
            ("dropout-embedding", self.embedding),
            ("dropout-input", self.input),
            ("dropout-cell-input", self.cell_input),
            ("dropout-hidden", self.hidden),
            ("dropout-output", self.output),
        ] {
            ConfigError::number(name, value, DECAY)?;
        }
        Ok(())
    }
}

impl Penalties {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::number("activation-penalty", self.activation, NOT_NEGATIVE)?;
        ConfigError::number("slowness-penalty", self.slowness, NOT_NEGATIVE)
    }
}

/// Every hyper-parameter of a recurrent search. The defaults are the paper's (appendix A.1.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecurrentConfig {
    /// First- or second-order architecture gradient.
    pub order: Order,
    /// Passes over the training text.
    pub epochs: usize,
    /// Columns that texts are cut into.
    pub batch_size: usize,
    /// Units: the length of word vectors and states.
    pub hidden: usize,
    /// Words of a column that gradients are propagated through; one step in twenty takes half as many.
    pub bptt: usize,
    /// Seed of initial weights and alphas, step lengths and dropout masks.
    pub seed: u64,
    /// Learning rate of the weights (SGD), for steps of `bptt` words.
    pub learning_rate: f64,
    /// Weight decay of the weights.
    pub weight_decay: f64,
    /// Largest norm of the weight gradient.
    pub grad_clip: f64,
    /// Dropout probabilities, in both kinds of steps.
    pub dropouts: Dropouts,
    /// Penalties added to the loss of weight steps.
    pub penalties: Penalties,
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
}

impl Default for RecurrentConfig {
    fn default() -> Self {
        Self {
            order: Order::First,
            epochs: 50,
            batch_size: 256,
            hidden: 300,
            bptt: 35,
            seed: 0,
            learning_rate: 20.0,
            weight_decay: 5e-7,
            grad_clip: 0.25,
            dropouts: Dropouts { embedding: 0.0, input: 0.2, cell_input: 0.75, hidden: 0.25, output: 0.75 },
            penalties: Penalties { activation: 0.0, slowness: 1e-3 },
            arch_learning_rate: 3e-3,
            arch_betas: (0.9, 0.999),
            arch_weight_decay: 1e-3,
            kernels: Kernels::default(),
            report_every: 50,
        }
    }
}

impl RecurrentConfig {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// The first setting out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (name, value, least, most) in [
            ("epochs", self.epochs, 1, 1_000_000),
            // BatchNorm needs the variance of at least two values.
            ("batch-size", self.batch_size, 2, 1_000_000),
            ("hidden", self.hidden, 1, 10_000),
            ("bptt", self.bptt, 1, 10_000),
            ("report-every", self.report_every, 1, usize::MAX),
        ] {
            ConfigError::count(name, value, least..=most)?;
        }
        for (name, value, range) in [
            ("learning-rate", self.learning_rate, POSITIVE),
            ("weight-decay", self.weight_decay, NOT_NEGATIVE),
            ("grad-clip", self.grad_clip, POSITIVE),
            ("arch-learning-rate", self.arch_learning_rate, POSITIVE),
            ("arch-beta1", self.arch_betas.0, DECAY),
            ("arch-beta2", self.arch_betas.1, DECAY),
            ("arch-weight-decay", self.arch_weight_decay, NOT_NEGATIVE),
        ] {
            ConfigError::number(name, value, range)?;
        }
        self.dropouts.check()?;
        self.penalties.check()
    }
}
