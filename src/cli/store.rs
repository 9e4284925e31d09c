//! The directory of `load --store`: ours or refused, one folder for each mode, removed at the end unless it is to stay.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use clap::Args;
use s3seal::cost::grouped;
use s3seal::live::{Directory, PopulationSize};
use s3seal::request::SseMode;

use super::Failure;

/// Marks a directory whose content is ours to replace and to remove; locked while a run uses it.
const MARKER: &str = ".s3seal-store";

#[derive(Debug, Default, Args)]
#[group(skip)]
pub(super) struct Arguments {
    /// Keep the objects as files in this directory, made if missing; otherwise they are in memory
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Leave the sealed objects there at the end, in a folder for each mode
    #[arg(long, requires = "store", conflicts_with = "find_max")]
    keep: bool,
}

impl Arguments {
    /// The directory, when one is asked for.
    pub(super) fn open(&self) -> Result<Option<Store>, Failure> {
        self.store.as_deref().map(|root| Store::open(root, self.keep)).transpose()
    }
}

/// A directory in use. Dropped, it is emptied, and removed if it was made, unless its content is to stay.
pub(super) struct Store {
    root: PathBuf,
    made: bool,
    keep: bool,
    /// Its lock.
    marker: File,
}

impl Store {
    fn open(root: &Path, keep: bool) -> Result<Self, Failure> {
        let made = match fs::create_dir(root) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            Err(error) => {
                return Err(Failure::new(format_args!("cannot make the store {}: {error}", root.display())));
            }
        };
        let opened = Self::mark(root, made);
        if opened.is_err() && made {
            let _ = fs::remove_dir(root);
        }
        Ok(Self { root: root.into(), made, keep, marker: opened? })
    }

    fn mark(root: &Path, made: bool) -> Result<File, Failure> {
        let shown = root.display();
        let refuse = |error: io::Error| Failure::new(format_args!("cannot use the store {shown}: {error}"));
        if !fs::metadata(root).map_err(refuse)?.is_dir() {
            return Err(Failure::usage(format_args!("the store {shown} is no directory; name a directory")));
        }
        let path = root.join(MARKER);
        let ours = path.exists();
        if !ours && !made && fs::read_dir(root).map_err(refuse)?.next().is_some() {
            return Err(Failure::usage(format_args!(
                "the store {shown} is not empty and holds no store of s3seal; name an empty or a new directory"
            )));
        }
        let marker = File::options().create(true).truncate(false).write(true).open(&path);
        let marker = marker.map_err(|error| {
            // The error's own text names the marker, which means nothing to the user.
            Failure::new(format_args!("cannot write into the store {shown}: {}", error.kind()))
        })?;
        match marker.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(format_args!("the store {shown} is in use by another s3seal")));
            }
            Err(TryLockError::Error(error)) => return Err(refuse(error)),
        }
        Ok(marker)
    }

    /// What runs of `modes` are about to write here, in words; each fills it with objects of this size.
    ///
    /// # Errors
    /// When it takes more than there is room for, all modes together where they are to stay.
    pub(super) fn plan(&self, size: PopulationSize, modes: &[SseMode]) -> Result<String, Failure> {
        let (available, each) = (free(&self.root), size.in_files());
        let shown = self.root.display();
        // What an earlier run left is removed first, mode by mode; then each mode is checked when its turn comes.
        let stays = self.keep && !modes.iter().any(|mode| self.root.join(mode.as_str()).exists());
        let all = each.saturating_mul(if stays { modes.len() as u64 } else { 1 });
        if all > available {
            let together = if stays {
                format!(", {} modes of which --keep leaves all", modes.len())
            } else {
                String::new()
            };
            return Err(Failure::new(format_args!(
                "the store {shown} has {} free, and its population takes up to {}{together}; use fewer or smaller objects (--set \
                 objects.count=N), fewer --modes, or another directory",
                bytes(available),
                bytes(all)
            )));
        }
        let end = if self.keep { "and they stay" } else { "and they are removed after it" };
        Ok(format!(
            "each mode writes {} files of up to {} in all to {shown} before it is measured, {end}; {} are free",
            grouped(size.objects.into()),
            bytes(each),
            bytes(available)
        ))
    }

    /// An empty folder for the objects of `mode`.
    pub(super) fn folder(&self, mode: SseMode) -> Result<Directory, Failure> {
        let folder = self.root.join(mode.as_str());
        let refuse = |error: &dyn std::fmt::Display| {
            Failure::new(format_args!("cannot make {} for the store: {error}", folder.display()))
        };
        remove(&folder).map_err(|error| refuse(&error))?;
        fs::create_dir(&folder).map_err(|error| refuse(&error))?;
        Directory::new(&folder, free(&folder)).map_err(Failure::new)
    }

    /// Removes what the run of `mode` left, unless it is to stay: the next mode has the room.
    pub(super) fn done(&self, mode: SseMode) {
        if !self.keep {
            let _ = remove(&self.root.join(mode.as_str()));
        }
    }

    /// What a reader must know of times that were measured there.
    pub(super) fn note(&self) -> String {
        let stay = if self.keep { "they were left there" } else { "they were removed at the end" };
        format!(
            "Objects were files in {}, each written beside and renamed, none forced to the disk: store times are those \
             of the file system and its cache; {stay}.",
            self.root.display()
        )
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        for mode in SseMode::ALL {
            let _ = remove(&self.root.join(mode.as_str()));
        }
        let _ = self.marker.unlock();
        let _ = fs::remove_file(self.root.join(MARKER));
        if self.made {
            // Fails when somebody else put something there, and then it stays.
            let _ = fs::remove_dir(&self.root);
        }
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// To one decimal, in the largest unit that leaves a whole part.
fn bytes(bytes: u64) -> String {
    let (power, unit) = match bytes {
        0..0x10_0000 => (10, "KiB"),
        0x10_0000..0x4000_0000 => (20, "MiB"),
        0x4000_0000..0x100_0000_0000 => (30, "GiB"),
        _ => (40, "TiB"),
    };
    let tenths = (u128::from(bytes) * 10) >> power;
    format!("{}.{} {unit}", grouped(tenths / 10), tenths % 10)
}

/// What may be written at `folder`, in bytes; everything where the system does not say.
fn free(folder: &Path) -> u64 {
    #[cfg(unix)]
    if let Ok(state) = rustix::fs::statvfs(folder) {
        return state.f_bavail.saturating_mul(state.f_frsize);
    }
    let _ = folder;
    u64::MAX
}
