//! libcachesim, where a Python on PATH has it (`pip install libcachesim`): a process that runs a trace when it is told to.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The peer with its trace loaded.
pub(crate) struct Libcachesim {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Kept as long as the peer reads it.
    _trace: tempfile::NamedTempFile,
    pub(crate) version: String,
}

impl Libcachesim {
    /// An LRU of `capacity` objects over `trace`; none where it is not installed.
    pub(crate) fn start(trace: &[u32], capacity: usize) -> Option<Self> {
        let mut file = tempfile::NamedTempFile::new().ok()?;
        let mut out = BufWriter::new(file.as_file_mut());
        for (at, id) in trace.iter().enumerate() {
            // oracleGeneral: second, object, size, number of its next request (-1: not known).
            out.write_all(&(at as u32 / 100_000).to_le_bytes()).ok()?;
            out.write_all(&u64::from(*id).to_le_bytes()).ok()?;
            out.write_all(&1_u32.to_le_bytes()).ok()?;
            out.write_all(&(-1_i64).to_le_bytes()).ok()?;
        }
        out.flush().ok()?;
        drop(out);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/scoreboard/lru_loop.py");
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
        let mut process = Command::new(python)
            .arg(script)
            .arg(file.path())
            .arg(capacity.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (orders, answers) = (process.stdin.take()?, BufReader::new(process.stdout.take()?));
        let mut peer = Self { process, orders, answers, _trace: file, version: String::new() };
        // It says its version once it is ready, and nothing where it is not installed.
        peer.version = peer.answer()?;
        Some(peer)
    }

    /// How long `passes` passes of the trace took, by its own clock.
    pub(crate) fn run(&mut self, passes: u64) -> Duration {
        writeln!(self.orders, "{passes}").expect("the peer listens");
        let seconds = self.answer().and_then(|text| text.parse().ok()).expect("the peer answers in seconds");
        Duration::from_secs_f64(seconds)
    }

    fn answer(&mut self) -> Option<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        Some(line.trim().to_owned()).filter(|line| !line.is_empty())
    }
}

impl Drop for Libcachesim {
    fn drop(&mut self) {
        // Whether it has ended by itself or not.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
