//! Geometry of a plot: its axes, and its lines as paths.

use super::{Scale, nice_range, path, thin, ticks};

/// Limit of the points of a drawn line.
pub const MAX_POINTS: usize = 240;

const LEFT: f64 = 34.0;
const RIGHT: f64 = 10.0;
const BOTTOM: f64 = 18.0;
const TOP: f64 = 6.0;

/// Positions of the points of a plot, in steps, and the values of each of its lines there.
pub type Columns = (Vec<f64>, Vec<Vec<f64>>);

/// Ranges and size of a plot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlotSpec {
    /// Range of an empty plot.
    pub empty: (f64, f64),
    /// Limits of the axis.
    pub limits: (f64, f64),
    /// Smallest span of the axis.
    pub min_span: f64,
    /// Every step as a thin line, and its running mean as a bold one.
    pub smooth: bool,
    /// Width and height.
    pub size: (f64, f64),
}

impl PlotSpec {
    /// Left and right end of the lines.
    pub const fn sides(&self) -> (f64, f64) {
        (LEFT, self.size.0 - RIGHT)
    }

    /// Upper and lower end of the lines.
    pub const fn levels(&self) -> (f64, f64) {
        (TOP, self.size.1 - BOTTOM)
    }

    fn x_scale(&self, xs: &[f64]) -> Scale {
        let last = xs.last().copied().unwrap_or(0.0);
        let least = if self.smooth || last > 100.0 { 10.0 } else { 4.0 };
        let (start, end) = self.sides();
        Scale { from: 0.0, to: last.max(least), start, end }
    }

    fn y_scale(&self, values: &[Vec<f64>]) -> Scale {
        let finite = || values.iter().flatten().copied().filter(|v| v.is_finite());
        let (low, high) = if finite().next().is_none() {
            self.empty
        } else {
            (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max))
        };
        let (low, high) = nice_range(low, high, self.min_span, 4);
        let (top, bottom) = self.levels();
        Scale { from: low.max(self.limits.0), to: high.min(self.limits.1), start: bottom, end: top }
    }
}

/// A plot's axes, and its lines as data of SVG paths.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlotGeometry {
    /// The axes.
    pub axes: Axes,
    /// Every step, one path a line; nothing where the plot is not smooth.
    pub thin: Vec<String>,
    /// The values or their running means, one path a line.
    pub bold: Vec<String>,
    /// The values.
    pub columns: Columns,
}

/// A plot's axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axes {
    /// From steps to drawing units.
    pub x: Option<Scale>,
    /// From values to drawing units.
    pub y: Option<Scale>,
    /// Steps that are labelled.
    pub x_ticks: Vec<f64>,
    /// Values that are labelled.
    pub y_ticks: Vec<f64>,
    /// Ends of epochs, in drawing units.
    pub epochs: Vec<f64>,
}

impl Axes {
    /// Position of a step.
    pub fn x(&self, step: f64) -> f64 {
        self.x.map_or(0.0, |scale| scale.at(step))
    }

    /// Position of a value.
    pub fn y(&self, value: f64) -> f64 {
        self.y.map_or(0.0, |scale| scale.at(value))
    }
}

