//! What start-up and every request pay for the kind table.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark stops at the first surprise"
)]

use divan::black_box;
use ridgeway_krm::{GroupVersion, KindTable, LabelSelector, Quantity};

fn main() {
    let start = std::time::Instant::now();
    black_box(KindTable::builtin());
    println!("first use of the built-in table: {:?}", start.elapsed());
    divan::main();
}

#[divan::bench]
fn openapi_of_core() -> usize {
    KindTable::builtin()
        .openapi_v3(&GroupVersion::parse("v1"))
        .unwrap()
        .len()
}

#[divan::bench]
fn clone_of_the_table() -> KindTable {
    KindTable::builtin().clone()
}

#[divan::bench]
fn look_up() -> bool {
    KindTable::builtin()
        .by_resource("apps", "v1", black_box("deployments"))
        .is_some()
}

#[divan::bench]
fn parse_selector() -> LabelSelector {
    LabelSelector::parse(black_box("app=web,tier in (front,back)")).unwrap()
}

#[divan::bench]
fn parse_quantity() -> Quantity {
    Quantity::parse(black_box("1.5Gi")).unwrap()
}
