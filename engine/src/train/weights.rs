//! Trained weights as a safetensors file, named as in the authors' PyTorch implementation, which can load them.

use crate::{
    checkpoint::open_safetensors,
    network::{AUXILIARY_HEAD, Layout, Network, Parameter},
    space::{Genotype, Stem},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::HashMap;

/// Counter that PyTorch keeps beside the running statistics of every BatchNorm.
const COUNTER: &str = "num_batches_tracked";
/// Most cells or channels of a file that is read.
const MAX_SIZE: usize = 1000;
/// Most bytes of a header that is read: more than that many cells have.
const HEADER_BYTES: u64 = 32 << 20;

/// Trained network on the host: the content of a weights file.
#[derive(Clone, Debug)]
pub struct Weights {
    /// Network.
    pub network: Network,
    /// Flat weight vector.
    pub weights: Vec<f32>,
    /// Running statistics of the BatchNorms, flat.
    pub statistics: Vec<f32>,
}

/// File that is not a weights file, or of another network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// Not a safetensors file, or only a part of one.
    #[error("truncated, or not a safetensors file: {0}")]
    NotSafetensors(String),
    /// A tensor of the network is missing.
    #[error("weights of another architecture: {0} is missing")]
    Missing(String),
    /// A tensor that the network does not have.
    #[error("weights of another architecture: {0} is not one of its tensors")]
    Unexpected(String),
    /// A tensor has another shape.
    #[error("weights of another architecture: {name} is {found:?}, but the architecture has {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// Its shape in the network.
        expected: Vec<usize>,
    },
    /// A tensor of another type than float32.
    #[error("{name} is {found}, but only F32 is supported")]
    Type {
        /// The tensor.
        name: String,
        /// Its type.
        found: String,
    },
    /// A value is not finite.
    #[error("{0} has a value that is not finite")]
    NotFinite(String),
    /// A size that no network has.
    #[error("a network of {init_channels} channels and {layers} cells, but only 1 to {MAX_SIZE} of each are supported")]
    Size {
        /// Channels of the first cell.
        init_channels: usize,
        /// Cells.
        layers: usize,
    },
    /// A tensor of another rank.
    #[error("weights of another architecture: {name} is {found:?}, but the architecture has a matrix")]
    Rank {
        /// The tensor.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
    },
    /// A size that no language model has.
    #[error("a language model of {vocabulary} words and {hidden} units, which is too large to be read")]
    TextSize {
        /// Words.
        vocabulary: usize,
        /// Units.
        hidden: usize,
    },
    /// A decoder with weights of its own.
    #[error("decoder.weight differs from encoder.weight, but the decoder of this architecture is tied to the encoder")]
    Untied,
}

impl Weights {
    /// Bytes of the file; the same values give the same bytes. `steps` is the number of minibatches in the statistics.
    pub fn to_safetensors(&self, steps: u64) -> Vec<u8> {
        let view = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes).expect("bytes of the shape");
        let steps = (steps as i64).to_le_bytes();
        let mut tensors = Vec::new();
        for (layout, values) in [(self.network.layout(), &self.weights), (self.network.statistics(), &self.statistics)]
        {
            for Parameter { name, shape, .. } in layout.parameters() {
                let range = layout.get(name).expect("a parameter of the layout").range();
                tensors.push((name.clone(), view(Dtype::F32, shape.clone(), bytemuck::cast_slice(&values[range]))));
                if let Some(norm) = name.strip_suffix("running_var") {
                    tensors.push((format!("{norm}{COUNTER}"), view(Dtype::I64, Vec::new(), &steps)));
                }
            }
        }
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize(tensors, Some(metadata)).expect("names and shapes are fit to be written")
    }

    /// Reads a file of a network of these cells, with the stem and the size found in the file.
    ///
    /// # Errors
    /// It is not such a file; the message names the first tensor that does not fit.
    pub fn from_safetensors(bytes: &[u8], genotype: &Genotype, classes: usize) -> Result<Self, WeightsError> {
        let file = open_safetensors(bytes, HEADER_BYTES).map_err(WeightsError::NotSafetensors)?;
        let missing = |name: &str| WeightsError::Missing(name.to_owned());
        // The last convolution of ImageNet's first stem has as many channels as a cell, that of CIFAR-10's three times as many.
        let (stem, convolution, times) = match file.tensor("stem0.3.weight") {
            Ok(convolution) => (Stem::ImageNet, convolution, 1),
            Err(_) => (Stem::Cifar10, file.tensor("stem.0.weight").map_err(|_| missing("stem.0.weight"))?, 3),
        };
        let init_channels = convolution.shape().first().map_or(0, |channels| channels / times);
        let layer = |name: &&str| name.strip_prefix("cells.")?.split('.').next()?.parse().ok();
        let names = file.names();
        let layers = names.iter().copied().filter_map(|name| layer(&name)).max();
        let layers = layers.map_or(0, |last: usize| last.saturating_add(1));
        if ![init_channels, layers].iter().all(|count| (1..=MAX_SIZE).contains(count)) {
            return Err(WeightsError::Size { init_channels, layers });
        }
        let auxiliary = names.iter().any(|name| name.starts_with(AUXILIARY_HEAD));
        let network = Network::new(genotype.clone(), stem, init_channels, layers, classes, auxiliary);
        let weights = read(&file, network.layout())?;
        let statistics = read(&file, network.statistics())?;
        let known = |name: &str| network.layout().get(name).or(network.statistics().get(name)).is_some();
        let counts = |name: &str| {
            let norm = name.strip_suffix(COUNTER);
            norm.is_some_and(|norm| network.statistics().get(&format!("{norm}running_var")).is_some())
        };
        if let Some(name) = names.iter().filter(|name| !known(name) && !counts(name)).min() {
            return Err(WeightsError::Unexpected((*name).to_owned()));
        }
        Ok(Self { network, weights, statistics })
    }
}

/// Flat vector of a layout.
pub(super) fn read(file: &SafeTensors, layout: &Layout) -> Result<Vec<f32>, WeightsError> {
    // Nothing is allocated beforehand: the file may hold only a part of what its header claims.
    let mut values = Vec::new();
    for Parameter { name, shape, .. } in layout.parameters() {
        let tensor = file.tensor(name).map_err(|_| WeightsError::Missing(name.clone()))?;
        if tensor.shape() != shape {
            let found = tensor.shape().to_vec();
            return Err(WeightsError::Shape { name: name.clone(), found, expected: shape.clone() });
        }
        if tensor.dtype() != Dtype::F32 {
            return Err(WeightsError::Type { name: name.clone(), found: format!("{:?}", tensor.dtype()) });
        }
        let from = values.len();
        values.extend(tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        if !values[from..].iter().all(|value| value.is_finite()) {
            return Err(WeightsError::NotFinite(name.clone()));
        }
    }
    Ok(values)
}
