//! Alphas over time.

use crate::cells::{Cells, Matrices};
use darts_engine::intervention::{AlphaMask, Intervention};

/// Moments whose alphas are kept before every second one is dropped.
pub(super) const FRAMES: usize = 2048;

/// Alphas at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Search steps done by then.
    pub steps: usize,
    /// Epoch, from 0.
    pub epoch: usize,
    /// Alphas.
    pub alphas: Matrices,
    /// Entropy in bits of each edge's distribution over the ops, those of the first kind of cell first.
    pub entropy: Vec<f32>,
    /// Kept when others are dropped: the derived cells changed here, the user intervened, or an epoch ended.
    marked: bool,
}

impl Frame {
    pub(super) fn new(steps: usize, epoch: usize, alphas: Matrices, marked: bool) -> Self {
        let entropy = entropies(&alphas.softmax());
        Self { steps, epoch, alphas, entropy, marked }
    }

    /// Moment to draw, as it would be after these interventions.
    pub(super) fn moment(&self, what_if: &[Intervention]) -> Moment {
        let mut alphas = self.alphas.clone();
        let mut mask = AlphaMask::new();
        for &intervention in what_if {
            alphas.intervene(intervention, &mut mask);
        }
        let weights = alphas.softmax();
        let (entropy, genotype) = (entropies(&weights), alphas.cells());
        Moment { steps: self.steps, epoch: self.epoch, alphas, weights, genotype, entropy }
    }
}

/// Content of the pictures: the alphas at one moment and all that follows from them.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// Search steps done.
    pub steps: usize,
    /// Epoch, from 0.
    pub epoch: usize,
    /// Alphas.
    pub alphas: Matrices,
    /// Op weights.
    pub weights: Matrices,
    /// Cells that would be derived.
    pub genotype: Cells,
    /// Entropy of each edge in bits, those of the first kind of cell first.
    pub entropy: Vec<f32>,
}

/// Entropy of a distribution in bits: 3 for eight ops that count the same, 0 where one has all the weight.
pub fn entropy(weights: &[f32]) -> f32 {
    -weights.iter().filter(|&&weight| weight > 0.0).map(|weight| weight * weight.log2()).sum::<f32>()
}

fn entropies(weights: &Matrices) -> Vec<f32> {
    weights.rows().map(|row| entropy(row)).collect()
}

/// Alphas over time in bounded memory: whenever there are too many moments, every second one that is not marked goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Frames {
    frames: Vec<Frame>,
    stride: usize,
    since: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self { frames: Vec::new(), stride: 1, since: 0 }
    }
}

impl Frames {
    /// Moments in order; the last one is the latest.
    pub fn all(&self) -> &[Frame] {
        &self.frames
    }

    /// Place of the last moment at which no more than `steps` were done.
    pub fn at(&self, steps: usize) -> Option<usize> {
        let after = self.frames.partition_point(|frame| frame.steps <= steps);
        after.checked_sub(1).or((!self.frames.is_empty()).then_some(0))
    }

    pub(super) fn push(&mut self, frame: Frame) {
        // The latest moment is always there; it stays if it is marked, or as many have passed as are passed over.
        if let Some(last) = self.frames.last()
            && self.frames.len() > 1
            && !last.marked
            && (self.since < self.stride || last.steps == frame.steps)
        {
            self.frames.pop();
        } else {
            self.since = 0;
        }
        self.since += 1;
        self.frames.push(frame);
        if self.frames.len() >= FRAMES {
            self.thin(true);
            if self.frames.len() > FRAMES * 3 / 4 {
                self.thin(false);
            }
            self.stride *= 2;
        }
    }

    /// Drops every second moment except the last and, if they are kept, the marked ones.
    fn thin(&mut self, keep_marked: bool) {
        let (mut i, last) = (0, self.frames.len() - 1);
        self.frames.retain(|frame| {
            i += 1;
            (i - 1) % 2 == 0 || i - 1 == last || (keep_marked && frame.marked)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darts_engine::space::{Alphas, CONVOLUTIONAL};

    fn frame(steps: usize, marked: bool) -> Frame {
        Frame::new(steps, 0, Matrices(Alphas::zeros(CONVOLUTIONAL)), marked)
    }

    #[test]
    fn a_long_run_keeps_its_marked_moments_in_bounded_memory() {
        let mut frames = Frames::default();
        let steps = 20 * FRAMES;
        for i in 0..steps {
            frames.push(frame(i, i % 1000 == 7));
            assert_eq!(frames.all().last().unwrap().steps, i);
        }
        assert!(frames.all().len() < FRAMES, "{}", frames.all().len());
        assert!(frames.all().len() > FRAMES / 4, "{}", frames.all().len());
        assert!(frames.all().is_sorted_by(|a, b| a.steps < b.steps));
        for mark in (7..steps).step_by(1000) {
            assert_eq!(frames.all()[frames.at(mark).unwrap()].steps, mark);
        }
        let gap = frames.all().windows(2).map(|pair| pair[1].steps - pair[0].steps).max().unwrap();
        assert!(gap <= 4 * steps / FRAMES, "{gap}");
        // Marks alone do not break the bound.
        let mut frames = Frames::default();
        (0..5 * FRAMES).for_each(|i| frames.push(frame(i, true)));
        assert!(frames.all().len() < FRAMES);
    }

    #[test]
    fn entropy_is_in_bits() {
        assert_eq!((entropy(&[0.125; 8]), entropy(&[1.0, 0.0])), (3.0, 0.0));
    }
}
