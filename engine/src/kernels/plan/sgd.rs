/// A step of stochastic gradient descent with momentum, weight decay and clipping of the gradient's norm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SgdStep {
    /// The learning rate.
    pub learning_rate: f64,
    /// Share of the momentum kept.
    pub momentum: f64,
    /// Added to the gradient, times the weights.
    pub weight_decay: f64,
    /// Largest norm of the gradient, before weight decay.
    pub grad_clip: f64,
}
