use super::weights::{WeightsError, read};
use crate::{
    network::{Parameter, RecurrentNet},
    space::Genotype,
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::HashMap;

/// Name of the word vectors in the module tree.
const ENCODER: &str = "encoder.weight";
/// Name of the decoder's weights, which are the same values.
const DECODER: &str = "decoder.weight";
/// Most words or units of a file that is read.
const MAX_WORDS: usize = 10_000_000;
const MAX_UNITS: usize = 10_000;

/// Trained language model on the host: the content of a weights file.
#[derive(Clone, Debug)]
pub struct TextWeights {
    /// Network.
    pub net: RecurrentNet,
    /// Flat weight vector.
    pub weights: Vec<f32>,
}

impl TextWeights {
    /// Bytes of a safetensors file, tensors named as in the authors' implementation; the same values give the same bytes. The
    /// decoder's weights are tied to the encoder's and written once.
    pub fn to_safetensors(&self) -> Vec<u8> {
        let view = |parameter: &Parameter| {
            let bytes = bytemuck::cast_slice(&self.weights[parameter.range()]);
            TensorView::new(Dtype::F32, parameter.shape.clone(), bytes).expect("bytes of the shape")
        };
        let tensors = self.net.layout().parameters().iter().map(|parameter| (parameter.name.clone(), view(parameter)));
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize(tensors, Some(metadata)).expect("names and shapes are fit to be written")
    }

    /// Reads a file of a language model around this cell, of the size found in the file.
    ///
    /// # Errors
    /// It is not such a file; the message names the first tensor that does not fit.
    pub fn from_safetensors(bytes: &[u8], genotype: &Genotype) -> Result<Self, WeightsError> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| WeightsError::NotSafetensors(e.to_string()))?;
        let missing = |name: &str| WeightsError::Missing(name.to_owned());
        let encoder = file.tensor(ENCODER).map_err(|_| missing(ENCODER))?;
        let &[vocabulary, hidden] = encoder.shape() else {
            let (name, found) = (ENCODER.to_owned(), encoder.shape().to_vec());
            return Err(WeightsError::Rank { name, found });
        };
        if vocabulary > MAX_WORDS || hidden > MAX_UNITS {
            return Err(WeightsError::TextSize { vocabulary, hidden });
        }
        let net = RecurrentNet::derived(genotype.clone(), vocabulary, hidden);
        let weights = read(&file, net.layout())?;
        if let Ok(decoder) = file.tensor(DECODER)
            && (decoder.shape(), decoder.data()) != (encoder.shape(), encoder.data())
        {
            return Err(WeightsError::Untied);
        }
        let known = |name: &str| name == DECODER || net.layout().get(name).is_some();
        if let Some(name) = file.names().into_iter().filter(|name| !known(name)).min() {
            return Err(WeightsError::Unexpected(name.to_owned()));
        }
        Ok(Self { net, weights })
    }
}
