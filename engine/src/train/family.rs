//! Trait of a kind of derived network in training, over which the loop and the checkpoints are written once.

use super::TrainSums;
use crate::{
    checkpoint::{CheckpointError, State},
    config::TrainSettings,
    device::Compute,
    error::{Error, Sizes},
    event::{Event, Measure},
    space::Genotype,
};
use burn::tensor::Tensor;
use serde::{Serialize, de::DeserializeOwned};

/// Derived network in training, with its data.
pub trait Trainee: Sized {
    /// Hyper-parameters.
    type Config: TrainSettings;
    /// Trained weights, ready to be written.
    type Weights;
    /// Progress in a checkpoint, beside that of all runs.
    type Progress: Serialize + DeserializeOwned;

    /// Settings to lower if a number is not finite.
    const REMEDY: &'static str = "learning-rate or grad-clip";

    /// Settings that decide how much memory a step needs.
    fn sizes(config: &Self::Config) -> Sizes;

    /// Sizes of the network and its data.
    fn started(&self) -> TrainSizes;

    /// Epoch of the next step, from 0; the number of epochs once all are done.
    fn epoch(&self) -> usize;

    /// Rows of text that the epoch has gone through, on text.
    fn row(&self) -> Option<usize>;

    /// Whether the next step is the first of an epoch.
    fn at_epoch_start(&self) -> bool;

    /// Takes step number `step`, from 0: the minibatch, forward and backward pass, SGD.
    ///
    /// # Errors
    /// The data cannot be read.
    fn step(&mut self, config: &Self::Config, step: usize, compute: &Compute) -> Result<TrainOutcome, Error>;

    /// Measure of a step from its reported tensors and its labels.
    fn measure(read: &[Vec<f32>], labels: &[i32]) -> Measure;

    /// Advances past a step. Returns whether it was the last of its epoch.
    fn stepped(&mut self) -> bool;

    /// Ends an epoch: evaluates and tests if due. Returns the events of the epoch, the tests and the end of the
    /// run; `seconds` is the wall time of the run so far, to be added to.
    ///
    /// # Errors
    /// The device failed, or a number is no longer finite.
    fn end_epoch(
        &mut self,
        config: &Self::Config,
        sums: TrainSums,
        step: usize,
        seconds: &mut f64,
        compute: &Compute,
    ) -> impl Future<Output = Result<Vec<Event>, Error>>;

    /// Weights as they would be evaluated now.
    ///
    /// # Errors
    /// The device failed, or a weight is no longer finite.
    fn weights(&self, config: &Self::Config, step: usize) -> impl Future<Output = Result<Self::Weights, Error>>;

    /// Progress of a checkpoint.
    fn progress(&self) -> Self::Progress;

    /// Tensors that the next steps depend on, by their names in a checkpoint.
    fn tensors(&self) -> Vec<(&'static str, Tensor<1>)>;

    /// Values on the host that the next steps depend on, by their names in a checkpoint.
    fn values(&self) -> Vec<(&'static str, Vec<f32>)> {
        Vec::new()
    }

    /// Restores a checkpoint at `place` in its run.
    ///
    /// # Errors
    /// The checkpoint is of another run; this one stays as it was.
    fn restore(&mut self, progress: Self::Progress, state: &State, place: Place) -> Result<(), CheckpointError>;

    /// Progress of a checkpoint of version 1, translated to this version.
    fn progress_of_version_1(&self, progress: serde_json::Value) -> serde_json::Value;
}

/// Place of a checkpoint in its run.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Steps done.
    pub step: usize,
    /// Steps of the current epoch.
    pub steps_of_epoch: usize,
    /// Epochs of the run.
    pub epochs: usize,
}

/// Result of a training step, still on the device.
#[derive(Debug)]
pub struct TrainOutcome {
    /// Tensors to read back for [`Trainee::measure`]: the loss first.
    pub reported: Vec<Tensor<1>>,
    /// Norm of the gradient before clipping [1].
    pub gradient_norm: Tensor<1>,
    /// Labels on the host.
    pub labels: Vec<i32>,
    /// Examples of the step.
    pub examples: usize,
    /// Events of the data: pictures that cannot be read.
    pub events: Vec<Event>,
}

/// Sizes of a network and its data.
#[derive(Clone, Debug)]
pub struct TrainSizes {
    /// Cells.
    pub genotype: Genotype,
    /// Weights of the network, without its auxiliary head.
    pub parameters: usize,
    /// Weights of the auxiliary head.
    pub auxiliary_parameters: Option<usize>,
    /// Examples trained on.
    pub train: usize,
    /// Examples that decide which weights are best, where those are not the tested ones.
    pub valid: Option<usize>,
    /// Examples tested on.
    pub test: usize,
    /// Steps of an epoch, where all epochs have the same.
    pub steps_per_epoch: Option<usize>,
    /// Rows of text of an epoch.
    pub rows: Option<usize>,
    /// Distinct words of a text.
    pub vocabulary: Option<usize>,
}
