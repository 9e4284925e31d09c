//! A document for people, for programs or as a page, to its file or standard output, and the page beside it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Failure;
use super::file::Output;
use super::rendering::distinct;

#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Writing {
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    /// Its file; standard output when left out or -
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also a page with charts, in one file that needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Replace existing files
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    #[default]
    Text,
    /// Everything, for programs; of profiles what can be merged
    Json,
    /// A page with charts, in one file that needs no network
    Html,
}

/// Where a document goes: its own file or standard output, and the page.
pub(super) struct Outputs {
    document: Output,
    page: Option<Output>,
}

/// What can be written in every form.
pub(super) trait Document {
    /// For people, as the output takes it.
    fn text(&self, output: &Output) -> String;
    /// For programs.
    fn json(&self) -> String;
    /// As a page.
    fn html(&self) -> String;
}

impl Writing {
    /// Refuses what cannot be written before anything takes time.
    pub(super) fn open(&self) -> Result<Outputs, Failure> {
        if let (Some(document), Some(page)) = (&self.output, &self.html) {
            distinct("--output", document, "--html", page)?;
        }
        let page = self.html.as_deref().map(|path| Output::new(Some(path), self.force, false)).transpose()?;
        Ok(Outputs { document: Output::new(self.output.as_deref(), self.force, false)?, page })
    }

    /// Writes `document`, and gives the files their names.
    pub(super) fn write(
        &self,
        Outputs { document: mut output, page }: Outputs,
        document: &impl Document,
    ) -> Result<(), Failure> {
        if let Some(mut page) = page {
            page.write(document.html().as_bytes())?;
            page.finish()?;
        }
        let text = match self.format {
            Form::Text => document.text(&output),
            Form::Json => document.json(),
            Form::Html => document.html(),
        };
        output.write(text.as_bytes())?;
        output.finish()
    }
}
