//! Whole processes: `s3seal seal` of a large file against a plain AES-GCM loop over the same file.
#![expect(clippy::print_stderr, reason = "a benchmark reports on its standard streams")]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock, waits for processes and looks for programs"
)]

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::board::{Board, Goal};

const ROUNDS: usize = 5;
const FRAME: usize = 64 << 10;

/// The argument with which this program becomes the peer.
pub(crate) const PEER: &str = "--peer-seal-loop";

pub(crate) fn run(board: &mut Board) {
    if !board.wants("seal_2GiB_process") {
        return;
    }
    let folder =
        if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
    let folder = tempfile::tempdir_in(folder).expect("a folder for the file");
    let (key, file) = (folder.path().join("key"), folder.path().join("file"));
    let mebibytes = if board.is_test() { 4 } else { 2_048 };
    let mut out = File::create(&file).expect("the file");
    let block: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
    for _ in 0..mebibytes {
        out.write_all(&block).expect("room for the file");
    }
    drop(out);
    let s3seal = env!("CARGO_BIN_EXE_s3seal");
    let made = Command::new(s3seal).arg("keygen").arg(&key).status().expect("s3seal runs");
    assert!(made.success());

    let ours = || {
        let mut command = Command::new(s3seal);
        command.arg("seal").arg("--key").arg(&key).arg(&file);
        run_once(command)
    };
    let peer = || {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg(PEER).arg(&file);
        run_once(command)
    };
    let rage = which("rage");
    let recipient = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";
    let rage_once = |rage: &Path| {
        let mut command = Command::new(rage);
        command.args(["--encrypt", "--recipient", recipient]).arg(&file);
        run_once(command)
    };
    let rounds = if board.is_test() { 1 } else { ROUNDS };
    let (mut times, mut peers, mut rages, mut peak) = (vec![], vec![], vec![], 0);
    for _ in 0..rounds {
        let (took, memory) = ours();
        times.push(took);
        peak = peak.max(memory);
        peers.push(peer().0);
        if let Some(rage) = &rage {
            rages.push(rage_once(rage).0);
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_nanos() as f64
    };
    let (took, peer) = (median(&mut times), median(&mut peers));
    let ratio = peer / took;
    let name = "seal_2GiB_process";
    board.line(name, ratio, "× the peer's speed", Goal::AtLeast(0.6), "plain aws-lc-rs loop", Some(peer));
    let peak = peak as f64 / 1_024.0;
    board.line("seal_2GiB_process_memory", peak, "MiB at most", Goal::AtMost(64.0), "", None);
    if rages.is_empty() {
        eprintln!("seal_2GiB_process: no rage on PATH (cargo install rage): its line is left out");
    } else {
        let rage = median(&mut rages);
        board.line(
            "seal_2GiB_process_rage",
            rage / took,
            "× the peer's speed",
            Goal::Shown,
            "rage -e",
            Some(rage),
        );
    }
}

/// Time and peak memory (KiB) of a process whose output goes nowhere.
fn run_once(mut command: Command) -> (Duration, u64) {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn().expect("the process starts");
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the process ends") {
            break status;
        }
        // The high-water mark only grows; the last look is at most a millisecond before the end.
        if let Ok(text) = std::fs::read_to_string(format!("/proc/{}/status", child.id())) {
            let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = mark.and_then(|mark| mark.trim().trim_end_matches("kB").trim().parse().ok());
            peak = peak.max(kib.unwrap_or(0));
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let took = start.elapsed();
    assert!(status.success(), "{command:?} ended with {status}");
    (took, peak)
}

fn which(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The peer: reads 1 MiB at a time, seals its frames in place, writes them; no header, no key file, one thread.
pub(crate) fn peer_seal_loop(path: &str) {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("32 bytes"));
    let mut file = File::open(path).expect("the file");
    let mut stdout = std::io::stdout().lock();
    let mut buffer = vec![0; 1 << 20];
    let mut frame = 0_u64;
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read(&mut buffer[filled..]).expect("reads") {
                0 => break,
                bytes => filled += bytes,
            }
        }
        for chunk in buffer[..filled].chunks_mut(FRAME) {
            let mut nonce = [0; 12];
            nonce[..8].copy_from_slice(&frame.to_be_bytes());
            frame += 1;
            let nonce = Nonce::assume_unique_for_key(nonce);
            let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), chunk).expect("seals");
            stdout.write_all(chunk).expect("writes");
            stdout.write_all(tag.as_ref()).expect("writes");
        }
        if filled < buffer.len() {
            return;
        }
    }
}
