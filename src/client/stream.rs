//! Sealing and opening under a cached data key, with identity and context in one call: in memory and from reader to writer.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::data_key_cache::DataKeyCache;
use super::error::{OpeningError, SealingError};
use super::request::KeyRequest;
use super::slot;
use crate::envelope::{
    Backend, HEADER_PREFIX_BYTES, Header, Identity, OpenError, Options, Sealer, Slot, Threads, Unlocked, seal,
};

/// Bytes read at once: large enough to make each call cheap, small enough not to hold up the runtime (about 50 µs of AES).
const PIECE_BYTES: usize = 256 << 10;

impl DataKeyCache {
    /// The envelope of `plaintext`, in memory, under a data key of `request`.
    ///
    /// The work is done where this is polled; hand large bodies to `spawn_blocking` or use [`Self::seal`].
    ///
    /// # Errors
    /// [`SealingError`].
    pub async fn seal_bytes(
        &self,
        request: &KeyRequest,
        identity: &Identity,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealingError> {
        let key = self.encrypt_key(request, Some(plaintext.len() as u64)).await?;
        Ok(seal(key.keys(), &key.slot(request), identity, plaintext, Options::default())?)
    }

    /// The plaintext of `envelope`, in memory. It must stand under the KMS key and the context of `request`.
    ///
    /// # Errors
    /// [`OpeningError`]; no plaintext is given then.
    pub async fn open_bytes(
        &self,
        request: &KeyRequest,
        identity: &Identity,
        envelope: &[u8],
    ) -> Result<Vec<u8>, OpeningError> {
        let header = Header::parse(envelope)?;
        let unlocked = self.unlock(std::slice::from_ref(request), identity, &header).await?;
        Ok(unlocked.open(&envelope[unlocked.header_bytes()..], Threads::default())?)
    }

    /// Seals what `from` gives to `to`; gives the bytes of the plaintext. `length` is the plaintext's, when it is known: a body
    /// of unknown length has a data key of its own, and so a KMS call.
    ///
    /// Memory: two pieces of 256 KiB. `to` is flushed and not shut down.
    ///
    /// # Errors
    /// [`SealingError`]; what `to` has got is then no envelope.
    ///
    /// # Cancellation
    /// As an error.
    pub async fn seal(
        &self,
        request: &KeyRequest,
        identity: &Identity,
        length: Option<u64>,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> Result<u64, SealingError> {
        let key = self.encrypt_key(request, length).await?;
        let mut sealer = Sealer::new(key.keys(), &key.slot(request), identity, length, Options::default())?;
        drop(key);
        to.write_all(sealer.header()).await?;
        let mut piece = Zeroizing::new(vec![0; PIECE_BYTES]);
        let (mut sealed, mut total) = (Vec::new(), 0);
        loop {
            let read = fill(&mut from, &mut piece).await?;
            if read == 0 {
                break;
            }
            total += read as u64;
            sealer.update(&piece[..read], &mut sealed)?;
            to.write_all(&sealed).await?;
        }
        sealer.finish(&mut sealed)?;
        to.write_all(&sealed).await?;
        to.flush().await?;
        Ok(total)
    }

    /// Opens the envelope that `from` gives to `to`; gives the bytes of the plaintext. What `to` gets is at any time an authentic
    /// prefix of the plaintext; only when this returns is it certain that the whole was there.
    ///
    /// # Errors
    /// [`OpeningError`]. An object that was cut lets out what came before the cut: use nothing of it that needs the whole.
    ///
    /// # Cancellation
    /// As an error.
    pub async fn open(
        &self,
        request: &KeyRequest,
        identity: &Identity,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> Result<u64, OpeningError> {
        let header = read_header(&mut from).await?;
        let unlocked = self.unlock(std::slice::from_ref(request), identity, &header).await?;
        let mut opener = unlocked.opener(Threads::default());
        let mut piece = vec![0; PIECE_BYTES];
        let (mut opened, mut total) = (Zeroizing::new(Vec::new()), 0);
        loop {
            let read = fill(&mut from, &mut piece).await?;
            let result = if read == 0 { Ok(()) } else { opener.update(&piece[..read], &mut opened) };
            // Also before a fault: it is authentic.
            to.write_all(&opened[..if read == 0 { 0 } else { opened.len() }]).await?;
            total += if read == 0 { 0 } else { opened.len() as u64 };
            result?;
            if read == 0 {
                break;
            }
        }
        opener.finish(&mut opened)?;
        to.write_all(&opened).await?;
        to.flush().await?;
        Ok(total + opened.len() as u64)
    }

    /// Checks a header under that one of `requests` whose KMS key and context the object names.
    pub(super) async fn unlock(
        &self,
        requests: &[KeyRequest],
        identity: &Identity,
        header: &Header,
    ) -> Result<Unlocked, OpeningError> {
        let Slot::SseKms { key, wrapped, context } = header.slot() else {
            return Err(OpeningError::Mode { mode: header.slot().mode() });
        };
        let allowed =
            |request: &&KeyRequest| request.key() == key && slot::is_context_of(context, request.context());
        let Some(request) = requests.iter().find(allowed) else {
            return Err(OpeningError::NotAllowed { found: key.clone(), pairs: context.len() });
        };
        let key = self.decrypt_key(request, wrapped).await?;
        Ok(header.unlock(key.keys(), identity, Backend::default())?)
    }
}

/// Reads until `piece` is full or the end is reached. Gives how many bytes.
async fn fill(from: &mut (impl AsyncRead + Unpin), piece: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < piece.len() {
        match from.read(&mut piece[read..]).await? {
            0 => break,
            n => read += n,
        }
    }
    Ok(read)
}

/// Reads a header off the front, and not a byte more.
async fn read_header(from: &mut (impl AsyncRead + Unpin)) -> Result<Header, OpeningError> {
    let mut bytes = vec![0; HEADER_PREFIX_BYTES];
    let read = fill(from, &mut bytes).await?;
    let length = Header::length(&bytes[..read])?;
    bytes.resize(length, 0);
    let rest = fill(from, &mut bytes[HEADER_PREFIX_BYTES..]).await?;
    bytes.truncate(HEADER_PREFIX_BYTES + rest);
    Header::parse(&bytes).map_err(|error: OpenError| error.into())
}
