//! What is returned can be written as JSON.
#![cfg(feature = "serde")]

mod common;

use common::*;
use folio_stat::{FaultCount, PageCache, Process};
use serde_json::{Value, json};

#[test]
fn costs_are_an_object_with_figures_in_bytes_and_names_for_the_rest() {
    let area = Area::anonymous(8);
    area.write(0..3);
    let costs = Process::current().unwrap().costs(area.range()).unwrap();
    let value = serde_json::to_value(&costs).unwrap();
    assert_eq!(value["address"], json!(area.address));
    assert_eq!(value["length_bytes"], json!(8 * PAGE));
    assert_eq!(value["private_dirty_bytes"], json!(3 * PAGE));
    let mapping = &value["mappings"][0];
    assert_eq!(mapping["protection"], json!("rw-"));
    assert_eq!(mapping["sharing"], json!("private"));
    assert_eq!(mapping["backing"]["kind"], json!("anonymous"));
    assert_eq!(mapping["backing"]["path"], Value::Null);
    assert!(mapping["flags"].as_array().unwrap().contains(&json!("writable")));
}

#[test]
fn page_caches_residency_and_faults_are_objects() {
    let file = memfd(c"json", 0, 4 * PAGE).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"x", PAGE as u64).unwrap();
    let value = serde_json::to_value(PageCache::of(&file, ..).unwrap()).unwrap();
    assert_eq!(value["resident_pages"], json!(1));
    assert_eq!(value["residency"]["runs"], json!([[1, 2]]));
    let faults = serde_json::to_value(FaultCount::of_thread()).unwrap();
    assert!(faults["minor"].is_u64() && faults["major"].is_u64());
}
