//! Hyper-parameters common to all search spaces.

use super::{ConfigError, Kernels, Order, RecurrentConfig, SearchConfig, TextTrainConfig, TrainConfig};
use crate::space::{CONVOLUTIONAL, RECURRENT, Space};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt::Debug;

/// Hyper-parameters that searches of all spaces have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchBasics {
    /// First- or second-order architecture gradient.
    pub order: Order,
    /// Passes over the train split.
    pub epochs: usize,
    /// Images, or columns of text, of a minibatch.
    pub batch_size: usize,
    /// Seed of everything drawn at random.
    pub seed: u64,
    /// First learning rate of the weights (SGD).
    pub learning_rate: f64,
    /// Last learning rate of the weights, to which a cosine anneals, or 0.
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
}

/// Hyper-parameters of a search in one space.
pub trait SearchSettings:
    Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Into<AnySearchConfig> + Send + Sync
{
    /// The search space.
    const SPACE: Space;

    /// Checks every setting against its range.
    ///
    /// # Errors
    /// The first setting out of range.
    fn check(&self) -> Result<(), ConfigError>;

    /// Hyper-parameters that all searches have.
    fn basics(&self) -> SearchBasics;

    /// Takes over what interventions change: the order and the learning rates.
    fn intervene(&mut self, basics: &SearchBasics);
}

/// Hyper-parameters of a training run in one space.
pub trait TrainSettings:
    Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Into<AnyTrainConfig> + Send + Sync
{
    /// The space of its cells.
    const SPACE: Space;

    /// Checks every setting against its range.
    ///
    /// # Errors
    /// The first setting out of range.
    fn check(&self) -> Result<(), ConfigError>;

    /// Passes over the training data.
    fn epochs(&self) -> usize;

    /// Images, or columns of text, of a minibatch.
    fn batch_size(&self) -> usize;

    /// Steps between two step events.
    fn report_every(&self) -> usize;
}

/// Fields of the same names in every configuration.
macro_rules! basics {
    ($config:expr, $momentum:expr, $learning_rate_min:expr) => {{
        let config = $config;
        SearchBasics {
            order: config.order,
            epochs: config.epochs,
            batch_size: config.batch_size,
            seed: config.seed,
            learning_rate: config.learning_rate,
            learning_rate_min: $learning_rate_min,
            momentum: $momentum,
            weight_decay: config.weight_decay,
            grad_clip: config.grad_clip,
            arch_learning_rate: config.arch_learning_rate,
            arch_betas: config.arch_betas,
            arch_weight_decay: config.arch_weight_decay,
            kernels: config.kernels,
            report_every: config.report_every,
        }
    }};
}

impl SearchSettings for SearchConfig {
    const SPACE: Space = CONVOLUTIONAL;

    fn check(&self) -> Result<(), ConfigError> {
        self.check()
    }

    fn basics(&self) -> SearchBasics {
        basics!(self, self.momentum, self.learning_rate_min)
    }

    fn intervene(&mut self, basics: &SearchBasics) {
        self.order = basics.order;
        (self.learning_rate, self.learning_rate_min) = (basics.learning_rate, basics.learning_rate_min);
        self.arch_learning_rate = basics.arch_learning_rate;
    }
}

impl SearchSettings for RecurrentConfig {
    const SPACE: Space = RECURRENT;

    fn check(&self) -> Result<(), ConfigError> {
        self.check()
    }

    fn basics(&self) -> SearchBasics {
        basics!(self, 0.0, 0.0)
    }

    fn intervene(&mut self, basics: &SearchBasics) {
        self.order = basics.order;
        (self.learning_rate, self.arch_learning_rate) = (basics.learning_rate, basics.arch_learning_rate);
    }
}

impl TrainSettings for TrainConfig {
    const SPACE: Space = CONVOLUTIONAL;

    fn check(&self) -> Result<(), ConfigError> {
        self.check()
    }

    fn epochs(&self) -> usize {
        self.epochs
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn report_every(&self) -> usize {
        self.report_every
    }
}

impl TrainSettings for TextTrainConfig {
    const SPACE: Space = RECURRENT;

    fn check(&self) -> Result<(), ConfigError> {
        self.check()
    }

    fn epochs(&self) -> usize {
        self.epochs
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn report_every(&self) -> usize {
        self.report_every
    }
}

/// Declares a configuration of any space: an enum with one variant per space, tagged by the space in JSON.
macro_rules! any_config {
    ($(#[$doc:meta])* $any:ident: $trait:ident { $($variant:ident($config:ty)),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "space", rename_all = "snake_case")]
        pub enum $any {
            $(
                #[doc = concat!("Of the ", stringify!($variant), " space.")]
                $variant($config),
            )*
        }

        impl $any {
            /// The search space.
            pub fn space(&self) -> Space {
                match self { $(Self::$variant(_) => <$config as $trait>::SPACE,)* }
            }

            /// Checks every setting against its range.
            ///
            /// # Errors
            /// The first setting out of range.
            pub fn check(&self) -> Result<(), ConfigError> {
                match self { $(Self::$variant(config) => config.check(),)* }
            }
        }

        $(
            impl From<$config> for $any {
                fn from(config: $config) -> Self {
                    Self::$variant(config)
                }
            }

            impl TryFrom<$any> for $config {
                type Error = Space;

                /// Fails with the space of a configuration of another one.
                fn try_from(config: $any) -> Result<Self, Space> {
                    match config {
                        $any::$variant(config) => Ok(config),
                        #[allow(unreachable_patterns)]
                        other => Err(other.space()),
                    }
                }
            }
        )*
    };
}

any_config! {
    /// Hyper-parameters of a search in any space.
    AnySearchConfig: SearchSettings { Convolutional(SearchConfig), Recurrent(RecurrentConfig) }
}

any_config! {
    /// Hyper-parameters of a training run in any space.
    AnyTrainConfig: TrainSettings { Convolutional(TrainConfig), Recurrent(TextTrainConfig) }
}

impl AnySearchConfig {
    /// Hyper-parameters that all searches have.
    pub fn basics(&self) -> SearchBasics {
        match self {
            Self::Convolutional(config) => config.basics(),
            Self::Recurrent(config) => config.basics(),
        }
    }
}
