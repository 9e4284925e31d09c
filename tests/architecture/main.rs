//! The walls between the rooms, held by a test: who may import whom, what pure code may not touch, how files look.
//!
//! The table below is the house's law (docs/ARCHITECTURE.md says it in words). The rules in `architecture/rule.rs`
//! are functions over a tree of path → text, so that `architecture/planted.rs` can plant a violation of each and see
//! it caught. Clippy's `disallowed-*` (clippy.toml) is the second lock: it sees through renamed imports.

mod token;
mod rule;
mod planted;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A room: a folder or a file in `src/`.
pub(crate) struct Room {
    pub(crate) name: &'static str,
    /// The rooms it may import, itself aside. Only rooms above it in the table: so there are no circles.
    pub(crate) imports: &'static [&'static str],
    /// What it may touch beyond pure computing on its arguments.
    pub(crate) powers: &'static [Power],
}

/// What pure code goes without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Power {
    /// `async`, `.await`, tokio.
    Async,
    /// Reading a clock.
    Clock,
    /// Files, the environment, other processes.
    File,
    /// The bytes of keys: `DataKey`, `CustomerKey`, `WrappingKey`, `kms::wrap`.
    KeyBytes,
    /// Standard input and output.
    Print,
    /// Maps and hashers that differ from run to run.
    RandomMap,
    /// Rayon's pool.
    Rayon,
    /// Sockets and their clients.
    Socket,
    /// Starting threads, sleeping.
    Thread,
}

use Power::{Async, Clock, File, KeyBytes, Print, RandomMap, Rayon, Socket, Thread};

const fn room(name: &'static str, imports: &'static [&'static str], powers: &'static [Power]) -> Room {
    Room { name, imports, powers }
}

/// Every room, in dependency order. A new room starts with a line here and one in docs/ARCHITECTURE.md.
#[rustfmt::skip]
pub(crate) const ROOMS: &[Room] = &[
    room("units",    &[], &[]),
    room("envelope", &["units"], &[KeyBytes, Rayon]),
    room("request",  &["units", "envelope"], &[]),
    room("kms",      &["units", "envelope", "request"], &[KeyBytes]),
    room("cache",    &["units", "envelope", "request"], &[KeyBytes]),
    room("pipeline", &["units", "envelope", "request", "kms", "cache"], &[]),
    room("workload", &["units", "request", "pipeline"], &[]),
    room("cost",     &["units"], &[]),
    room("report",   &["units", "request", "cost"], &[]),
    room("client",   &["units", "envelope", "request", "kms", "cache"],
                     &[Async, Clock, KeyBytes, Socket, Thread]),
    room("rig",      &["units", "envelope", "request", "kms", "cache", "pipeline", "workload"], &[]),
    room("sim",      &["units", "envelope", "request", "kms", "cache", "pipeline", "workload", "report", "rig"],
                     &[Rayon]),
    room("live",     &["units", "envelope", "request", "kms", "cache", "pipeline", "workload", "report", "client", "rig"],
                     &[Async, Clock, KeyBytes, Rayon, Thread]),
    room("plan",     &["units", "request", "kms", "cache", "pipeline", "workload", "cost", "report", "rig", "sim"],
                     &[Rayon]),
    room("experiment", &["units", "request", "workload", "cost", "report", "rig", "sim"], &[]),
    // Later rooms: each may import what stands above it.
    room("store",    EARLIER, &[Async, Clock, File, KeyBytes, Rayon, Socket, Thread]),
    room("access",   EARLIER, &[]),
    room("govern",   EARLIER, &[KeyBytes]),
    room("serve",    EARLIER, &[Async, Clock, File, KeyBytes, Rayon, Socket, Thread]),
    room("cli",      EARLIER, &[Async, Clock, File, KeyBytes, Print, RandomMap, Rayon, Socket, Thread]),
];

/// Stands in `imports` for every room above.
pub(crate) const EARLIER: &[&str] = &["*"];

/// The files that may say `unsafe`, each of which explains itself in its first lines.
pub(crate) const UNSAFE: &[&str] = &[
    // Key memory: pages of our own, locked and left out of core dumps.
    "src/envelope/secret.rs",
    // An allocator that looks at blocks as they are freed, to see that key bytes are gone.
    "tests/inspector/mod.rs",
];

/// Path from the root of the project, with `/`, to text.
pub(crate) type Tree = BTreeMap<String, String>;

#[test]
fn the_tree_keeps_the_rules() {
    let tree = real_tree();
    assert!(tree.contains_key("src/lib.rs") && tree.contains_key("Cargo.toml"), "reads the project");
    let violations = rule::violations(&tree);
    let listed: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{} broken:\n  {}", violations.len(), listed.join("\n  "));
}

#[test]
fn rooms_import_only_rooms_above_them() {
    for (i, room) in ROOMS.iter().enumerate() {
        for import in room.imports.iter().filter(|import| **import != "*") {
            let above = ROOMS[..i].iter().any(|other| other.name == *import);
            assert!(above, "{} imports {import}, which does not stand above it", room.name);
        }
    }
}

fn real_tree() -> Tree {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tree = Tree::new();
    for folder in ["src", "benches", "tests", "examples", "experiments", "fuzz", "docs", "results", ".ci"] {
        read_folder(root, &root.join(folder), &mut tree);
    }
    for entry in fs::read_dir(root).expect("the project's root is readable").flatten() {
        if entry.path().is_file() {
            read_file(root, &entry.path(), &mut tree);
        }
    }
    tree
}

fn read_folder(root: &Path, folder: &Path, tree: &mut Tree) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let generated = ["target", "corpus", "artifacts"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !generated {
            read_folder(root, &path, tree);
        } else if path.is_file() {
            read_file(root, &path, tree);
        }
    }
}

/// Rust, TOML and Markdown, and what has no ending, such as `.ci/run`; data files are not looked at.
fn read_file(root: &Path, path: &Path, tree: &mut Tree) {
    let ending = path.extension().and_then(|ending| ending.to_str());
    if !matches!(ending, None | Some("rs" | "toml" | "md" | "sh")) {
        return;
    }
    if let Ok(text) = fs::read_to_string(path) {
        let name = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
        tree.insert(name, text);
    }
}
