// Pixels that lie side by side in a row.
fn beside(left: V, middle: V, right: V) -> Line {
    var line: Line;
    line.pixels[3] = left;
    line.pixels[4] = middle;
    line.pixels[5] = right;
    return line;
}
