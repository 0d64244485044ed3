//! Cells as graphs: the derived cell with its kept ops as boxes, and the relaxed cell with all its edges.

use super::{Connector, Direction, Drawing, Spacing, Vertex, place};
use crate::cells::{Cells, Kept, Kind};

impl Kind {
    /// Boxes before the first node of a drawing: the inputs, and the first state of a recurrent cell.
    pub const fn boxes_before(self) -> usize {
        self.fixed_connectors() + self.inputs()
    }

    /// Whether a box is an input of the cell.
    pub const fn is_input(self, at: usize) -> bool {
        at < self.input_boxes()
    }

    /// Input boxes of the cell.
    const fn input_boxes(self) -> usize {
        match self.fixed_connectors() {
            0 => self.inputs(),
            sources => sources,
        }
    }

    /// The box of a state.
    pub const fn box_of(self, state: usize) -> usize {
        self.fixed_connectors() + state
    }

    /// Connectors without an op, from the inputs to the first state.
    pub const fn fixed_connectors(self) -> usize {
        self.spec().sources.len()
    }
}

/// A derived cell, placed. Boxes are those of the states with the output, then the kept ops; connectors lead from states to ops
/// and from ops to nodes, by turns, then from nodes to the output, then to a recurrent cell's first state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DerivedCell {
    /// The kept ops, node by node, those of a node in the order of their states.
    pub kept: Vec<Kept>,
    /// Boxes and connectors.
    pub drawing: Drawing,
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
pub fn place_derived(
    cells: &Cells,
    kind: Kind,
    sizes: BoxSizes,
    spacing: Spacing,
    direction: Direction,
) -> DerivedCell {
    let mut kept = cells.kept(kind);
    kept.sort_by_key(|kept| (kept.node, kept.state));
    let before = kind.boxes_before();
    let mut layer = vec![0; kind.input_boxes()];
    layer.resize(before, 1);
    for pair in kept.chunks(kind.kept_a_node()) {
        layer.push(pair.iter().map(|kept| layer[kind.box_of(kept.state)] + 2).max().unwrap_or(0));
    }
    let output = layer.iter().max().map_or(1, |last| last + 1);
    let mut vertices: Vec<Vertex> = layer
        .iter()
        .enumerate()
        .map(|(state, &l)| sizes.vertex(if kind.is_input(state) { sizes.terminal } else { sizes.node }, l, direction))
        .collect();
    vertices.push(sizes.vertex(sizes.terminal, output, direction));
    let states = vertices.len();
    let mut connectors = Vec::new();
    for (i, &Kept { state, node, .. }) in kept.iter().enumerate() {
        vertices.push(sizes.vertex(sizes.op, layer[node + before] - 1, direction));
        connectors.push(Connector { from: kind.box_of(state), to: states + i, weight: 2.0, breadth: 2.0 });
        connectors.push(Connector { from: states + i, to: node + before, weight: 2.0, breadth: 2.0 });
    }
    let outputs = cells.output(kind).iter();
    connectors.extend(outputs.map(|&state| Connector {
        from: kind.box_of(state),
        to: states - 1,
        weight: 1.0,
        breadth: 1.0,
    }));
    connectors.extend(first_state_connectors(kind));
    DerivedCell { kept, drawing: place(&vertices, &connectors, spacing) }
}

fn first_state_connectors(kind: Kind) -> impl Iterator<Item = Connector> {
    (0..kind.fixed_connectors()).map(move |from| Connector { from, to: kind.box_of(0), weight: 2.0, breadth: 1.0 })
}

