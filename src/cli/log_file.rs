//! Files of logs: found in folders and by patterns, opened whatever their packing, and known by their first bytes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use indicatif::ProgressBar;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::Failure;

/// Bytes of a file that are looked at to tell its format.
const HEAD: u64 = 64 << 10;
/// Bytes read and unpacked at once.
const CHUNK: usize = 256 << 10;

/// The files under `paths`: a file as it is, the files in a folder and its folders, those that match a pattern, `-` for
/// standard input. In the order of the times in their names, as AWS writes them, then of their paths. What is named twice
/// counts once, and standard error says so.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let refuse = |error: io::Error| Failure::new(format_args!("cannot read {}: {error}", path.display()));
        if path == Path::new("-") {
            found.push(path.clone());
        } else if path.is_dir() {
            let before = found.len();
            walk(path, &mut found).map_err(refuse)?;
            if found.len() == before {
                return Err(Failure::new(format_args!(
                    "{}: no file in this folder or below it, apart from checksums, digests and other formats of inventories",
                    path.display()
                )));
            }
        } else if path.exists() {
            found.push(path.clone());
        } else {
            let text = path.to_string_lossy();
            let pattern = glob::glob(&text).ok().filter(|_| text.contains(['*', '?', '[']));
            let matches: Vec<PathBuf> =
                pattern.into_iter().flatten().flatten().filter(|path| path.is_file()).collect();
            if matches.is_empty() {
                return Err(Failure::new(format_args!("cannot read {text}: no such file or folder")));
            }
            found.extend(matches);
        }
    }
    found.sort_by_cached_key(|path| (stamp(path), path.clone()));
    for path in keep_first(&mut found) {
        eprintln!("s3seal: {} is named twice and counts once", path.display());
    }
    Ok(found)
}

/// Takes out of `found` what stands there before, maybe under another path to it; gives it.
fn keep_first(found: &mut Vec<PathBuf>) -> Vec<PathBuf> {
    let mut met = BTreeSet::new();
    let is_new = |path: &PathBuf| met.insert(path.canonicalize().unwrap_or_else(|_| path.clone()));
    let (first, again) = std::mem::take(found).into_iter().partition(is_new);
    *found = first;
    again
}

/// Bytes of all `files` on the disk; `None` with standard input among them.
pub(super) fn total(files: &[PathBuf]) -> Option<u64> {
    files.iter().map(|path| std::fs::metadata(path).ok().map(|metadata| metadata.len())).sum()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Digests of CloudTrail, checksums and copies of an inventory in other formats are no logs.
        let beside = name.starts_with('.')
            || name == "CloudTrail-Digest"
            || [".checksum", ".md5", ".parquet", ".orc"].iter().any(|ending| name.ends_with(ending));
        if beside {
            continue;
        }
        if path.is_dir() {
            // A link to a folder may lead round in circles.
            if !path.is_symlink() {
                walk(&path, found)?;
            }
        } else if path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

/// The digits of the time in a file's name: `…_20230710T1145Z_…` or `…2020-01-01-05-06-35-…`; empty where there is none.
fn stamp(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    for part in name.split('_') {
        if let Some((day, time)) = part.split_once('T')
            && day.len() == 8
            && digits(day)
            && time.len() == 5
            && digits(&time[..4])
        {
            return format!("{day}{}", &time[..4]);
        }
    }
    let parts: Vec<&str> = name.split('-').collect();
    let dated = parts.windows(6).find(|parts| {
        parts[0].len() >= 4
            && digits(&parts[0][parts[0].len().saturating_sub(4)..])
            && parts[1..].iter().all(|part| part.len() == 2 && digits(part))
    });
    dated.map_or_else(String::new, |parts| {
        format!("{}{}", &parts[0][parts[0].len() - 4..], parts[1..].concat())
    })
}

/// A file, unpacked.
pub(super) struct LogFile {
    /// Its name in messages.
    pub(super) name: String,
    /// Its first bytes, unpacked.
    pub(super) head: Vec<u8>,
    /// All of it, unpacked; the head comes again.
    pub(super) input: Box<dyn BufRead>,
}

/// Opens the file at `path`, or standard input for `-`; bytes as they are on the disk count on `bar`.
pub(super) fn open(path: &Path, bar: &ProgressBar) -> Result<LogFile, Failure> {
    let (name, raw): (String, Box<dyn Read>) = if path == Path::new("-") {
        ("standard input".into(), Box::new(io::stdin().lock()))
    } else {
        let name = path.display().to_string();
        let file = File::open(path);
        let file = file.map_err(|error| Failure::new(format_args!("cannot read {name}: {error}")))?;
        (name, Box::new(file))
    };
    let (magic, raw) = peek(BufReader::with_capacity(CHUNK, bar.wrap_read(raw)), 6);
    let unpacked: Box<dyn BufRead> = if magic.starts_with(&[0x1F, 0x8B]) {
        Box::new(BufReader::with_capacity(CHUNK, MultiGzDecoder::new(raw)))
    } else if magic.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) || is_skippable(&magic) {
        Box::new(BufReader::with_capacity(CHUNK, Zstd::new(raw)))
    } else {
        Box::new(raw)
    };
    let (head, input) = peek(unpacked, HEAD);
    Ok(LogFile { name, head, input: Box::new(input) })
}

