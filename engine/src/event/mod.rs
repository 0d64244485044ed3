//! Events of searches and training runs: each is a line of `events.jsonl` and a message to the page.

use crate::{
    config::{AnySearchConfig, AnyTrainConfig},
    finite::{finite, finite_if_any},
    intervention::Intervention,
    space::{Alphas, Genotype},
};
use serde::{Deserialize, Serialize};
use std::fmt;

mod version1;

/// Version of the log's format. Logs of version 1 are read too, see [`Event::from_json`].
pub const LOG_VERSION: u32 = 2;

/// Adapter of a run without a GPU interface.
pub const CPU_ADAPTER: &str = "CPU";

/// Event of a search or a training run, in any space. Examples are images, or words of a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A search is about to take its first step.
    Started {
        /// [`LOG_VERSION`].
        version: u32,
        /// Every hyper-parameter.
        config: AnySearchConfig,
        /// Adapter that computes, for example `llvmpipe (LLVM 19.1.7, 256 bits)`.
        adapter: String,
        /// Graphics interface or backend, for example `Vulkan`.
        backend: String,
        /// Weights of the supernet.
        parameters: usize,
        /// Examples of the train split, which train the weights.
        train_examples: usize,
        /// Examples of the valid split, which train the alphas.
        valid_examples: usize,
        /// Search steps of an epoch, where all epochs have the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps_per_epoch: Option<usize>,
        /// Rows of text of an epoch, where each step draws its number of rows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rows: Option<usize>,
        /// Distinct words of a text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vocabulary: Option<usize>,
        /// Alphas before the first step.
        alphas: Alphas,
    },
    /// A search step (one architecture step, then one weight step) is done.
    Step {
        /// Epoch, from 0.
        epoch: usize,
        /// Step over the whole search, from 0.
        step: usize,
        /// Rows of text that the epoch has gone through.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        row: Option<usize>,
        /// Examples of the weight step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        examples: Option<usize>,
        /// Minibatch of the weight step, without penalties.
        train: Measure,
        /// Minibatch of the architecture step, from the valid split.
        valid: Measure,
        /// Norm of the weight gradient before clipping.
        #[serde(deserialize_with = "finite")]
        gradient_norm: f32,
        /// Wall time of this step in seconds.
        seconds: f64,
        /// Alphas after this step, left out on steps that are not reported in full.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alphas: Option<Alphas>,
    },
    /// An epoch of a search is done.
    Epoch {
        /// Epoch, from 0.
        epoch: usize,
        /// Weight learning rate of the epoch, where all its steps have the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        learning_rate: Option<f64>,
        /// Means over the epoch's weight steps, in training mode.
        train: Measure,
        /// Means over the epoch's architecture steps, in training mode.
        valid: Measure,
        /// The whole valid split in evaluation mode, by the supernet, where that is measured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evaluation: Option<Measure>,
        /// Examples of both splits per second of wall time.
        examples_per_second: f64,
        /// Wall time of all steps and evaluations so far in seconds; a pause between two steps does not count.
        seconds: f64,
        /// Alphas at the end of the epoch.
        alphas: Alphas,
        /// Cells that would be derived now.
        genotype: Genotype,
        /// Curvature of the validation loss along the alphas, where that is measured: the largest Hessian eigenvalue, by
        /// differences of gradients over a distance of 0.1 on the epoch's last minibatch.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "finite_if_any")]
        curvature: Option<f32>,
    },
    /// A user changed the search between two steps.
    Intervention {
        /// Search steps done by then.
        step: usize,
        /// The change.
        intervention: Intervention,
        /// Alphas after it.
        alphas: Alphas,
    },
    /// A network wrote text between two steps.
    Sampled {
        /// Steps done by then.
        step: usize,
        /// Temperature that divides the scores.
        temperature: f64,
        /// Seed of the words.
        seed: u64,
        /// Text, a sentence a line.
        text: String,
    },
    /// The search is over.
    Finished {
        /// Derived cells.
        genotype: Genotype,
        /// Final alphas.
        alphas: Alphas,
        /// The whole valid split in evaluation mode after the last epoch, where that is measured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evaluation: Option<Measure>,
        /// Epochs done.
        epochs: usize,
        /// Wall time of all steps and evaluations in seconds.
        seconds: f64,
    },
    /// A training run is about to take its first step.
    TrainStarted {
        /// [`LOG_VERSION`].
        version: u32,
        /// Every hyper-parameter.
        config: AnyTrainConfig,
        /// Cells of the network.
        genotype: Genotype,
        /// Adapter that computes.
        adapter: String,
        /// Graphics interface or backend.
        backend: String,
        /// Weights of the network, without its auxiliary head.
        parameters: usize,
        /// Weights of the auxiliary head.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        auxiliary_parameters: Option<usize>,
        /// Examples trained on.
        train_examples: usize,
        /// Examples that decide which weights are best, where those are not the tested ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        valid_examples: Option<usize>,
        /// Examples tested on.
        test_examples: usize,
        /// Steps of an epoch, where all epochs have the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps_per_epoch: Option<usize>,
        /// Rows of text of an epoch, where each step draws its number of rows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rows: Option<usize>,
        /// Distinct words of a text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vocabulary: Option<usize>,
    },
    /// A training step is done; not all of them are reported.
    TrainStep {
        /// Epoch, from 0.
        epoch: usize,
        /// Step over the whole run, from 0.
        step: usize,
        /// Rows of text that the epoch has gone through.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        row: Option<usize>,
        /// Examples of the step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        examples: Option<usize>,
        /// Minibatch, without the auxiliary head and without penalties.
        train: Measure,
        /// Norm of the gradient before clipping.
        #[serde(deserialize_with = "finite")]
        gradient_norm: f32,
        /// Wall time of this step in seconds.
        seconds: f64,
    },
    /// An epoch of a training run is done.
    TrainEpoch {
        /// Epoch, from 0.
        epoch: usize,
        /// Learning rate of the epoch, where all its steps have the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        learning_rate: Option<f64>,
        /// Drop-path probability, where paths are dropped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drop_path: Option<f64>,
        /// Means over the epoch's steps, in training mode.
        train: Measure,
        /// The whole valid split in evaluation mode, where there is one; of the averaged weights once they are averaged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        valid: Option<Measure>,
        /// Whether weights are averaged (ASGD), where they may be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        averaged: Option<bool>,
        /// Whether this is the lowest validation loss so far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        best: Option<bool>,
        /// Training examples per second of wall time.
        examples_per_second: f64,
        /// Wall time of all steps and tests so far in seconds.
        seconds: f64,
        /// Number of times that an unreadable picture was drawn; another took its place.
        #[serde(default, skip_serializing_if = "is_zero")]
        unreadable: usize,
    },
    /// A picture cannot be read. Reported once; epochs and tests count how often it was left out.
    Unreadable {
        /// File.
        picture: String,
        /// Problem, as a predicate.
        problem: String,
    },
    /// The network was tested on all test images, in evaluation mode.
    Evaluated {
        /// Epoch just done, from 0.
        epoch: usize,
        /// Result.
        test: Tested,
        /// Whether this is the lowest error so far.
        best: bool,
        /// Wall time of the test in seconds.
        seconds: f64,
    },
    /// The training run is over.
    TrainFinished {
        /// Test: of the last epoch's weights on images, of the best weights on text.
        test: TestResult,
        /// Lowest test error on images, lowest validation loss on text.
        best: TestResult,
        /// Epoch of the best, from 0.
        best_epoch: usize,
        /// Epochs done.
        epochs: usize,
        /// Wall time of all steps and tests in seconds.
        seconds: f64,
    },
    /// The search or training run stopped with an error; nothing follows.
    Failed {
        /// One sentence that names the cause and the place.
        message: String,
    },
}

