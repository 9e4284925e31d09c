//! Objects as files of a directory, through `object_store`; each call runs on the thread that makes it.

use std::error::Error;
use std::ops::Range;
use std::sync::Arc;

use futures_executor::{block_on, block_on_stream};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

/// Most objects that one `ListObjects` gives. Source: S3 API reference, `ListObjectsV2`, `MaxKeys`.
const LIST_MAX: usize = 1_000;

/// Why a file of the directory was not written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {doing} {path} in the store's directory: {reason}")]
pub struct FileError {
    /// What was tried: read, write, look up, list, remove.
    pub doing: &'static str,
    /// The object, by its path in the directory.
    pub path: String,
    /// What the system said.
    pub reason: String,
}

/// The directory in which a run keeps its objects. Who names it makes it and removes it.
///
/// Each version of an object is a file of its own, written beside and renamed, so that a read gives the version that stood
/// when it began, whatever is written meanwhile. It goes when nobody reads it any more. Nothing is forced to the disk: what
/// is measured is what the file system takes, its cache included.
#[derive(Clone, Debug)]
pub struct Directory {
    files: Arc<LocalFileSystem>,
    free: u64,
}

impl Directory {
    /// The existing, empty directory at `root`, in which `free` bytes may be written.
    ///
    /// # Errors
    /// [`FileError`] when it is not there.
    pub fn new(root: &std::path::Path, free: u64) -> Result<Self, FileError> {
        let files = LocalFileSystem::new_with_prefix(root)
            .map_err(|error| failure("open", &root.display().to_string(), &error))?;
        Ok(Self { files: Arc::new(files), free })
    }

    /// What may be written, in bytes.
    pub fn free(&self) -> u64 {
        self.free
    }

    pub(super) fn write(&self, path: &Path, bytes: Vec<u8>) -> Result<(), FileError> {
        let put = block_on(self.files.put(path, PutPayload::from(bytes)));
        put.map(|_| ()).map_err(|error| failure("write", path.as_ref(), &error))
    }

    pub(super) fn read(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        let read = block_on(async { self.files.get(path).await?.bytes().await });
        // The bytes were made just now and have one owner: no copy.
        read.map(Vec::from).map_err(|error| failure("read", path.as_ref(), &error))
    }

    /// These bytes of the file.
    pub(super) fn read_stretch(&self, path: &Path, stretch: Range<u64>) -> Result<Vec<u8>, FileError> {
        let read = block_on(self.files.get_range(path, stretch));
        read.map(Vec::from).map_err(|error| failure("read", path.as_ref(), &error))
    }

    pub(super) fn look_up(&self, path: &Path) -> Result<(), FileError> {
        let found = block_on(self.files.head(path));
        found.map(|_| ()).map_err(|error| failure("look up", path.as_ref(), &error))
    }

    /// The first objects under `prefix`, as many as one listing gives; files that go meanwhile are no failure.
    pub(super) fn list(&self, prefix: &Path) -> Result<(), FileError> {
        for found in block_on_stream(self.files.list(Some(prefix))).take(LIST_MAX) {
            match found {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failure("list", prefix.as_ref(), &error)),
            }
        }
        Ok(())
    }

    /// Removes what nobody needs; what stays behind goes with the directory.
    pub(super) fn remove(&self, path: &Path) {
        let _ = block_on(self.files.delete(path));
    }
}

/// The innermost cause: `object_store` wraps what the system says in its own words.
fn failure(doing: &'static str, path: &str, error: &object_store::Error) -> FileError {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    FileError { doing, path: path.into(), reason: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_until_it_is_removed_and_errors_name_object_and_cause() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path(), 1).unwrap();
        let path = Path::from("bucket-0000/p0000/o1.v0");
        directory.write(&path, vec![7; 100]).unwrap();
        assert_eq!(directory.read(&path).unwrap(), vec![7; 100]);
        directory.write(&path, (0..100).collect()).unwrap();
        assert_eq!(directory.read_stretch(&path, 2..4).unwrap(), [2, 3]);
        directory.look_up(&path).unwrap();
        directory.list(&Path::from("bucket-0000/p0000")).unwrap();
        directory.remove(&path);
        let error = directory.read(&path).unwrap_err();
        assert_eq!((error.doing, error.path.as_str()), ("read", "bucket-0000/p0000/o1.v0"));
        assert!(error.reason.contains("os error 2") || !cfg!(unix), "{error}");
    }
}
