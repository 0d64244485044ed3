//! Layered graph layout (after Sugiyama, Tagawa and Toda, and Gansner et al.): long links pass through every layer between
//! their ends, orders within layers are improved until few links cross, then positions make links short and straight.
//!
//! Coordinates are `along` the direction of the links and `across` it, so that one layout serves a wide page (left to
//! right) and a narrow one (top to bottom).

pub use crate::cells::Kept;
use crate::cells::{Cells, Kind};

/// Random orders tried besides the given one.
const RESTARTS: usize = 24;
/// Sweeps that improve an order or the positions.
const SWEEPS: usize = 24;
/// Pieces that a link's curve is cut into, always the same so that a browser can animate from one curve to the next.
const PIECES: usize = 8;

/// A box of the graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vertex {
    /// Its layer; every link leads to a higher one.
    pub layer: usize,
    /// Its size along the links.
    pub length: f32,
    /// Its size across the links.
    pub breadth: f32,
}

/// A link between two boxes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Index of the source.
    pub from: usize,
    /// Index of the target.
    pub to: usize,
    /// How much its crossings and its bends hurt.
    pub weight: f32,
    /// Room that it takes across its direction.
    pub breadth: f32,
}

/// A place in the drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spot {
    /// Along the links.
    pub along: f32,
    /// Across the links.
    pub across: f32,
}

/// Room between boxes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spacing {
    /// Total length wanted; gaps between layers stretch within their limits to fill it.
    pub length: f32,
    /// Least and largest gap between layers.
    pub gap: (f32, f32),
    /// Gap between neighbours in a layer.
    pub between: f32,
}

/// A graph with every box and link placed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// Centres of the boxes.
    pub at: Vec<Spot>,
    /// For each link, where it leaves its source, passes the layers between, and reaches its target.
    pub routes: Vec<Vec<Spot>>,
    /// Size along the links.
    pub length: f32,
    /// Size across the links.
    pub breadth: f32,
    /// Pairs of links that cross.
    pub crossings: usize,
}

/// A box or the place where a long link passes a layer.
struct Stop {
    breadth: f32,
    real: bool,
}

/// A link, or the part of a long one, between neighbouring layers.
struct Segment {
    from: usize,
    to: usize,
    weight: f32,
}

struct Layered {
    stops: Vec<Stop>,
    /// Segments that leave each layer.
    segments: Vec<Vec<Segment>>,
    /// For each stop, its neighbours with weights.
    neighbours: Vec<Vec<(usize, f32)>>,
    /// For each link, the stops it passes, ends included.
    chains: Vec<Vec<usize>>,
}

type Order = Vec<Vec<usize>>;

