//! `darts genotype` and `darts table`, run as programs.

mod cli;

use cli::{darts, document, refusal};
use darts_engine::space::{CONVOLUTIONAL, Genotype, NetworkSize, REPORTED_CIFAR10, REPORTED_IMAGENET};
use serde_json::{Value, json};
use std::{collections::HashSet, fs, path::Path};
use tempfile::tempdir;

fn printed(args: &[&str]) -> String {
    let output = darts().args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn published(name: &str) -> Genotype {
    CONVOLUTIONAL.published(name).unwrap()
}

fn cells(value: Value) -> Genotype {
    serde_json::from_value(value).unwrap()
}

/// Error of `genotype show` in a folder for an argument that it refuses.
fn refused(folder: &Path, what: &str) -> String {
    refusal(darts().current_dir(folder).args(["genotype", "show", what]), 1)
}

#[test]
fn published_cells_are_shown_by_name_and_code_in_every_format() {
    for name in CONVOLUTIONAL.published_names() {
        let genotype = published(name);
        let code = printed(&["genotype", "code", name]);
        let code = code.trim_end();
        let coded = document(darts().args(["genotype", "code", name]));
        assert_eq!(coded, json!({ "code": code, "genotype": genotype }));
        for cell in [name, &name.to_lowercase(), code] {
            assert_eq!(printed(&["genotype", "show", cell]), genotype.to_string());
            assert_eq!(cells(document(darts().args(["genotype", "show", cell]))), genotype);
        }
        for show in [["genotype", "show", name], ["genotype", "decode", code]] {
            let format = |format: &str| printed(&[&show[..], &["--format", format]].concat());
            assert_eq!(format("text"), genotype.to_string());
            assert_eq!(cells(serde_json::from_str(&format("json")).unwrap()), genotype);
            assert_eq!(Genotype::from_python(&format("python")), Ok(genotype.clone()));
            assert_eq!(format("dot"), genotype.dot());
        }
    }
}

#[test]
fn files_in_json_and_python_are_read() {
    let dir = tempdir().unwrap();
    let genotype = published("ENAS");
    for (file, text) in [
        ("a.json", serde_json::to_string(&genotype).unwrap()),
        ("b.py", format!("# mine\nENAS = {}\n", genotype.to_python())),
        ("c", format!("  {}", genotype.to_python())),
        // A file comes before a published cell of that name.
        ("NASNet", genotype.to_python()),
    ] {
        fs::write(dir.path().join(file), text).unwrap();
        let mut command = darts();
        assert_eq!(
            cells(document(command.current_dir(dir.path()).args(["genotype", "show", file]))),
            genotype,
            "{file}"
        );
    }
}

#[test]
fn cells_that_are_not_well_formed_are_refused() {
    let dir = tempdir().unwrap();
    let refusal_of = |what: &str| refused(dir.path(), what);
    let known = "DARTS_V1, DARTS_V2, NASNet, AmoebaNet, PNASNet, ENAS";
    let unknown = format!("DARTS is not a published cell ({known}), a file, a run folder or a share code");
    assert_eq!(refusal_of("DARTS"), unknown);
    assert_eq!(refusal_of("."), ". holds no run: it has no config.json");
    let whole = serde_json::to_value(published("NASNet")).unwrap();
    let file = |change: &dyn Fn(&mut Value)| {
        let mut genotype = whole.clone();
        change(&mut genotype);
        fs::write(dir.path().join("cells.json"), genotype.to_string()).unwrap();
        refusal_of("cells.json")
    };
    let op = file(&|cells| cells["normal"][4][0] = "sep_conv_9x9".into());
    assert!(op.starts_with("cells.json: normal[4][0]: unknown op \"sep_conv_9x9\" (known: none, "), "{op}");
    let future = file(&|cells| cells["reduce"][3][1] = 3.into());
    assert_eq!(future, "cells.json: reduce cell, node 1: reads state 3, which comes after it");
    let zero = file(&|cells| cells["normal"][0][0] = "none".into());
    assert_eq!(zero, "cells.json: normal cell, node 0: the zero op cannot be part of a derived cell");
    let output = file(&|cells| cells["normal_concat"] = json!([2, 99]));
    assert!(output.starts_with("cells.json: normal cell: its output names state 99, the last is "), "{output}");
    let twice = file(&|cells| cells["reduce_concat"] = json!([3, 4, 3]));
    assert_eq!(twice, "cells.json: reduce cell: its output names state 3 twice");

    let text = |text: &str| {
        fs::write(dir.path().join("cells"), text).unwrap();
        refusal_of("cells")
    };
    assert!(text("{\"normal\":").starts_with("cells: normal: EOF while parsing a value at line 1 column 10"));
    assert_eq!(text("Genotype(\n normal=x"), "cells: line 2, column 9: expected a list of (op, state), found x");
    let future = "Genotype([('skip_connect', 0), ('skip_connect', 2)], [2], [], [])";
    assert_eq!(text(future), "cells: normal cell, node 0: reads state 2, which comes after it");
    assert!(text("\u{0}\u{1}").starts_with("cells: expected value at line 1 column 1"));
}

#[test]
fn codes_with_errors_are_refused() {
    let code = published("DARTS_V1").code().unwrap();
    let wrong = code.replacen("s1", "d1", 1);
    for verb in ["show", "decode", "code"] {
        let error = refusal(darts().args(["genotype", verb, &wrong]), 1);
        let start = format!("the share code {wrong} cannot be read: its check is {}, but the rest has ", &code[37..]);
        assert!(error.starts_with(&start), "{error}");
    }
    let error = refusal(darts().args(["genotype", "decode", "DARTS_V1"]), 1);
    let start = "the share code DARTS_V1 cannot be read: it does not begin with d1.";
    assert!(error.starts_with(start), "{error}");
    assert!(
        refusal(darts().args(["genotype", "show", "NASNet", "--format", "svg"]), 2).starts_with("invalid value 'svg'")
    );
    let both = refusal(darts().args(["genotype", "show", "NASNet", "--format", "dot", "--json"]), 1);
    assert_eq!(both, "--json does not go with another --format; choose one of them");
}

#[test]
fn random_cells_are_those_of_their_seed() {
    let draw = |seed: &str, count: &str| {
        let drawn = document(darts().args(["genotype", "random", "--seed", seed, "--count", count]));
        drawn.as_array().unwrap().clone()
    };
    let many = draw("11", "40");
    assert_eq!(draw("11", "3"), many[..3]);
    assert_ne!(draw("12", "1")[0], many[0]);
    let mut seen = HashSet::new();
    for drawn in &many {
        let genotype = cells(drawn["genotype"].clone());
        genotype.check_derived().unwrap();
        assert_eq!(drawn["code"], json!(genotype.code().unwrap()));
        assert!(seen.insert(genotype), "cells differ");
    }
    let first = cells(many[0]["genotype"].clone());
    let text = printed(&["genotype", "random", "--seed", "11"]);
    assert_eq!(text, format!("{}\n{first}", first.code().unwrap()));
    // Every machine must draw the same cells.
    assert_eq!(draw("0", "1")[0]["code"], json!("d1.d0s1s1m2t0s3d1e4.e0a1e0d2t1i2t0t3.6d1e"));
    assert!(
        refusal(darts().args(["genotype", "random", "--count", "0"]), 2).starts_with("invalid value '0' for '--count")
    );
    assert!(
        refusal(darts().args(["genotype", "random", "--seed", "x"]), 2).starts_with("invalid value 'x' for '--seed")
    );
}

#[test]
fn the_table_has_every_published_cell_and_report() {
    let table = document(darts().arg("table"));
    assert_eq!(table["cifar10_size"], serde_json::to_value(NetworkSize::CIFAR10).unwrap());
    let rows = table["rows"].as_array().unwrap();
    let names: HashSet<&str> = rows.iter().filter_map(|row| row["cell"].as_str()).collect();
    assert!(CONVOLUTIONAL.published_names().all(|cell| names.contains(cell)), "{names:?}");
    let reports = |side: &str| -> Vec<Value> {
        rows.iter().flat_map(|row| row[side]["reported"].as_array().unwrap().clone()).collect()
    };
    assert_eq!(reports("cifar10"), REPORTED_CIFAR10.map(|row| serde_json::to_value(row).unwrap()));
    assert_eq!(reports("imagenet").len(), REPORTED_IMAGENET.len());
    for row in rows {
        let Some(genotype) = row["code"].as_str().map(|code| Genotype::from_code(code).unwrap()) else {
            assert_eq!((&row["cell"], &row["cifar10"]["computed"]), (&Value::Null, &Value::Null));
            continue;
        };
        for (side, size) in [("cifar10", NetworkSize::CIFAR10), ("imagenet", NetworkSize::IMAGENET)] {
            let cost = genotype.cost(&size);
            assert_eq!(row[side]["computed"]["params"], json!(cost.network.params));
            assert_eq!(row[side]["computed"]["macs"], json!(cost.network.macs));
            assert_eq!(row[side]["computed"]["auxiliary"]["params"], json!(cost.auxiliary.unwrap().params));
        }
    }

    let text = printed(&["table"]);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let words = |start: &str| -> Vec<Vec<&str>> {
        text.lines().filter(|line| line.starts_with(start)).map(|line| line.split_whitespace().collect()).collect()
    };
    let darts = words("DARTS_V2 ");
    let small = "DARTS_V2 3.35M 528M DARTS (second order) + cutout 2.76 \u{b1} 0.09 3.3M 4";
    assert_eq!(darts[0].join(" "), small);
    assert_eq!(darts[1].join(" "), "DARTS_V2 4.72M 530M DARTS (searched on CIFAR-10) 26.7 8.7 4.7M 574M 4");
}

#[test]
fn the_table_takes_any_cells() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("mine.py"), published("DARTS_V2").to_python()).unwrap();
    let random = Genotype::random(CONVOLUTIONAL, 1, 1).next().unwrap().code().unwrap();
    let mut command = darts();
    let table = document(command.current_dir(dir.path()).args(["table", "mine.py", &random, "nasnet"]));
    let row = |i: usize, key: &str| table["rows"][i][key].clone();
    assert_eq!((row(0, "cell"), row(1, "cell"), row(2, "cell")), (json!("mine.py"), json!(random), json!("nasnet")));
    // The paper's cell is recognised under any name.
    assert_eq!(row(0, "cifar10")["reported"][0]["network"], "DARTS (second order) + cutout");
    assert_eq!(row(1, "cifar10")["reported"], json!([]));
    assert!(row(1, "imagenet")["computed"]["macs"].as_u64().unwrap() > 100_000_000);
    let text = printed(&["table", &random]);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with(&random[..15])).count(), 2, "{text}");
    let error = refusal(darts().args(["table", "nasnet", "none"]), 1);
    assert!(error.starts_with("none is not a published cell ("), "{error}");
}
