//! Tests of the architecture test: each rule sees what breaks it, and nothing that only looks like it.

use super::rule::{LINES_MAX, violations};
use super::{ROOMS, Tree};

/// The rule and line of each violation in a tree that holds `file` alone.
fn broken(file: &str, text: &str) -> Vec<(&'static str, usize)> {
    let tree = Tree::from([(file.to_owned(), text.to_owned())]);
    violations(&tree).into_iter().map(|violation| (violation.rule, violation.line)).collect()
}

/// `code` on line 2 of a file that is in order otherwise.
fn in_file(file: &str, code: &str) -> Vec<(&'static str, usize)> {
    broken(file, &format!("//! A file.\n{code}\n"))
}

#[track_caller]
fn assert_caught(rule: &'static str, file: &str, codes: &[&str]) {
    for code in codes {
        let found = in_file(file, code);
        assert!(found.contains(&(rule, 2)), "not caught in {file}: {code} (found {found:?})");
    }
}

#[track_caller]
fn assert_clean(file: &str, codes: &[&str]) {
    for code in codes {
        assert_eq!(in_file(file, code), [], "in {file}: {code}");
    }
}

#[test]
fn a_forbidden_import_is_caught_however_it_is_written() {
    assert_caught(
        "imports",
        "src/cache/flight.rs",
        &[
            "use crate::kms::Quota;",
            "use crate::{units::Span, kms};",
            "use crate::{units::{Span, Timestamp}, envelope, kms::{quota, model}};",
            "use super::super::kms::Quota;",
            "use super::super::{units, kms};",
            "use self::super::super::kms;",
            "use s3seal::kms;",
            "fn f() -> crate::kms::Quota { unreachable!() }",
            "fn f() { crate::kms::admit(1) }",
            "fn f() { assert!(crate::kms::admit(1)); }",
            "macro_rules! m { () => { $crate::kms::admit(1) } }",
            "mod inner { use super::super::super::kms; }",
            "#[cfg(test)] mod tests { use crate::kms; }",
            "type Map = Vec<crate::kms::Quota>;",
        ],
    );
    assert_caught("imports", "src/units.rs", &["use crate::envelope::KeyArn;", "use super::request;"]);
    assert_caught("imports", "src/envelope/mod.rs", &["use super::cache::Limits;"]);
    assert_caught("imports", "src/workload/log/csv.rs", &["use crate::envelope::KeyArn;"]);
    assert_caught("imports", "src/store/mod.rs", &["use crate::cli;", "use crate::serve;"]);
}

#[test]
fn an_import_that_hides_its_room_is_caught() {
    assert_caught(
        "imports",
        "src/cache/flight.rs",
        &[
            "use crate::*;",
            "use super::super::*;",
            "use crate::{units::Span, *};",
            "use crate as root;",
            "use crate::{self as root};",
            "use super::super as root;",
            "use crate::KeyArn;",
            "use crate::vault::Key;",
        ],
    );
}

#[test]
fn allowed_imports_and_words_that_only_look_like_imports_pass() {
    assert_clean(
        "src/cache/flight.rs",
        &[
            "use crate::units::Timestamp;",
            "use crate::{envelope::{KeyArn, KeyId}, request::Principal, units::*};",
            "use crate::cache::limits::UsageLimits;",
            "use super::limits::UsageLimits;",
            "use super::super::units::Span;",
            "pub(crate) struct A; pub(super) struct B; pub(in crate::cache) struct C;",
            "// use crate::kms::Quota;",
            "/* crate::kms */ struct A;",
            "/// As `crate::kms` does it: [`crate::kms::Quota`].\nstruct A;",
            "const A: &str = \"crate::kms\";",
            "const A: &str = r#\"use crate::kms;\"#;",
            "fn f() { let kms = 1; kms::<u8>(kms); other::kms::f(); }",
        ],
    );
    assert_clean("src/units.rs", &["#[cfg(test)] mod tests { use super::*; }"]);
    assert_clean("src/cli/seal.rs", &["use crate::envelope; use s3seal::plan;"]);
    assert_clean("src/main.rs", &["use s3seal::cli;"]);
}

