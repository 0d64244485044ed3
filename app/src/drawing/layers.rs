//! The order within each layer: dummy vertices for long connectors, and few crossings (barycentre sweeps and transposition).

use super::{Connector, SWEEPS, Vertex};

/// The vertices of each layer from one side to the other.
pub type LayerOrder = Vec<Vec<usize>>;

/// A box, or the dummy vertex at which a long connector passes a layer.
pub struct LayerVertex {
    pub breadth: f32,
    pub dummy: bool,
}

/// A connector, or the part of a long one, between neighbouring layers.
pub struct Segment {
    pub from: usize,
    pub to: usize,
    pub weight: f32,
}

/// A graph whose connectors lead from each layer to the next.
pub struct LayeredGraph {
    pub vertices: Vec<LayerVertex>,
    /// Segments that leave each layer.
    pub segments: Vec<Vec<Segment>>,
    /// For each vertex, its neighbours with weights.
    pub neighbours: Vec<Vec<(usize, f32)>>,
    /// For each connector, the vertices it passes, ends included.
    pub chains: Vec<Vec<usize>>,
}

impl LayeredGraph {
    /// Cuts long connectors at dummy vertices, which are appended to their layers of `order`.
    pub fn new(boxes: &[Vertex], connectors: &[Connector], order: &mut LayerOrder) -> Self {
        let mut vertices: Vec<LayerVertex> =
            boxes.iter().map(|v| LayerVertex { breadth: v.breadth, dummy: false }).collect();
        let mut segments: Vec<Vec<Segment>> = order.iter().map(|_| Vec::new()).collect();
        let mut chains = Vec::with_capacity(connectors.len());
        for connector in connectors {
            let (first, last) = (boxes[connector.from].layer, boxes[connector.to].layer);
            let mut chain = vec![connector.from];
            for layer in &mut order[first + 1..last] {
                layer.push(vertices.len());
                chain.push(vertices.len());
                vertices.push(LayerVertex { breadth: connector.breadth, dummy: true });
            }
            chain.push(connector.to);
            for (i, ends) in chain.windows(2).enumerate() {
                segments[first + i].push(Segment { from: ends[0], to: ends[1], weight: connector.weight });
            }
            chains.push(chain);
        }
        let mut neighbours = vec![Vec::new(); vertices.len()];
        for segment in segments.iter().flatten() {
            // The stiffer the fewer boxes a part touches: long connectors run straight, and bend at their ends.
            let stiff = match (vertices[segment.from].dummy, vertices[segment.to].dummy) {
                (false, false) => 1.0,
                (true, true) => 8.0,
                _ => 2.0,
            };
            neighbours[segment.from].push((segment.to, stiff * segment.weight));
            neighbours[segment.to].push((segment.from, stiff * segment.weight));
        }
        Self { vertices, segments, neighbours, chains }
    }

    fn ranks(&self, order: &LayerOrder) -> Vec<usize> {
        let mut ranks = vec![0; self.vertices.len()];
        for layer in order {
            for (rank, &vertex) in layer.iter().enumerate() {
                ranks[vertex] = rank;
            }
        }
        ranks
    }

    /// Sum over the crossings between these layers of `of` the weights of both segments.
    fn sum_crossings(&self, ranks: &[usize], layers: std::ops::Range<usize>, of: impl Fn(f32, f32) -> f32) -> f32 {
        let mut sum = 0.0;
        for segments in &self.segments[layers.start..layers.end.min(self.segments.len())] {
            for (i, a) in segments.iter().enumerate() {
                for b in &segments[..i] {
                    let (from, to) = (ranks[a.from].cmp(&ranks[b.from]), ranks[a.to].cmp(&ranks[b.to]));
                    if from.is_ne() && to.is_ne() && from != to {
                        sum += of(a.weight, b.weight);
                    }
                }
            }
        }
        sum
    }

    /// Sum of the products of weights over all crossings.
    pub fn crossing_cost(&self, order: &LayerOrder) -> f32 {
        self.sum_crossings(&self.ranks(order), 0..order.len(), |a, b| a * b)
    }

    /// Number of crossings.
    pub fn crossings(&self, order: &LayerOrder) -> usize {
        self.sum_crossings(&self.ranks(order), 0..order.len(), |_, _| 1.0) as usize
    }

    /// Sorts each layer by the mean rank of its neighbours in the layer before, then after; then swaps neighbours while
    /// that helps.
    pub fn reduce_crossings(&self, order: &mut LayerOrder) {
        let layer_of = {
            let mut layer_of = vec![0; self.vertices.len()];
            for (layer, vertices) in order.iter().enumerate() {
                vertices.iter().for_each(|&vertex| layer_of[vertex] = layer);
            }
            layer_of
        };
        let mut ranks = self.ranks(order);
        let mut best = (self.crossing_cost(order), order.clone());
        for sweep in 0..SWEEPS {
            let forward = sweep % 2 == 0;
            let layers: Vec<usize> =
                if forward { (1..order.len()).collect() } else { (0..order.len() - 1).rev().collect() };
            for layer in layers {
                let beside = if forward { layer - 1 } else { layer + 1 };
                self.sort_by_neighbours(&mut order[layer], beside, &layer_of, &mut ranks);
            }
            self.transpose(order, &mut ranks);
            let cost = self.crossing_cost(order);
            if cost < best.0 {
                best = (cost, order.clone());
            } else if sweep > 3 {
                break;
            }
        }
        *order = best.1;
    }

    /// Sorts a layer by the mean rank of its neighbours in the layer `beside` it.
    fn sort_by_neighbours(&self, layer: &mut [usize], beside: usize, layer_of: &[usize], ranks: &mut [usize]) {
        let mean = |vertex: usize| {
            let near = || self.neighbours[vertex].iter().filter(|(n, _)| layer_of[*n] == beside);
            let count = near().count();
            if count == 0 {
                return ranks[vertex] as f32;
            }
            near().map(|&(n, _)| ranks[n] as f32).sum::<f32>() / count as f32
        };
        let mut keyed: Vec<(f32, usize)> = layer.iter().map(|&vertex| (mean(vertex), vertex)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (rank, (_, vertex)) in keyed.into_iter().enumerate() {
            layer[rank] = vertex;
            ranks[vertex] = rank;
        }
    }

    /// Swaps neighbours of a layer while that saves crossings.
    fn transpose(&self, order: &mut LayerOrder, ranks: &mut [usize]) {
        let mut improved = true;
        while improved {
            improved = false;
            for (layer, vertices) in order.iter_mut().enumerate() {
                let around = layer.saturating_sub(1)..layer + 1;
                for i in 1..vertices.len() {
                    let (a, b) = (vertices[i - 1], vertices[i]);
                    let before = self.sum_crossings(ranks, around.clone(), |a, b| a * b);
                    ranks.swap(a, b);
                    if self.sum_crossings(ranks, around.clone(), |a, b| a * b) < before - 1e-6 {
                        vertices.swap(i - 1, i);
                        improved = true;
                    } else {
                        ranks.swap(a, b);
                    }
                }
            }
        }
    }
}
