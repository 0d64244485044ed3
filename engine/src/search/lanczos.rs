//! Curvature of the validation loss along the alphas: searches whose largest curvature grows tend to collapse into skip
//! connections (Zela et al., "Understanding and Robustifying Differentiable Architecture Search", ICLR 2020).

use super::sgd::norm;
use burn::tensor::Tensor;

/// A symmetric matrix [n, n] seen through a few products with it (Lanczos): in this basis it is tridiagonal, and its
/// extreme eigenvalues are close to those of the matrix after few products.
pub struct Lanczos {
    /// Orthonormal vectors [n].
    pub basis: Vec<Tensor<1>>,
    /// Diagonal of the tridiagonal matrix [rounds].
    pub diagonal: Tensor<1>,
    /// Its off-diagonal [rounds]; the last entry leads out of the basis.
    pub off_diagonal: Tensor<1>,
}

/// Takes `rounds` (at least one) products with a matrix, starting from `start` [n].
pub(super) fn lanczos(start: Tensor<1>, rounds: usize, mut product: impl FnMut(Tensor<1>) -> Tensor<1>) -> Lanczos {
    let dot = |a: &Tensor<1>, b: &Tensor<1>| (a.clone() * b.clone()).sum_dim(0);
    let length = norm(&start);
    let (mut basis, mut diagonal, mut off_diagonal) = (vec![start / length], Vec::new(), Vec::new());
    for round in 0..rounds {
        let mut image = product(basis[round].clone());
        diagonal.push(dot(&basis[round], &image));
        // Against all before, as rounding would bring back what two had taken out.
        for vector in &basis {
            image = image.clone() - vector.clone() * dot(vector, &image);
        }
        let length = norm(&image);
        basis.push(image / length.clone().clamp_min(f32::MIN_POSITIVE));
        off_diagonal.push(length);
    }
    basis.pop();
    Lanczos { basis, diagonal: Tensor::cat(diagonal, 0), off_diagonal: Tensor::cat(off_diagonal, 0) }
}

/// The largest eigenvalue of a symmetric tridiagonal matrix, to the digits of float32, by bisection: the signs of the
/// pivots count the eigenvalues above a number (Sturm).
pub(super) fn largest_eigenvalue(diagonal: &[f32], off_diagonal: &[f32]) -> f32 {
    let inner = &off_diagonal[..diagonal.len() - 1];
    let reach = |i: usize| {
        let off =
            |i: Option<usize>| i.and_then(|i| inner.get(i)).map_or(0.0, |off_diagonal| f64::from(off_diagonal.abs()));
        off(i.checked_sub(1)) + off(Some(i))
    };
    let all = || (0..diagonal.len()).map(|i| (f64::from(diagonal[i]), reach(i)));
    let mut low = all().fold(f64::INFINITY, |low, (at, reach)| low.min(at - reach));
    let mut high = all().fold(f64::NEG_INFINITY, |high, (at, reach)| high.max(at + reach));
    let any_above = |number: f64| {
        let mut pivot = f64::from(diagonal[0]) - number;
        let mut above = pivot > 0.0;
        for (at, off_diagonal) in diagonal[1..].iter().zip(inner) {
            // A pivot of 0 counts as a very small one.
            let divisor = if pivot == 0.0 { -f64::MIN_POSITIVE.sqrt() } else { pivot };
            pivot = f64::from(*at) - number - f64::from(*off_diagonal).powi(2) / divisor;
            above |= pivot > 0.0;
        }
        above
    };
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if any_above(middle) { low = middle } else { high = middle }
    }
    high as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Compute;

    #[test]
    fn the_largest_eigenvalue_is_found() {
        let device = Compute::cpu().device;
        // Eigenvalues 1, 2 and -4 along (1, 1, 1), (1, -1, 0) and (1, 1, -2).
        let third = 1.0 / 3.0;
        let (a, b, c) = (third + 1.0 - 2.0 * third, third - 1.0 - 2.0 * third, third + 4.0 * third);
        let matrix = Tensor::<2>::from_data([[a, b, c], [b, a, c], [c, c, third - 8.0 * third]], &device);
        let product = |vector: Tensor<1>| matrix.clone().matmul(vector.unsqueeze_dim(1)).squeeze_dim(1);
        let found = |rounds| {
            let seen = lanczos(Tensor::from_data([1.0, 0.5, 0.25], &device), rounds, product);
            assert_eq!(seen.basis.len(), rounds);
            let [diagonal, off_diagonal] =
                [seen.diagonal, seen.off_diagonal].map(|tensor| tensor.into_data().try_to_vec::<f32>().unwrap());
            largest_eigenvalue(&diagonal, &off_diagonal)
        };
        assert!((found(3) - 2.0).abs() < 1e-5, "{}", found(3));
        // Each product shows more of it.
        assert!(found(1) < found(2) && found(2) < found(3));
        assert_eq!(largest_eigenvalue(&[-3.0], &[7.0]), -3.0);
        assert!((largest_eigenvalue(&[0.0, 0.0], &[5.0, 0.0]) - 5.0).abs() < 1e-6);
    }
}