#[test]
fn an_unknown_room_is_caught_and_the_advice_says_where_to_add_it() {
    let tree = Tree::from([("src/vault/mod.rs".to_owned(), "//! A vault.\n".to_owned())]);
    let found = violations(&tree);
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().contains("add it to ROOMS in tests/architecture/main.rs"), "{}", found[0]);
    assert_caught("rooms", "src/lib.rs", &["pub mod vault;"]);
}

#[test]
fn a_map_out_of_order_is_caught() {
    assert_caught(
        "map",
        "src/lib.rs",
        &["pub mod envelope; pub mod units;", "pub mod cli; mod request; mod units;"],
    );
    assert_clean(
        "src/lib.rs",
        &["pub mod units; pub mod envelope; pub mod request; pub mod workload; pub mod kms;"],
    );
}

#[test]
fn a_clock_in_a_pure_room_is_caught() {
    let codes = [
        "use std::time::Instant;",
        "use std::time::{Duration, Instant};",
        "use std::{fmt, time::{self, SystemTime}};",
        "fn f() { std::time::Instant::now(); }",
        "fn f() { let t = time::SystemTime::now(); }",
        "fn f() { dbg(std::time::UNIX_EPOCH); }",
        "fn f() { chrono::Utc::now(); }",
        "fn f() { quanta::Clock::new(); }",
        "fn f() { debug_assert!(Instant::now() > start); }",
        "#[cfg(not(test))] fn f() { Instant::now(); }",
        "#[cfg(test)] fn g() {} fn f() { Instant::now(); }",
        "struct A { #[cfg(test)] a: u8, b: Instant }",
    ];
    for file in
        ["src/units.rs", "src/envelope/seal.rs", "src/kms/quota.rs", "src/sim/run.rs", "src/plan/search.rs"]
    {
        assert_caught("purity", file, &codes);
    }
}

#[test]
fn a_thread_a_runtime_a_pool_or_a_socket_in_a_pure_room_is_caught() {
    let codes = [
        "use std::thread;",
        "fn f() { std::thread::sleep(d); }",
        "use std::{fmt, thread::{self, JoinHandle}};",
        "use tokio::sync::Mutex;",
        "async fn f() {}",
        "fn f() { g().await }",
        "use rayon::prelude::*;",
        "use std::net::{IpAddr, TcpStream};",
        "fn f() { hyper::Request::new(()); }",
    ];
    for file in ["src/request.rs", "src/cache/shared.rs", "src/pipeline/machine.rs", "src/rig/time.rs"] {
        assert_caught("purity", file, &codes);
    }
    assert_caught("purity", "src/sim/fast.rs", &["use std::thread;", "fn f() { g().await }"]);
    let rayon = "use rayon::prelude::*;";
    assert_clean("src/envelope/seal.rs", &[rayon]);
    assert_clean("src/sim/fast.rs", &[rayon]);
    assert_clean("src/plan/search.rs", &[rayon]);
    assert_clean("src/live/sealers.rs", &[rayon, "use tokio::time; use std::time::Instant;"]);
}

#[test]
fn files_environment_and_standard_streams_in_a_pure_room_are_caught() {
    let codes = [
        "use std::fs::File;",
        "fn f() { std::fs::read(path); }",
        "use std::{io::Read, fs};",
        "fn f() { std::env::var(name); }",
        "fn f() { std::process::exit(1); }",
        "fn f() { tempfile::tempdir(); }",
        "fn f() { println!(\"{}\", 1); }",
        "fn f() { eprintln!(); }",
        "fn f() { std::print!(\"a\"); }",
        "fn f() { std::io::stdout(); }",
        "use std::io::{Write, stderr};",
    ];
    for file in ["src/workload/log/csv.rs", "src/report/text.rs", "src/live/driver.rs", "src/plan/choose.rs"]
    {
        assert_caught("purity", file, &codes);
    }
    assert_clean("src/cli/seal.rs", &codes);
    assert_clean("src/main.rs", &codes);
}

