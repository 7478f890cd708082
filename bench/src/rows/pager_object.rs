//! An object on an HTTP server: through the pager, and by ranged GETs of `object_store` itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use folio_pager::{Budget, Pager};
use folio_store_object::ObjectStore;
use futures_util::StreamExt;
use object_store::ObjectStoreExt;

use crate::contest::{Contest, wall};
use crate::disk;
use crate::pick::{Random, sum};

const GROUP: &str = "object over HTTP";

/// servers/nginx, stopped when dropped.
struct Server {
    script: PathBuf,
    directory: PathBuf,
    url: String,
}

impl Server {
    fn start(directory: &Path) -> Result<Self, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers/nginx");
        let output = Command::new(&script).arg("start").arg(directory).output();
        let output = output.map_err(|error| format!("servers/nginx: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let url = text.split_whitespace().find_map(|word| word.strip_prefix("FOLIO_TEST_HTTP="));
        let Some(url) = url else {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        };
        Ok(Self { script, directory: directory.to_owned(), url: url.to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new(&self.script).arg("stop").arg(&self.directory).status();
    }
}

pub(crate) fn rows(contest: &mut Contest, directory: &Path) -> std::io::Result<()> {
    if !contest.wants(GROUP) {
        return Ok(());
    }
    let len = if contest.quick { 32 << 20 } else { 256 << 20 };
    let directory = directory.join("nginx");
    let server = match Server::start(&directory) {
        Ok(server) => server,
        Err(why) => {
            contest.skip(GROUP, &why);
            return Ok(());
        }
    };
    let path = disk::file(&directory.join("files"), "object", len)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let url = format!("{}/{name}", server.url);

    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let client = object_store::http::HttpBuilder::new()
        .with_url(&server.url)
        .with_client_options(object_store::ClientOptions::new().with_allow_http(true))
        .build()
        .map_err(std::io::Error::other)?;
    let client = Arc::new(client);
    let at = object_store::path::Path::from(name.as_str());
    let mib = len >> 20;
    let parallel = || {
        wall(mib, || {
            runtime.block_on(async {
                let ranges = (0..len as u64).step_by(1 << 20);
                let get = |start: u64| {
                    let (client, at) = (client.clone(), at.clone());
                    tokio::spawn(async move {
                        let bytes = client.get_range(&at, start..start + (1 << 20)).await.unwrap();
                        let whole = bytes.len() / 64 * 64;
                        std::hint::black_box(sum(bytes.as_ptr().cast::<u8>(), whole));
                    })
                };
                futures_util::stream::iter(ranges.map(get))
                    .buffer_unordered(16)
                    .for_each(|done| async { done.unwrap() })
                    .await;
            });
        })
    };
    let budget = Budget::bytes(128 << 20);
    contest
        .row(GROUP, "scan, 1 MiB")
        .by("folio", || {
            let pager = Pager::new(budget).unwrap();
            let map = pager.map(ObjectStore::open(&url).unwrap()).unwrap();
            wall(mib, || {
                std::hint::black_box(sum(map.as_ptr(), len));
            })
        })
        .by("object_store, 16 GETs of 1 MiB at a time", parallel)
        .aim(1.0 / 0.9)
        .rounds(9)
        .run();
    for granule in [64 << 10, 1 << 20] {
        let pager = Pager::new(budget).unwrap();
        let map = pager.options().granule(granule).map(ObjectStore::open(&url).unwrap()).unwrap();
        let (mut first, mut second) = (Random(5), Random(5));
        contest
            .row(GROUP, format!("first byte, {}", super::bytes(granule)))
            .by("folio", || {
                let place = first.below(len / granule) * granule;
                let time = wall(1, || {
                    let mut byte = [0];
                    map.read_at(place + granule / 2, &mut byte).unwrap();
                });
                map.evict(..).unwrap();
                time
            })
            .by("object_store, one GET", || {
                let place = (second.below(len / granule) * granule) as u64;
                wall(1, || {
                    let got = client.get_range(&at, place..place + granule as u64);
                    std::hint::black_box(runtime.block_on(got).unwrap());
                })
            })
            .aim(1.1)
            .rounds(101)
            .run();
    }
    Ok(())
}
