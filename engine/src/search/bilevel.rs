use super::{
    Pass, SearchNetwork,
    adam::{Adam, AlphaHold},
    lanczos::{Lanczos, lanczos},
    sgd::{Sgd, norm},
};
use crate::{
    checkpoint::{CheckpointError, State},
    config::{Order, SearchBasics, SearchSettings},
    model::GradientTargets,
};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Standard deviation of the initial alphas.
const ALPHA_DEVIATION: f32 = 1e-3;
/// Perturbation R of the Hessian-vector product, times the norm of its vector (section 2.3, footnote 2).
const FINITE_DIFFERENCE: f64 = 0.01;
/// Distance from the alphas at which gradients are compared for the curvature. At shorter ones, kinks of ReLUs and max
/// pools met by chance outweigh the curvature of the loss.
const CURVATURE_RADIUS: f64 = 0.1;

/// State of a bilevel search and its two steps (paper, algorithm 1), for any network.
#[derive(Clone, Debug)]
pub struct Bilevel<N: SearchNetwork> {
    network: N,
    /// Flat weight vector.
    pub weights: Tensor<1>,
    /// Momentum buffer of the weights, where they have one.
    pub momentum: Option<Tensor<1>>,
    /// Alphas [edges, ops], those of the first kind of cell first.
    pub alphas: Tensor<2>,
    /// Adam's moments of the alphas, first and second.
    pub moments: (Tensor<2>, Tensor<2>),
    /// Architecture steps taken.
    pub architecture_steps: i32,
    /// Running statistics of the network.
    pub statistics: N::Statistics,
    /// Alphas that interventions keep fixed.
    pub hold: AlphaHold,
}

/// Result of a search step, still on the device.
#[derive(Clone, Debug)]
pub struct StepOutcome<P> {
    /// Pass of the architecture step, on the valid split.
    pub architecture: P,
    /// Pass of the weight step, on the train split.
    pub weight: P,
    /// Norm of the weight gradient before clipping [1].
    pub gradient_norm: Tensor<1>,
}

impl<N: SearchNetwork> Bilevel<N> {
    /// Search with weights and alphas drawn for `seed`.
    pub fn new(network: N, seed: u64, device: &Device) -> Self {
        let weights = network.layout().init(seed, device);
        let alphas = initial_alphas(N::SPACE.alpha_shape(), seed, device);
        Self::from_parts(network, weights, alphas)
    }

    /// Search that starts from given weights (flat) and alphas [edges, ops].
    pub fn from_parts(network: N, weights: Tensor<1>, alphas: Tensor<2>) -> Self {
        Self {
            momentum: N::MOMENTUM.then(|| weights.zeros_like()),
            moments: (alphas.zeros_like(), alphas.zeros_like()),
            statistics: network.statistics(&weights.device()),
            network,
            weights,
            alphas,
            architecture_steps: 0,
            hold: AlphaHold::default(),
        }
    }

    /// The supernet.
    pub fn network(&self) -> &N {
        &self.network
    }

    /// Tensors that the next steps depend on, by their names in a checkpoint.
    pub fn tensors(&self) -> Vec<(&'static str, Tensor<1>)> {
        let flat = |tensor: &Tensor<2>| tensor.clone().flatten(0, 1);
        let mut tensors = vec![("weights", self.weights.clone())];
        tensors.extend(self.momentum.iter().map(|momentum| ("momentum", momentum.clone())));
        tensors.extend([
            ("alphas", flat(&self.alphas)),
            ("alphas.first_moment", flat(&self.moments.0)),
            ("alphas.second_moment", flat(&self.moments.1)),
        ]);
        tensors.extend(N::statistics_tensors(&self.statistics));
        tensors
    }

    /// Restores the state of a checkpoint after so many architecture steps.
    ///
    /// # Errors
    /// The state is of another search; this one is then unchanged.
    pub fn restore(&mut self, state: &State, architecture_steps: i32) -> Result<(), CheckpointError> {
        let weights = state.tensor("weights", &self.weights)?;
        let momentum = self.momentum.as_ref().map(|momentum| state.tensor("momentum", momentum)).transpose()?;
        let alphas = state.tensor("alphas", &self.alphas)?;
        let first = state.tensor("alphas.first_moment", &self.moments.0)?;
        let second = state.tensor("alphas.second_moment", &self.moments.1)?;
        self.statistics = N::restored_statistics(&self.statistics, state)?;
        (self.weights, self.momentum, self.alphas) = (weights, momentum, alphas);
        (self.moments, self.architecture_steps) = ((first, second), architecture_steps);
        Ok(())
    }

