use crate::device::Tuning;
use crate::kernels::{
    CellPlan, ConvNormPlan,
    plan::{LikelihoodPlan, RecurrentPlan, SgdStep},
};
use burn::backend::{
    Backend, ExtensionType,
    tensor::{FloatTensor, IntTensor},
};
use std::fmt::Debug;

/// Everything that a backward pass needs of its forward pass, the inputs included.
pub(crate) trait Memory: Clone + Debug + Send + 'static {}

impl<T: Clone + Debug + Send + 'static> Memory for T {}

/// Gradients of an op's inputs, in their order, those that were requested and exist.
pub(crate) type InputGradients<B, const N: usize> = [Option<FloatTensor<B>>; N];

/// Kernels of the fused ops, for a backend without autodiff.
///
/// A forward pass returns its output and a memory. The backward pass takes that memory, the gradient of the output, and for
/// each input whether its gradient is requested.
pub(crate) trait FusedKernels: Backend {
    type RelaxedCellMemory: Memory;
    type ConvNormMemory: Memory;
    type RecurrentMemory: Memory;
    type LikelihoodMemory: Memory;
    type MatrixProductMemory: Memory;
    type WordEmbeddingMemory: Memory;

    /// Output [batch, 4 channels, height, width] of a relaxed cell.
    fn relaxed_cell_forward(
        plan: CellPlan,
        inputs: [FloatTensor<Self>; 2],
        parameters: FloatTensor<Self>,
        op_weights: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, Self::RelaxedCellMemory);

    /// Gradients of both inputs, the parameters and the op weights.
    fn relaxed_cell_backward(
        memory: Self::RelaxedCellMemory,
        gradient: FloatTensor<Self>,
        requested: [bool; 4],
    ) -> InputGradients<Self, 4>;

    /// Output [batch, channels, height, width] of convolutions with BatchNorm in training mode, and the means and then the
    /// unbiased variances [2 channels] that each BatchNorm found.
    fn conv_norm_forward(
        plan: ConvNormPlan,
        input: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, Vec<FloatTensor<Self>>, Self::ConvNormMemory);

    /// Gradients of the input and the parameters.
    fn conv_norm_backward(
        memory: Self::ConvNormMemory,
        gradient: FloatTensor<Self>,
        requested: [bool; 2],
    ) -> InputGradients<Self, 2>;

    /// The same output in evaluation mode, by `running` means and variances [2 channels] of each BatchNorm.
    fn conv_norm_evaluate(
        plan: ConvNormPlan,
        input: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        running: Vec<FloatTensor<Self>>,
    ) -> FloatTensor<Self>;

    /// Outputs [length, batch, units] of a recurrent cell over a window, and where states are normalised, which is by the
    /// minibatch, their means and biased variances [length, states, 2, units].
    fn recurrent_forward(
        plan: RecurrentPlan,
        window: RecurrentWindow<Self>,
    ) -> (FloatTensor<Self>, Option<FloatTensor<Self>>, Self::RecurrentMemory);

    /// Gradients of the inputs, the matrices and the op weights.
    fn recurrent_backward(
        memory: Self::RecurrentMemory,
        gradient: FloatTensor<Self>,
        requested: [bool; 3],
    ) -> InputGradients<Self, 3>;

    /// Outputs of a relaxed cell in evaluation mode, by `running` means and variances [2 units] of all states.
    fn recurrent_evaluate(
        plan: RecurrentPlan,
        window: RecurrentWindow<Self>,
        running: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// Mean negative log-likelihood [1] of words, see [`crate::ops::likelihood`]. `requested` gradients of the outputs, the
    /// word vectors and the bias may be computed here.
    fn likelihood_forward(
        plan: LikelihoodPlan,
        outputs: FloatTensor<Self>,
        word_vectors: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        targets: IntTensor<Self>,
        requested: [bool; 3],
    ) -> (FloatTensor<Self>, Self::LikelihoodMemory);

    /// Mean cross-entropy [1] of a linear classifier and its scores [rows, classes], see [`crate::ops::classifier`].
    fn classifier_forward(
        tuning: Tuning,
        rows: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        labels: IntTensor<Self>,
        requested: [bool; 3],
    ) -> (FloatTensor<Self>, FloatTensor<Self>, Self::LikelihoodMemory);

    /// Gradients of the outputs, the word vectors and the bias, or of what a classifier has instead.
    fn likelihood_backward(
        memory: Self::LikelihoodMemory,
        gradient: FloatTensor<Self>,
        requested: [bool; 3],
    ) -> InputGradients<Self, 3>;

    /// Product [rows, columns] of `a` [rows, inner] and `b` [inner, columns].
    fn matrix_product_forward(
        tuning: Tuning,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, Self::MatrixProductMemory);

    /// Gradients of both matrices.
    fn matrix_product_backward(
        memory: Self::MatrixProductMemory,
        gradient: FloatTensor<Self>,
        requested: [bool; 2],
    ) -> InputGradients<Self, 2>;

    /// Vectors [words, units] of words, out of those of all [vocabulary, units].
    fn word_embedding_forward(
        vectors: FloatTensor<Self>,
        words: WordPlaces<Self>,
    ) -> (FloatTensor<Self>, Self::WordEmbeddingMemory);

    /// Gradient of the vectors of all words.
    fn word_embedding_backward(memory: Self::WordEmbeddingMemory, gradient: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The next weights and momentum, and the gradient's norm [1] before clipping.
    fn sgd_step(
        step: SgdStep,
        weights: FloatTensor<Self>,
        momentum: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// Tensors that a window of a recurrent cell of `n` nodes is computed from.
#[derive(ExtensionType)]
pub(crate) struct RecurrentWindow<B: Backend> {
    /// What words add to the gates of the first state [length, batch, 2 units].
    pub inputs: FloatTensor<B>,
    /// The matrices of the first state and of the nodes, one below the other [(n + 1) units, 2 units].
    pub matrices: FloatTensor<B>,
    /// Op weights [edges, 5].
    pub op_weights: FloatTensor<B>,
    /// The state before [batch, units].
    pub hidden: FloatTensor<B>,
    /// Dropout mask of the states [batch, units].
    pub mask: FloatTensor<B>,
}

/// Words of a window, and the order in which the gradients of their vectors are added up.
#[derive(ExtensionType)]
pub(crate) struct WordPlaces<B: Backend> {
    /// Indices of the words [words].
    pub tokens: IntTensor<B>,
    /// The places of all words, those of one word after those of another, and then of each distinct word itself, where its
    /// places begin and where they end [words + 3 distinct].
    pub places: FloatTensor<B>,
    /// Number of distinct words.
    pub distinct: usize,
}
