//! Interface between a search space and a search: its network and the data of its steps. The steps themselves, the
//! loop, checkpoints and interventions are written once, over these traits.

use super::Bilevel;
use crate::{
    checkpoint::{CheckpointError, State},
    config::{Kernels, SearchSettings},
    device::Compute,
    error::{Error, Sizes},
    event::Measure,
    model::GradientTargets,
    network::Layout,
    space::Space,
};
use burn::tensor::{Device, Tensor};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

/// Family of networks that is searched: one for each search space.
pub trait Family: Sized + 'static {
    /// Hyper-parameters.
    type Config: SearchSettings;
    /// Data of a search.
    type Data;
    /// Supernet.
    type Network: SearchNetwork;
    /// Train and valid split, as the steps of a search take them.
    type Stream: Stream<Family = Self>;

    /// Settings to lower when a number is not finite.
    const REMEDY: &'static str;

    /// Settings that decide how much memory a step needs.
    fn sizes(config: &Self::Config) -> Sizes;

    /// Supernet of a search.
    ///
    /// # Errors
    /// The device cannot hold it.
    fn network(config: &Self::Config, data: &Self::Data, compute: &Compute) -> Result<Self::Network, Error>;

    /// Both splits of the data.
    ///
    /// # Errors
    /// The data is too small, or cannot be used.
    fn stream(config: &Self::Config, data: &Self::Data, compute: &Compute) -> Result<Self::Stream, Error>;

    /// Weight learning rate of all steps of an epoch, where they have the same.
    fn learning_rate_at(config: &Self::Config, epoch: usize) -> Option<f64>;

    /// Measures the supernet at the end of an epoch; `valid` is the last minibatch of the valid split.
    ///
    /// # Errors
    /// The device failed.
    fn end_epoch(
        config: &Self::Config,
        bilevel: &Bilevel<Self::Network>,
        stream: &Self::Stream,
        valid: &BatchOf<Self>,
    ) -> impl Future<Output = Result<EpochEnd, Error>>;
}

/// Minibatch on the device.
pub type BatchOf<F> = <<F as Family>::Network as SearchNetwork>::Batch;
/// Result of a pass through the supernet.
pub type PassOf<F> = <<F as Family>::Network as SearchNetwork>::Pass;

/// Measurements at the end of an epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct EpochEnd {
    /// The whole valid split in evaluation mode, where that is measured.
    pub evaluation: Option<Measure>,
    /// Curvature of the validation loss along the alphas, where that is measured and finite.
    pub curvature: Option<f32>,
}

/// Supernet as a bilevel search sees it.
pub trait SearchNetwork: Clone + Debug {
    /// Minibatch on the device.
    type Batch;
    /// Result of a forward and backward pass.
    type Pass: Pass;
    /// State that follows the weight steps beside the weights: running statistics, or nothing.
    type Statistics: Clone + Debug;

    /// The search space.
    const SPACE: Space;
    /// Whether the weights have a momentum buffer.
    const MOMENTUM: bool;

    /// Place of each weight in the flat vector.
    fn layout(&self) -> &Layout;

    /// Path that computes it.
    fn kernels(&self) -> Kernels;

    /// Forward and backward pass in training mode, at `weights` (flat) and `alphas` [edges, ops].
    fn pass(&self, weights: &Tensor<1>, alphas: &Tensor<2>, batch: &Self::Batch, wrt: GradientTargets) -> Self::Pass;

    /// Statistics before the first step.
    fn statistics(&self, device: &Device) -> Self::Statistics;

    /// Statistics after a weight step.
    fn follow(&self, statistics: &Self::Statistics, pass: &mut Self::Pass, batch: &Self::Batch) -> Self::Statistics;

    /// Tensors of the statistics, by their names in a checkpoint.
    fn statistics_tensors(statistics: &Self::Statistics) -> Vec<(&'static str, Tensor<1>)>;

    /// Statistics of a checkpoint, in the shape of these.
    ///
    /// # Errors
    /// The checkpoint has none, or of another shape.
    fn restored_statistics(statistics: &Self::Statistics, state: &State) -> Result<Self::Statistics, CheckpointError>;

    /// Departures of the authors' second-order step from equations 7 and 8, for this network.
    fn unrolled(&self) -> Unrolled {
        Unrolled::default()
    }
}

/// Departures of a second-order step from equations 7 and 8.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unrolled {
    /// Clips the gradient that makes the unrolled weights and the vector of the Hessian-vector product; what clips the first
    /// scales the product too.
    pub clips: bool,
    /// Leading weights that the unrolled step leaves where they are.
    pub kept_weights: usize,
}

