//! Helpers that run the `darts` binary.

use std::process::Command;

/// The `darts` binary built in the same profile as this test. Cargo passes a package's tests the paths of its own binaries only.
pub fn darts() -> Command {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("tests are in a folder beside the binaries");
    let binary = folder.join(format!("darts{}", std::env::consts::EXE_SUFFIX));
    assert!(binary.exists(), "{} is not built: cargo build --release --bin darts", binary.display());
    let mut command = Command::new(binary);
    command.env("no_proxy", "127.0.0.1");
    command
}

/// Runs a command that must fail with `code`, print nothing on standard output and one line on standard error; returns
/// that line without `darts: `.
pub fn refusal(command: &mut Command, code: i32) -> String {
    let output = command.output().expect("the binary runs");
    let error = String::from_utf8(output.stderr).expect("errors are UTF-8");
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(error.lines().count(), 1, "{error}");
    error.trim_end().strip_prefix("darts: ").unwrap_or_else(|| panic!("no report: {error}")).to_owned()
}

/// JSON document that a command prints with `--json`.
pub fn document(command: &mut Command) -> serde_json::Value {
    let output = command.arg("--json").output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("standard output is one JSON document")
}
