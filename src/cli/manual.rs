//! `s3seal completions` and `s3seal man`: what a shell and `man` want to know of this program.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;

use super::Failure;
use super::file::{self, Output};

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct Manual {
    /// The folder that takes a page for the program and one for each of its verbs
    folder: PathBuf,
    /// Replace existing pages
    #[arg(long)]
    force: bool,
}

/// Writes the completions of `program` to standard output.
pub(super) fn completions(arguments: &Completions, mut program: Command) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "s3seal", &mut text);
    let mut output = Output::new(None, false, false)?;
    output.write(&text)?;
    output.finish()
}

/// Writes the pages of `program` to a folder that exists.
pub(super) fn pages(arguments: &Manual, program: Command) -> Result<(), Failure> {
    let Manual { folder, force } = arguments;
    if !folder.is_dir() {
        let folder = folder.display();
        return Err(Failure::usage(format_args!(
            "{folder} is no folder: make it first (`mkdir -p {folder}`)"
        )));
    }
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    collect(&program, &mut pages)?;
    let paths: Vec<PathBuf> = pages.iter().map(|(name, _)| folder.join(name)).collect();
    // All of them or none.
    paths.iter().try_for_each(|path| file::refuse_existing(path, *force))?;
    paths.iter().zip(&pages).try_for_each(|(path, (_, page))| write(path, page, *force))
}

fn write(path: &Path, page: &[u8], force: bool) -> Result<(), Failure> {
    let mut output = Output::new(Some(path), force, false)?;
    output.write(page)?;
    output.finish()
}

/// The page of `command` and those of its verbs, with their file names.
fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    let page = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    page.render(&mut text).map_err(Failure::new)?;
    pages.push((page.get_filename(), text));
    command.get_subcommands().try_for_each(|verb| collect(verb, pages))
}
