//! Readers of logs and traces: `BufRead` in; what each line says, or arrivals, out.

mod access;
mod cloudtrail;
mod column;
mod cos;
mod csv;
mod digest;
mod entry;
mod error;
mod format;
mod gather;
mod inventory;
mod line;
mod moment;
mod name;
mod oracle;
mod reader;
mod trace;
mod twitter;

pub use access::{AccessLine, AccessLineError};
pub use cloudtrail::{CloudTrail, RECORD_BYTES_MAX, Seen};
pub use column::{Column, ColumnError, Columns, TimeFormat, TimeFormatError};
pub use csv::{CsvFormat, CsvTrace};
pub(super) use digest::{Digested, digest, digest_within};
pub(super) use entry::of_arn;
pub use entry::{
    Ending, Entry, KmsUse, Request, Setting, Side, Sse, Stored, Told, UPDATE_ENCRYPTION, is_directory_bucket,
};
pub use error::{BadLine, BadLines, LogError};
pub use format::{Format, FormatError};
pub use gather::Gather;
pub use inventory::{Manifest, ManifestError, Schema};
pub(super) use name::{Names, role};
pub use oracle::{OracleGeneral, OracleRequest, RECORD_BYTES};
pub use reader::{Account, LogReader, Turn};
pub use trace::Trace;
