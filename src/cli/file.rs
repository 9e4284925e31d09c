//! Where bytes come from and where they go: files, standard input, standard output.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Once};

use clap::Args;
use parking_lot::Mutex;
use s3seal::live::Progress;
use tempfile::NamedTempFile;

use super::Failure;

/// Bytes read and written at once: enough for all cores to share, little enough to stay in their caches.
pub(super) const CHUNK_BYTES: usize = 8 << 20;

/// What a shell says of a program whose reader went away: 128 + SIGPIPE.
const BROKEN_PIPE: u8 = 141;

/// What `seal` and `open` take.
#[derive(Debug, Args)]
pub(super) struct Transfer {
    /// The input file; standard input when left out or -
    pub(super) input: Option<PathBuf>,
    /// The key file: 32 raw bytes
    #[arg(long, short, value_name = "FILE")]
    pub(super) key: PathBuf,
    /// The output file; standard output when left out or -
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// The name it belongs to: only who gives the same opens it again
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) identity: String,
    /// Replace an existing output file
    #[arg(long)]
    pub(super) force: bool,
}

impl Transfer {
    /// Refuses to replace the key file: what was sealed under it could not be opened any more.
    pub(super) fn spare_key(&self) -> Result<(), Failure> {
        let place = |path: &Path| path.canonicalize().ok();
        let output = self.output.as_deref().and_then(place);
        if output.is_some() && output == place(&self.key) {
            let output = self.output.as_deref().unwrap_or(&self.key).display();
            return Err(Failure::usage(format_args!(
                "--output {output} is the key file: with it would go all that is sealed under it; give another name"
            )));
        }
        Ok(())
    }
}

/// A file or standard input.
pub(super) struct Input {
    reader: Box<dyn Read>,
    /// Its name in messages.
    pub(super) name: String,
    /// Its length, where it is a regular file that states one.
    pub(super) bytes: Option<u64>,
}

impl Input {
    /// The file at `path`; standard input for none or `-`.
    pub(super) fn new(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self {
                reader: Box::new(io::stdin().lock()),
                name: "standard input".into(),
                bytes: None,
            });
        };
        let name = path.display().to_string();
        let refuse = |error| Failure::new(format_args!("cannot read {name}: {error}"));
        let file = File::open(path).map_err(refuse)?;
        let metadata = file.metadata().map_err(refuse)?;
        if metadata.is_dir() {
            return Err(Failure::new(format_args!("cannot read {name}: it is a directory; name a file")));
        }
        // Files of /proc and the like state 0 and give more.
        let bytes = (metadata.is_file() && metadata.len() > 0).then_some(metadata.len());
        Ok(Self { reader: Box::new(file), name, bytes })
    }

    /// Fills `buffer` as far as the input goes; fewer bytes than it holds mean the end.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::new(format_args!("cannot read {}: {error}", self.name))),
            }
        }
        Ok(filled)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

/// A file that bears its name only when it is whole, or standard output.
pub(super) struct Output {
    to: To,
    name: String,
}

enum To {
    Stdout(io::Stdout),
    File {
        file: NamedTempFile,
        path: PathBuf,
        force: bool,
    },
    /// A device or a pipe that bears its name already, such as /dev/null.
    Device(File),
}

impl Output {
    /// A file at `path`, over an existing one only with `force`, whose permissions it then has; standard output for none
    /// or `-`.
    pub(super) fn new(path: Option<&Path>, force: bool, binary: bool) -> Result<Self, Failure> {
        Self::with_mode(path, force, binary, 0o666)
    }

    /// As [`Self::new`], for what was sealed until now: a new file is its owner's alone.
    pub(super) fn private(path: Option<&Path>, force: bool) -> Result<Self, Failure> {
        Self::with_mode(path, force, false, 0o600)
    }

    fn with_mode(path: Option<&Path>, force: bool, binary: bool, mode: u32) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            let stdout = io::stdout();
            if binary && stdout.is_terminal() {
                return Err(Failure::new(
                    "sealed bytes would go to the terminal: name a file with --output, or redirect",
                ));
            }
            return Ok(Self { to: To::Stdout(stdout), name: "standard output".into() });
        };
        let name = path.display().to_string();
        if is_device(path) {
            let device = std::fs::OpenOptions::new().write(true).open(path);
            let device =
                device.map_err(|error| Failure::new(format_args!("cannot write {name}: {error}")))?;
            return Ok(Self { to: To::Device(device), name });
        }
        refuse_existing(path, force)?;
        let file = beside(path, mode)?;
        keep_permissions(&file, path)
            .map_err(|error| Failure::new(format_args!("cannot give {name} its permissions: {error}")))?;
        Ok(Self { to: To::File { file, path: path.into(), force }, name })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.write_all(bytes).map_err(|error| self.failure(&error))
    }

    /// Gives the file its name, once its bytes are on the disk.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let flushed = match &mut self.to {
            To::Stdout(stdout) => stdout.flush(),
            To::File { file, .. } => file.as_file().sync_all(),
            To::Device(device) => device.flush(),
        };
        flushed.map_err(|error| self.failure(&error))?;
        match self.to {
            To::Stdout(_) | To::Device(_) => Ok(()),
            To::File { file, path, force } => rename(file, &path, force),
        }
    }

    /// Whether what was written can still be taken back.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.to, To::File { .. })
    }

    pub(super) fn failure(&self, error: &io::Error) -> Failure {
        // Who reads the other end has what it wants.
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::silent(BROKEN_PIPE);
        }
        Failure::new(format_args!("cannot write {}: {error}", self.name))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Stdout(stdout) => stdout.write(bytes),
            To::File { file, .. } => file.write(bytes),
            To::Device(device) => device.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Stdout(stdout) => stdout.flush(),
            To::File { file, .. } => file.flush(),
            To::Device(device) => device.flush(),
        }
    }
}

