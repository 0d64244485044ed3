use super::{
    adam::{Adam, Hold},
    bilevel::{FINITE_DIFFERENCE, initial_alphas},
    sgd::{Sgd, norm},
};
use crate::config::{Order, RecurrentConfig};
use crate::{
    checkpoint::{CheckpointError, State},
    config::Penalties,
    model::{Passage, RecurrentPass, RunningStatistics, Wrt},
    network::RecurrentNet,
};
use burn::tensor::{Device, Tensor};

/// The state of a recurrent bilevel search and its two steps (paper, algorithm 1).
#[derive(Clone, Debug)]
pub struct RecurrentBilevel {
    net: RecurrentNet,
    /// The flat weight vector.
    pub weights: Tensor<1>,
    /// The alphas [36, 5].
    pub alphas: Tensor<2>,
    /// Adam's moments of the alphas, first and second.
    pub moments: (Tensor<2>, Tensor<2>),
    /// Architecture steps taken.
    pub architecture_steps: i32,
    /// What normalises states in evaluation mode: it follows the weight steps.
    pub statistics: RunningStatistics,
    /// What somebody holds of the alphas.
    pub hold: Hold,
}

impl RecurrentBilevel {
    /// Fresh weights and alphas for `seed`.
    pub fn new(net: RecurrentNet, seed: u64, device: &Device) -> Self {
        let weights = net.layout().init(seed, device);
        let alphas = initial_alphas(net.alpha_shape(), seed, device);
        Self::from_parts(net, weights, alphas)
    }

    /// A search that starts from given weights (flat) and alphas [36, 5].
    pub fn from_parts(net: RecurrentNet, weights: Tensor<1>, alphas: Tensor<2>) -> Self {
        Self {
            moments: (alphas.zeros_like(), alphas.zeros_like()),
            statistics: RunningStatistics::new(net.hidden(), &weights.device()),
            net,
            weights,
            alphas,
            architecture_steps: 0,
            hold: Hold::default(),
        }
    }

    /// The network searched.
    pub fn net(&self) -> &RecurrentNet {
        &self.net
    }

