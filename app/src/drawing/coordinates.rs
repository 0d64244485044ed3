//! Positions across the connectors, once the order within each layer is settled.

use super::{
    SWEEPS,
    layers::{LayerOrder, LayeredGraph, Segment},
};

impl LayeredGraph {
    /// Positions that minimise the weighted squares of the connectors' slants, neighbours keeping their distance: layer by
    /// layer the exact solution with the other layers fixed.
    pub fn positions_across(&self, order: &LayerOrder, between: f32) -> Vec<f32> {
        let mut across = vec![0.0; self.vertices.len()];
        for layer in order {
            let width: f32 = layer.windows(2).map(|pair| self.distance(pair[0], pair[1], between)).sum();
            let mut cursor = -width / 2.0;
            for (i, &vertex) in layer.iter().enumerate() {
                if i > 0 {
                    cursor += self.distance(layer[i - 1], vertex, between);
                }
                across[vertex] = cursor;
            }
        }
        for sweep in 0..2 * SWEEPS {
            let layers: Vec<usize> =
                if sweep % 2 == 0 { (0..order.len()).collect() } else { (0..order.len()).rev().collect() };
            for layer in layers {
                self.straighten(&order[layer], between, &mut across);
            }
        }
        across
    }

    /// Distance that the centres of two neighbours of a layer keep.
    fn distance(&self, a: usize, b: usize, between: f32) -> f32 {
        let (a, b) = (&self.vertices[a], &self.vertices[b]);
        let gap = if a.dummy || b.dummy { between * 0.75 } else { between };
        (a.breadth + b.breadth) / 2.0 + gap
    }

    /// Moves the vertices of a layer as near to their neighbours in other layers as their distances allow.
    fn straighten(&self, layer: &[usize], between: f32, across: &mut [f32]) {
        let mut offset = 0.0;
        let wanted: Vec<(f32, f32, f32)> = layer
            .iter()
            .enumerate()
            .map(|(i, &vertex)| {
                if i > 0 {
                    offset += self.distance(layer[i - 1], vertex, between);
                }
                let weight: f32 = self.neighbours[vertex].iter().map(|(_, w)| w).sum();
                let pull: f32 = self.neighbours[vertex].iter().map(|&(n, w)| w * across[n]).sum();
                let at = if weight > 0.0 { pull / weight } else { across[vertex] };
                (at - offset, weight.max(1e-3), offset)
            })
            .collect();
        for (&vertex, (at, offset)) in layer.iter().zip(isotonic_regression(&wanted)) {
            across[vertex] = at + offset;
        }
    }

    /// Sum of the weighted slants.
    pub fn bend_cost(&self, across: &[f32]) -> f32 {
        let slant = |s: &Segment| s.weight * (across[s.from] - across[s.to]).abs();
        self.segments.iter().flatten().map(slant).sum()
    }

    /// Shifts all positions so that the drawing begins at 0, and returns its breadth.
    pub fn start_at_zero(&self, across: &mut [f32]) -> f32 {
        let starts = across.iter().zip(&self.vertices).map(|(y, v)| y - v.breadth / 2.0);
        let least = starts.fold(f32::INFINITY, f32::min);
        across.iter_mut().for_each(|y| *y -= least);
        across.iter().zip(&self.vertices).map(|(y, v)| y + v.breadth / 2.0).fold(0.0, f32::max)
    }
}

/// The non-decreasing sequence nearest to the wanted one in weighted squares, by pooling adjacent violators. Takes
/// (wanted, weight, offset) and returns (value, offset).
fn isotonic_regression(wanted: &[(f32, f32, f32)]) -> Vec<(f32, f32)> {
    let mut pools: Vec<(f32, f32, usize)> = Vec::with_capacity(wanted.len());
    for &(at, weight, _) in wanted {
        let mut pool = (at, weight, 1);
        while let Some(&(before, w, n)) = pools.last()
            && before > pool.0
        {
            pools.pop();
            pool = ((before * w + pool.0 * pool.1) / (w + pool.1), w + pool.1, n + pool.2);
        }
        pools.push(pool);
    }
    pools
        .into_iter()
        .flat_map(|(at, _, count)| std::iter::repeat_n(at, count))
        .zip(wanted.iter().map(|w| w.2))
        .collect()
}
