use crate::network::{Init, Layout, Parameter};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

impl Layout {
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

    /// Leaves of an autodiff graph, one per parameter, cut from the flat vector.
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