impl Event {
    /// Reads a line of a log, of this version or of version 1.
    ///
    /// # Errors
    /// The line is not an event.
    pub fn from_json(line: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line).or_else(|error| match version1::translated(line) {
            Some(event) => serde_json::from_value(event),
            None => Err(error),
        })
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Loss of a network on a minibatch, as a mean over several, or on a whole split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Mean cross-entropy of an example in nats.
    #[serde(deserialize_with = "finite")]
    pub loss: f32,
    /// Share of images classified correctly, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "finite_if_any")]
    pub accuracy: Option<f32>,
    /// Exponential of the loss on text: the number of equally likely words among which it would be as hard to guess.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "finite_if_any")]
    pub perplexity: Option<f32>,
}

impl Measure {
    /// Measure of images.
    pub const fn images(loss: f32, accuracy: f32) -> Self {
        Self { loss, accuracy: Some(accuracy), perplexity: None }
    }

    /// Measure of words.
    pub fn words(loss: f32) -> Self {
        // JSON has no number for a perplexity beyond float32.
        Self { loss, accuracy: None, perplexity: Some(loss.exp().min(f32::MAX)) }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loss {:.3}", self.loss)?;
        match (self.accuracy, self.perplexity) {
            (Some(accuracy), _) => write!(f, ", accuracy {:.1}%", 100.0 * accuracy),
            (None, Some(perplexity)) => write!(f, ", perplexity {perplexity:.2}"),
            (None, None) => Ok(()),
        }
    }
}

/// Result of the end of a training run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TestResult {
    /// Of a network for images.
    Images(Tested),
    /// Of a language model.
    Words(Measure),
}

/// Test of a network on images, in evaluation mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// Mean cross-entropy in nats.
    #[serde(deserialize_with = "finite")]
    pub loss: f32,
    /// Images classified incorrectly.
    pub wrong: usize,
    /// Images tested.
    pub images: usize,
    /// Images whose class was not among the five likeliest, where that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong_of_five: Option<usize>,
    /// Pictures that could not be read, and so were not tested.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: usize,
}

impl Tested {
    /// Share of images classified incorrectly, from 0 to 1.
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