    /// Search step (algorithm 1): an architecture step on `valid`, then a weight step on `train`.
    pub fn step(
        &mut self,
        config: &impl SearchSettings,
        learning_rate: f64,
        train: &N::Batch,
        valid: &N::Batch,
    ) -> StepOutcome<N::Pass> {
        let architecture = self.architecture_step(config, learning_rate, train, valid);
        let (weight, gradient_norm) = self.weight_step(config, learning_rate, train);
        StepOutcome { architecture, weight, gradient_norm }
    }

    /// Adam on the alphas with the gradient of the validation loss, by the configured order.
    pub fn architecture_step(
        &mut self,
        config: &impl SearchSettings,
        learning_rate: f64,
        train: &N::Batch,
        valid: &N::Batch,
    ) -> N::Pass {
        let mut pass = self.architecture_pass(config, learning_rate, train, valid);
        let gradient = pass.alpha_gradient().expect("an architecture pass has an alpha gradient").clone();
        drop(pass.take_weight_gradient());
        self.update_alphas(config, gradient);
        pass
    }

    /// Gradient of the validation loss with respect to the alphas, by the configured order; nothing is updated.
    pub fn architecture_pass(
        &self,
        config: &impl SearchSettings,
        learning_rate: f64,
        train: &N::Batch,
        valid: &N::Batch,
    ) -> N::Pass {
        let basics = config.basics();
        match basics.order {
            Order::First => self.network.pass(&self.weights, &self.alphas, valid, GradientTargets::ALPHAS),
            Order::Second => self.unrolled_pass(&basics, learning_rate, train, valid),
        }
    }

    /// Adam on the alphas with their gradient [edges, ops].
    pub fn update_alphas(&mut self, config: &impl SearchSettings, gradient: Tensor<2>) {
        if self.hold.frozen {
            return;
        }
        let basics = config.basics();
        self.architecture_steps += 1;
        let adam = Adam {
            learning_rate: basics.arch_learning_rate,
            betas: basics.arch_betas,
            weight_decay: basics.arch_weight_decay,
        };
        adam.step(self.architecture_steps, &mut self.alphas, &mut self.moments, gradient);
        self.alphas = self.hold.keep(self.alphas.clone());
    }

    /// SGD with momentum, weight decay and gradient clipping on the weights. Returns the pass and the gradient's norm before
    /// clipping.
    pub fn weight_step(
        &mut self,
        config: &impl SearchSettings,
        learning_rate: f64,
        train: &N::Batch,
    ) -> (N::Pass, Tensor<1>) {
        let mut pass = self.network.pass(&self.weights, &self.alphas, train, GradientTargets::WEIGHTS);
        let gradient = pass.take_weight_gradient().expect("a weight pass has a weight gradient");
        let SearchBasics { momentum, weight_decay, grad_clip, .. } = config.basics();
        let sgd = Sgd { momentum, weight_decay, grad_clip };
        let mut buffer = self.momentum.clone().unwrap_or_else(|| self.weights.zeros_like());
        let norm = sgd.step(self.network.kernels(), learning_rate, &mut self.weights, &mut buffer, gradient);
        self.momentum = N::MOMENTUM.then_some(buffer);
        self.statistics = self.network.follow(&self.statistics, &mut pass, train);
        (pass, norm)
    }

