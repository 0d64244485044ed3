use super::{
    adam::{Adam, Hold},
    curvature::{Krylov, krylov},
    sgd::{Sgd, norm},
};
use crate::config::{Order, SearchConfig};
use crate::{
    checkpoint::{CheckpointError, State},
    model::{Minibatch, Pass, Supernet, Wrt},
};
use burn::tensor::{Device, ExecutionError, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Standard deviation of the initial alphas.
const ALPHA_DEVIATION: f32 = 1e-3;
/// The perturbation R of the Hessian-vector product is this over the norm of its vector (section 2.3, footnote 2).
pub(super) const FINITE_DIFFERENCE: f64 = 0.01;

/// How far from the alphas gradients are compared for the curvature. On shorter ways the kinks of ReLUs and max pools that are
/// met by chance decide, and not how the loss bends.
const CURVATURE_RADIUS: f64 = 0.1;

/// The state of a bilevel search and its two steps (paper, algorithm 1).
#[derive(Clone, Debug)]
pub struct Bilevel {
    supernet: Supernet,
    /// The flat weight vector.
    pub weights: Tensor<1>,
    /// The momentum buffer of the weights, as long as they.
    pub momentum: Tensor<1>,
    /// The alphas [28, 8], normal cells first.
    pub alphas: Tensor<2>,
    /// Adam's moments of the alphas, first and second.
    pub moments: (Tensor<2>, Tensor<2>),
    /// Architecture steps taken.
    pub architecture_steps: i32,
    /// What somebody holds of the alphas.
    pub hold: Hold,
}

/// What a search step leaves to look at, still on the device.
#[derive(Clone, Debug)]
pub struct StepOutcome {
    /// The architecture step's pass, on the alpha half.
    pub architecture: Pass,
    /// The weight step's pass, on the weight half.
    pub weight: Pass,
    /// Norm of the weight gradient before clipping [1].
    pub gradient_norm: Tensor<1>,
}

impl Bilevel {
    /// Fresh weights and alphas for `seed`.
    pub fn new(supernet: Supernet, seed: u64, device: &Device) -> Self {
        let weights = supernet.layout().init(seed, device);
        let alphas = initial_alphas(supernet.alpha_shape(), seed, device);
        Self::from_parts(supernet, weights, alphas)
    }

    /// A search that starts from given weights (flat) and alphas [28, 8].
    pub fn from_parts(supernet: Supernet, weights: Tensor<1>, alphas: Tensor<2>) -> Self {
        Self {
            momentum: weights.zeros_like(),
            moments: (alphas.zeros_like(), alphas.zeros_like()),
            supernet,
            weights,
            alphas,
            architecture_steps: 0,
            hold: Hold::default(),
        }
    }

    /// The network searched.
    pub fn supernet(&self) -> &Supernet {
        &self.supernet
    }

    /// All that the next steps depend on, with where the search is.
    ///
    /// # Errors
    /// The device failed.
    pub async fn state(&self, progress: &impl Serialize) -> Result<State, ExecutionError> {
        let flat = |tensor: &Tensor<2>| tensor.clone().flatten(0, 1);
        let tensors = [
            ("weights", self.weights.clone()),
            ("momentum", self.momentum.clone()),
            ("alphas", flat(&self.alphas)),
            ("alphas.first_moment", flat(&self.moments.0)),
            ("alphas.second_moment", flat(&self.moments.1)),
        ];
        State::read(progress, tensors).await
    }

    /// Goes on from the state after so many architecture steps.
    ///
    /// # Errors
    /// The state is of another search; then this one is as it was.
    pub fn restore(&mut self, state: &State, architecture_steps: i32) -> Result<(), CheckpointError> {
        let weights = state.tensor("weights", &self.weights)?;
        let momentum = state.tensor("momentum", &self.momentum)?;
        let alphas = state.tensor("alphas", &self.alphas)?;
        let first = state.tensor("alphas.first_moment", &self.moments.0)?;
        let second = state.tensor("alphas.second_moment", &self.moments.1)?;
        (self.weights, self.momentum, self.alphas) = (weights, momentum, alphas);
        (self.moments, self.architecture_steps) = ((first, second), architecture_steps);
        Ok(())
    }

    /// One search step: an architecture step on `alpha_batch`, then a weight step on `weight_batch`.
    pub fn step(
        &mut self,
        config: &SearchConfig,
        learning_rate: f64,
        weight_batch: &Minibatch,
        alpha_batch: &Minibatch,
    ) -> StepOutcome {
        let architecture = self.architecture_step(config, learning_rate, weight_batch, alpha_batch);
        let (weight, gradient_norm) = self.weight_step(config, learning_rate, weight_batch);
        StepOutcome { architecture, weight, gradient_norm }
    }

    /// Adam on the alphas with the gradient of the validation loss, by the configured order.
    pub fn architecture_step(
        &mut self,
        config: &SearchConfig,
        learning_rate: f64,
        weight_batch: &Minibatch,
        alpha_batch: &Minibatch,
    ) -> Pass {
        let mut pass = self.architecture_pass(config, learning_rate, weight_batch, alpha_batch);
        let gradient = pass.alpha_gradient.clone().expect("an architecture pass has an alpha gradient");
        pass.weight_gradient = None;
        self.update_alphas(config, gradient);
        pass
    }

    /// The gradient of the validation loss with respect to the alphas, by the configured order; nothing is updated.
    pub fn architecture_pass(
        &self,
        config: &SearchConfig,
        learning_rate: f64,
        weight_batch: &Minibatch,
        alpha_batch: &Minibatch,
    ) -> Pass {
        match config.order {
            Order::First => self.supernet.pass(&self.weights, &self.alphas, alpha_batch, Wrt::ALPHAS),
            Order::Second => self.unrolled_pass(config, learning_rate, weight_batch, alpha_batch),
        }
    }

    /// Adam on the alphas with their gradient [28, 8].
    pub fn update_alphas(&mut self, config: &SearchConfig, gradient: Tensor<2>) {
        if self.hold.frozen {
            return;
        }
        self.architecture_steps += 1;
        let adam = Adam {
            learning_rate: config.arch_learning_rate,
            betas: config.arch_betas,
            weight_decay: config.arch_weight_decay,
        };
        adam.step(self.architecture_steps, &mut self.alphas, &mut self.moments, gradient);
        self.alphas = self.hold.keep(self.alphas.clone());
    }

    /// What `rounds` products show of the Hessian [224, 224] of the validation loss with respect to the alphas; each takes the
    /// difference of the alphas' gradients at a distance of 0.1 on both sides.
    pub fn curvature(&self, alpha_batch: &Minibatch, rounds: usize) -> Krylov {
        let shape = self.alphas.dims();
        // The same direction at each call, so that what is measured depends on nothing else.
        let start = normal(shape, 1.0, ChaCha8Rng::seed_from_u64(0), &self.alphas.device());
        krylov(start.flatten(0, 1), rounds, |vector| {
            let offset = vector.reshape(shape) * CURVATURE_RADIUS;
            let side = |alphas| {
                let pass = self.supernet.pass(&self.weights, &alphas, alpha_batch, Wrt::ALPHAS);
                pass.alpha_gradient.expect("an architecture pass has an alpha gradient")
            };
            let difference = side(self.alphas.clone() + offset.clone()) - side(self.alphas.clone() - offset);
            (difference / (2.0 * CURVATURE_RADIUS)).flatten(0, 1)
        })
    }

    /// SGD with momentum, weight decay and gradient clipping on the weights. Returns the pass and the gradient's norm
    /// before clipping.
    pub fn weight_step(
        &mut self,
        config: &SearchConfig,
        learning_rate: f64,
        weight_batch: &Minibatch,
    ) -> (Pass, Tensor<1>) {
        let mut pass = self.supernet.pass(&self.weights, &self.alphas, weight_batch, Wrt::WEIGHTS);
        let gradient = pass.weight_gradient.take().expect("a weight pass has a weight gradient");
        let &SearchConfig { momentum, weight_decay, grad_clip, .. } = config;
        let sgd = Sgd { momentum, weight_decay, grad_clip };
        let kernels = self.supernet.kernels();
        let norm = sgd.step(kernels, learning_rate, &mut self.weights, &mut self.momentum, gradient);
        (pass, norm)
    }

    /// The second-order architecture gradient (equations 7 and 8): validation gradient at the weights after one unrolled
    /// step, less the Hessian-vector product by central differences.
    fn unrolled_pass(
        &self,
        config: &SearchConfig,
        learning_rate: f64,
        weight_batch: &Minibatch,
        alpha_batch: &Minibatch,
    ) -> Pass {
        let train = self.supernet.pass(&self.weights, &self.alphas, weight_batch, Wrt::WEIGHTS);
        let gradient = train.weight_gradient.expect("a weight pass has a weight gradient");
        let direction = self.momentum.clone() * config.momentum + gradient + self.weights.clone() * config.weight_decay;
        let unrolled = self.weights.clone() - direction * learning_rate;
        let mut valid = self.supernet.pass(&unrolled, &self.alphas, alpha_batch, Wrt::BOTH);
        drop(unrolled);
        let vector = valid.weight_gradient.take().expect("a pass for both has a weight gradient");
        let radius = norm(&vector).recip().mul_scalar(FINITE_DIFFERENCE);
        let side = |sign: f64| {
            let weights = self.weights.clone() + vector.clone() * (radius.clone() * sign);
            let pass = self.supernet.pass(&weights, &self.alphas, weight_batch, Wrt::ALPHAS);
            pass.alpha_gradient.expect("an architecture pass has an alpha gradient")
        };
        let difference = side(1.0) - side(-1.0);
        let implicit = difference / (radius * 2.0).reshape([1, 1]);
        valid.alpha_gradient = valid.alpha_gradient.map(|gradient| gradient - implicit * learning_rate);
        valid
    }
}

/// The alphas before the first step: nearly the same for all ops.
pub(super) fn initial_alphas(shape: [usize; 2], seed: u64, device: &Device) -> Tensor<2> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1);
    normal(shape, ALPHA_DEVIATION, rng, device)
}

/// Draws from the normal distribution of mean 0.
fn normal(shape: [usize; 2], deviation: f32, mut rng: ChaCha8Rng, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| deviation * standard_normal(&mut rng)).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// One draw from the standard normal distribution (Box and Muller).
fn standard_normal(rng: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32
}