/// Places a graph.
pub fn place(vertices: &[Vertex], links: &[Link], spacing: Spacing) -> Layout {
    let layers = vertices.iter().map(|v| v.layer + 1).max().unwrap_or(0);
    let mut order: Order = vec![Vec::new(); layers];
    for (i, vertex) in vertices.iter().enumerate() {
        order[vertex.layer].push(i);
    }
    let graph = Layered::new(vertices, links, &mut order);

    let mut rng = fastrand::Rng::with_seed(7);
    // Fewest crossings first; among those the links that bend least.
    let mut best: Option<(f32, f32, Order, Vec<f32>)> = None;
    for restart in 0..=RESTARTS {
        let mut order = order.clone();
        if restart > 0 {
            order.iter_mut().for_each(|layer| rng.shuffle(layer));
        }
        graph.improve(&mut order);
        let crossings = graph.crossing_cost(&order);
        if best.as_ref().is_some_and(|(known, ..)| crossings > *known) {
            continue;
        }
        let across = graph.across(&order, spacing.between);
        let bends = graph.bend_cost(&across);
        if best.as_ref().is_none_or(|(known, least, ..)| crossings < *known || bends < least - 1e-3) {
            best = Some((crossings, bends, order, across));
        }
    }
    let Some((.., order, mut across)) = best else { return Layout::default() };

    // Its mirror image is as good, so of the first layer the box named first comes first.
    if order[0].len() > 1 && across[order[0].iter().copied().min().unwrap_or(0)] > across[order[0][0]] {
        across.iter_mut().for_each(|y| *y = -*y);
    }
    let least = across.iter().zip(&graph.stops).map(|(y, s)| y - s.breadth / 2.0).fold(f32::INFINITY, f32::min);
    across.iter_mut().for_each(|y| *y -= least);
    let breadth = across.iter().zip(&graph.stops).map(|(y, s)| y + s.breadth / 2.0).fold(0.0, f32::max);

    let lengths: Vec<f32> =
        (0..layers).map(|l| vertices.iter().filter(|v| v.layer == l).map(|v| v.length).fold(0.0, f32::max)).collect();
    let filled: f32 = lengths.iter().sum();
    let gap = ((spacing.length - filled) / (layers.max(2) - 1) as f32).clamp(spacing.gap.0, spacing.gap.1);
    let mut along = Vec::with_capacity(layers);
    let mut cursor = 0.0;
    for length in &lengths {
        along.push(cursor + length / 2.0);
        cursor += length + gap;
    }

    let spot = |stop: usize, layer: usize| Spot { along: along[layer], across: across[stop] };
    let routes = links
        .iter()
        .zip(&graph.chains)
        .map(|(link, chain)| {
            let first = vertices[link.from].layer;
            let mut route: Vec<Spot> = chain.iter().enumerate().map(|(i, &stop)| spot(stop, first + i)).collect();
            let last = route.len() - 1;
            route[0].along += vertices[link.from].length / 2.0;
            route[last].along -= vertices[link.to].length / 2.0;
            route
        })
        .collect();
    Layout {
        at: vertices.iter().enumerate().map(|(i, v)| spot(i, v.layer)).collect(),
        routes,
        length: cursor - gap,
        breadth,
        crossings: graph.crossings(&order),
    }
}

impl Layered {
    fn new(vertices: &[Vertex], links: &[Link], order: &mut Order) -> Self {
        let mut stops: Vec<Stop> = vertices.iter().map(|v| Stop { breadth: v.breadth, real: true }).collect();
        let mut segments: Vec<Vec<Segment>> = order.iter().map(|_| Vec::new()).collect();
        let mut chains = Vec::with_capacity(links.len());
        for link in links {
            let (first, last) = (vertices[link.from].layer, vertices[link.to].layer);
            let mut chain = vec![link.from];
            for layer in &mut order[first + 1..last] {
                layer.push(stops.len());
                chain.push(stops.len());
                stops.push(Stop { breadth: link.breadth, real: false });
            }
            chain.push(link.to);
            for (i, ends) in chain.windows(2).enumerate() {
                segments[first + i].push(Segment { from: ends[0], to: ends[1], weight: link.weight });
            }
            chains.push(chain);
        }
        let mut neighbours = vec![Vec::new(); stops.len()];
        for segment in segments.iter().flatten() {
            // The stiffer the fewer boxes a part touches: long links run straight, and bend at their ends.
            let stiff = match (stops[segment.from].real, stops[segment.to].real) {
                (true, true) => 1.0,
                (false, false) => 8.0,
                _ => 2.0,
            };
            neighbours[segment.from].push((segment.to, stiff * segment.weight));
            neighbours[segment.to].push((segment.from, stiff * segment.weight));
        }
        Self { stops, segments, neighbours, chains }
    }

    fn ranks(&self, order: &Order) -> Vec<usize> {
        let mut ranks = vec![0; self.stops.len()];
        for layer in order {
            for (rank, &stop) in layer.iter().enumerate() {
                ranks[stop] = rank;
            }
        }
        ranks
    }

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

    fn crossing_cost(&self, order: &Order) -> f32 {
        self.sum_crossings(&self.ranks(order), 0..order.len(), |a, b| a * b)
    }

    fn crossings(&self, order: &Order) -> usize {
        self.sum_crossings(&self.ranks(order), 0..order.len(), |_, _| 1.0) as usize
    }

