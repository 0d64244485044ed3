//! Smooth curves along routes, as the data of SVG paths.

use super::Position;

/// Pieces that a curve is cut into, always the same so that a browser can animate from one curve to the next.
const PIECES: usize = 8;

/// Direction of the connectors of a drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Left to right.
    #[default]
    Right,
    /// Top to bottom.
    Down,
}

impl Direction {
    /// A position in drawing coordinates.
    pub fn xy(self, position: Position) -> (f32, f32) {
        match self {
            Self::Right => (position.along, position.across),
            Self::Down => (position.across, position.along),
        }
    }
}

/// The smooth curve along a route as the data of an SVG path; `shift` moves it across, for connectors drawn as several
/// strands.
pub fn curve(route: &[Position], direction: Direction, shift: f32) -> String {
    use std::fmt::Write;
    let stations = stations(route);
    let point = |along: f32, across: f32| direction.xy(Position { along, across: across + shift });
    let (x, y) = point(stations[0].0, stations[0].1);
    let mut path = format!("M{x:.1} {y:.1}");
    for pair in stations.windows(2) {
        let ((a, ya, ma), (b, yb, mb)) = (pair[0], pair[1]);
        let third = (b - a) / 3.0;
        let (x1, y1) = point(a + third, ya + third * ma);
        let (x2, y2) = point(b - third, yb - third * mb);
        let (x, y) = point(b, yb);
        let _ = write!(path, "C{x1:.1} {y1:.1} {x2:.1} {y2:.1} {x:.1} {y:.1}");
    }
    path
}

/// Evenly spaced stations (along, across, slope) of the monotone cubic through the route, level at both ends.
fn stations(route: &[Position]) -> Vec<(f32, f32, f32)> {
    let slope = |a: Position, b: Position| (b.across - a.across) / (b.along - a.along).max(1e-3);
    let slopes: Vec<f32> = (0..route.len())
        .map(|i| {
            if i == 0 || i + 1 == route.len() {
                return 0.0;
            }
            let (before, after) = (slope(route[i - 1], route[i]), slope(route[i], route[i + 1]));
            if before * after <= 0.0 { 0.0 } else { 2.0 * before * after / (before + after) }
        })
        .collect();
    let (start, end) = (route[0].along, route[route.len() - 1].along);
    (0..=PIECES)
        .map(|piece| {
            let along = start + (end - start) * piece as f32 / PIECES as f32;
            let i = route.windows(2).position(|pair| along <= pair[1].along).unwrap_or(route.len() - 2);
            let (a, b) = (route[i], route[i + 1]);
            let h = (b.along - a.along).max(1e-3);
            let t = ((along - a.along) / h).clamp(0.0, 1.0);
            let (t2, t3) = (t * t, t * t * t);
            let (ma, mb) = (slopes[i] * h, slopes[i + 1] * h);
            let across = (2.0 * t3 - 3.0 * t2 + 1.0) * a.across
                + (t3 - 2.0 * t2 + t) * ma
                + (3.0 * t2 - 2.0 * t3) * b.across
                + (t3 - t2) * mb;
            let rise = (6.0 * t2 - 6.0 * t) * (a.across - b.across)
                + (3.0 * t2 - 4.0 * t + 1.0) * ma
                + (3.0 * t2 - 2.0 * t) * mb;
            (along, across, rise / h)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_starts_and_ends_where_its_route_does() {
        let route = [(0.0, 0.0), (50.0, 30.0), (80.0, 30.0)].map(|(along, across)| Position { along, across });
        let path = curve(&route, Direction::Right, 0.0);
        assert!(path.starts_with("M0.0 0.0C") && path.ends_with("80.0 30.0"));
        assert_eq!(path.matches('C').count(), PIECES);
        assert!(curve(&route, Direction::Down, 0.0).ends_with("30.0 80.0"));
    }
}
