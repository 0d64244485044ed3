// Loads a row's neighbourhood of a pixel; zero outside the plane.
fn load_line(edge: u32, plane: u32, y: i32, column: u32) -> Line {
    var line: Line;
    for (var i = 0; i < 9; i++) {
        let x = i32(column) + i - 4;
        if (y >= 0 && y < i32(H) && x >= 0 && x < i32(W)) {
            line.pixels[i] = fetch(edge, plane, u32(y) * W + u32(x));
        }
    }
    return line;
}
