//! The command line as its documents show it, and what they cannot show: modes of files, pipes, interrupts, damage.
#![expect(clippy::disallowed_methods, reason = "pipes are fed from threads of their own")]
#![allow(clippy::cast_possible_truncation)] // bytes of a pattern

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[test]
fn the_documents_show_what_the_program_does() {
    trycmd::TestCases::new().case("tests/cli/*.md");
}

fn s3seal(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s3seal"));
    command.current_dir(folder);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    s3seal(folder).args(arguments).output().expect("s3seal runs")
}

/// A folder with a key and a plaintext of `bytes`.
fn folder(bytes: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(folder.path(), &["keygen", "key"]).status.success());
    let plain: Vec<u8> = (0..bytes).map(|i| (i * 7 + i / 256) as u8).collect();
    fs::write(folder.path().join("plain"), plain).unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[cfg(unix)]
#[test]
fn a_key_file_is_readable_by_its_owner_alone_and_others_are_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder(10);
    let key = folder.path().join("key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(&key).unwrap().len(), 32);
    let quiet = run(folder.path(), &["seal", "-k", "key", "plain"]);
    assert!(quiet.stderr.is_empty(), "{}", String::from_utf8_lossy(&quiet.stderr));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let warned = run(folder.path(), &["seal", "-k", "key", "plain"]);
    assert!(String::from_utf8_lossy(&warned.stderr).contains("chmod 600 key"));
    assert!(warned.status.success());
}

#[test]
fn pipes_of_any_length_round_trip_in_silence() {
    let folder = folder(0);
    for bytes in [0, 1, 65_535, 65_536, 65_537, (8 << 20) - 1, 8 << 20, (8 << 20) + 1_usize] {
        let plain: Vec<u8> = (0..bytes).map(|i| (i * 13 + i / 256) as u8).collect();
        let sealed = piped(folder.path(), "seal", &plain);
        assert!(sealed.status.success() && sealed.stderr.is_empty());
        let opened = piped(folder.path(), "open", &sealed.stdout);
        assert!(opened.status.success() && opened.stderr.is_empty());
        assert!(opened.stdout == plain, "{bytes} bytes");
    }
}

fn piped(folder: &Path, verb: &str, input: &[u8]) -> Output {
    let mut child = s3seal(folder)
        .args([verb, "--key", "key"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // The program may end before it has read everything; what it says then is the test's subject.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    })
}

#[test]
fn a_damaged_object_leaves_no_file_and_into_a_pipe_only_an_authentic_prefix() {
    let folder = folder(300_000);
    let plain = fs::read(folder.path().join("plain")).unwrap();
    assert!(run(folder.path(), &["seal", "-k", "key", "plain", "-o", "sealed"]).status.success());
    let sealed = fs::read(folder.path().join("sealed")).unwrap();
    let mut flipped = sealed.clone();
    flipped[200_000] ^= 1;
    let longer: Vec<u8> = sealed.iter().copied().chain([0]).collect();
    for (name, bytes) in [("flipped", &flipped), ("cut", &sealed[..150_000].to_vec()), ("longer", &longer)] {
        fs::write(folder.path().join("damaged"), bytes).unwrap();
        let before = names(folder.path());
        let to_file = run(folder.path(), &["open", "-k", "key", "damaged", "-o", "opened"]);
        assert_eq!(to_file.status.code(), Some(1), "{name}");
        assert_eq!(names(folder.path()), before, "{name}: no file is left");
        let to_pipe = run(folder.path(), &["open", "-k", "key", "damaged"]);
        assert_eq!(to_pipe.status.code(), Some(1), "{name}");
        assert!(plain.starts_with(&to_pipe.stdout), "{name}");
        let said = String::from_utf8_lossy(&to_pipe.stderr).into_owned();
        assert!(
            said.contains(&format!("the {} bytes before it are authentic", to_pipe.stdout.len())),
            "{said}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_no_partial_file_stays() {
    let folder = folder(1_000_000);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = s3seal(folder.path()).args(["seal", "-k", "key", "plain"]).stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("cannot write standard output: No space left"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_removes_the_unfinished_file() {
    let folder = folder(0);
    let mut child = s3seal(folder.path())
        .args(["seal", "--key", "key", "--output", "sealed"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&[0; 100]).unwrap();
    let begun = || names(folder.path()).iter().any(|name| name.starts_with(".s3seal-"));
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        std::thread::yield_now();
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names(folder.path()), ["key", "plain"]);
    drop(stdin);
}

#[test]
fn a_file_may_be_replaced_by_itself() {
    let folder = folder(100_000);
    let plain = fs::read(folder.path().join("plain")).unwrap();
    assert!(run(folder.path(), &["seal", "-k", "key", "plain", "-o", "plain", "--force"]).status.success());
    assert!(run(folder.path(), &["open", "-k", "key", "plain", "-o", "plain", "--force"]).status.success());
    assert!(fs::read(folder.path().join("plain")).unwrap() == plain);
}
