//! Developer tasks: `up`, `test`, `tidy`, `bench`, `corpora`.
fn main() {}