    /// Sorts each layer by the mean rank of its neighbours in the layer before, then after; then swaps neighbours while
    /// that helps.
    fn improve(&self, order: &mut Order) {
        let layer_of = {
            let mut layer_of = vec![0; self.stops.len()];
            for (layer, stops) in order.iter().enumerate() {
                stops.iter().for_each(|&stop| layer_of[stop] = layer);
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
                let mean = |stop: usize| {
                    let near = || self.neighbours[stop].iter().filter(|(n, _)| layer_of[*n] == beside);
                    let count = near().count();
                    if count == 0 {
                        return ranks[stop] as f32;
                    }
                    near().map(|&(n, _)| ranks[n] as f32).sum::<f32>() / count as f32
                };
                let mut keyed: Vec<(f32, usize)> = order[layer].iter().map(|&stop| (mean(stop), stop)).collect();
                keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
                for (rank, (_, stop)) in keyed.into_iter().enumerate() {
                    order[layer][rank] = stop;
                    ranks[stop] = rank;
                }
            }
            self.swap_neighbours(order, &mut ranks);
            let cost = self.crossing_cost(order);
            if cost < best.0 {
                best = (cost, order.clone());
            } else if sweep > 3 {
                break;
            }
        }
        *order = best.1;
    }

    fn swap_neighbours(&self, order: &mut Order, ranks: &mut [usize]) {
        let mut improved = true;
        while improved {
            improved = false;
            for (layer, states) in order.iter_mut().enumerate() {
                let around = layer.saturating_sub(1)..layer + 1;
                for i in 1..states.len() {
                    let (a, b) = (states[i - 1], states[i]);
                    let before = self.sum_crossings(ranks, around.clone(), |a, b| a * b);
                    ranks.swap(a, b);
                    if self.sum_crossings(ranks, around.clone(), |a, b| a * b) < before - 1e-6 {
                        states.swap(i - 1, i);
                        improved = true;
                    } else {
                        ranks.swap(a, b);
                    }
                }
            }
        }
    }

    /// Positions that minimise the weighted squares of the links' slants, neighbours keeping their distance: layer by layer
    /// the exact solution with the other layers held.
    fn across(&self, order: &Order, between: f32) -> Vec<f32> {
        let mut across = vec![0.0; self.stops.len()];
        let distance = |a: usize, b: usize| {
            let gap = if self.stops[a].real && self.stops[b].real { between } else { between * 0.75 };
            (self.stops[a].breadth + self.stops[b].breadth) / 2.0 + gap
        };
        for layer in order {
            let width: f32 = layer.windows(2).map(|pair| distance(pair[0], pair[1])).sum();
            let mut cursor = -width / 2.0;
            for (i, &stop) in layer.iter().enumerate() {
                if i > 0 {
                    cursor += distance(layer[i - 1], stop);
                }
                across[stop] = cursor;
            }
        }
        for sweep in 0..2 * SWEEPS {
            let layers: Vec<usize> =
                if sweep % 2 == 0 { (0..order.len()).collect() } else { (0..order.len()).rev().collect() };
            for layer in layers {
                let stops = &order[layer];
                let mut offset = 0.0;
                let wanted: Vec<(f32, f32, f32)> = stops
                    .iter()
                    .enumerate()
                    .map(|(i, &stop)| {
                        if i > 0 {
                            offset += distance(stops[i - 1], stop);
                        }
                        let weight: f32 = self.neighbours[stop].iter().map(|(_, w)| w).sum();
                        let pull: f32 = self.neighbours[stop].iter().map(|&(n, w)| w * across[n]).sum();
                        let at = if weight > 0.0 { pull / weight } else { across[stop] };
                        (at - offset, weight.max(1e-3), offset)
                    })
                    .collect();
                for (&stop, (at, offset)) in stops.iter().zip(isotonic(&wanted)) {
                    across[stop] = at + offset;
                }
            }
        }
        across
    }

    fn bend_cost(&self, across: &[f32]) -> f32 {
        let slant = |s: &Segment| s.weight * (across[s.from] - across[s.to]).abs();
        self.segments.iter().flatten().map(slant).sum()
    }
}

