//! Sizes of the drawing of a cell, and a cache of drawings.
//!
//! `direction` is that of graphs on the page; the connectors of a drawing run along its [`flow`].

use darts_app::{
    cells::{Cells, Kind},
    drawing::{BoxSizes, DerivedCell, Direction, Drawing, Position, Spacing, place_derived, place_relaxed},
};
use std::{cell::RefCell, collections::HashMap};

/// Distance between the strands of a relaxed edge.
pub const STRAND: f32 = 2.6;
/// Limit of the cached drawings, so that going back and forth in time does not place cells again.
const MAX_CACHED: usize = 512;

type Key = (Cells, Kind, bool);

thread_local! {
    static CACHE: RefCell<HashMap<Key, DerivedCell>> = RefCell::new(HashMap::new());
}

/// Size of the drawing of a kind of cell.
const fn canvas(kind: Kind, direction: Direction) -> (f32, f32) {
    match (kind.is_deep(), direction) {
        (true, Direction::Right) => (560.0, 560.0),
        (true, Direction::Down) => (360.0, 480.0),
        (_, Direction::Right) => (640.0, 262.0),
        (_, Direction::Down) => (360.0, 430.0),
    }
}

/// The direction of the connectors; those of deep cells always run down.
pub const fn flow(kind: Kind, direction: Direction) -> Direction {
    if kind.is_deep() { Direction::Down } else { direction }
}

pub const fn sizes(kind: Kind, direction: Direction) -> BoxSizes {
    match (kind.is_deep(), direction) {
        (true, _) => BoxSizes { terminal: (46.0, 26.0), node: (24.0, 24.0), op: (58.0, 19.0) },
        (_, Direction::Right) => BoxSizes { terminal: (42.0, 26.0), node: (26.0, 26.0), op: (64.0, 20.0) },
        (_, Direction::Down) => BoxSizes { terminal: (46.0, 26.0), node: (26.0, 26.0), op: (36.0, 30.0) },
    }
}

const fn derived_spacing(kind: Kind, direction: Direction) -> Spacing {
    match (kind.is_deep(), direction) {
        (true, Direction::Right) => Spacing { length: 554.0, gap: (9.0, 64.0), between: 22.0 },
        (true, Direction::Down) => Spacing { length: 474.0, gap: (9.0, 44.0), between: 8.0 },
        (_, Direction::Right) => Spacing { length: 634.0, gap: (12.0, 68.0), between: 13.0 },
        (_, Direction::Down) => Spacing { length: 424.0, gap: (12.0, 34.0), between: 7.0 },
    }
}

const fn relaxed_spacing(kind: Kind, direction: Direction) -> Spacing {
    match (kind.is_deep(), direction) {
        (true, Direction::Right) => Spacing { length: 554.0, gap: (20.0, 32.0), between: 9.0 },
        (true, Direction::Down) => Spacing { length: 474.0, gap: (16.0, 32.0), between: 6.0 },
        (_, Direction::Right) => Spacing { length: 600.0, gap: (40.0, 84.0), between: 10.0 },
        (_, Direction::Down) => Spacing { length: 424.0, gap: (40.0, 60.0), between: 10.0 },
    }
}

/// The drawing of a derived cell, new or from the cache.
pub fn draw_derived(cells: Cells, kind: Kind, direction: Direction) -> DerivedCell {
    let key = (cells, kind, direction == Direction::Down);
    CACHE.with_borrow_mut(|cache| {
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        let draw = |(cells, ..): &Key| {
            let spacing = derived_spacing(kind, direction);
            place_derived(cells, kind, sizes(kind, direction), spacing, flow(kind, direction))
        };
        cache.entry(key.clone()).or_insert_with(|| draw(&key)).clone()
    })
}

/// The drawing of the relaxed cell.
pub fn draw_relaxed(kind: Kind, direction: Direction) -> Drawing {
    let spacing = relaxed_spacing(kind, direction);
    place_relaxed(kind, sizes(kind, direction), spacing, STRAND, flow(kind, direction))
}

/// The shift and scale that centre a drawing on the canvas.
pub fn fit(drawing: &Drawing, kind: Kind, direction: Direction) -> String {
    let (width, height) = canvas(kind, direction);
    let (w, h) = flow(kind, direction).xy(Position { along: drawing.length, across: drawing.breadth });
    let scale = ((width - 4.0) / w).min((height - 4.0) / h).min(1.0);
    format!("translate({:.1} {:.1}) scale({scale:.3})", (width - w * scale) / 2.0, (height - h * scale) / 2.0)
}

pub fn view_box(kind: Kind, direction: Direction) -> String {
    let (width, height) = canvas(kind, direction);
    format!("0 0 {width} {height}")
}

/// The shift of a box to its centre, as CSS.
pub fn shift(centre: Option<Position>, kind: Kind, direction: Direction) -> String {
    let (x, y) = flow(kind, direction).xy(centre.unwrap_or_default());
    format!("translate({x:.1}px, {y:.1}px)")
}
