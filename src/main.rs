//! The `s3seal` command.
fn main() {}