/// A skippable frame of zstd. Source: RFC 8878, 3.1.2.
fn is_skippable(magic: &[u8]) -> bool {
    matches!(magic, [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..])
}

/// The first `bytes` of `input`, and an input that gives them again. An error on the way comes where it belongs.
fn peek<R: BufRead>(mut input: R, bytes: u64) -> (Vec<u8>, impl BufRead) {
    let mut head = Vec::new();
    let failed = (&mut input).take(bytes).read_to_end(&mut head).err();
    (head.clone(), Cursor::new(head).chain(Failing(failed).chain(input)))
}

/// Gives an error once, if there is one.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

impl BufRead for Failing {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.take().map_or(Ok(&[]), Err)
    }
    fn consume(&mut self, _: usize) {}
}

/// All frames of a zstd file, one after the other.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), in_frame: false }
    }
}

fn broken(error: &FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            if self.in_frame {
                let some = BlockDecodingStrategy::UptoBytes(CHUNK);
                self.decoder.decode_blocks(&mut self.source, some).map_err(|error| broken(&error))?;
                self.in_frame = !self.decoder.is_finished();
                continue;
            }
            if self.source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => self.in_frame = true,
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(broken(&error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_ordered_by_the_time_in_their_names() {
        let of = |name: &str| stamp(Path::new(name));
        assert_eq!(of("x/1_CloudTrail_us-east-1_20230710T1145Z_7xgoc.json.gz"), "202307101145");
        assert_eq!(of("logs/2020-01-01-05-06-35-0123456789ABCDEF"), "20200101050635");
        assert_eq!(of("my-prefix-2020-01-01-05-06-35-0123456789ABCDEF"), "20200101050635");
        assert_eq!(of("access.log"), "");
    }

    #[test]
    fn a_packing_that_ends_early_gives_what_it_has_and_then_says_so() {
        let (head, mut input) = peek(&b"abcdef"[..], 3);
        assert_eq!(head, b"abc");
        let mut all = String::new();
        input.read_to_string(&mut all).unwrap();
        assert_eq!(all, "abcdef");
        let failing =
            BufReader::new(Cursor::new(b"ab").chain(Failing(Some(io::ErrorKind::UnexpectedEof.into()))));
        let (head, mut input) = peek(failing, 100);
        assert_eq!(head, b"ab");
        let mut got = Vec::new();
        assert_eq!(input.read_to_end(&mut got).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(got, b"ab");
    }
}
