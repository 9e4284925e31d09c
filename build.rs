//! Tells the program which commit it is built from, where there is one.
#![allow(clippy::print_stdout, reason = "a build script talks to cargo this way")]

use std::path::Path;
use std::process::Command;

fn main() {
    let commit = commit().unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    let short: String = commit.chars().take(12).collect();
    let version = if short.is_empty() { version.into() } else { format!("{version} ({short})") };
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=S3SEAL_RUSTC={}", compiler().unwrap_or_else(|| "an unknown compiler".into()));
    println!("cargo:rustc-env=S3SEAL_COMMIT={commit}");
    println!("cargo:rustc-env=S3SEAL_VERSION={version}");
}

/// What the compiler calls itself: `rustc 1.95.0 (59807616e 2026-04-14)`.
#[expect(clippy::disallowed_methods, reason = "cargo names the compiler in the environment")]
fn compiler() -> Option<String> {
    let output = Command::new(std::env::var_os("RUSTC")?).arg("--version").output().ok()?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The commit of this very tree; none where it is part of another repository, or of none.
fn commit() -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().ok()?;
    let top = Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?;
    if top != root {
        return None;
    }
    // A commit moves the branch that HEAD names, or HEAD itself; a branch may stand in `packed-refs`. Both leave a line in
    // HEAD's log, where there is one.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "logs/HEAD", "packed-refs"].into_iter().map(str::to_owned).chain(branch) {
        let path = git(&["rev-parse", "--git-path", &name])?;
        // A missing file would make every build run this again.
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
}
