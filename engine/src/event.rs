//! The one stream of events: what a search or a training run tells while it goes on.

use crate::finite::{finite, finite_if_any};
use crate::{
    config::{RecurrentConfig, SearchConfig, TextTrainConfig, TrainConfig},
    intervention::Steering,
    space::{Alphas, Genotype, RecurrentAlphas, RecurrentGenotype},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is told to whoever listens: one line of `events.jsonl`, one message to the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The search is about to take its first step.
    Started {
        /// Every hyper-parameter.
        config: SearchConfig,
        /// The adapter that computes, for example `llvmpipe (LLVM 19.1.7, 256 bits)`.
        adapter: String,
        /// The adapter's graphics interface or backend, for example `Vulkan`.
        backend: String,
        /// Weights of the supernet.
        parameters: usize,
        /// Images whose minibatches train the weights.
        weight_images: usize,
        /// Images whose minibatches train the alphas.
        alpha_images: usize,
        /// Search steps of an epoch.
        steps_per_epoch: usize,
        /// The alphas before the first step.
        alphas: Alphas,
    },
    /// A search step (one architecture step, then one weight step) is done.
    Step {
        /// The epoch, from 0.
        epoch: usize,
        /// The step over the whole search, from 0.
        step: usize,
        /// The weight step's minibatch.
        weights: Measure,
        /// The architecture step's minibatch, which the weights are never trained on.
        alphas: Measure,
        /// Norm of the weight gradient before clipping.
        #[serde(deserialize_with = "finite")]
        gradient_norm: f32,
        /// Wall time of this step in seconds.
        seconds: f64,
        /// The alphas after this step, left out on steps that are not reported in full.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        architecture: Option<Alphas>,
    },
    /// An epoch is done.
    Epoch {
        /// The epoch, from 0.
        epoch: usize,
        /// Weight learning rate that the epoch used.
        learning_rate: f64,
        /// Means over the epoch's weight steps.
        weights: Measure,
        /// Means over the epoch's architecture steps.
        alphas: Measure,
        /// Images that went through the supernet (both halves) for each second of wall time.
        images_per_second: f64,
        /// Wall time of all steps so far in seconds; a pause between two of them does not count.
        seconds: f64,
        /// The alphas at the end of the epoch.
        architecture: Alphas,
        /// The cell that would be derived now.
        genotype: Genotype,
        /// The largest eigenvalue of the Hessian of the validation loss with respect to the alphas, taken over a distance of
        /// 0.1 on the epoch's last minibatch, where that was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "finite_if_any")]
        curvature: Option<f32>,
    },
    /// Somebody changed the search between two steps.
    Steered {
        /// Search steps done by then.
        step: usize,
        /// The change.
        steering: Steering,
        /// The alphas after it.
        architecture: Alphas,
    },
    /// The search is over.
    Finished {
        /// The derived cell.
        genotype: Genotype,
        /// The final alphas.
        architecture: Alphas,
        /// Epochs done.
        epochs: usize,
        /// Wall time of all steps so far in seconds; a pause between two of them does not count.
        seconds: f64,
    },
    /// A training run is about to take its first step.
    TrainStarted {
        /// Every hyper-parameter.
        config: TrainConfig,
        /// The cells of the network.
        genotype: Genotype,
        /// The adapter that computes.
        adapter: String,
        /// The adapter's graphics interface or backend.
        backend: String,
        /// Weights of the network, its auxiliary head left out.
        parameters: usize,
        /// Weights of the auxiliary head.
        auxiliary_parameters: usize,
        /// Images trained on.
        train_images: usize,
        /// Images tested on.
        test_images: usize,
        /// Steps of an epoch.
        steps_per_epoch: usize,
    },
    /// A training step is done; not all of them are told.
    TrainStep {
        /// The epoch, from 0.
        epoch: usize,
        /// The step over the whole run, from 0.
        step: usize,
        /// The minibatch, without the auxiliary head.
        train: Measure,
        /// Norm of the gradient before clipping.
        #[serde(deserialize_with = "finite")]
        gradient_norm: f32,
        /// Wall time of this step in seconds.
        seconds: f64,
    },
    /// An epoch of a training run is done.
    TrainEpoch {
        /// The epoch, from 0.
        epoch: usize,
        /// Learning rate that the epoch used.
        learning_rate: f64,
        /// Probability to drop a path that the epoch used.
        drop_path: f64,
        /// Means over the epoch's steps, without the auxiliary head.
        train: Measure,
        /// Training images for each second of wall time.
        images_per_second: f64,
        /// Wall time of all steps and tests so far in seconds.
        seconds: f64,
        /// Pictures that could not be read, each time that one was drawn; others took their places.
        #[serde(default, skip_serializing_if = "is_none")]
        unreadable: usize,
    },
    /// A picture cannot be read, which is told once; what is done without it is counted in the epoch, or the test.
    Unreadable {
        /// The file.
        picture: String,
        /// What is wrong with it, as a predicate.
        problem: String,
    },
    /// The network was tested on all test images, in evaluation mode.
    Evaluated {
        /// The epoch just done, from 0.
        epoch: usize,
        /// What came of it.
        test: Tested,
        /// Whether no test before had as low an error.
        best: bool,
        /// Wall time of the test in seconds.
        seconds: f64,
    },
    /// The training run is over.
    TrainFinished {
        /// The test after the last epoch.
        test: Tested,
        /// The test of lowest error.
        best: Tested,
        /// The epoch of that one, from 0.
        best_epoch: usize,
        /// Epochs done.
        epochs: usize,
        /// Wall time of all steps and tests in seconds.
        seconds: f64,
    },
    /// A recurrent search is about to take its first step.
    RecurrentStarted {
        /// Every hyper-parameter.
        config: RecurrentConfig,
        /// The adapter that computes.
        adapter: String,
        /// The adapter's graphics interface or backend.
        backend: String,
        /// Weights of the supernet.
        parameters: usize,
        /// Distinct words.
        vocabulary: usize,
        /// Words that train the weights.
        train_words: usize,
        /// Words that train the alphas.
        valid_words: usize,
        /// Rows of the training text that an epoch goes through.
        rows: usize,
        /// The alphas before the first step.
        alphas: RecurrentAlphas,
    },
    /// A step of a recurrent search (one architecture step, then one weight step) is done.
    RecurrentStep {
        /// The epoch, from 0.
        epoch: usize,
        /// The step over the whole search, from 0.
        step: usize,
        /// Rows that the epoch has gone through.
        row: usize,
        /// Words of the weight step.
        words: usize,
        /// The weight step's words, without penalties.
        weights: WordMeasure,
        /// The architecture step's words.
        alphas: WordMeasure,
        /// Norm of the weight gradient before clipping.
        #[serde(deserialize_with = "finite")]
        gradient_norm: f32,
        /// Wall time of this step in seconds.
        seconds: f64,
        /// The alphas after this step, left out on steps that are not reported in full.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        architecture: Option<RecurrentAlphas>,
    },
    /// An epoch of a recurrent search is done.
    RecurrentEpoch {
        /// The epoch, from 0.
        epoch: usize,
        /// Mean loss of the epoch's weight steps, in training mode.
        weights: WordMeasure,
        /// Mean loss of the epoch's architecture steps, in training mode.
        alphas: WordMeasure,
        /// The whole validation text in evaluation mode, by the network in which every edge mixes all ops.
        valid: WordMeasure,
        /// Words that went through the supernet (of both texts) for each second of wall time.
        words_per_second: f64,
        /// Wall time of all steps and evaluations so far in seconds.
        seconds: f64,
        /// The alphas at the end of the epoch.
        architecture: RecurrentAlphas,
        /// The cell that would be derived now.
        genotype: RecurrentGenotype,
    },
    /// Somebody changed a recurrent search between two steps.
    RecurrentSteered {
        /// Search steps done by then.
        step: usize,
        /// The change.
        steering: Steering,
        /// The alphas after it.
        architecture: RecurrentAlphas,
    },
    /// Text that a network wrote between two steps.
    Sampled {
        /// Steps done by then.
        step: usize,
        /// What scores were divided by.
        temperature: f64,
        /// What decided the words.
        seed: u64,
        /// The text, a sentence a line.
        text: String,
    },
    /// A recurrent search is over.
    RecurrentFinished {
        /// The derived cell.
        genotype: RecurrentGenotype,
        /// The final alphas.
        architecture: RecurrentAlphas,
        /// The whole validation text in evaluation mode, after the last epoch.
        valid: WordMeasure,
        /// Epochs done.
        epochs: usize,
        /// Wall time of all steps and evaluations in seconds.
        seconds: f64,
    },
    /// A training run of a language model is about to take its first step.
    TextTrainStarted {
        /// Every hyper-parameter.
        config: TextTrainConfig,
        /// The cell of the network.
        genotype: RecurrentGenotype,
        /// The adapter that computes.
        adapter: String,
        /// The adapter's graphics interface or backend.
        backend: String,
        /// Weights of the network.
        parameters: usize,
        /// Distinct words.
        vocabulary: usize,
        /// Words trained on.
        train_words: usize,
        /// Words that decide which weights are best, and when they begin to be averaged.
        valid_words: usize,
        /// Words tested on.
        test_words: usize,
        /// Rows of the training text that an epoch goes through.
        rows: usize,
    },
    /// A training step of a language model is done; not all of them are told.
    TextTrainStep {
        /// The epoch, from 0.
        epoch: usize,
        /// The step over the whole run, from 0.
        step: usize,
        /// Rows that the epoch has gone through.
        row: usize,
        /// Words of the step.
        words: usize,
        /// Those words, without penalties.
        train: WordMeasure,
        /// Norm of the gradient before clipping.
        #[serde(deserialize_with = "finite")]
        gradient_norm: f32,
        /// Wall time of this step in seconds.
        seconds: f64,
    },
    /// An epoch of a language model's training run is done.
    TextTrainEpoch {
        /// The epoch, from 0.
        epoch: usize,
        /// Mean loss of the epoch's steps, in training mode.
        train: WordMeasure,
        /// The whole validation text in evaluation mode; of the averaged weights once they are.
        valid: WordMeasure,
        /// Whether weights are averaged (ASGD).
        averaged: bool,
        /// Whether no epoch before had as low a validation loss.
        best: bool,
        /// Words for each second of wall time.
        words_per_second: f64,
        /// Wall time of all steps and evaluations so far in seconds.
        seconds: f64,
    },
    /// A language model's training run is over.
    TextTrainFinished {
        /// The lowest validation loss.
        valid: WordMeasure,
        /// The test text with the weights of that validation loss.
        test: WordMeasure,
        /// The epoch of that validation loss, from 0.
        best_epoch: usize,
        /// Epochs done.
        epochs: usize,
        /// Wall time of all steps and evaluations in seconds.
        seconds: f64,
    },
    /// The search or training run stopped with an error; nothing follows.
    Failed {
        /// One sentence that says what went wrong and where.
        message: String,
    },
}

