//! `s3seal seal`: a file or standard input to an envelope, in constant memory.

use s3seal::envelope::{Identity, Keys, Options, SealError, Sealer, Slot};

use super::file::{CHUNK_BYTES, Input, Output, Transfer};
use super::{Failure, key_file, progress};

pub(super) fn run(arguments: &Transfer) -> Result<(), Failure> {
    arguments.spare_key()?;
    let key = key_file::read(&arguments.key)?;
    let mut input = Input::new(arguments.input.as_deref())?;
    let mut output = Output::new(arguments.output.as_deref(), arguments.force, true)?;
    let identity = Identity::text(&arguments.identity);
    let explain = |error: SealError, name: &str| match error {
        SealError::Length { announced, given } => Failure::new(format_args!(
            "{name} changed while it was read: {announced} bytes at first, {given} then; seal a copy of it"
        )),
        other => Failure::new(format_args!("cannot seal {name}: {other}")),
    };
    let mut sealer =
        Sealer::new(Keys::Customer(&key), &Slot::SseC, &identity, input.bytes, Options::default())
            .map_err(|error| explain(error, &input.name))?;
    let bar = progress::bar(input.bytes, "sealing");
    output.write(sealer.header())?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut sealed = Vec::new();
    loop {
        let filled = input.fill(&mut chunk)?;
        sealer.update(&chunk[..filled], &mut sealed).map_err(|error| explain(error, &input.name))?;
        output.write(&sealed)?;
        bar.inc(filled as u64);
        if filled < chunk.len() {
            break;
        }
    }
    sealer.finish(&mut sealed).map_err(|error| explain(error, &input.name))?;
    output.write(&sealed)?;
    bar.finish_and_clear();
    output.finish()
}