    /// Second-order architecture gradient (equations 7 and 8): the validation gradient at the weights after one unrolled
    /// step, less the Hessian-vector product by central differences. A network may depart from the equations as the authors'
    /// code does, see [`SearchNetwork::unrolled`].
    fn unrolled_pass(&self, basics: &SearchBasics, learning_rate: f64, train: &N::Batch, valid: &N::Batch) -> N::Pass {
        let departures = self.network.unrolled();
        let clip = |gradient: &Tensor<1>| {
            departures.clips.then(|| (norm(gradient) + 1e-6).recip().mul_scalar(basics.grad_clip).clamp_max(1.0))
        };
        let scaled = |vector: Tensor<1>, by: &Option<Tensor<1>>| match by {
            Some(by) => vector * by.clone(),
            None => vector,
        };
        let gradient =
            self.network.pass(&self.weights, &self.alphas, train, GradientTargets::WEIGHTS).take_weight_gradient();
        let gradient = gradient.expect("a weight pass has a weight gradient");
        let coefficient = clip(&gradient);
        let gradient = scaled(gradient, &coefficient);
        let gradient = match &self.momentum {
            Some(momentum) => momentum.clone() * basics.momentum + gradient,
            None => gradient,
        };
        let direction = gradient + self.weights.clone() * basics.weight_decay;
        let unrolled = self.unrolled_weights(direction * learning_rate, departures.kept_weights);
        let mut pass = self.network.pass(&unrolled, &self.alphas, valid, GradientTargets::BOTH);
        drop(unrolled);
        let vector = pass.take_weight_gradient().expect("a pass for both has a weight gradient");
        let by = clip(&vector);
        let vector = scaled(vector, &by);
        let radius = norm(&vector).recip().mul_scalar(FINITE_DIFFERENCE);
        let side = |sign: f64| {
            let weights = self.weights.clone() + vector.clone() * (radius.clone() * sign);
            self.alpha_gradient_at(&weights, &self.alphas, train)
        };
        let difference = side(1.0) - side(-1.0);
        let implicit = difference / (radius * 2.0).reshape([1, 1]);
        let implicit = match coefficient {
            Some(coefficient) => implicit * coefficient.reshape([1, 1]),
            None => implicit,
        };
        let gradient = pass.alpha_gradient().expect("a pass for both has an alpha gradient").clone();
        pass.set_alpha_gradient(gradient - implicit * learning_rate);
        pass
    }

    /// Weights after a step, except for the first `kept`, which stay.
    fn unrolled_weights(&self, step: Tensor<1>, kept: usize) -> Tensor<1> {
        let unrolled = self.weights.clone() - step;
        if kept == 0 {
            return unrolled;
        }
        let all = self.weights.dims()[0];
        Tensor::cat(vec![self.weights.clone().narrow(0, 0, kept), unrolled.narrow(0, kept, all - kept)], 0)
    }

    fn alpha_gradient_at(&self, weights: &Tensor<1>, alphas: &Tensor<2>, batch: &N::Batch) -> Tensor<2> {
        let pass = self.network.pass(weights, alphas, batch, GradientTargets::ALPHAS);
        pass.alpha_gradient().expect("an architecture pass has an alpha gradient").clone()
    }

    /// Hessian of the validation loss with respect to the alphas, from `rounds` products with it; each is the
    /// difference of alpha gradients at a distance of 0.1 on both sides.
    pub fn curvature(&self, valid: &N::Batch, rounds: usize) -> Lanczos {
        let shape = self.alphas.dims();
        // The same direction at each call, so that the result depends on nothing else.
        let start = normal(shape, 1.0, ChaCha8Rng::seed_from_u64(0), &self.alphas.device());
        lanczos(start.flatten(0, 1), rounds, |vector| {
            let offset = vector.reshape(shape) * CURVATURE_RADIUS;
            let side = |alphas| self.alpha_gradient_at(&self.weights, &alphas, valid);
            let difference = side(self.alphas.clone() + offset.clone()) - side(self.alphas.clone() - offset);
            (difference / (2.0 * CURVATURE_RADIUS)).flatten(0, 1)
        })
    }
}

/// Alphas before the first step: nearly the same for all ops.
fn initial_alphas(shape: [usize; 2], seed: u64, device: &Device) -> Tensor<2> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1);
    normal(shape, ALPHA_DEVIATION, rng, device)
}

/// Draws from the normal distribution of mean 0.
fn normal(shape: [usize; 2], deviation: f32, mut rng: ChaCha8Rng, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| deviation * standard_normal(&mut rng) as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Draw from the standard normal distribution (Box and Muller).
pub(crate) fn standard_normal(rng: &mut impl RngExt) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}
