// Loads a vector with its neighbours on either side of its row through `fetch`; zero outside the plane.
// Constants: H, COLUMNS (vectors a row).
fn load_halo(edge: u32, plane: u32, y: i32, column: u32) -> Halo {
    var halo = Halo(V(0.0), V(0.0), V(0.0));
    if (y >= 0 && y < i32(H)) {
        let at = u32(y) * COLUMNS + column;
        halo.middle = fetch(edge, plane, at);
        if (column > 0u) {
            halo.left = fetch(edge, plane, at - 1u);
        }
        if (column + 1u < COLUMNS) {
            halo.right = fetch(edge, plane, at + 1u);
        }
    }
    return halo;
}
