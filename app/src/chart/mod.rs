//! Scales, ticks and paths of the curves.

mod geometry;

pub use geometry::{Axes, Columns, MAX_POINTS, PlotGeometry, PlotSpec};

/// A linear map from values to drawing units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// First value.
    pub from: f64,
    /// Last value.
    pub to: f64,
    /// Position of the first value.
    pub start: f64,
    /// Position of the last value.
    pub end: f64,
}

impl Scale {
    /// Position of a value.
    pub fn at(&self, value: f64) -> f64 {
        let span = if self.to == self.from { 1.0 } else { self.to - self.from };
        self.start + (value - self.from) / span * (self.end - self.start)
    }

    /// The value drawn there.
    pub fn value(&self, at: f64) -> f64 {
        let span = if self.end == self.start { 1.0 } else { self.end - self.start };
        self.from + (at - self.start) / span * (self.to - self.from)
    }
}

/// A step of 1, 2 or 5 times a power of ten that cuts the range into at most `most` parts.
fn tick_step(range: f64, most: usize) -> f64 {
    let raw = range / most as f64;
    let power = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|&step| step >= raw * (1.0 - 1e-9)).unwrap_or(raw)
}

/// Round values inside the range, at most `most + 1` of them.
pub fn ticks(from: f64, to: f64, most: usize) -> Vec<f64> {
    if !(from.is_finite() && to.is_finite()) || to <= from || most == 0 {
        return Vec::new();
    }
    let step = tick_step(to - from, most);
    let first = (from / step - 1e-9).ceil() as i64;
    let last = (to / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// The range widened to whole ticks, at least `least` wide.
pub fn nice_range(from: f64, to: f64, least: f64, most: usize) -> (f64, f64) {
    let short = (least - (to - from)).max(0.0) / 2.0;
    let (from, to) = (from - short, to + short);
    let step = tick_step(to - from, most);
    ((from / step + 1e-9).floor() * step, (to / step - 1e-9).ceil() * step)
}

/// A number with as many decimals as ticks this far apart need.
pub fn tick_label(value: f64, ticks: &[f64]) -> String {
    let step = ticks.get(1).map_or(1.0, |second| (second - ticks[0]).abs());
    let decimals = (-step.log10()).ceil().clamp(0.0, 6.0) as usize;
    format!("{:.decimals$}", value + 0.0)
}

/// The SVG path through the points; a point that is not finite leaves a gap.
pub fn path(points: impl Iterator<Item = (f64, f64)>) -> String {
    use std::fmt::Write;
    let mut path = String::new();
    let mut pen = 'M';
    for (x, y) in points {
        if x.is_finite() && y.is_finite() {
            let _ = write!(path, "{pen}{x:.1} {y:.1}");
            pen = 'L';
        } else {
            pen = 'M';
        }
    }
    path
}

/// At most `most` points: neighbours are replaced by their mean.
pub fn thin<T: Copy>(points: &[T], most: usize, mean: impl Fn(&[T]) -> (f64, f64)) -> Vec<(f64, f64)> {
    points.chunks(points.len().div_ceil(most.max(1)).max(1)).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let close = |a: Vec<f64>, b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(close(ticks(0.0, 1.0, 4), &[0.0, 0.5, 1.0]));
        assert!(close(ticks(1.93, 2.41, 5), &[2.0, 2.1, 2.2, 2.3, 2.4]));
        assert!(close(ticks(0.0, 1250.0, 5), &[0.0, 500.0, 1000.0]));
        assert!(ticks(1.0, 1.0, 4).is_empty() && ticks(f64::NAN, 1.0, 4).is_empty());
        let (from, to) = nice_range(0.1239, 0.1262, 0.02, 4);
        assert!(from <= 0.1239 && to >= 0.1262 && to - from >= 0.02);
        assert_eq!(tick_label(0.125, &[0.12, 0.125]), "0.125");
        assert_eq!(tick_label(-0.0, &[0.0, 1.0]), "0");
    }

    #[test]
    fn a_gap_is_left_where_a_value_is_not_finite() {
        let points = [(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0), (3.0, 4.0)];
        assert_eq!(path(points.into_iter()), "M0.0 1.0M2.0 3.0L3.0 4.0");
    }

    #[test]
    fn scale_is_invertible_even_when_flat() {
        let scale = Scale { from: 2.0, to: 4.0, start: 100.0, end: 0.0 };
        assert_eq!(scale.at(3.0), 50.0);
        assert_eq!(scale.value(50.0), 3.0);
        assert!(Scale { from: 1.0, to: 1.0, ..scale }.at(1.0).is_finite());
    }
}
