//! The darts command line.
fn main() {}
