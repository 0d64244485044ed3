//! Progress of a search, stored in a checkpoint beside the tensors.

use crate::{
    checkpoint::{CheckpointError, exactly},
    config::{Order, SearchBasics, SearchSettings},
    event::Measure,
    intervention::AlphaMask,
};
use serde::{Deserialize, Serialize};

/// Place of a search, and all that interventions have changed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress<P> {
    pub step: usize,
    /// Fewer than steps where the alphas were frozen.
    pub architecture_steps: i32,
    pub position: P,
    pub sums: Sums,
    #[serde(with = "exactly")]
    pub seconds: f64,
    pub alphas: AlphaState,
    pub settings: Settings,
}

/// Sums over the steps of an epoch so far.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sums {
    pub steps: usize,
    pub examples: usize,
    pub train: Sum,
    pub valid: Sum,
    #[serde(with = "exactly")]
    pub seconds: f64,
}

/// Sum of measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sum {
    pub loss: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f32>,
}

impl Sum {
    pub fn add(&mut self, measure: Measure) {
        self.loss += measure.loss;
        if let Some(accuracy) = measure.accuracy {
            *self.accuracy.get_or_insert(0.0) += accuracy;
        }
    }

    /// Mean over so many steps.
    pub fn mean(self, steps: usize) -> Measure {
        let loss = self.loss / steps as f32;
        match self.accuracy {
            Some(accuracy) => Measure::images(loss, accuracy / steps as f32),
            None => Measure::words(loss),
        }
    }
}

impl Sums {
    pub fn add(&mut self, train: Measure, valid: Measure, examples: usize, seconds: f64) {
        self.steps += 1;
        self.examples += examples;
        self.train.add(train);
        self.valid.add(valid);
        self.seconds += seconds;
    }

    pub fn mean_train(&self) -> Measure {
        self.train.mean(self.steps)
    }

    pub fn mean_valid(&self) -> Measure {
        self.valid.mean(self.steps)
    }

    pub fn examples_per_second(&self) -> f64 {
        self.examples as f64 / self.seconds
    }
}

/// Changes to the alphas by interventions.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlphaState {
    pub mask: AlphaMask,
    pub frozen: bool,
}

impl AlphaState {
    /// Fails unless the mask is that of alphas [edges, ops], or of none.
    pub fn check(&self, [edges, ops]: [usize; 2]) -> Result<(), CheckpointError> {
        let mask = &self.mask;
        let fits = mask.is_empty() || mask.len() == edges && mask.iter().all(|row| row.len() == ops);
        let value = || format!("{} rows", mask.len());
        if fits { Ok(()) } else { Err(CheckpointError::Progress { what: "the alpha mask", value: value() }) }
    }
}

/// Hyper-parameters that interventions change.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub order: Order,
    #[serde(with = "exactly")]
    pub learning_rate: f64,
    #[serde(with = "exactly")]
    pub learning_rate_min: f64,
    #[serde(with = "exactly")]
    pub arch_learning_rate: f64,
}

impl Settings {
    /// Those of a configuration.
    pub fn of(config: &impl SearchSettings) -> Self {
        let SearchBasics { order, learning_rate, learning_rate_min, arch_learning_rate, .. } = config.basics();
        Self { order, learning_rate, learning_rate_min, arch_learning_rate }
    }

    /// Sets them.
    pub fn apply(self, config: &mut impl SearchSettings) {
        let Self { order, learning_rate, learning_rate_min, arch_learning_rate } = self;
        let basics = config.basics();
        config.intervene(&SearchBasics { order, learning_rate, learning_rate_min, arch_learning_rate, ..basics });
    }
}
