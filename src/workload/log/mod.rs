//! Readers of logs and traces: `BufRead` in, arrivals out.

mod column;
mod csv;
mod error;
mod line;
mod name;
mod trace;

pub use column::{Column, ColumnError, Columns, TimeFormat, TimeFormatError};
pub use csv::{CsvFormat, CsvTrace};
pub use error::{BadLine, BadLines, LogError};
pub(super) use name::Names;
pub use trace::Trace;