/// Whether `path` names something that is written to and not replaced. A folder is neither.
fn is_device(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Refuses an existing file before any work is done.
pub(super) fn refuse_existing(path: &Path, force: bool) -> Result<(), Failure> {
    if !force && path.symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    Ok(())
}

/// Gives `file` the permissions of the file at `path`, where there is one.
fn keep_permissions(file: &NamedTempFile, path: &Path) -> io::Result<()> {
    match path.metadata() {
        Ok(replaced) => file.as_file().set_permissions(replaced.permissions()),
        Err(_) => Ok(()),
    }
}

/// A file beside `path` that is removed unless it gets its name, also on Ctrl-C. `mode` is subject to the umask.
pub(super) fn beside(path: &Path, mode: u32) -> Result<NamedTempFile, Failure> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".s3seal-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = mode;
    remove_on_interrupt();
    // Locked across making and naming the file, so that an interrupt finds either none or one it knows of.
    let mut unfinished = UNFINISHED.lock();
    let file = builder.tempfile_in(folder).map_err(|error| {
        // The error's own text names the temporary file, which means nothing to the user.
        let reason = match error.kind() {
            io::ErrorKind::NotFound => "there is no such directory".to_owned(),
            io::ErrorKind::NotADirectory => "it is no directory".to_owned(),
            kind => kind.to_string(),
        };
        let (path, folder) = (path.display(), folder.display());
        Failure::new(format_args!("cannot write {path}: no file can be made in {folder}: {reason}"))
    })?;
    unfinished.push(file.path().to_path_buf());
    Ok(file)
}

/// Gives a file made by [`beside`] its name.
pub(super) fn rename(file: NamedTempFile, path: &Path, force: bool) -> Result<(), Failure> {
    let mut unfinished = UNFINISHED.lock();
    unfinished.retain(|path| path != file.path());
    let renamed = if force { file.persist(path) } else { file.persist_noclobber(path) };
    match renamed {
        Ok(_) => Ok(()),
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Err(exists(path)),
        Err(refused) => {
            Err(Failure::new(format_args!("cannot give {} its name: {}", path.display(), refused.error)))
        }
    }
}

/// A folder that is assembled beside where it will stand, and removed unless it gets there, also on Ctrl-C.
pub(super) struct Unfinished(tempfile::TempDir);

/// A folder beside `path`.
pub(super) fn folder_beside(path: &Path) -> Result<Unfinished, Failure> {
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    remove_on_interrupt();
    let mut unfinished = UNFINISHED.lock();
    let mut builder = tempfile::Builder::new();
    builder.prefix(".s3seal-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any folder: for whom the umask says.
        builder.permissions(std::fs::Permissions::from_mode(0o777));
    }
    let folder = builder.tempdir_in(parent).map_err(|error| {
        let (path, parent) = (path.display(), parent.display());
        Failure::new(format_args!("cannot write {path}: no folder can be made in {parent}: {}", error.kind()))
    })?;
    unfinished.push(folder.path().to_path_buf());
    Ok(Unfinished(folder))
}

impl Unfinished {
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Gives it the name `path`, which nothing else may have.
    pub(super) fn rename(self, path: &Path) -> Result<(), Failure> {
        let mut unfinished = UNFINISHED.lock();
        // An empty folder would be replaced without a word.
        if path.symlink_metadata().is_ok() {
            return Err(Failure::new(format_args!("{} exists; nothing was written", path.display())));
        }
        std::fs::rename(self.0.path(), path).map_err(|error| {
            Failure::new(format_args!("cannot give {} its name: {error}", path.display()))
        })?;
        unfinished.retain(|held| held != self.0.path());
        // Nothing is left to remove.
        let _ = self.0.keep();
        Ok(())
    }
}

fn exists(path: &Path) -> Failure {
    Failure::new(format_args!("{} exists; give another name, or --force to replace it", path.display()))
}

/// The files and folders that Ctrl-C removes.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The run that a first Ctrl-C asks to end; a second one ends the program.
static RUN: Mutex<Option<Arc<Progress>>> = Mutex::new(None);

/// From now on the first Ctrl-C ends the run that `progress` belongs to, and not the program.
pub(super) fn interrupts(progress: &Arc<Progress>) {
    *RUN.lock() = Some(Arc::clone(progress));
    remove_on_interrupt();
}

fn remove_on_interrupt() {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // Without a handler Ctrl-C leaves a file under a temporary name behind, and no more.
        let _ = ctrlc::set_handler(|| {
            if let Some(run) = RUN.lock().take() {
                return run.interrupted.store(true, Ordering::Relaxed);
            }
            for path in UNFINISHED.lock().drain(..) {
                if std::fs::remove_file(&path).is_err() {
                    let _ = std::fs::remove_dir_all(&path);
                }
            }
            std::process::exit(130);
        });
    });
}
