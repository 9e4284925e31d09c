//! Memory for key bytes: wiped on drop, kept out of core dumps and swap where the system allows.
//!
//! The one file with `unsafe`. Ordinary heap memory can be neither locked nor left out of a core dump without
//! taking its neighbours along, so 32-byte keys live in pages of their own, asked from the kernel and divided
//! here; handing out parts of a mapping needs raw pointers. On systems other than Unix the keys are boxed and
//! wiped, no more.
#![allow(unsafe_code)]

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// How well the memory that holds keys is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protection {
    /// Locked against swapping and left out of core dumps.
    Full,
    /// Left out of core dumps, but the system refused to lock it (`ulimit -l`); it may reach swap.
    NotLocked,
    /// Wiped on drop only.
    WipedOnly,
}

/// 32 secret bytes that do not move, are wiped on drop, compare in constant time and do not show in `Debug`.
pub(crate) struct Secret(store::Slot);

impl Secret {
    /// Takes the bytes over and wipes the source.
    pub(crate) fn take(bytes: &mut [u8; KEY_BYTES]) -> Self {
        let mut secret = Self(store::Slot::new());
        secret.0.bytes_mut().copy_from_slice(bytes);
        bytes.zeroize();
        secret
    }

    /// 32 bytes that `fill` writes.
    pub(crate) fn try_fill<E>(fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self(store::Slot::new());
        fill(secret.0.bytes_mut())?;
        Ok(secret)
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.bytes()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.bytes_mut().zeroize();
    }
}

impl Clone for Secret {
    fn clone(&self) -> Self {
        Self::take(&mut Zeroizing::new(*self.bytes()))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.bytes().ct_eq(other.bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Overwrites what calls that have just returned left on the stack: library code copies keys about there, and a value with
/// padding that is built in the same place later would carry them to the heap. 4 KiB are several times what HKDF and the
/// portable AES-GCM use.
#[inline(never)]
pub(crate) fn wipe_stack() {
    let mut room = [0_u8; 4 * 1_024];
    // Seen as used, so that the compiler has to write it; a `memset`, where `zeroize` would write byte by byte.
    std::hint::black_box(&mut room);
}

/// Protection of the key memory handed out so far: the weakest of its pages.
pub fn protection() -> Protection {
    store::protection()
}

#[cfg(unix)]
mod store {
    use super::{KEY_BYTES, Protection};
    use parking_lot::Mutex;
    use std::ptr::{self, NonNull};

    /// One mapping: 512 keys. Small enough that a few fit under the usual 64 KiB–8 MiB lock limit.
    const REGION_BYTES: usize = 16 * 1_024;

    struct Arena {
        free: Vec<NonNull<[u8; KEY_BYTES]>>,
        protection: Protection,
    }

    // SAFETY: the pointers are exclusive to the arena while in `free`; the mappings are never unmapped.
    unsafe impl Send for Arena {}

    static ARENA: Mutex<Arena> = Mutex::new(Arena { free: Vec::new(), protection: Protection::Full });

    /// A 32-byte place in a protected mapping, back in the arena on drop. The owner wipes it first.
    pub(super) struct Slot(NonNull<[u8; KEY_BYTES]>);

    // SAFETY: a slot owns its 32 bytes alone, as a box would; shared access only reads them.
    unsafe impl Send for Slot {}
    // SAFETY: as above; `&Slot` gives `&[u8; 32]` only.
    unsafe impl Sync for Slot {}

    impl Slot {
        pub(super) fn new() -> Self {
            let mut arena = ARENA.lock();
            if arena.free.is_empty() {
                let (start, protection) = map();
                arena.protection = weaker(arena.protection, protection);
                arena.free.reserve(REGION_BYTES / KEY_BYTES);
                for i in (0..REGION_BYTES / KEY_BYTES).rev() {
                    // SAFETY: within the region of REGION_BYTES that starts at `start`; alignment of u8 arrays is 1.
                    arena.free.push(unsafe { start.byte_add(i * KEY_BYTES) }.cast());
                }
            }
            Self(arena.free.pop().expect("filled above"))
        }

        pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
            // SAFETY: valid for the life of the process, initialised (zero pages), no `&mut` while `&self` lives.
            unsafe { self.0.as_ref() }
        }

        pub(super) fn bytes_mut(&mut self) -> &mut [u8; KEY_BYTES] {
            // SAFETY: as in `bytes`, and `&mut self` is exclusive.
            unsafe { self.0.as_mut() }
        }
    }

    impl Drop for Slot {
        fn drop(&mut self) {
            debug_assert_eq!(self.bytes(), &[0; KEY_BYTES], "a slot comes back wiped");
            ARENA.lock().free.push(self.0);
        }
    }

    fn weaker(a: Protection, b: Protection) -> Protection {
        match (a, b) {
            (Protection::WipedOnly, _) | (_, Protection::WipedOnly) => Protection::WipedOnly,
            (Protection::NotLocked, _) | (_, Protection::NotLocked) => Protection::NotLocked,
            _ => Protection::Full,
        }
    }

    fn map() -> (NonNull<u8>, Protection) {
        use rustix::mm::{MapFlags, ProtFlags, mlock, mmap_anonymous};
        // SAFETY: a fresh private mapping at an address of the kernel's choice aliases nothing.
        let mapped = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                REGION_BYTES,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        };
        let Some(start) = mapped.ok().and_then(|p| NonNull::new(p.cast::<u8>())) else {
            let boxed = Box::leak(vec![0_u8; REGION_BYTES].into_boxed_slice());
            return (NonNull::from(boxed).cast(), Protection::WipedOnly);
        };
        // Not MADV_WIPEONFORK: a child that went on with keys of zeros would seal under them.
        #[cfg(target_os = "linux")]
        let dump_excluded = {
            use rustix::mm::{Advice, madvise};
            // SAFETY: exactly the mapping just made.
            unsafe { madvise(start.as_ptr().cast(), REGION_BYTES, Advice::LinuxDontDump) }.is_ok()
        };
        #[cfg(not(target_os = "linux"))]
        let dump_excluded = false;
        // SAFETY: exactly the mapping just made.
        let locked = unsafe { mlock(start.as_ptr().cast(), REGION_BYTES) }.is_ok();
        let protection = match (dump_excluded, locked) {
            (true, true) => Protection::Full,
            (true, false) => Protection::NotLocked,
            (false, _) => Protection::WipedOnly,
        };
        (start, protection)
    }

    pub(super) fn protection() -> Protection {
        ARENA.lock().protection
    }
}

#[cfg(not(unix))]
mod store {
    use super::{KEY_BYTES, Protection};

