//! The rules of the house, each a function from a tree of files to its violations.

use std::collections::BTreeSet;
use std::fmt;

use super::token::{Mention, Named, Next, named};
use super::{EARLIER, Power, ROOMS, Room, Tree, UNSAFE};

/// Longest file, in lines, its tests included.
pub(crate) const LINES_MAX: usize = 600;

/// File and folder names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] =
    ["common", "helper", "helpers", "manager", "misc", "util", "utils", "utilities"];

/// Types that hold key bytes.
const KEY_TYPES: [&str; 3] = ["CustomerKey", "DataKey", "WrappingKey"];

/// One broken rule: where, which, what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) rule: &'static str,
    pub(crate) advice: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.rule, self.advice)
    }
}

/// Every violation of every rule, in order of files and lines.
pub(crate) fn violations(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let test_files = test_files(tree);
    for (file, text) in tree {
        unfinished(file, text, &mut found);
        decision(file, text, tree, &mut found);
        if file == "Cargo.toml" || file.ends_with("/Cargo.toml") {
            dependency_reason(file, text, &mut found);
        }
        if !is_rust(file) {
            continue;
        }
        first_line(file, text, &mut found);
        length(file, text, &mut found);
        name(file, &mut found);
        match named(text, &module_of(file)) {
            Ok(named) => {
                unsafe_word(file, &named, &mut found);
                if file.starts_with("src/") {
                    in_room(file, &named, test_files.contains(file), &mut found);
                }
            }
            Err(error) => report(&mut found, file, 1, "Rust", error),
        }
    }
    found.sort();
    found
}

/// The rules that depend on the room of the file.
fn in_room(file: &str, named: &Named, test_file: bool, found: &mut Vec<Violation>) {
    if file == "src/lib.rs" {
        return map_order(file, named, found);
    }
    let room_name = room_of(file);
    let Some(room) = ROOMS.iter().find(|room| room.name == room_name) else {
        let advice = format!(
            "`{room_name}` is no room: add it to ROOMS in tests/architecture/main.rs and to docs/ARCHITECTURE.md"
        );
        return report(found, file, 1, "rooms", advice);
    };
    for mention in &named.mentions {
        import(file, room, mention, found);
        if !mention.in_test && !test_file {
            purity(file, room, mention, found);
        }
    }
}

/// `crate::`, `super::` and `s3seal::` paths lead only to rooms that the table allows.
fn import(file: &str, room: &Room, mention: &Mention, found: &mut Vec<Violation>) {
    let Some(path) = from_root(mention) else { return };
    let target = match path.first().map(String::as_str) {
        Some("*" | "self") => None,
        Some(target) => Some(target),
        // `pub(crate)` and the like name the root but import nothing; a renamed root would hide what follows.
        None if mention.next != Next::As => return,
        None => None,
    };
    let Some(target) = target else {
        let advice = "imports the whole crate, so that nobody sees which rooms: name the room in each path";
        return report(found, file, mention.line, "imports", advice.into());
    };
    if target == room.name || allowed(room, target) {
        return;
    }
    let advice = if ROOMS.iter().any(|other| other.name == target) {
        format!(
            "`{}` may not import `{target}` (it may: {}); move the code, pass the value in, or change ROOMS in \
             tests/architecture/main.rs together with an ADR",
            room.name,
            listed(room)
        )
    } else {
        format!(
            "`{target}` is no room: name the room that holds the item, or add a new room to ROOMS in \
             tests/architecture/main.rs"
        )
    };
    report(found, file, mention.line, "imports", advice);
}

fn allowed(room: &Room, target: &str) -> bool {
    if room.imports != EARLIER {
        return room.imports.contains(&target);
    }
    ROOMS.iter().take_while(|other| other.name != room.name).any(|other| other.name == target)
}

fn listed(room: &Room) -> String {
    match room.imports {
        [] => "none".into(),
        EARLIER => "the rooms above it".into(),
        imports => imports.join(", "),
    }
}

/// The path below the crate root, when the mention is one of our own.
fn from_root(mention: &Mention) -> Option<Vec<String>> {
    let segments = &mention.segments;
    let supers = segments.iter().take_while(|segment| *segment == "super").count();
    match segments[0].as_str() {
        "crate" | "s3seal" => Some(segments[1..].to_vec()),
        "super" => {
            let kept = mention.module.len().saturating_sub(supers);
            Some(mention.module[..kept].iter().chain(&segments[supers..]).cloned().collect())
        }
        "self" if segments.get(1).is_some_and(|segment| segment == "super") => {
            let inner = Mention { segments: segments[1..].to_vec(), ..mention.clone() };
            from_root(&inner)
        }
        _ => None,
    }
}

/// Pure rooms compute on what they are given: nothing of the outside world, nothing that differs between runs.
fn purity(file: &str, room: &Room, mention: &Mention, found: &mut Vec<Violation>) {
    let Some((power, advice)) = needs(mention) else { return };
    if room.powers.contains(&power) {
        return;
    }
    let what = mention.segments.join("::");
    let advice = format!("`{what}` in `{}`: {advice}", room.name);
    report(found, file, mention.line, "purity", advice);
}

