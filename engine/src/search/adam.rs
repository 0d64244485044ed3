use crate::intervention::AlphaMask;
use burn::tensor::{Bool, Tensor, TensorData};

/// Added to the root of the second moment.
const EPSILON: f64 = 1e-8;

/// Adam (Kingma and Ba, 2015) on alphas, weight decay added to the gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Adam {
    /// Learning rate.
    pub learning_rate: f64,
    /// Shares of the first and second moment that are kept at each step.
    pub betas: (f64, f64),
    /// Added to the gradient, times the alphas.
    pub weight_decay: f64,
}

impl Adam {
    /// Moves `alphas` and their `moments`, first and second, by step number `step`, from 1.
    pub fn step(&self, step: i32, alphas: &mut Tensor<2>, moments: &mut (Tensor<2>, Tensor<2>), gradient: Tensor<2>) {
        let (beta1, beta2) = self.betas;
        let gradient = gradient + alphas.clone() * self.weight_decay;
        let first = moments.0.clone() * beta1 + gradient.clone() * (1.0 - beta1);
        let second = moments.1.clone() * beta2 + gradient.clone() * gradient * (1.0 - beta2);
        let step_size = self.learning_rate / (1.0 - beta1.powi(step));
        let scale = (1.0 - beta2.powi(step)).sqrt();
        *alphas = alphas.clone() - first.clone() / (second.clone().sqrt() / scale + EPSILON) * step_size;
        *moments = (first, second);
    }
}

/// Alphas that interventions keep fixed while the weights go on learning.
#[derive(Clone, Debug, Default)]
pub struct AlphaHold {
    /// All of them are frozen.
    pub frozen: bool,
    /// Those fixed one by one: a mask in the shape of the alphas, and the values there.
    some: Option<(Tensor<2, Bool>, Tensor<2>)>,
}

impl AlphaHold {
    /// Fixes the alphas that `mask` names, and no others, at their values.
    pub fn some(&mut self, mask: &AlphaMask, alphas: &Tensor<2>) {
        let mask: Vec<bool> = mask.iter().flatten().copied().collect();
        self.some = mask.contains(&true).then(|| {
            let mask = TensorData::new(mask, alphas.dims());
            (Tensor::from_data(mask, &alphas.device()), alphas.clone())
        });
    }

    /// Restores the fixed alphas after a step of the alphas.
    pub fn keep(&self, alphas: Tensor<2>) -> Tensor<2> {
        match self.some.clone() {
            Some((mask, values)) => alphas.mask_where(mask, values),
            None => alphas,
        }
    }
}