/// Result of a forward and backward pass.
pub trait Pass: Debug {
    /// Tensors to read back for [`Stream::measure`]: the loss first.
    fn reported(&self) -> Vec<Tensor<1>>;
    /// Takes the gradient of the flat weight vector, where it was computed.
    fn take_weight_gradient(&mut self) -> Option<Tensor<1>>;
    /// Gradient of the alphas [edges, ops], where it was computed.
    fn alpha_gradient(&self) -> Option<&Tensor<2>>;
    /// Replaces the gradient of the alphas.
    fn set_alpha_gradient(&mut self, gradient: Tensor<2>);
}

/// Minibatches of one search step.
pub struct StepBatches<F: Family> {
    /// Train minibatch of the architecture step, for the unrolled step.
    pub train: BatchOf<F>,
    /// Valid minibatch of the architecture step.
    pub valid: BatchOf<F>,
    /// Train minibatch of the weight step: the same examples; other dropout masks and penalties where there are any. None
    /// where it is the same.
    pub weights: Option<BatchOf<F>>,
    /// Weight learning rate of the step.
    pub learning_rate: f64,
    /// Labels of the train and the valid minibatch on the host.
    pub labels: [Vec<i32>; 2],
    /// Examples of the weight step, and of both steps.
    pub examples: [usize; 2],
}

/// Train and valid split of a search, as its steps take them.
pub trait Stream: Clone {
    /// Family of the search.
    type Family: Family<Stream = Self>;
    /// Place in both splits, as a checkpoint has it.
    type Position: Serialize + DeserializeOwned + Debug;

    /// Sizes of both splits.
    fn splits(&self) -> Splits;

    /// Epoch of the next step, from 0; the number of epochs once all are done.
    fn epoch(&self) -> usize;

    /// Rows of text that the epoch has gone through, on text.
    fn row(&self) -> Option<usize>;

    /// Whether the next step is the first of an epoch.
    fn at_epoch_start(&self) -> bool;

    /// Minibatches of step number `step`, from 0.
    fn next(
        &mut self,
        config: &<Self::Family as Family>::Config,
        step: usize,
        device: &Device,
    ) -> StepBatches<Self::Family>;

    /// Keeps the state that a step's passes leave for the next. Returns whether the step was the last of its epoch.
    fn stepped(&mut self, weights: &PassOf<Self::Family>, architecture: &PassOf<Self::Family>) -> bool;

    /// Starts the next epoch, where the last step ended one.
    fn start_epoch(&mut self, device: &Device);

    /// Measure of a pass from what [`Pass::reported`] read, and the labels of its minibatch.
    fn measure(read: &[Vec<f32>], labels: &[i32]) -> Measure;

    /// Place in both splits.
    fn position(&self) -> Self::Position;

    /// Tensors that the next steps depend on, by their names in a checkpoint.
    fn tensors(&self) -> Vec<(&'static str, Tensor<1>)>;

    /// This stream at the place of a checkpoint after `step` steps of a search of `epochs` epochs.
    ///
    /// # Errors
    /// The search cannot be there.
    fn restored(
        &self,
        position: Self::Position,
        state: &State,
        step: usize,
        epochs: usize,
    ) -> Result<Self, CheckpointError>;

    /// Fails unless an epoch at this place can have sums over `steps` of the `taken` steps.
    ///
    /// # Errors
    /// The sums are of another place.
    fn check_sums(&self, steps: usize, taken: usize) -> Result<(), CheckpointError>;

    /// Progress of a checkpoint of version 1, converted to this version.
    fn progress_of_version_1(&self, progress: serde_json::Value) -> serde_json::Value;
}

/// Sizes of both splits, and of an epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Splits {
    /// Examples of the train split.
    pub train: usize,
    /// Examples of the valid split.
    pub valid: usize,
    /// Search steps of an epoch, where all epochs have the same.
    pub steps_per_epoch: Option<usize>,
    /// Rows of text of an epoch, on text.
    pub rows: Option<usize>,
    /// Distinct words, on text.
    pub vocabulary: Option<usize>,
}