/// The power that a mention needs, and what to do without it.
fn needs(mention: &Mention) -> Option<(Power, &'static str)> {
    let path: Vec<&str> = mention.segments.iter().map(String::as_str).collect();
    let last = *path.last()?;
    let has = |names: &[&str]| path.iter().any(|segment| names.contains(segment));
    let first = |names: &[&str]| names.contains(&path[0]);
    // After `use std::fs`, which is caught, a bare `fs::read` need not be; and `process::` may be a module of ours.
    let module = |name: &str| path.starts_with(&["std", name]);
    let found = if has(&["Instant", "SystemTime", "UNIX_EPOCH"])
        || first(&["quanta", "minstant", "coarsetime"])
        || (path.len() > 1 && ["now", "now_utc", "now_local", "clock_gettime"].contains(&last))
    {
        (Power::Clock, "no clock here: take `now: Timestamp` as an argument")
    } else if first(&["rayon"]) || has(&["par_iter", "par_chunks", "par_iter_mut", "par_chunks_mut"]) {
        (Power::Rayon, "no pool here: rayon belongs to envelope, sim, plan and live")
    } else if first(&["tokio", "async_std", "smol", "futures"]) || path == ["async"] || path == ["await"] {
        (Power::Async, "no runtime here: return what should happen next and let the driver do it")
    } else if module("thread") || first(&["threadpool"]) || path.starts_with(&["crossbeam", "thread"]) {
        (Power::Thread, "no threads and no sleeping here: return the instant to wait for")
    } else if has(&["TcpStream", "TcpListener", "UdpSocket", "UnixStream", "UnixListener", "UnixDatagram"])
        || first(&["hyper", "reqwest", "socket2", "aws_config", "aws_sdk_kms", "aws_sdk_s3"])
    {
        (Power::Socket, "no sockets here: they belong to client, store and serve")
    } else if module("fs")
        || module("env")
        || module("process")
        || path.starts_with(&["rustix", "fs"])
        || first(&["tempfile", "memmap2", "fs_err"])
    {
        (Power::File, "no files, environment or processes here: take a reader, a writer or a value")
    } else if (mention.next == Next::Bang && ["print", "println", "eprint", "eprintln"].contains(&last))
        || (has(&["io"]) && ["stdin", "stdout", "stderr"].contains(&last))
    {
        (Power::Print, "only cli prints: return the value, or write to the writer that is passed in")
    } else if random_map(mention, &path) {
        (
            Power::RandomMap,
            "its order differs from run to run: use a BTreeMap or name a hasher with a fixed seed",
        )
    } else if has(&KEY_TYPES) || path.windows(2).any(|pair| pair == ["kms", "wrap"]) {
        (
            Power::KeyBytes,
            "no key bytes here: a key is a handle, and bytes belong to envelope, kms, cache and live",
        )
    } else {
        return None;
    };
    Some(found)
}

/// A hash map or set whose hasher is the random default: too few generic arguments, or a constructor of the default.
fn random_map(mention: &Mention, path: &[&str]) -> bool {
    if path.contains(&"RandomState") || path[0] == "ahash" {
        return true;
    }
    let Some(at) = path.iter().position(|segment| *segment == "HashMap" || *segment == "HashSet") else {
        return false;
    };
    let with_hasher = if path[at] == "HashMap" { 3 } else { 2 };
    match path.get(at + 1) {
        Some(call) => ["new", "with_capacity", "from", "from_iter"].contains(call),
        None => match mention.next {
            Next::Generics(arguments) => arguments < with_hasher,
            Next::As => true, // renamed, the map could no longer be recognised
            Next::Bang | Next::Other => false,
        },
    }
}

/// `unsafe`, and the permission for it, stand in the named files only.
fn unsafe_word(file: &str, named: &Named, found: &mut Vec<Violation>) {
    if UNSAFE.contains(&file) {
        return;
    }
    for mention in &named.mentions {
        if mention.segments == ["unsafe"] || mention.segments == ["unsafe_code"] {
            let advice = format!(
                "only {} may: find a safe way, or add the file to UNSAFE with its reason",
                UNSAFE.join(", ")
            );
            report(found, file, mention.line, "unsafe", advice);
        }
    }
}

/// `src/lib.rs` is the map: each room stands below the rooms that it may import.
fn map_order(file: &str, named: &Named, found: &mut Vec<Violation>) {
    let rank = |name: &str| ROOMS.iter().position(|room| room.name == name);
    for (i, declared) in named.declared.iter().enumerate() {
        let name = declared.path[0].as_str();
        let Some(room) = rank(name).map(|rank| &ROOMS[rank]) else {
            let advice = format!(
                "`{name}` is no room: add it to ROOMS in tests/architecture/main.rs and to docs/ARCHITECTURE.md"
            );
            report(found, file, declared.line, "rooms", advice);
            continue;
        };
        for later in &named.declared[i + 1..] {
            if allowed(room, &later.path[0]) {
                let advice =
                    format!("`{name}` stands above `{}`, which it may import: swap them", later.path[0]);
                report(found, file, declared.line, "map", advice);
            }
        }
    }
}

