//! Layered graph drawing (after Sugiyama, Tagawa and Toda, and Gansner et al.): long connectors pass through every layer
//! between their ends, the orders within layers are improved until few connectors cross, then positions make connectors short
//! and straight.
//!
//! Coordinates are `along` the direction of the connectors and `across` it, so that one drawing serves a wide page (left to
//! right) and a narrow one (top to bottom).

mod cell;
mod coordinates;
mod curve;
mod layers;

pub use cell::{BoxSizes, DerivedCell, place_derived, place_relaxed};
pub use curve::{Direction, curve};

use layers::{LayerOrder, LayeredGraph};

/// Random orders tried besides the given one.
const RESTARTS: usize = 24;
/// Sweeps that improve an order or the positions.
const SWEEPS: usize = 24;

/// A box of the graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vertex {
    /// Its layer; every connector leads to a higher one.
    pub layer: usize,
    /// Its size along the connectors.
    pub length: f32,
    /// Its size across the connectors.
    pub breadth: f32,
}

/// A directed line between two boxes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Connector {
    /// Index of the source.
    pub from: usize,
    /// Index of the target.
    pub to: usize,
    /// Cost of its crossings and bends.
    pub weight: f32,
    /// Room that it takes across its direction.
    pub breadth: f32,
}

/// A position in the drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Position {
    /// Along the connectors.
    pub along: f32,
    /// Across the connectors.
    pub across: f32,
}

/// Room between boxes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spacing {
    /// Desired total length; gaps between layers stretch within their limits to fill it.
    pub length: f32,
    /// Least and largest gap between layers.
    pub gap: (f32, f32),
    /// Gap between neighbours in a layer.
    pub between: f32,
}

/// A graph with every box and connector placed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawing {
    /// Centres of the boxes.
    pub centres: Vec<Position>,
    /// For each connector, the points where it leaves its source, passes the layers between, and reaches its target.
    pub routes: Vec<Vec<Position>>,
    /// Size along the connectors.
    pub length: f32,
    /// Size across the connectors.
    pub breadth: f32,
    /// Pairs of connectors that cross.
    pub crossings: usize,
}

/// Places a graph.
pub fn place(vertices: &[Vertex], connectors: &[Connector], spacing: Spacing) -> Drawing {
    let layers = vertices.iter().map(|v| v.layer + 1).max().unwrap_or(0);
    let mut order: LayerOrder = vec![Vec::new(); layers];
    for (i, vertex) in vertices.iter().enumerate() {
        order[vertex.layer].push(i);
    }
    let graph = LayeredGraph::new(vertices, connectors, &mut order);
    let Some((order, mut across)) = best_order(&graph, order, spacing.between) else { return Drawing::default() };
    // Its mirror image is as good, so of the first layer the box named first comes first.
    if order[0].len() > 1 && across[order[0].iter().copied().min().unwrap_or(0)] > across[order[0][0]] {
        across.iter_mut().for_each(|y| *y = -*y);
    }
    let breadth = graph.start_at_zero(&mut across);
    let (along, length) = layer_centres(vertices, layers, spacing);
    let position = |vertex: usize, layer: usize| Position { along: along[layer], across: across[vertex] };
    let routes = connectors
        .iter()
        .zip(&graph.chains)
        .map(|(connector, chain)| {
            let first = vertices[connector.from].layer;
            let positions = chain.iter().enumerate().map(|(i, &vertex)| position(vertex, first + i));
            let mut route: Vec<Position> = positions.collect();
            let last = route.len() - 1;
            route[0].along += vertices[connector.from].length / 2.0;
            route[last].along -= vertices[connector.to].length / 2.0;
            route
        })
        .collect();
    Drawing {
        centres: vertices.iter().enumerate().map(|(i, v)| position(i, v.layer)).collect(),
        routes,
        length,
        breadth,
        crossings: graph.crossings(&order),
    }
}

/// The best of many orders with the positions across that it leads to: fewest crossings first, among those the connectors
/// that bend least.
fn best_order(graph: &LayeredGraph, given: LayerOrder, between: f32) -> Option<(LayerOrder, Vec<f32>)> {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut best: Option<(f32, f32, LayerOrder, Vec<f32>)> = None;
    for restart in 0..=RESTARTS {
        let mut order = given.clone();
        if restart > 0 {
            order.iter_mut().for_each(|layer| rng.shuffle(layer));
        }
        graph.reduce_crossings(&mut order);
        let crossings = graph.crossing_cost(&order);
        if best.as_ref().is_some_and(|(fewest, ..)| crossings > *fewest) {
            continue;
        }
        let across = graph.positions_across(&order, between);
        let bends = graph.bend_cost(&across);
        if best.as_ref().is_none_or(|(fewest, least, ..)| crossings < *fewest || bends < least - 1e-3) {
            best = Some((crossings, bends, order, across));
        }
    }
    best.map(|(.., order, across)| (order, across))
}

/// Centre of each layer along the connectors, and the total length.
fn layer_centres(vertices: &[Vertex], layers: usize, spacing: Spacing) -> (Vec<f32>, f32) {
    let longest = |layer| vertices.iter().filter(|v| v.layer == layer).map(|v| v.length).fold(0.0, f32::max);
    let lengths: Vec<f32> = (0..layers).map(longest).collect();
    let filled: f32 = lengths.iter().sum();
    let gap = ((spacing.length - filled) / (layers.max(2) - 1) as f32).clamp(spacing.gap.0, spacing.gap.1);
    let mut centres = Vec::with_capacity(layers);
    let mut cursor = 0.0;
    for length in &lengths {
        centres.push(cursor + length / 2.0);
        cursor += length + gap;
    }
    (centres, cursor - gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A planar graph in a bad order comes out without crossings.
    #[test]
    fn a_tree_is_untangled() {
        let vertex = |layer| Vertex { layer, length: 10.0, breadth: 10.0 };
        let vertices: Vec<_> = [0, 1, 1, 2, 2, 2, 2].into_iter().map(vertex).collect();
        let connector = |(from, to)| Connector { from, to, weight: 1.0, breadth: 1.0 };
        let pairs = [(0, 1), (0, 2), (1, 4), (1, 6), (2, 3), (2, 5)];
        let connectors: Vec<_> = pairs.into_iter().map(connector).collect();
        let spacing = Spacing { length: 640.0, gap: (16.0, 60.0), between: 10.0 };
        assert_eq!(place(&vertices, &connectors, spacing).crossings, 0);
    }
}
