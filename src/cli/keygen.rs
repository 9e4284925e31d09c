//! `s3seal keygen`: a key file of 32 random bytes, readable by its owner alone.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use s3seal::envelope::CustomerKey;

use super::{Failure, file};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The key file to make
    file: PathBuf,
    /// Replace an existing file; what it sealed can then be opened only with a copy of it
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = &arguments.file;
    if path == Path::new("-") {
        return Err(Failure::usage(
            "a key goes to a file of its own, not to standard output: give it a name",
        ));
    }
    file::refuse_existing(path, arguments.force)?;
    let key = CustomerKey::generate().map_err(Failure::new)?;
    let mut out = file::beside(path, 0o600)?;
    out.write_all(&key.expose()[..])
        .and_then(|()| out.as_file().sync_all())
        .map_err(|error| Failure::new(format_args!("cannot write {}: {error}", path.display())))?;
    file::rename(out, path, arguments.force)
}
