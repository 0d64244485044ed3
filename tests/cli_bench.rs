//! `darts bench`, run as a program.

mod cli;

use cli::{darts, document, refusal};
use std::process::Command;

/// Device that runs shaders, if only a software adapter.
const SHADERS: &str = if cfg!(target_os = "macos") {
    "metal"
} else if cfg!(windows) {
    "dx12"
} else {
    "vulkan"
};

fn bench(batch: usize) -> Command {
    let mut command = darts();
    command.args([
        "bench",
        "step",
        "--quiet",
        "--device",
        SHADERS,
        "--init-channels",
        "4",
        "--layers",
        "3",
        "--steps",
        "1",
    ]);
    command.arg("--batch-size");
    command.arg(batch.to_string());
    command
}

/// The expected memory is estimated from shapes; the reserved memory includes unused space.
#[test]
fn steps_are_measured_and_their_memory_was_expected() {
    for batch in [8, 48] {
        let figures = document(&mut bench(batch));
        let number = |path: &str| figures.pointer(path).and_then(|v| v.as_f64()).unwrap_or_else(|| panic!("{path}"));
        let (expected, peak) = (number("/expected_bytes"), number("/peak_bytes"));
        assert!((0.7..=1.3).contains(&(expected / peak)), "batch {batch}: {expected} bytes expected, {peak} reserved");
        for step in ["weight_step", "architecture_step"] {
            let figure = |name: &str| number(&format!("/{step}/{name}"));
            assert!(figure("dispatches") > 100.0 && figure("other_dispatches") > 10.0);
            let compute = figure("gflops") / number("/ceilings/multiply_add_gflops");
            assert!((figure("fraction_of_multiply_add") / compute - 1.0).abs() < 1e-9);
            // A shader that rereads cached data may beat a copy, but not by much.
            let copy = figure("fraction_of_copy");
            assert!(compute > 0.0 && compute < 1.0 && copy > 0.0 && copy < 2.0, "{compute} {copy}");
        }
    }
}

#[test]
fn steps_on_the_cpu_are_measured() {
    let mut command = darts();
    command.args([
        "bench",
        "step",
        "--quiet",
        "--device",
        "cpu",
        "--init-channels",
        "8",
        "--layers",
        "3",
        "--steps",
        "1",
    ]);
    let figures = document(command.args(["--batch-size", "32"]));
    let number = |path: &str| figures.pointer(path).and_then(|v| v.as_f64()).unwrap_or_else(|| panic!("{path}"));
    assert_eq!(figures["config"]["kernels"], "fused");
    assert!(number("/expected_bytes") > 0.0 && number("/peak_bytes") > number("/expected_bytes"));
    for step in ["weight_step", "architecture_step"] {
        assert!(number(&format!("/{step}/gflops")) > 0.0);
    }
}

#[test]
fn recurrent_steps_are_measured_by_the_word() {
    let recurrent = |more: &[&str]| {
        let mut command = darts();
        command
            .args([
                "bench",
                "recurrent",
                "--quiet",
                "--device",
                SHADERS,
                "--hidden",
                "16",
                "--vocabulary",
                "30",
                "--steps",
                "1",
            ])
            .args(more);
        command
    };
    let sizes = |bptt| ["--batch-size", "8", "--bptt", bptt];
    let [short, long] = ["4", "12"].map(|bptt| document(&mut recurrent(&sizes(bptt))));
    assert_eq!(short["parameters"], 30 * 17 + 10 * 2 * 16 * 16);
    for (i, step) in ["weight_step", "architecture_step"].into_iter().enumerate() {
        let [short, long] = [&short, &long].map(|figures| {
            let number = |name: &str| figures[step][name].as_u64().unwrap();
            let (all, bptt) =
                (number("dispatches") + number("other_dispatches"), figures["config"]["bptt"].as_f64().unwrap());
            assert_eq!(figures["dispatches_per_word"][i].as_f64(), Some(all as f64 / bptt));
            assert_eq!(number("multiply_accumulates"), 3 * 8 * bptt as u64 * ((4 + 72) * 256 + 30 * 16));
            (all, number("dispatches"))
        });
        assert!(short.1 > 0 && long.0 > short.0, "{short:?} {long:?}");
    }
    let error = refusal(darts().args(["bench", "recurrent", "--quiet", "--vocabulary", "10000000"]), 1);
    assert!(error.starts_with("hidden and the vocabulary make a network of 3"), "{error}");
}

#[test]
fn a_checkpoint_is_measured() {
    let mut command = darts();
    command.args(["bench", "checkpoint", "--quiet", "--device", "cpu", "--init-channels", "2", "--layers", "2"]);
    let figures = document(command.args(["--batch-size", "2", "--repeats", "2"]));
    let number = |path: &str| figures.pointer(path).and_then(|v| v.as_f64()).unwrap_or_else(|| panic!("{path}"));
    // Weights and their momentum, in float32; the alphas and their moments, and the header.
    let state = number("/bytes") - 8.0 * number("/parameters");
    assert!((3.0 * 4.0 * 224.0..20_000.0).contains(&state), "{state} bytes are not the weights");
    let cost = (number("/read/median_ms") + number("/write/median_ms")) / 1e3;
    assert!(cost > 0.0 && number("/resume/median_ms") > 0.0 && number("/step_ms") > 0.0);
    assert!((number("/share") / (cost / (cost + 600.0)) - 1.0).abs() < 1e-9);
    assert!((number("/least_epoch_seconds") / (50.0 * cost) - 1.0).abs() < 1e-9);
}

#[test]
fn what_the_device_cannot_hold_is_refused() {
    let error = refusal(&mut bench(10_000_000), 1);
    assert!(error.starts_with("a buffer of "), "{error}");
    assert!(error.ends_with("lower batch-size (now 10000000) or init-channels (now 4)"), "{error}");
}

#[test]
fn several_sizes_are_set_against_linear_growth() {
    let sized = || {
        let mut command = darts();
        let sizes = ["--batch-size", "2,6", "--layers", "2,3", "--init-channels", "4", "--steps", "1"];
        command.args(["bench", "step", "--quiet"]).args(sizes);
        command
    };
    let figures = document(&mut sized());
    let sizes: Vec<_> = figures.as_array().unwrap().iter().map(|size| &size["config"]).collect();
    let sizes: Vec<_> = sizes.iter().map(|config| [&config["batch_size"], &config["layers"]]).collect();
    assert_eq!(sizes, [[2, 2], [6, 2], [2, 3], [6, 3]]);
    let output = sized().output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, growth) = text.split_once("growth, beside times in proportion to the first size\n").unwrap();
    let lines: Vec<_> = growth.lines().collect();
    assert_eq!(lines.len(), 4, "{growth}");
    assert!(lines[0].contains("batch 2, 2 cells") && lines[0].matches("(1.00)").count() == 2, "{growth}");
    assert!(lines[3].contains("batch 6, 3 cells"), "{growth}");
}
