//! Proof of encryption from inside, where the keys are known: no key of a run stands in its files or in what it reports.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::vault::Vault;
use super::{Buffers, Directory, Options, Progress, run};
use crate::envelope::KEY_BYTES;
use crate::report::{Kind, Recorder, Report, Run, Sink, Style, Summary, Window};
use crate::request::{KmsCall, Outcome, SseMode};
use crate::units::Timestamp;
use crate::workload::Scenario;

thread_local! {
    /// The vault of the run that this thread drives.
    pub(super) static LATEST: RefCell<Option<Arc<Vault>>> = const { RefCell::new(None) };
}

/// A recorder that keeps every row as text as well: the log of the run, and of KMS's side.
struct Log(Recorder, String);

impl Sink for Log {
    fn outcome(&mut self, row: &Outcome) {
        self.0.outcome(row);
        writeln!(self.1, "{row:?}").unwrap();
    }
    fn kms_call(&mut self, row: &KmsCall) {
        self.0.kms_call(row);
        writeln!(self.1, "{row:?}").unwrap();
    }
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

/// The halves of keys, so that half a key is found, too.
fn halves(keys: &[[u8; KEY_BYTES]]) -> BTreeSet<[u8; 16]> {
    keys.iter().flat_map(|key| key.as_chunks::<16>().0).copied().collect()
}

fn holds(bytes: &[u8], halves: &BTreeSet<[u8; 16]>) -> bool {
    bytes.windows(16).any(|run| halves.contains(run))
}

const SCENARIO: &str = r#"
seed = 5
warm_up = "0s"
duration = "400ms"
[arrival]
process = "poisson"
rate = 150
[mix]
PutObject = 40
GetObject = 40
GetObjectRange = 10
CopyObject = 10
MultipartUpload = 3
multipart = { parts = 1, part = "8KiB", objects = 2 }
[objects]
count = 30
size = { law = "lognormal", median = "2KiB", sigma = 1.0, min = "1", max = "8KiB" }
"#;

#[test]
fn no_data_key_no_customer_key_and_no_root_key_stands_in_the_store_or_in_what_is_reported() {
    let scenario = Scenario::parse(SCENARIO).unwrap();
    for mode in SseMode::ALL {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path(), u64::MAX).unwrap();
        let window = Window { from: Timestamp::ZERO, until: Timestamp::MAX };
        let mut log = Log(Recorder::new(window), String::new());
        let options = Options { directory: Some(directory.clone()), ..Options::default() };
        let ran = run(&scenario, mode, &options, &mut Buffers::new(), &Progress::default(), &mut log);
        let ran = ran.unwrap();
        assert_eq!((ran.broken, &ran.first_broken), (0, &None), "{mode}");
        let vault = LATEST.take().expect("the run left its vault");

        let mut paths = Vec::new();
        files(folder.path(), &mut paths);
        let stored: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        // Every key that any of the files leads to, opened as its reader would, and those at the roots.
        let mut keys = vault.roots();
        for (path, envelope) in paths.iter().zip(&stored) {
            keys.extend(vault.keys_of(path.strip_prefix(folder.path()).unwrap(), envelope).unwrap());
        }
        assert!(paths.len() > 30 && keys.len() > if mode == SseMode::SseC { 1 } else { 30 }, "{mode}");
        let halves = halves(&keys);
        for (path, envelope) in paths.iter().zip(&stored) {
            assert!(!holds(envelope, &halves), "{mode}: a key stands in {}", path.display());
        }

        let facts =
            Run { mode, kind: Kind::Live, quota_per_s: None, until: ran.measured_until, concurrency: None };
        let report = Report::new(
            scenario.seed(),
            scenario.to_toml(),
            vec![Summary::new(&log.0, &facts, |_| "name".into())],
        );
        let (mut json, mut csv) = (Vec::new(), Vec::new());
        report.write_json(&mut json).unwrap();
        report.write_csv(&mut csv).unwrap();
        let text = report.to_text(Style::default());
        let said = format!("{ran:?}{directory:?}{vault:?}{}{text}", log.1);
        for said in [&json, &csv, said.as_bytes()] {
            assert!(!holds(said, &halves), "{mode}: a key is reported");
            let hexes = String::from_utf8_lossy(said).to_lowercase();
            let hex = |half: &[u8; 16]| format!("{:032x}", u128::from_be_bytes(*half));
            assert!(
                !halves.iter().any(|half| hexes.contains(&hex(half))),
                "{mode}: a key is reported in hexadecimal"
            );
        }
    }
}
