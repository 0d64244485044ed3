use super::prelude::*;
use crate::kernels::WordPlaces;
use burn::tensor::Int;

/// The vectors [words, units] of the words `tokens` [words], out of those of all [vocabulary, units].
///
/// `places` are the places of all words, grouped by word, and then for each of the `distinct` words the word itself and
/// where its places begin and end [words + 3 distinct]: gradients are added up in that order.
pub(crate) fn embedding(vectors: Tensor<2>, tokens: Tensor<1, Int>, places: Tensor<1>, distinct: usize) -> Tensor<2> {
    let words = WordPlaces { tokens: tokens.inner().into_dispatch(), places: places.inner().into_dispatch(), distinct };
    Tensor::from_dispatch(Dispatch::embedding(vectors.into_dispatch(), words))
}

#[backend_extension(Autodiff, Cube, Flex)]
trait EmbeddingOp: Backend {
    fn embedding(vectors: FloatTensor<Self>, #[extension_type] words: WordPlaces<Self>) -> FloatTensor<Self>;
}

impl<B: FusedKernels> EmbeddingOp for B {
    fn embedding(vectors: FloatTensor<B>, words: WordPlaces<B>) -> FloatTensor<B> {
        B::word_embedding_forward(vectors, words).0
    }
}

impl<B: FusedKernels, C: CheckpointStrategy> EmbeddingOp for Autodiff<B, C> {
    fn embedding(vectors: FloatTensor<Self>, words: WordPlaces<Self>) -> FloatTensor<Self> {
        let input = vectors.node();
        let WordPlaces { tokens, places, distinct } = words;
        let words = WordPlaces { tokens, places: places.into_primitive(), distinct };
        let (found, saved) = B::word_embedding_forward(vectors.into_primitive(), words);
        record::<B, C, _, 1>(Embedding, [input], found, saved)
    }
}

#[derive(Debug)]
struct Embedding;

impl<B: FusedKernels> Backward<B, 1> for Embedding {
    type State = B::SavedWordEmbedding;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        run_backward::<B, _, 1>(ops, gradients, |saved, gradient, _| {
            [Some(B::word_embedding_backward(saved, gradient))]
        });
    }
}
