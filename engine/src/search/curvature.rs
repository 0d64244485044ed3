//! How sharply the validation loss bends along the alphas: searches whose largest curvature grows tend to collapse into skip
//! connections (Zela et al., "Understanding and Robustifying Differentiable Architecture Search", ICLR 2020).

use super::sgd::norm;
use burn::tensor::Tensor;

/// The eigenvalue of largest magnitude [1] of a symmetric matrix [n, n], and its eigenvector [n], by `rounds` (at least one) of
/// power iteration from `start` [n]; `product` is the matrix times a vector of length one.
pub(super) fn dominant_eigenvalue(
    start: Tensor<1>,
    rounds: usize,
    mut product: impl FnMut(Tensor<1>) -> Tensor<1>,
) -> (Tensor<1>, Tensor<1>) {
    let unit = |vector: Tensor<1>| vector.clone() / norm(&vector).clamp_min(f32::MIN_POSITIVE);
    let mut vector = unit(start);
    let mut image = product(vector.clone());
    for _ in 1..rounds {
        vector = unit(image);
        image = product(vector.clone());
    }
    ((vector.clone() * image).sum_dim(0), vector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Compute;

    #[test]
    fn the_largest_eigenvalue_keeps_its_sign() {
        let device = Compute::cpu().device;
        // Eigenvalues 1, 2 and -4 along (1, 1, 1), (1, -1, 0) and (1, 1, -2).
        let third = 1.0 / 3.0;
        let (a, b, c) = (third + 1.0 - 2.0 * third, third - 1.0 - 2.0 * third, third + 4.0 * third);
        let matrix = [[a, b, c], [b, a, c], [c, c, third - 8.0 * third]];
        let matrix = Tensor::<2>::from_data(matrix, &device);
        let product = |vector: Tensor<1>| matrix.clone().matmul(vector.unsqueeze_dim(1)).squeeze_dim(1);
        let (value, vector) = dominant_eigenvalue(Tensor::from_data([1.0, 0.5, 0.25], &device), 20, product);
        assert!((value.into_scalar::<f32>() + 4.0).abs() < 1e-4);
        let vector = vector.into_data().try_to_vec::<f32>().unwrap();
        assert!((vector[2] / vector[0] + 2.0).abs() < 1e-3, "{vector:?}");
    }
}