#[test]
fn a_map_with_random_state_in_a_pure_room_is_caught() {
    let codes = [
        "fn f() { HashMap::new(); }",
        "fn f() { std::collections::HashMap::with_capacity(9); }",
        "fn f() { HashSet::from([1]); }",
        "struct A { a: HashMap<u8, Vec<u8>> }",
        "struct A { a: HashMap<u8, Box<dyn Fn(u8) -> HashSet<u8>>> }",
        "struct A { a: HashSet<(u8, u8)> }",
        "fn f() { a.collect::<HashMap<_, _>>(); }",
        "fn f() { HashMap::<u8, u8>::default(); }",
        "use std::collections::HashMap as Map;",
        "use std::hash::RandomState;",
        "use ahash::AHashMap;",
    ];
    for file in ["src/sim/run.rs", "src/kms/key.rs", "src/cost/bill.rs"] {
        assert_caught("purity", file, &codes);
    }
    assert_clean(
        "src/kms/key.rs",
        &[
            "use std::collections::{BTreeMap, HashMap};",
            "struct A { a: HashMap<u8, Vec<(u8, u8)>, FixedState>, b: HashSet<u8, FixedState> }",
            "struct A { a: HashMap<fn(u8) -> u8, u8, FixedState> }",
            "fn f() { HashMap::with_hasher(FixedState::default()); }",
            "fn f() { BTreeMap::new(); MyHashMap::new(); }",
        ],
    );
}

#[test]
fn key_bytes_where_keys_are_handles_are_caught() {
    let codes = ["use crate::envelope::DataKey;", "fn f() { crate::kms::wrap::open(b); }"];
    for file in ["src/sim/run.rs", "src/pipeline/step.rs"] {
        assert_caught("purity", file, &codes);
    }
    assert_clean("src/live/driver.rs", &codes);
    assert_clean("src/sim/run.rs", &["use crate::envelope::WrappedKey; struct DataKeyCount;"]);
}

#[test]
fn words_that_only_look_impure_pass() {
    assert_clean(
        "src/kms/quota.rs",
        &[
            "use std::time::Duration;",
            "// Instant::now(), std::thread, println!",
            "/// Unlike [`std::time::Instant`].\nstruct A;",
            "const A: &str = \"SystemTime::now() in std::fs\";",
            "fn f(now: Timestamp, thread: u8) -> u8 { self.now + now(thread) }",
            "fn f() { queue.now(); window.await_reply(); }",
            "struct InstantQuota; fn instant() {} fn fs(env: u8) { env; }",
            "mod process; pub use process::DueTimes; fn f() { fs::f(); env::g(); thread::h(); }",
            "use std::net::IpAddr; use std::io::{self, BufRead, Write};",
            "const A: &str = env!(\"CARGO_PKG_VERSION\");",
            "fn f() { writeln!(out, \"a\"); print != 1; }",
            "fn f<'Instant>(a: &'Instant str) {}",
        ],
    );
}

#[test]
fn test_code_is_exempt_from_purity_but_not_from_the_table() {
    assert_clean(
        "src/kms/quota.rs",
        &[
            "#[cfg(test)]\nmod tests { use std::time::Instant; fn f() { println!(); std::fs::read(p); } }",
            "#[cfg(all(test, unix))]\nmod tests { use std::thread; }",
            "#[cfg(test)]\nuse std::{fs::{self, File}, thread};",
        ],
    );
    assert_caught("purity", "src/kms/quota.rs", &["#[cfg(any(test, unix))] mod tests { use std::thread; }"]);
    let tree = Tree::from([
        ("src/kms/mod.rs".to_owned(), "//! A room.\n#[cfg(test)]\nmod oracle;\nmod model;\n".to_owned()),
        ("src/kms/oracle.rs".to_owned(), "//! Test code.\nuse std::time::Instant;\n".to_owned()),
        ("src/kms/model.rs".to_owned(), "//! Not test code.\nuse std::time::Instant;\n".to_owned()),
    ]);
    let files: Vec<String> = violations(&tree).into_iter().map(|violation| violation.file).collect();
    assert_eq!(files, ["src/kms/model.rs"]);
}

#[test]
fn unsafe_outside_the_named_file_is_caught() {
    let codes = ["fn f() { unsafe { g() } }", "unsafe impl Send for A {}", "#[allow(unsafe_code)] fn f() {}"];
    for file in
        ["src/envelope/key.rs", "benches/a.rs", "tests/a.rs", "src/cli/seal.rs", "fuzz/fuzz_targets/open.rs"]
    {
        assert_caught("unsafe", file, &codes);
    }
    assert_clean("src/envelope/secret.rs", &codes);
    assert_clean("src/envelope/key.rs", &["// unsafe\nconst A: &str = \"unsafe { }\"; fn not_unsafe() {}"]);
}

