//! The start of a run.

use super::Course;
use crate::cells::Matrices;
use darts_engine::{config::AnySearchConfig, event::Event};

/// Start of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// Hyper-parameters.
    pub config: AnySearchConfig,
    /// Adapter that computes.
    pub adapter: String,
    /// Interface of the adapter.
    pub backend: String,
    /// Weights of the supernet.
    pub parameters: usize,
    /// Examples of the train split.
    pub train_examples: usize,
    /// Examples of the valid split.
    pub valid_examples: usize,
    /// Search steps of an epoch, where all epochs have the same.
    pub steps_per_epoch: Option<usize>,
    /// Distinct words of a text.
    pub vocabulary: Option<usize>,
    /// Alphas before the first step.
    pub alphas: Matrices,
}

impl Started {
    /// Start that an event reports.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let Event::Started {
            config,
            adapter,
            backend,
            parameters,
            train_examples,
            valid_examples,
            steps_per_epoch,
            vocabulary,
            alphas,
            ..
        } = event
        else {
            return None;
        };
        Some(Self {
            config: config.clone(),
            adapter: adapter.clone(),
            backend: backend.clone(),
            parameters: *parameters,
            train_examples: *train_examples,
            valid_examples: *valid_examples,
            steps_per_epoch: *steps_per_epoch,
            vocabulary: *vocabulary,
            alphas: Matrices(alphas.clone()),
        })
    }

    /// Epochs.
    pub fn epochs(&self) -> usize {
        self.config.basics().epochs
    }

    /// Examples of both splits.
    pub fn examples(&self) -> usize {
        self.train_examples.saturating_add(self.valid_examples)
    }

    /// Hyper-parameters of this type, where the run has such.
    pub fn config_of<C: TryFrom<AnySearchConfig>>(&self) -> Option<C> {
        self.config.clone().try_into().ok()
    }

    /// Initial values that interventions can change.
    pub(super) fn course(&self) -> Course {
        let basics = self.config.basics();
        Course {
            weight_rate: basics.learning_rate,
            alpha_rate: basics.arch_learning_rate,
            order: basics.order,
            frozen: false,
        }
    }
}