/// The non-decreasing sequence nearest to the wanted one in weighted squares, by pooling adjacent violators. Takes
/// (wanted, weight, offset) and returns (value, offset).
fn isotonic(wanted: &[(f32, f32, f32)]) -> Vec<(f32, f32)> {
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

/// Which way the links of a drawing run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Left to right.
    #[default]
    Right,
    /// Top to bottom.
    Down,
}

impl Direction {
    /// A place in drawing coordinates.
    pub fn xy(self, spot: Spot) -> (f32, f32) {
        match self {
            Self::Right => (spot.along, spot.across),
            Self::Down => (spot.across, spot.along),
        }
    }
}

/// The smooth curve along a route as the data of an SVG path; `shift` moves it across, for links drawn as several strands.
pub fn curve(route: &[Spot], direction: Direction, shift: f32) -> String {
    use std::fmt::Write;
    let stations = stations(route);
    let point = |along: f32, across: f32| direction.xy(Spot { along, across: across + shift });
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
fn stations(route: &[Spot]) -> Vec<(f32, f32, f32)> {
    let slope = |a: Spot, b: Spot| (b.across - a.across) / (b.along - a.along).max(1e-3);
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

impl Kind {
    /// Boxes before the first node of a drawing: what comes into the cell, and the state that a recurrent cell makes of it.
    pub const fn boxes_before(self) -> usize {
        match self {
            Self::Normal | Self::Reduce => 2,
            Self::Recurrent => 3,
        }
    }

    /// Whether a box is where something comes into the cell.
    pub const fn comes_in(self, state: usize) -> bool {
        state < 2
    }

    /// The box of a state.
    pub const fn box_of(self, state: usize) -> usize {
        match self {
            Self::Normal | Self::Reduce => state,
            Self::Recurrent => state + 2,
        }
    }

    /// Links that lead from what comes in to the first state, which no op is on.
    pub const fn fixed_links(self) -> usize {
        match self {
            Self::Normal | Self::Reduce => 0,
            Self::Recurrent => 2,
        }
    }
}

/// A derived cell, placed. Boxes are those of the states with the output, then the kept ops; links lead from states to ops
/// and from ops to nodes, by turns, then from nodes to the output, then to a recurrent cell's first state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DerivedCell {
    /// The kept ops, node by node, those of a node in the order of their states.
    pub kept: Vec<Kept>,
    /// Boxes and links.
    pub layout: Layout,
}

/// Sizes of a cell's boxes, in drawing units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoxSizes {
    /// Input, output: width and height.
    pub terminal: (f32, f32),
    /// Node: width and height.
    pub node: (f32, f32),
    /// Op: width and height.
    pub op: (f32, f32),
}

impl BoxSizes {
    fn vertex(&self, (width, height): (f32, f32), layer: usize, direction: Direction) -> Vertex {
        match direction {
            Direction::Right => Vertex { layer, length: width, breadth: height },
            Direction::Down => Vertex { layer, length: height, breadth: width },
        }
    }
}

/// Places cells of one kind, well formed and with any number of nodes.
pub fn derived_cell(cells: &Cells, kind: Kind, sizes: BoxSizes, spacing: Spacing, direction: Direction) -> DerivedCell {
    let mut kept = cells.kept(kind);
    kept.sort_by_key(|kept| (kept.node, kept.state));
    let before = kind.boxes_before();
    let mut layer = vec![0, 0];
    if kind == Kind::Recurrent {
        layer.push(1);
    }
    for pair in kept.chunks(kind.kept_a_node()) {
        layer.push(pair.iter().map(|kept| layer[kind.box_of(kept.state)] + 2).max().unwrap_or(0));
    }
    let output = layer.iter().max().map_or(1, |last| last + 1);
    let mut vertices: Vec<Vertex> = layer
        .iter()
        .enumerate()
        .map(|(state, &l)| sizes.vertex(if kind.comes_in(state) { sizes.terminal } else { sizes.node }, l, direction))
        .collect();
    vertices.push(sizes.vertex(sizes.terminal, output, direction));
    let states = vertices.len();
    let mut links = Vec::new();
    for (i, &Kept { state, node, .. }) in kept.iter().enumerate() {
        vertices.push(sizes.vertex(sizes.op, layer[node + before] - 1, direction));
        links.push(Link { from: kind.box_of(state), to: states + i, weight: 2.0, breadth: 2.0 });
        links.push(Link { from: states + i, to: node + before, weight: 2.0, breadth: 2.0 });
    }
    let outputs = cells.output(kind).iter();
    links.extend(outputs.map(|&state| Link { from: kind.box_of(state), to: states - 1, weight: 1.0, breadth: 1.0 }));
    links.extend(first_state_links(kind));
    DerivedCell { kept, layout: place(&vertices, &links, spacing) }
}

