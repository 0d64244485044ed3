//! The networks' ops for Burn's CPU backend, in vectors and on all cores, with gradients written by hand.
//!
//! Those of recurrent networks leave products to the backend, and all that lies between two products is one pass over rows.
//! Those of convolutional ones take an image at a time from one BatchNorm to the next, in blocks of channels.

mod backend;
mod blocks;
mod buffer;
mod conv_norm;
mod convolution;
mod likelihood;
mod mixed_cell;
mod reading;
mod recurrent;

use burn::{
    backend::{Flex, flex::FlexTensor, ops::FloatTensorOps},
    tensor::{Shape, TensorData},
};

/// Numbers, one after the other, as a tensor.
fn put(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// The numbers of a contiguous tensor.
fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("contiguous floats")
}

/// The product of two matrices, which may be parts of others or transposed.
fn product(a: &FlexTensor, b: &FlexTensor) -> FlexTensor {
    Flex::float_matmul(a.clone(), b.clone())
}

/// Computes something by vectors of this CPU's, as far as all that it calls is inlined.
macro_rules! vectors {
    ($work:expr $(,)?) => {{
        // A closure that gives away what it holds is called as it is; others through code in between, which is not inlined.
        let once = $crate::kernels::cpu::Once;
        $crate::kernels::cpu::dispatch(
            #[inline(always)]
            || {
                let _once = once;
                $work
            },
        )
    }};
}
use vectors;

/// What makes a closure one that is called once.
struct Once;

/// Runs `work` by the vectors that suit it: of eight floats rather than sixteen, which took longer where both were to be had.
#[inline(always)]
fn dispatch<R>(work: impl FnOnce() -> R) -> R {
    // Every browser with WebGPU has them; elsewhere the engine's module is refused as a whole.
    #[cfg(target_arch = "wasm32")]
    #[target_feature(enable = "simd128")]
    fn of_four<R>(work: impl FnOnce() -> R) -> R {
        work()
    }
    #[cfg(target_arch = "wasm32")]
    return of_four(work);
    #[cfg(target_arch = "x86_64")]
    if let Some(wide) = pulp::x86::V3::try_new() {
        return wide.vectorize(work);
    }
    #[cfg(not(target_arch = "wasm32"))]
    pulp::Arch::new().dispatch(work)
}

/// Runs `work` where handing parts of it to all cores costs least: on one of the threads that they are handed to.
fn among_workers<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    #[cfg(target_arch = "wasm32")]
    return work();
    #[cfg(not(target_arch = "wasm32"))]
    rayon::scope(|_| work())
}

/// Values from which on it pays to hand a part of them to another core.
const SHARED: usize = 1 << 15;

/// Runs `work` on each item with its number: on all cores, unless these are so few `values` that it takes longer to wake one.
/// What it gives is in the items' order.
fn on_all_cores<T: Send, R: Send>(
    values: usize,
    items: impl IntoIterator<Item = T>,
    work: impl Fn(usize, T) -> R + Sync,
) -> Vec<R> {
    let items = items.into_iter().enumerate();
    // In a browser there is none.
    if cfg!(not(target_arch = "wasm32")) && values >= SHARED {
        #[cfg(not(target_arch = "wasm32"))]
        {
            use rayon::prelude::*;
            return items.collect::<Vec<_>>().into_par_iter().map(|(i, item)| work(i, item)).collect();
        }
    }
    items.map(|(i, item)| work(i, item)).collect()
}

/// Most groups of images that cores take: sums over a group are in order, so they must not depend on how many cores there are.
const GROUPS: usize = 32;

/// Images of a group.
fn groups(images: usize) -> usize {
    images.div_ceil(GROUPS)
}

/// Runs `work` on each group with its number, where all of them are so many vectors of eight values.
fn in_groups<T: Send, R: Send>(
    vectors: usize,
    items: impl IntoIterator<Item = T>,
    work: impl Fn(usize, T) -> R + Sync,
) -> Vec<R> {
    on_all_cores(blocks::LANES * vectors, items, work)
}

/// e to the `x`, to within two units of the last place: 2 to the whole part of x / ln 2, times the Taylor polynomial of the
/// rest. Out of what float32 holds, the nearest that it does.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Added to a number of up to 22 bits it leaves that rounded, as an integer in the last bits.
    const ROUNDED: f32 = 12_582_912.0;
    // ln 2, the first of whose parts has few bits, so that whole multiples of it are exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUNDED;
    let whole = rounded - ROUNDED;
    let rest = x - whole * LN_2[0] - whole * LN_2[1];
    let terms = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let mut sum = 1.0 / 5040.0;
    for term in terms {
        sum = sum * rest + term;
    }
    sum * f32::from_bits((rounded.to_bits() << 23).wrapping_add(1f32.to_bits()))
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_right_in_the_last_digits() {
        for i in -870..=880 {
            let x = i as f32 / 10.0;
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) - expected).abs() <= 2.5e-7 * expected, "{x}: {} for {expected}", exp(x));
        }
        assert_eq!(exp(f32::NEG_INFINITY), exp(-87.0));
        assert_eq!(exp(f32::INFINITY), exp(88.0));
        assert!(exp(f32::NAN).is_nan());
        assert_eq!([sigmoid(0.0), sigmoid(100.0)], [0.5, 1.0]);
    }
}