    /// All tensors that the next steps depend on, by name.
    pub fn tensors(&self) -> [(&'static str, Tensor<1>); 6] {
        let flat = |tensor: &Tensor<2>| tensor.clone().flatten(0, 1);
        [
            ("weights", self.weights.clone()),
            ("alphas", flat(&self.alphas)),
            ("alphas.first_moment", flat(&self.moments.0)),
            ("alphas.second_moment", flat(&self.moments.1)),
            ("statistics.mean", flat(&self.statistics.mean)),
            ("statistics.variance", flat(&self.statistics.variance)),
        ]
    }

    /// Goes on from the state after so many architecture steps.
    ///
    /// # Errors
    /// The state is of another search; then this one is as it was.
    pub fn restore(&mut self, state: &State, architecture_steps: i32) -> Result<(), CheckpointError> {
        let weights = state.tensor("weights", &self.weights)?;
        let alphas = state.tensor("alphas", &self.alphas)?;
        let first = state.tensor("alphas.first_moment", &self.moments.0)?;
        let second = state.tensor("alphas.second_moment", &self.moments.1)?;
        let mean = state.tensor("statistics.mean", &self.statistics.mean)?;
        let variance = state.tensor("statistics.variance", &self.statistics.variance)?;
        (self.weights, self.alphas, self.moments) = (weights, alphas, (first, second));
        (self.statistics, self.architecture_steps) = (RunningStatistics { mean, variance }, architecture_steps);
        Ok(())
    }

    /// Adam on the alphas with the gradient of the validation loss, by the configured order.
    pub fn architecture_step(
        &mut self,
        config: &RecurrentConfig,
        learning_rate: f64,
        train: &Passage,
        valid: &Passage,
    ) -> RecurrentPass {
        let mut pass = self.architecture_pass(config, learning_rate, train, valid);
        let gradient = pass.alpha_gradient.clone().expect("an architecture pass has an alpha gradient");
        (pass.weight_gradient, pass.statistics) = (None, None);
        self.update_alphas(config, gradient);
        pass
    }

    /// The gradient of the validation loss with respect to the alphas, by the configured order; nothing is updated. The
    /// penalties of a weight step are no part of either loss.
    pub fn architecture_pass(
        &self,
        config: &RecurrentConfig,
        learning_rate: f64,
        train: &Passage,
        valid: &Passage,
    ) -> RecurrentPass {
        match config.order {
            Order::First => self.pass(&self.weights, valid, Wrt::ALPHAS),
            Order::Second => self.unrolled_pass(config, learning_rate, train, valid),
        }
    }

    /// Adam on the alphas with their gradient [36, 5].
    pub fn update_alphas(&mut self, config: &RecurrentConfig, gradient: Tensor<2>) {
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

    /// SGD with weight decay and gradient clipping on the weights. Returns the pass and the gradient's norm before clipping.
    pub fn weight_step(
        &mut self,
        config: &RecurrentConfig,
        learning_rate: f64,
        train: &Passage,
    ) -> (RecurrentPass, Tensor<1>) {
        let mut pass = self.net.pass(&self.weights, Some(&self.alphas), train, config.penalties, Wrt::WEIGHTS);
        let gradient = pass.weight_gradient.take().expect("a weight pass has a weight gradient");
        let sgd = Sgd { momentum: 0.0, weight_decay: config.weight_decay, grad_clip: config.grad_clip };
        let mut buffer = self.weights.zeros_like();
        let norm = sgd.step(self.net.kernels(), learning_rate, &mut self.weights, &mut buffer, gradient);
        if let Some(found) = pass.statistics.take() {
            self.statistics = self.statistics.follow(found, train.text.batch_size);
        }
        (pass, norm)
    }

    fn pass(&self, weights: &Tensor<1>, passage: &Passage, wrt: Wrt) -> RecurrentPass {
        self.net.pass(weights, Some(&self.alphas), passage, Penalties::default(), wrt)
    }

    /// The second-order architecture gradient (equations 7 and 8) as the authors' recurrent implementation has it: the
    /// gradients that make the unrolled weights and the vector of the Hessian-vector product are clipped, what clips the
    /// first scales the product too, and the unrolled step leaves the word vectors where they are. All passes over a window
    /// drop the same, so that they differ by the weights alone.
    fn unrolled_pass(
        &self,
        config: &RecurrentConfig,
        learning_rate: f64,
        train: &Passage,
        valid: &Passage,
    ) -> RecurrentPass {
        let clip = |gradient: &Tensor<1>| (norm(gradient) + 1e-6).recip().mul_scalar(config.grad_clip).clamp_max(1.0);
        let gradient = self.pass(&self.weights, train, Wrt::WEIGHTS).weight_gradient;
        let gradient = gradient.expect("a weight pass has a weight gradient");
        let coefficient = clip(&gradient);
        let direction = gradient * coefficient.clone() + self.weights.clone() * config.weight_decay;
        let unrolled = self.weights.clone() - direction * learning_rate;
        // The decoder holds the word vectors as they were, and in the authors' unrolled network theirs are the ones that stay.
        let [words, all] = [self.net.word_vectors(), self.weights.dims()[0]];
        let unrolled =
            Tensor::cat(vec![self.weights.clone().narrow(0, 0, words), unrolled.narrow(0, words, all - words)], 0);
        let mut pass = self.pass(&unrolled, valid, Wrt::BOTH);
        drop(unrolled);
        let vector = pass.weight_gradient.take().expect("a pass for both has a weight gradient");
        let vector = vector.clone() * clip(&vector);
        let radius = norm(&vector).recip().mul_scalar(FINITE_DIFFERENCE);
        let side = |sign: f64| {
            let weights = self.weights.clone() + vector.clone() * (radius.clone() * sign);
            let gradient = self.pass(&weights, train, Wrt::ALPHAS).alpha_gradient;
            gradient.expect("an architecture pass has an alpha gradient")
        };
        let difference = side(1.0) - side(-1.0);
        let implicit = difference / (radius * 2.0).reshape([1, 1]) * coefficient.reshape([1, 1]);
        pass.alpha_gradient = pass.alpha_gradient.map(|gradient| gradient - implicit * learning_rate);
        pass
    }
}