/// The first line says what the file is.
fn first_line(file: &str, text: &str, found: &mut Vec<Violation>) {
    let first = text.lines().next().unwrap_or_default();
    if first.strip_prefix("//!").is_none_or(|words| words.trim().is_empty()) {
        report(
            found,
            file,
            1,
            "first line",
            "open the file with `//!` and what it holds, in one line".into(),
        );
    }
}

fn length(file: &str, text: &str, found: &mut Vec<Violation>) {
    let lines = text.lines().count();
    if lines > LINES_MAX {
        let advice =
            format!("{lines} lines, at most {LINES_MAX}: split it by subject, or move large tests to tests/");
        report(found, file, LINES_MAX + 1, "length", advice);
    }
}

fn name(file: &str, found: &mut Vec<Violation>) {
    let parts = file.split('/').map(|part| part.trim_end_matches(".rs"));
    for part in parts.filter(|part| EMPTY_NAMES.contains(part)) {
        report(
            found,
            file,
            1,
            "name",
            format!("`{part}` says nothing: name it by the noun that it is about"),
        );
    }
}

/// Nothing is left for later in the text: what is open belongs in the tracker, what is decided in an ADR.
fn unfinished(file: &str, text: &str, found: &mut Vec<Violation>) {
    // Put together here, so that this file does not contain them.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    for (i, line) in text.lines().enumerate() {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(mark) = words.into_iter().find(|word| marks.contains(word)) {
            report(found, file, i + 1, "unfinished", format!("{mark}: do it, or take it out"));
        }
    }
}

/// A decision record that is named exists.
fn decision(file: &str, text: &str, tree: &Tree, found: &mut Vec<Violation>) {
    for (i, line) in text.lines().enumerate() {
        for after in line.split("docs/adr/").skip(1) {
            let number: String = after.chars().take_while(char::is_ascii_digit).collect();
            let start = format!("docs/adr/{number}-");
            if number.len() == 4 && !tree.keys().any(|path| path.starts_with(&start)) {
                report(
                    found,
                    file,
                    i + 1,
                    "decision",
                    format!("there is no {start}*.md: write it, or correct the number"),
                );
            }
        }
    }
}

/// Each dependency says, in a comment right above it, what earns it. A comment above a table's header counts for the
/// first line of the table.
fn dependency_reason(file: &str, text: &str, found: &mut Vec<Violation>) {
    let (mut table, mut depth, mut commented) = (false, 0, false);
    for (i, line) in text.lines().map(str::trim).enumerate() {
        let header = depth == 0 && line.starts_with('[');
        let name = line.trim_matches(['[', ']']);
        let entry = depth == 0 && table && !line.starts_with('#') && line.contains('=');
        if !commented && (entry || (header && name.contains("dependencies."))) {
            let advice = "say in a comment right above it what earns this dependency";
            report(found, file, i + 1, "dependency", advice.into());
        }
        if header {
            table = name.ends_with("dependencies");
            continue;
        }
        commented = line.starts_with('#');
        if !commented {
            depth += line.matches(['[', '{']).count();
            depth = depth.saturating_sub(line.matches([']', '}']).count());
        }
    }
}

/// Files that are compiled for tests only, because their `mod` line stands under `#[cfg(test)]`.
fn test_files(tree: &Tree) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for (file, text) in tree.iter().filter(|(file, _)| file.starts_with("src/") && is_rust(file)) {
        let Ok(named) = named(text, &module_of(file)) else { continue };
        for declared in named.declared.iter().filter(|declared| declared.in_test) {
            let stem = format!("src/{}", declared.path.join("/"));
            let below = format!("{stem}/");
            let own = format!("{stem}.rs");
            files.extend(tree.keys().filter(|path| **path == own || path.starts_with(&below)).cloned());
        }
    }
    files
}

fn is_rust(file: &str) -> bool {
    file.strip_suffix(".rs").is_some()
}

/// `src/kms/quota.rs` is `kms::quota`; the crate roots are the empty path.
fn module_of(file: &str) -> Vec<String> {
    let Some(path) = file.strip_prefix("src/").and_then(|path| path.strip_suffix(".rs")) else {
        return Vec::new();
    };
    let parts: Vec<&str> = path.split('/').collect();
    let kept = match parts.as_slice() {
        ["lib" | "main"] => &parts[..0],
        [before @ .., "mod"] => before,
        all => all,
    };
    kept.iter().map(|part| (*part).to_owned()).collect()
}

/// The room of a file in `src/`; `main.rs` belongs to `cli`.
fn room_of(file: &str) -> String {
    module_of(file).into_iter().next().unwrap_or_else(|| "cli".into())
}

fn report(found: &mut Vec<Violation>, file: &str, line: usize, rule: &'static str, advice: String) {
    found.push(Violation { file: file.into(), line, rule, advice });
}
