use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{collections::HashMap, ops::Range};

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Uniform in ± 1/sqrt(fan in), PyTorch's default for convolutions and linear layers.
    Uniform {
        /// Inputs that one output sums over.
        fan_in: usize,
    },
    /// Uniform within a distance of 0.
    Within {
        /// That distance.
        bound: f32,
    },
    /// All ones.
    Ones,
    /// All zeros.
    Zeros,
}

/// One named parameter inside the flat weight vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Name in the authors' module tree, for example `cells.0._ops.3._ops.4.op.1.weight`.
    pub name: String,
    /// Its shape; convolutions are [out, in / groups, height, width].
    pub shape: Vec<usize>,
    /// First element in the flat vector.
    pub offset: usize,
    /// How it starts.
    pub init: Init,
}

impl Parameter {
    /// Its elements in the flat vector.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.shape.iter().product::<usize>()
    }
}

/// Where each parameter of a network lies in its one flat weight vector.
///
/// All weights of a network are one tensor, so that the optimiser, clipping and the perturbations of the second order are
/// a few launches whatever the depth, and a checkpoint is one read.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    parameters: Vec<Parameter>,
    by_name: HashMap<String, usize>,
    len: usize,
}

impl Layout {
    /// Appends a parameter.
    pub(crate) fn push(&mut self, name: String, shape: &[usize], init: Init) {
        let parameter = Parameter { name: name.clone(), shape: shape.to_vec(), offset: self.len, init };
        self.len = parameter.range().end;
        self.by_name.insert(name, self.parameters.len());
        self.parameters.push(parameter);
    }

    /// Appends a convolution's weight [out, in / groups, height, width].
    pub(crate) fn push_conv(&mut self, name: String, shape: [usize; 4]) {
        let fan_in = shape[1] * shape[2] * shape[3];
        self.push(name, &shape, Init::Uniform { fan_in });
    }

    /// The same flat vector with neighbouring parameters of one group merged into one of its name.
    pub(crate) fn packed(&self, group: impl Fn(&str) -> Option<&str>) -> Self {
        let mut packed = Self::default();
        for parameter in &self.parameters {
            let Some(name) = group(&parameter.name) else {
                packed.push(parameter.name.clone(), &parameter.shape, parameter.init);
                continue;
            };
            let count = parameter.range().len();
            match packed.parameters.last_mut() {
                Some(last) if last.name == name => {
                    last.shape[0] += count;
                    packed.len += count;
                }
                _ => packed.push(name.to_owned(), &[count], parameter.init),
            }
        }
        packed
    }

    /// Elements of the flat vector.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The parameters in the order of the flat vector.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The parameter of that name.
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.by_name.get(name).map(|&i| &self.parameters[i])
    }

    /// Initial weights, the same for a seed on every device.
    pub fn init(&self, seed: u64, device: &Device) -> Tensor<1> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values = Vec::with_capacity(self.len);
        for parameter in &self.parameters {
            let count = parameter.range().len();
            match parameter.init {
                Init::Ones => values.resize(values.len() + count, 1.0f32),
                Init::Zeros => values.resize(values.len() + count, 0.0),
                Init::Uniform { fan_in } => {
                    let bound = 1.0 / (fan_in as f32).sqrt();
                    values.extend((0..count).map(|_| rng.random_range(-bound..bound)));
                }
                Init::Within { bound } => values.extend((0..count).map(|_| rng.random_range(-bound..bound))),
            }
        }
        Tensor::from_data(TensorData::new(values, [self.len]), device)
    }

    /// The flat vector from named values, as a safetensors file has them.
    ///
    /// # Errors
    /// A parameter that `lookup` does not know, or has in another length.
    pub fn pack(&self, mut lookup: impl FnMut(&str) -> Option<Vec<f32>>) -> Result<Vec<f32>, PackError> {
        let mut values = Vec::with_capacity(self.len);
        for parameter in &self.parameters {
            let found = lookup(&parameter.name).ok_or_else(|| PackError::Missing(parameter.name.clone()))?;
            if found.len() != parameter.range().len() {
                return Err(PackError::Length {
                    name: parameter.name.clone(),
                    found: found.len(),
                    expected: parameter.range().len(),
                });
            }
            values.extend(found);
        }
        Ok(values)
    }

    /// Leaves of an autodiff graph, one a parameter, cut from the flat vector.
    pub(crate) fn leaves(&self, flat: &Tensor<1>, tracked: bool) -> Leaves<'_> {
        let tensors = self
            .parameters
            .iter()
            .map(|p| {
                let leaf = flat.clone().inner().slice(p.range()).autodiff();
                if tracked { leaf.require_grad() } else { leaf }
            })
            .collect();
        Leaves { layout: self, tensors }
    }
}

/// Named values do not fit a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// A parameter has no value.
    #[error("weights lack {0}")]
    Missing(String),
    /// A parameter has a value of another length.
    #[error("weights of {name} have {found} elements, the network expects {expected}")]
    Length {
        /// The parameter.
        name: String,
        /// Elements given.
        found: usize,
        /// Elements expected.
        expected: usize,
    },
}

/// A network's parameters as separate tensors of an autodiff graph.
pub(crate) struct Leaves<'a> {
    layout: &'a Layout,
    tensors: Vec<Tensor<1>>,
}

impl Leaves<'_> {
    /// The parameter of that name with its shape.
    ///
    /// # Panics
    /// When the network has no such parameter or it has another rank: the reference path and the layout disagree.
    pub fn get<const D: usize>(&self, name: &str) -> Tensor<D> {
        let &i = self.layout.by_name.get(name).unwrap_or_else(|| panic!("no parameter {name}"));
        let shape: [usize; D] = self.layout.parameters[i].shape.clone().try_into().expect("rank of a parameter");
        self.tensors[i].clone().reshape(shape)
    }

    /// A parameter of the same flat vector with its shape, cut from the one that it has been merged into.
    pub fn cut<const D: usize>(&self, parameter: &Parameter) -> Tensor<D> {
        let range = parameter.range();
        let all = &self.layout.parameters;
        let i = all.partition_point(|whole| whole.range().end <= range.start);
        let whole = &all[i];
        let shape: [usize; D] = parameter.shape.clone().try_into().expect("rank of a parameter");
        let tensor = self.tensors[i].clone();
        let tensor = if whole.range() == range {
            tensor
        } else {
            tensor.slice(range.start - whole.offset..range.end - whole.offset)
        };
        tensor.reshape(shape)
    }

    /// The gradient of the flat vector; zero where a parameter took no part.
    pub fn gradient(&self, gradients: &mut burn::tensor::Gradients) -> Tensor<1> {
        let parts = self
            .tensors
            .iter()
            .map(|leaf| leaf.grad_remove(gradients).unwrap_or_else(|| leaf.clone().inner().zeros_like()))
            .collect();
        Tensor::cat(parts, 0)
    }
}
