use super::SearchConfig;
use crate::space::{Alphas, Genotype};
use serde::{Deserialize, Serialize};

/// What a search tells whoever listens: one line of `events.jsonl`, one message to the page.
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
    /// The search stopped with an error; nothing follows.
    Failed {
        /// One sentence that says what went wrong and where.
        message: String,
    },
}

/// Loss and accuracy of the supernet, in training mode, on a minibatch or as a mean over several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Mean cross-entropy in nats.
    pub loss: f32,
    /// Share of images classified right, from 0 to 1.
    pub accuracy: f32,
}
