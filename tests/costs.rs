//! Parameters and multiply-accumulates against those counted in the paper authors' implementation.

use darts_engine::space::{CONVOLUTIONAL, Cost, Genotype, NetworkSize, supernet_cost};
use darts_tests::golden_json;
use serde_json::Value;

fn number(facts: &Value, key: &str) -> u64 {
    facts[key].as_u64().unwrap_or_else(|| panic!("{key} in {facts}"))
}

#[test]
fn networks_of_published_cells() {
    let facts = golden_json("conv_facts");
    let mut cells = 0;
    for (name, facts) in facts.as_object().unwrap() {
        let Some(genotype) = CONVOLUTIONAL.published(name) else {
            assert_eq!(name, "search_supernet");
            continue;
        };
        cells += 1;
        // Both must be present: facts without one would check nothing.
        network(&genotype, name, &facts["cifar10"], NetworkSize::CIFAR10);
        network(&genotype, name, &facts["imagenet"], NetworkSize::IMAGENET);
    }
    assert!(cells > 0, "the facts have cells");
}

fn network(genotype: &Genotype, name: &str, facts: &Value, paper: NetworkSize) {
    let size = NetworkSize {
        init_channels: number(facts, "init_channels") as usize,
        layers: number(facts, "layers") as usize,
        ..paper
    };
    let cost = genotype.cost(&size);
    let expected = Cost { params: number(facts, "params"), macs: number(facts, "macs") };
    assert_eq!(cost.network, expected, "{name}, {size:?}");
    let head = cost.auxiliary.unwrap_or_else(|| panic!("{name} at {size:?} has an auxiliary head"));
    assert_eq!(head.params, number(facts, "aux_params"), "{name}, {size:?}");
}

#[test]
fn search_supernet() {
    let facts = &golden_json("conv_facts")["search_supernet"];
    let size = |key| number(facts, key) as usize;
    let cost = supernet_cost(size("init_channels"), size("layers"), 32, 10);
    assert_eq!(cost, Cost { params: number(facts, "params"), macs: number(facts, "macs") });
}