fn first_state_links(kind: Kind) -> impl Iterator<Item = Link> {
    (0..kind.fixed_links()).map(|from| Link { from, to: 2, weight: 2.0, breadth: 1.0 })
}

/// Places the relaxed cell: boxes are those of the states with the output, links the edges in the order of the alpha rows
/// (each with room for a strand an op), then one from each node to the output, then those to a recurrent cell's first state.
pub fn relaxed(kind: Kind, sizes: BoxSizes, spacing: Spacing, strand: f32, direction: Direction) -> Layout {
    let (before, nodes) = (kind.boxes_before(), kind.nodes());
    let layer = |at: usize| at.saturating_sub(1);
    let mut vertices: Vec<Vertex> = (0..nodes + before)
        .map(|at| sizes.vertex(if kind.comes_in(at) { sizes.terminal } else { sizes.node }, layer(at), direction))
        .collect();
    vertices.push(sizes.vertex(sizes.terminal, layer(nodes + before), direction));
    let breadth = strand * (kind.op_count() - 1) as f32;
    let edges = kind.edges().into_iter();
    let mut links: Vec<Link> =
        edges.map(|e| Link { from: kind.box_of(e.state), to: e.node + before, weight: 2.0, breadth }).collect();
    links.extend((0..nodes).map(|node| Link { from: node + before, to: nodes + before, weight: 1.0, breadth: 1.0 }));
    links.extend(first_state_links(kind));
    place(&vertices, &links, spacing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::Task;
    use darts_engine::space::{EDGES, NODES};

    /// Boxes of a convolutional cell that is searched, its output among them.
    const STATES: usize = NODES + 3;

    const SIZES: BoxSizes = BoxSizes { terminal: (40.0, 24.0), node: (24.0, 24.0), op: (54.0, 20.0) };
    const SPACING: Spacing = Spacing { length: 640.0, gap: (16.0, 60.0), between: 10.0 };

    fn cells() -> impl Iterator<Item = (String, DerivedCell)> {
        ["DARTS_V1", "DARTS_V2"].into_iter().flat_map(|name| {
            let cells = Task::Convolutional.published_cells(name).unwrap();
            [Kind::Normal, Kind::Reduce].into_iter().flat_map(move |kind| {
                let cells = cells.clone();
                [Direction::Right, Direction::Down].into_iter().map(move |direction| {
                    let cell = derived_cell(&cells, kind, SIZES, SPACING, direction);
                    (format!("{name}, {}, {direction:?}", kind.name()), cell)
                })
            })
        })
    }

    fn size(index: usize, direction: Direction) -> (f32, f32) {
        let (w, h) = match index {
            0 | 1 | 6 => SIZES.terminal,
            2..6 => SIZES.node,
            _ => SIZES.op,
        };
        if direction == Direction::Right { (w, h) } else { (h, w) }
    }

    #[test]
    fn no_two_boxes_of_a_published_cell_overlap() {
        for (name, cell) in cells() {
            let direction = if name.ends_with("Right") { Direction::Right } else { Direction::Down };
            assert_eq!((cell.kept.len(), cell.layout.at.len()), (8, STATES + 8), "{name}");
            for i in 0..cell.layout.at.len() {
                for j in 0..i {
                    let ((li, bi), (lj, bj)) = (size(i, direction), size(j, direction));
                    let (a, b) = (cell.layout.at[i], cell.layout.at[j]);
                    let apart = (a.along - b.along).abs() >= (li + lj) / 2.0
                        || (a.across - b.across).abs() >= (bi + bj) / 2.0 - 1e-3;
                    assert!(apart, "{name}: boxes {i} and {j} overlap");
                }
            }
        }
    }

    /// Cells of other searches have more nodes, and read inputs twice or put them out.
    #[test]
    fn every_published_cell_can_be_drawn() {
        for task in [Task::Convolutional, Task::Recurrent] {
            let published = task.published().iter().filter_map(|name| task.published_cells(name));
            for cells in published.chain((0..20).filter_map(|seed| task.random_cells(seed))) {
                for &kind in task.kinds() {
                    let cell = derived_cell(&cells, kind, SIZES, SPACING, Direction::Right);
                    let (ops, outputs) = (cells.kept(kind), cells.output(kind).len());
                    assert_eq!(cell.kept.len(), ops.len());
                    assert_eq!(
                        cell.layout.at.len(),
                        ops.len() + ops.len() / kind.kept_a_node() + kind.boxes_before() + 1
                    );
                    assert_eq!(cell.layout.routes.len(), 2 * ops.len() + outputs + kind.fixed_links());
                    assert!(cell.kept.iter().all(|kept| ops.contains(kept)));
                    assert!(cell.layout.at.iter().all(|spot| spot.along.is_finite() && spot.across.is_finite()));
                    for route in &cell.layout.routes {
                        assert!(route.windows(2).all(|pair| pair[0].along < pair[1].along), "{route:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn links_lead_forward_and_end_at_their_boxes() {
        for (name, cell) in cells() {
            for route in &cell.layout.routes {
                assert!(route.windows(2).all(|pair| pair[0].along < pair[1].along), "{name}: {route:?}");
            }
            let node = Kind::Normal.edges()[cell.kept[0].edge].node;
            let end = cell.layout.routes[1].last().unwrap();
            assert_eq!(end.across, cell.layout.at[node + 2].across, "{name}");
        }
    }

    #[test]
    fn published_cells_cross_little() {
        for (name, cell) in cells() {
            println!("{name} {}", cell.layout.crossings);
            assert!(cell.layout.crossings <= 4, "{name}: {}", cell.layout.crossings);
            assert!(cell.layout.at[0].across < cell.layout.at[1].across, "{name}: the inputs keep their order");
        }
    }

    /// A planar graph in a bad order comes out without crossings.
    #[test]
    fn a_tree_is_untangled() {
        let vertex = |layer| Vertex { layer, length: 10.0, breadth: 10.0 };
        let vertices: Vec<_> = [0, 1, 1, 2, 2, 2, 2].into_iter().map(vertex).collect();
        let link = |(from, to)| Link { from, to, weight: 1.0, breadth: 1.0 };
        let links: Vec<_> = [(0, 1), (0, 2), (1, 4), (1, 6), (2, 3), (2, 5)].into_iter().map(link).collect();
        assert_eq!(place(&vertices, &links, SPACING).crossings, 0);
    }

    #[test]
    fn the_relaxed_cell_has_every_edge() {
        let layout = relaxed(Kind::Normal, SIZES, SPACING, 2.0, Direction::Right);
        assert_eq!((layout.at.len(), layout.routes.len()), (STATES, EDGES + NODES));
        for kind in [Kind::Normal, Kind::Recurrent] {
            let layout = relaxed(kind, SIZES, SPACING, 2.0, Direction::Right);
            assert_eq!(layout.routes.len(), kind.edge_count() + kind.nodes() + kind.fixed_links());
            for (edge, route) in kind.edges().into_iter().zip(&layout.routes) {
                assert_eq!(route[0].across, layout.at[kind.box_of(edge.state)].across);
            }
        }
    }

    #[test]
    fn a_curve_starts_and_ends_where_its_route_does() {
        let route =
            [Spot { along: 0.0, across: 0.0 }, Spot { along: 50.0, across: 30.0 }, Spot { along: 80.0, across: 30.0 }];
        let path = curve(&route, Direction::Right, 0.0);
        assert!(path.starts_with("M0.0 0.0C") && path.ends_with("80.0 30.0"));
        assert_eq!(path.matches('C').count(), PIECES);
        assert!(curve(&route, Direction::Down, 0.0).ends_with("30.0 80.0"));
    }
}
