//! An allocator that keeps a copy of every block as it is freed, so that a test can look for keys in them.
//!
//! A test binary that declares this module has it as its allocator. Blocks that aws-lc frees are seen as well: it
//! calls `sdallocx` where the program defines one.
#![allow(unsafe_code)] // an allocator cannot be written without; nothing else in the tests has it

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Bytes of freed blocks that one recording holds.
const LOG_BYTES: usize = 64 << 20;
/// Zeros between two blocks, so that no key is found across their edge.
const GAP_BYTES: usize = 32;

static RECORDING: AtomicBool = AtomicBool::new(false);
static LOG: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static LOGGED: AtomicUsize = AtomicUsize::new(0);
static FREED_BY_C: AtomicUsize = AtomicUsize::new(0);
/// Threads that are about to write to the log, or do: it is given back only when there are none.
static WRITERS: AtomicUsize = AtomicUsize::new(0);
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Inspector;

#[global_allocator]
static ALLOCATOR: Inspector = Inspector;

// SAFETY: every request goes to the system's allocator as it came; the blocks given out are initialised in addition.
unsafe impl GlobalAlloc for Inspector {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that `record` reads no uninitialised byte.
        // SAFETY: the caller keeps `alloc`'s contract, which is that of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller owns the block of `layout.size()` bytes until this returns.
        unsafe {
            record(block, layout.size());
            System.dealloc(block, layout);
        }
    }
    // `realloc` is left to its default: a new block, a copy, and a `dealloc` of the old one, which is what a growing
    // vector may do to a key.
}

unsafe extern "C" {
    fn free(block: *mut c_void);
}

/// Where aws-lc gives its blocks back, wiped as it says.
// SAFETY: nothing else defines this name here; the system's allocator is not jemalloc.
#[unsafe(no_mangle)]
extern "C" fn sdallocx(block: *mut c_void, bytes: usize, _flags: c_int) {
    // SAFETY: aws-lc calls this in the place of `free`, with the block's size.
    unsafe {
        if RECORDING.load(Ordering::SeqCst) {
            FREED_BY_C.fetch_add(1, Ordering::SeqCst);
        }
        record(block.cast(), bytes);
        free(block);
    }
}

/// # Safety
/// `block` has `bytes` readable bytes.
unsafe fn record(block: *const u8, bytes: usize) {
    // Counted before the question, so that whoever ends a recording either is seen here or sees this call.
    WRITERS.fetch_add(1, Ordering::SeqCst);
    if RECORDING.load(Ordering::SeqCst) {
        let at = LOGGED.fetch_add(bytes + GAP_BYTES, Ordering::SeqCst);
        if at + bytes <= LOG_BYTES {
            // SAFETY: this part of the log is this call's alone, within it, and there until no writer is left.
            unsafe { LOG.load(Ordering::SeqCst).add(at).copy_from_nonoverlapping(block, bytes) };
        }
    }
    WRITERS.fetch_sub(1, Ordering::SeqCst);
}

/// What was freed while something ran, one recording at a time in the whole process.
pub(crate) struct Freed {
    bytes: Vec<u8>,
    /// Blocks among them that C code freed.
    #[cfg_attr(not(feature = "aws-lc"), allow(dead_code, reason = "no C code frees anything then"))]
    pub(crate) by_c: usize,
}

impl Freed {
    /// Runs `work` and keeps what is freed in the meantime.
    pub(crate) fn during(work: impl FnOnce()) -> Self {
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let layout = Layout::from_size_align(LOG_BYTES, 1).unwrap();
        // SAFETY: the layout has a size; the block is given back below, when nobody records any longer.
        let log = unsafe { System.alloc_zeroed(layout) };
        assert!(!log.is_null());
        LOG.store(log, Ordering::SeqCst);
        LOGGED.store(0, Ordering::SeqCst);
        FREED_BY_C.store(0, Ordering::SeqCst);
        RECORDING.store(true, Ordering::SeqCst);
        work();
        RECORDING.store(false, Ordering::SeqCst);
        while WRITERS.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
        let logged = LOGGED.load(Ordering::SeqCst);
        assert!(logged <= LOG_BYTES, "{logged} bytes were freed, more than the log holds");
        // SAFETY: initialised (zeroed) memory of at least this length.
        let bytes = unsafe { std::slice::from_raw_parts(log, logged) }.to_vec();
        // SAFETY: allocated above with this layout.
        unsafe { System.dealloc(log, layout) };
        Self { bytes, by_c: FREED_BY_C.load(Ordering::SeqCst) }
    }

    /// Whether a quarter of `key` (8 bytes in a row) stands in a freed block.
    pub(crate) fn holds(&self, key: &[u8; 32]) -> bool {
        let quarters: [&[u8]; 4] = std::array::from_fn(|i| &key[8 * i..8 * i + 8]);
        self.bytes.windows(8).any(|window| quarters.contains(&window))
    }
}