impl PlotGeometry {
    /// The geometry of a plot of these values; `epochs` holds the steps done at the end of each.
    pub fn new(columns: Columns, epochs: &[usize], spec: PlotSpec) -> Self {
        let (xs, values) = &columns;
        let window = (xs.len() / 16).max(1);
        let means: Vec<Vec<f64>> =
            if spec.smooth { values.iter().map(|v| running_mean(v, window)).collect() } else { Vec::new() };
        let (x, y) = (spec.x_scale(xs), spec.y_scale(values));
        let trace = |values: &[f64]| {
            let pairs: Vec<(f64, f64)> = xs.iter().copied().zip(values.iter().copied()).collect();
            let mean = |of: &[(f64, f64)]| {
                let n = of.len() as f64;
                (x.at(of.iter().map(|p| p.0).sum::<f64>() / n), y.at(of.iter().map(|p| p.1).sum::<f64>() / n))
            };
            path(thin(&pairs, MAX_POINTS, mean).into_iter())
        };
        let all = |values: &[Vec<f64>]| values.iter().map(|v| trace(v)).collect();
        let (width, _) = spec.size;
        // None where they would be too close to distinguish.
        let few = epochs.len() as f64 <= (width - LEFT - RIGHT) / 4.0;
        let axes = Axes {
            x: Some(x),
            y: Some(y),
            x_ticks: ticks(x.from, x.to, (width / 70.0) as usize).into_iter().filter(|t| t.fract() == 0.0).collect(),
            y_ticks: ticks(y.from, y.to, 4),
            epochs: epochs.iter().filter(|_| few).map(|&step| x.at(step as f64)).collect(),
        };
        let thin = if spec.smooth { all(values) } else { Vec::new() };
        let bold = all(if spec.smooth { &means } else { values });
        Self { axes, thin, bold, columns }
    }

    /// Index of the point nearest to a step.
    pub fn nearest(&self, step: f64) -> Option<usize> {
        let xs = &self.columns.0;
        let after = xs.partition_point(|&x| x < step);
        let before = after.checked_sub(1);
        match (before, xs.get(after)) {
            (Some(a), Some(b)) if step - xs[a] > b - step => Some(after),
            (Some(a), _) => Some(a),
            (None, Some(_)) => Some(after),
            (None, None) => None,
        }
    }

    /// Position of a point of a line.
    pub fn point(&self, line: usize, index: usize) -> Option<(f64, f64)> {
        let value = *self.columns.1.get(line)?.get(index)?;
        Some((self.axes.x(self.columns.0[index]), self.axes.y(value)))
    }
}

/// Mean of each value with up to `window - 1` before it.
fn running_mean(values: &[f64], window: usize) -> Vec<f64> {
    let mut sum = 0.0;
    values
        .iter()
        .enumerate()
        .map(|(i, value)| {
            sum += value;
            if i >= window {
                sum -= values[i - window];
            }
            sum / window.min(i + 1) as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: PlotSpec =
        PlotSpec { empty: (0.0, 1.0), limits: (0.0, 4.0), min_span: 0.1, smooth: true, size: (340.0, 112.0) };

    #[test]
    fn a_plot_spans_its_values_and_finds_the_nearest_point() {
        let columns = ((1..=20).map(f64::from).collect(), vec![(0..20).map(|i| f64::from(i % 3)).collect()]);
        let plot = PlotGeometry::new(columns, &[10, 20], SPEC);
        assert_eq!((plot.thin.len(), plot.bold.len(), plot.axes.epochs.len()), (1, 1, 2));
        let (left, right) = SPEC.sides();
        assert_eq!((plot.axes.x(0.0), plot.axes.x(20.0)), (left, right));
        let (top, bottom) = SPEC.levels();
        assert_eq!((plot.axes.y(2.0), plot.axes.y(0.0)), (top, bottom));
        assert_eq!([-5.0, 1.4, 1.6, 99.0].map(|step| plot.nearest(step)), [0, 0, 1, 19].map(Some));
        assert_eq!(plot.point(0, 19), Some((right, plot.axes.y(1.0))));
        assert_eq!((plot.point(1, 0), plot.point(0, 20)), (None, None));
    }

    #[test]
    fn an_empty_plot_has_axes() {
        let plot = PlotGeometry::new((vec![], vec![vec![]]), &[], SPEC);
        assert_eq!((plot.nearest(1.0), plot.bold), (None, vec![String::new()]));
        assert!(plot.axes.y.is_some_and(|y| (y.from, y.to) == (0.0, 1.0)));
        assert_eq!(running_mean(&[1.0, 3.0, 5.0], 2), [1.0, 2.0, 4.0]);
    }
}
