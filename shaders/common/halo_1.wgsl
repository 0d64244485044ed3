// Loads a pixel with four neighbours on either side of its row through `fetch`; zero outside the plane.
// Constants: H, W.
fn load_halo(edge: u32, plane: u32, y: i32, column: u32) -> Halo {
    var halo: Halo;
    for (var i = 0; i < 9; i++) {
        let x = i32(column) + i - 4;
        if (y >= 0 && y < i32(H) && x >= 0 && x < i32(W)) {
            halo.pixels[i] = fetch(edge, plane, u32(y) * W + u32(x));
        }
    }
    return halo;
}
