//! Bills: published examples, laws, usage files, the command line.

mod cli;
mod examples;
mod laws;
mod usage_file;
