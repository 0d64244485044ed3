// Loads a row's neighbourhood of a vector; zero outside the plane.
fn load_line(edge: u32, plane: u32, y: i32, column: u32) -> Line {
    var line = Line(V(0.0), V(0.0), V(0.0));
    if (y >= 0 && y < i32(H)) {
        let at = u32(y) * COLUMNS + column;
        line.middle = fetch(edge, plane, at);
        if (column > 0u) {
            line.left = fetch(edge, plane, at - 1u);
        }
        if (column + 1u < COLUMNS) {
            line.right = fetch(edge, plane, at + 1u);
        }
    }
    return line;
}
