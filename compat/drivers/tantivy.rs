//! An index of 30,000 documents in a MmapDirectory, searched.

use std::fs;
use std::path::{Path, PathBuf};

use driver::Outcome;
use tantivy::collector::{Count, TopDocs};
use tantivy::query::QueryParser;
use tantivy::schema::{STORED, Schema, TEXT, Value};
use tantivy::{Index, TantivyDocument, doc};

mod driver;

fn make(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let mut schema = Schema::builder();
    let text = schema.add_text_field("text", TEXT | STORED);
    let index = Index::create_in_dir(dir, schema.build())?;
    let mut writer = index.writer_with_num_threads(1, 50_000_000)?;
    let mut numbers = driver::numbers();
    for _ in 0..30_000 {
        let words: Vec<String> = (0..20)
            .filter_map(|_| numbers.next())
            .map(|number| format!("w{}", number % 5_000))
            .collect();
        writer.add_document(doc!(text => words.join(" ")))?;
    }
    writer.commit()?;
    writer.wait_merging_threads()?;
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        // meta.json and the lock files are read, not mapped; files of some bytes make poor targets.
        if fs::metadata(&path)?.len() > 10_000 && path.extension().is_some_and(|e| e != "json") {
            files.push(path);
        }
    }
    Ok(files)
}

fn read(dir: &Path) -> Outcome<u64> {
    let index = Index::open_in_dir(dir)?;
    let text = index.schema().get_field("text")?;
    let searcher = index.reader()?.searcher();
    let parser = QueryParser::for_index(&index, vec![text]);
    let mut sum = 0u64;
    for word in 0..50 {
        let query = parser.parse_query(&format!("w{} AND w{}", word * 7, word * 13 + 1))?;
        sum = sum.wrapping_add(searcher.search(&query, &Count)? as u64);
        let query = parser.parse_query(&format!("w{} OR w{}", word * 11, word * 17))?;
        for (_, address) in searcher.search(&query, &TopDocs::with_limit(10).order_by_score())? {
            let found: TantivyDocument = searcher.doc(address)?;
            let value = found.get_first(text).and_then(|value| value.as_str());
            sum = sum.wrapping_add(driver::digest(value.unwrap_or("").as_bytes()));
        }
    }
    Ok(sum)
}

fn main() {
    driver::run(make, read);
}