#[test]
fn a_file_without_a_first_line_is_caught_wherever_it_lies() {
    for file in ["src/units.rs", "benches/a.rs", "tests/a.rs", "examples/a.rs"] {
        for text in ["", "use std::fmt;\n", "// A file.\n", "//!\n", "\n//! Too late.\n"] {
            assert!(broken(file, text).contains(&("first line", 1)), "{file}: {text:?}");
        }
    }
}

#[test]
fn a_file_is_too_long_from_one_line_over_the_limit() {
    let lines = |count: usize| format!("//! A file.\n{}", "// One more line.\n".repeat(count - 1));
    assert_eq!(broken("tests/a.rs", &lines(LINES_MAX)), []);
    assert_eq!(broken("tests/a.rs", &lines(LINES_MAX + 1)), [("length", LINES_MAX + 1)]);
}

#[test]
fn an_empty_name_is_caught() {
    for file in ["src/kms/util.rs", "src/cache/helper.rs", "tests/common/mod.rs"] {
        assert_eq!(broken(file, "//! A file.\n"), [("name", 1)]);
    }
    assert_eq!(broken("src/kms/utilisation.rs", "//! A file.\n"), []);
}

#[test]
fn unfinished_marks_are_caught_in_code_comments_and_documents() {
    for mark in [concat!("TO", "DO"), concat!("FIX", "ME")] {
        assert_caught(
            "unfinished",
            "src/units.rs",
            &[&format!("// {mark}: later"), &format!("//{mark}(later)")],
        );
        assert_eq!(broken("docs/METHODOLOGY.md", &format!("One.\n\n{mark} two.\n")), [("unfinished", 3)]);
        assert_clean("src/units.rs", &[&format!("// {mark}S_LISTED: one word, another meaning")]);
    }
    assert_clean("src/units.rs", &["// A todo list in prose."]);
}

#[test]
fn a_dependency_without_its_reason_is_caught() {
    let table = "[dependencies]\n# Errors.\nthiserror = \"2\"\nserde = \"1\"\n";
    assert_eq!(broken("Cargo.toml", table), [("dependency", 4)]);
    let blank = "[dev-dependencies]\n# Laws.\n\nproptest = \"1\"\n";
    assert_eq!(broken("Cargo.toml", blank), [("dependency", 4)]);
    let target = "[target.'cfg(unix)'.dependencies]\nrustix = \"1\"\n";
    assert_eq!(broken("Cargo.toml", target), [("dependency", 2)]);
    let target = "# Locks pages.\n[target.'cfg(unix)'.dependencies]\nrustix = \"1\"\nlibc = \"0.2\"\n";
    assert_eq!(broken("Cargo.toml", target), [("dependency", 4)]);
    let own_table = "[package]\nname = \"a\"\n\n[dependencies.serde]\nversion = \"1\"\n";
    assert_eq!(broken("Cargo.toml", own_table), [("dependency", 4)]);
    let fine = "[package]\nname = \"a\"\n[dependencies]\n# Errors.\nthiserror = { version = \"2\", features = [\n  \"std\",\n] }\n# Data.\nserde = {\n  version = \"1\",\n}\n\
                # Wiped.\nzeroize = \"1\"\n[features]\ndefault = []\n";
    assert_eq!(broken("Cargo.toml", fine), []);
}

#[test]
fn a_decision_record_that_does_not_exist_is_caught() {
    let code = concat!("// Why: docs/", "adr/0099.");
    assert_caught("decision", "src/units.rs", &[code]);
    let tree = Tree::from([
        ("src/units.rs".to_owned(), format!("//! A file.\n{code}\n")),
        (concat!("docs/", "adr/0099-a-decision.md").to_owned(), "# 99\n".to_owned()),
    ]);
    assert_eq!(violations(&tree), []);
}

#[test]
fn every_room_of_the_table_is_known_to_the_rules() {
    for room in ROOMS {
        let file = format!("src/{}/mod.rs", room.name);
        assert_eq!(broken(&file, "//! A room.\nuse crate::units::Span;\n"), [], "{}", room.name);
    }
}

#[test]
fn text_that_is_not_rust_is_reported_not_skipped() {
    assert_eq!(broken("src/units.rs", "//! A file.\nfn f( {\n"), [("Rust", 1)]);
}