/// Places the relaxed cell: boxes are those of the states with the output, connectors the edges in the order of the alpha rows
/// (each with room for a strand an op), then one from each node to the output, then those to a recurrent cell's first state.
pub fn place_relaxed(kind: Kind, sizes: BoxSizes, spacing: Spacing, strand: f32, direction: Direction) -> Drawing {
    let (before, nodes) = (kind.boxes_before(), kind.nodes());
    let layer = |at: usize| (at + 1).saturating_sub(kind.input_boxes());
    let mut vertices: Vec<Vertex> = (0..nodes + before)
        .map(|at| sizes.vertex(if kind.is_input(at) { sizes.terminal } else { sizes.node }, layer(at), direction))
        .collect();
    vertices.push(sizes.vertex(sizes.terminal, layer(nodes + before), direction));
    let breadth = strand * (kind.op_count() - 1) as f32;
    let edges = kind.edges().into_iter();
    let mut connectors: Vec<Connector> =
        edges.map(|e| Connector { from: kind.box_of(e.state), to: e.node + before, weight: 2.0, breadth }).collect();
    connectors.extend((0..nodes).map(|node| Connector {
        from: node + before,
        to: nodes + before,
        weight: 1.0,
        breadth: 1.0,
    }));
    connectors.extend(first_state_connectors(kind));
    place(&vertices, &connectors, spacing)
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
            let cells = Task::CONVOLUTIONAL.published_cells(name).unwrap();
            Task::CONVOLUTIONAL.kinds().into_iter().flat_map(move |kind| {
                let cells = cells.clone();
                [Direction::Right, Direction::Down].into_iter().map(move |direction| {
                    let cell = place_derived(&cells, kind, SIZES, SPACING, direction);
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
            assert_eq!((cell.kept.len(), cell.drawing.centres.len()), (8, STATES + 8), "{name}");
            for i in 0..cell.drawing.centres.len() {
                for j in 0..i {
                    let ((li, bi), (lj, bj)) = (size(i, direction), size(j, direction));
                    let (a, b) = (cell.drawing.centres[i], cell.drawing.centres[j]);
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
        for task in Task::all() {
            let published = task.published().filter_map(|name| task.published_cells(name));
            for cells in published.chain((0..20).filter_map(|seed| task.random_cells(seed))) {
                for kind in task.kinds() {
                    let cell = place_derived(&cells, kind, SIZES, SPACING, Direction::Right);
                    let (ops, outputs) = (cells.kept(kind), cells.output(kind).len());
                    assert_eq!(cell.kept.len(), ops.len());
                    assert_eq!(
                        cell.drawing.centres.len(),
                        ops.len() + ops.len() / kind.kept_a_node() + kind.boxes_before() + 1
                    );
                    assert_eq!(cell.drawing.routes.len(), 2 * ops.len() + outputs + kind.fixed_connectors());
                    assert!(cell.kept.iter().all(|kept| ops.contains(kept)));
                    assert!(cell.drawing.centres.iter().all(|at| at.along.is_finite() && at.across.is_finite()));
                    for route in &cell.drawing.routes {
                        assert!(route.windows(2).all(|pair| pair[0].along < pair[1].along), "{route:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn connectors_lead_forward_and_end_at_their_boxes() {
        for (name, cell) in cells() {
            for route in &cell.drawing.routes {
                assert!(route.windows(2).all(|pair| pair[0].along < pair[1].along), "{name}: {route:?}");
            }
            let node = cell.kept[0].node;
            let end = cell.drawing.routes[1].last().unwrap();
            assert_eq!(end.across, cell.drawing.centres[node + 2].across, "{name}");
        }
    }

    #[test]
    fn published_cells_cross_little() {
        for (name, cell) in cells() {
            assert!(cell.drawing.crossings <= 4, "{name}: {}", cell.drawing.crossings);
            assert!(
                cell.drawing.centres[0].across < cell.drawing.centres[1].across,
                "{name}: the inputs keep their order"
            );
        }
    }

    #[test]
    fn the_relaxed_cell_has_every_edge() {
        let [normal, recurrent] = ["normal", "recurrent"].map(|name| Kind::named(name).unwrap());
        let drawing = place_relaxed(normal, SIZES, SPACING, 2.0, Direction::Right);
        assert_eq!((drawing.centres.len(), drawing.routes.len()), (STATES, EDGES + NODES));
        for kind in [normal, recurrent] {
            let drawing = place_relaxed(kind, SIZES, SPACING, 2.0, Direction::Right);
            assert_eq!(drawing.routes.len(), kind.edge_count() + kind.nodes() + kind.fixed_connectors());
            for (edge, route) in kind.edges().into_iter().zip(&drawing.routes) {
                assert_eq!(route[0].across, drawing.centres[kind.box_of(edge.state)].across);
            }
        }
    }
}
