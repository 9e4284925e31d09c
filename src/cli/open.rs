//! `s3seal open`: an envelope to its plaintext, in constant memory; nothing is let out that is not authentic.

use s3seal::envelope::{Backend, Header, Identity, Keys, OpenError, Slot, Threads};

use super::file::{CHUNK_BYTES, Input, Output, Transfer};
use super::{Failure, key_file, progress};

pub(super) fn run(arguments: &Transfer) -> Result<(), Failure> {
    arguments.spare_key()?;
    let key = key_file::read(&arguments.key)?;
    let mut input = Input::new(arguments.input.as_deref())?;
    let name = input.name.clone();
    let refuse = |error: &OpenError| {
        let advice = match error {
            OpenError::WrongKeyOrHeader => "; check --key and --identity",
            OpenError::Truncated { .. } => "; fetch it again",
            _ => "",
        };
        Failure::new(format_args!("cannot open {name}: {error}{advice}"))
    };
    let header = Header::read(&mut input).map_err(|error| {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<OpenError>()) {
            Some(error) => refuse(error),
            None => Failure::new(format_args!("cannot read {name}: {error}")),
        }
    })?;
    if !matches!(header.slot(), Slot::SseC) {
        return Err(Failure::new(format_args!(
            "cannot open {name}: it is sealed in mode {}, under keys that a key service holds; \
             a key file opens what `s3seal seal` made",
            header.slot().mode()
        )));
    }
    let unlocked = header
        .unlock(Keys::Customer(&key), &Identity::text(&arguments.identity), Backend::default())
        .map_err(|error| refuse(&error))?;
    let mut output = Output::private(arguments.output.as_deref(), arguments.force)?;
    let bar = progress::bar(input.bytes, "opening");
    bar.inc(unlocked.header_bytes() as u64);
    let mut opener = unlocked.opener(Threads::Pool);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut opened = Vec::new();
    let mut written = 0;
    let fail = |error: &OpenError, written: u64| {
        let Failure { text, .. } = refuse(error);
        bar.finish_and_clear();
        let rest = match error {
            OpenError::Trailing { .. } => "they are all of the plaintext",
            _ => "what followed is missing",
        };
        Failure::new(format_args!("{text}; the {written} bytes written are authentic, {rest}"))
    };
    loop {
        let filled = input.fill(&mut chunk)?;
        let result = opener.update(&chunk[..filled], &mut opened);
        // Also before a fault: into a pipe the authentic prefix goes, a file is dropped as a whole.
        output.write(&opened)?;
        written += opened.len() as u64;
        if let Err(error) = result {
            return Err(if output.is_file() { refuse(&error) } else { fail(&error, written) });
        }
        bar.inc(filled as u64);
        if filled < chunk.len() {
            break;
        }
    }
    if let Err(error) = opener.finish(&mut opened) {
        return Err(if output.is_file() { refuse(&error) } else { fail(&error, written) });
    }
    output.write(&opened)?;
    bar.finish_and_clear();
    output.finish()
}
