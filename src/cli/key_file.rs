//! Key files: 32 raw bytes.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use s3seal::envelope::{CustomerKey, KEY_BYTES, Protection, protection};
use zeroize::Zeroizing;

use super::Failure;

/// The key in the file at `path`. Warns when others may read it, or when the key cannot be kept out of swap.
pub(super) fn read(path: &Path) -> Result<CustomerKey, Failure> {
    let bytes = read_bytes(path)?;
    let key = CustomerKey::new(&*bytes).expect("as many bytes as a key has");
    if protection() != Protection::Full {
        eprintln!(
            "s3seal: warning: the system does not lock key memory (see `ulimit -l`); the key may reach swap"
        );
    }
    Ok(key)
}

/// The bytes in the key file at `path`. Warns when others may read it.
pub(super) fn read_bytes(path: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, Failure> {
    let shown = path.display();
    if path == Path::new("-") {
        return Err(Failure::usage(
            "a key is read from a file, not from standard input: give its name after --key",
        ));
    }
    let file = File::open(path).map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::NotFound => format!("; make one with `s3seal keygen {shown}`"),
            _ => String::new(),
        };
        Failure::new(format_args!("cannot read key file {shown}: {error}{advice}"))
    })?;
    warn_if_others_read(&file, path);
    // One byte more than a key, to see whether there is more; reserved at once, so that no copy is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_BYTES + 1));
    file.take(KEY_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format_args!("cannot read key file {shown}: {error}")))?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if bytes.len() != KEY_BYTES {
        let found = match bytes.len() {
            length if length > KEY_BYTES => "more than 32 bytes".to_owned(),
            length => format!("{length} bytes"),
        };
        return Err(Failure::new(format_args!(
            "key file {shown} has {found}, but a key is exactly 32 raw bytes (not hexadecimal, no newline); \
             make one with `s3seal keygen FILE`"
        )));
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}

#[cfg(unix)]
fn warn_if_others_read(file: &File, path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if let Ok(metadata) = file.metadata()
        && metadata.is_file()
        && metadata.permissions().mode() & 0o077 != 0
    {
        let shown = path.display();
        eprintln!("s3seal: warning: key file {shown} is open to others; run `chmod 600 {shown}`");
    }
}

#[cfg(not(unix))]
fn warn_if_others_read(_: &File, _: &Path) {}