    pub(super) struct Slot(Box<[u8; KEY_BYTES]>);

    impl Slot {
        pub(super) fn new() -> Self {
            Self(Box::new([0; KEY_BYTES]))
        }
        pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
            &self.0
        }
        pub(super) fn bytes_mut(&mut self) -> &mut [u8; KEY_BYTES] {
            &mut self.0
        }
    }

    pub(super) fn protection() -> Protection {
        Protection::WipedOnly
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_secret_leaves_zeros_behind_and_the_source_is_wiped() {
        let mut source = [0xA5; KEY_BYTES];
        let secret = Secret::take(&mut source);
        assert_eq!(source, [0; KEY_BYTES]);
        let place = std::ptr::from_ref(secret.bytes());
        assert_eq!(secret.bytes(), &[0xA5; KEY_BYTES]);
        assert_eq!(format!("{secret:?}"), "[secret]");
        drop(secret);
        // SAFETY: on Unix the page is never unmapped; another test may write there, but not this pattern.
        #[cfg(unix)]
        assert_ne!(unsafe { place.read_volatile() }, [0xA5; KEY_BYTES]);
    }

    #[test]
    fn secrets_do_not_share_memory() {
        let all: Vec<Secret> = (0..2_000_u16)
            .map(|i| {
                let mut bytes = [0; KEY_BYTES];
                bytes[..2].copy_from_slice(&i.to_le_bytes());
                Secret::take(&mut bytes)
            })
            .collect();
        for (i, secret) in all.iter().enumerate() {
            assert_eq!(usize::from(u16::from_le_bytes([secret.bytes()[0], secret.bytes()[1]])), i);
        }
    }

    /// `VmFlags` of the mapping at `address`, as the kernel lists them.
    #[cfg(target_os = "linux")]
    fn vm_flags(address: usize) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        let flags = maps.lines().find(|line| {
            if let Some((range, _)) = line.split_once(' ')
                && let Some((from, to)) = range.split_once('-')
                && let (Ok(from), Ok(to)) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))
            {
                inside = (from..to).contains(&address);
            }
            inside && line.starts_with("VmFlags:")
        });
        flags.expect("the mapping stands in smaps").split_whitespace().map(Into::into).collect()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn pages_with_keys_are_left_out_of_core_dumps_and_locked_where_it_says_so() {
        let secrets: Vec<Secret> = (0..2_000).map(|_| Secret::take(&mut [1; KEY_BYTES])).collect();
        let flags: Vec<Vec<String>> =
            secrets.iter().step_by(100).map(|s| vm_flags(std::ptr::from_ref(s.bytes()) as usize)).collect();
        let all = |flag: &str| flags.iter().all(|flags| flags.iter().any(|f| f == flag));
        assert!(all("dd"), "{flags:?}");
        // The kernel may refuse to lock (`ulimit -l`); what is claimed is never more than what holds.
        assert!(all("lo") || protection() == Protection::NotLocked, "{flags:?}, but {:?}", protection());
    }
}
