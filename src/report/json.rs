//! Reports in JSON, out and in. docs/REPORT.md is the schema.

use std::io;

use serde::Deserialize;

use super::{Report, VERSION};

/// Why a text is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Written by a later version of s3seal, whose fields may mean something else.
    #[error(
        "the report has version {found}, this s3seal reads versions 1 to {VERSION}: read it with a newer s3seal"
    )]
    NewerVersion {
        /// The version in the text.
        found: u64,
    },
    /// There never was a version 0.
    #[error("the report has version 0, expected 1 to {VERSION}")]
    VersionZero,
    /// What `s3seal profile` wrote.
    #[error(
        "a profile, not the report of a run: replay its logs with `s3seal sim --trace LOGS --format json --output FILE`, \
         bill a month of it with `s3seal cost --profile`, or plan with `s3seal plan --profile`"
    )]
    Profile,
    /// Not JSON, or a field is missing or of the wrong kind.
    #[error("the report does not read as JSON of version {VERSION}: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl Report {
    /// Writes the report as indented JSON with a newline at its end.
    ///
    /// # Errors
    ///
    /// What `out` refuses.
    pub fn write_json(&self, out: &mut impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        out.write_all(b"\n")
    }

    /// Reads what [`write_json`](Self::write_json) wrote; the same report comes back. Fields that this version does
    /// not know are passed over.
    ///
    /// # Errors
    ///
    /// A newer version, a profile, or a text that is no report.
    pub fn from_json(text: &str) -> Result<Self, ReportError> {
        // The version first: a newer report may have any shape.
        #[derive(Deserialize)]
        struct Version {
            version: u64,
            /// Only profiles have it.
            state: Option<serde::de::IgnoredAny>,
        }
        let Version { version, state } = serde_json::from_str(text)?;
        match version {
            _ if state.is_some() => Err(ReportError::Profile),
            0 => Err(ReportError::VersionZero),
            found if found > u64::from(VERSION) => Err(ReportError::NewerVersion { found }),
            _ => Ok(serde_json::from_str(text)?),
        }
    }
}
