// Vectors that lie side by side in a row.
fn beside(left: V, middle: V, right: V) -> Line {
    return Line(left, middle, right);
}