/// Loss and accuracy of a network, in training mode, on a minibatch or as a mean over several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Mean cross-entropy in nats.
    #[serde(deserialize_with = "finite")]
    pub loss: f32,
    /// Share of images classified right, from 0 to 1.
    #[serde(deserialize_with = "finite")]
    pub accuracy: f32,
}

/// Loss of a language model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WordMeasure {
    /// Mean negative log-likelihood of a word in nats.
    #[serde(deserialize_with = "finite")]
    pub loss: f32,
    /// Its exponential: among how many words, all as likely, it would be as hard to guess.
    #[serde(deserialize_with = "finite")]
    pub perplexity: f32,
}

impl WordMeasure {
    /// The measure of a loss.
    pub fn new(loss: f32) -> Self {
        // Beyond float32 there is no perplexity that JSON could tell.
        Self { loss, perplexity: loss.exp().min(f32::MAX) }
    }
}

/// What a network does on test images, in evaluation mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// Mean cross-entropy in nats.
    #[serde(deserialize_with = "finite")]
    pub loss: f32,
    /// Images classified wrong.
    pub wrong: usize,
    /// Images tested.
    pub images: usize,
    /// Images whose class was not among the five likeliest, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong_of_five: Option<usize>,
    /// Pictures that could not be read, and so were not tested.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unreadable: usize,
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

impl Tested {
    /// Share of images classified wrong, from 0 to 1.
    pub fn error(&self) -> f64 {
        self.wrong as f64 / self.images as f64
    }
}

impl fmt::Display for Tested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "test error {:.2}% ({} of {})", 100.0 * self.error(), self.wrong, self.images)?;
        if let Some(wrong) = self.wrong_of_five {
            write!(f, ", top-5 {:.2}% ({wrong})", 100.0 * wrong as f64 / self.images as f64)?;
        }
        match self.unreadable {
            0 => Ok(()),
            count => write!(f, ", {count} unreadable"),
        }
    }
}
