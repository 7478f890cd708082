//! A kernel that lacks the newer calls, played by a seccomp(2) filter on the test's own thread.
#![allow(unsafe_code, clippy::single_range_in_vec_init)]

mod common;

use std::os::unix::fs::FileExt;

use common::*;
use folio_stat::{CacheCounts, ErrorKind, PageCache, Process, Via};

const SYS_CACHESTAT: u32 = 451;
const PROCMAP_QUERY: u32 = 0xc068_6611;
const PAGEMAP_SCAN: u32 = 0xc060_6610;

/// From now on, this thread finds PROCMAP_QUERY, PAGEMAP_SCAN and cachestat missing.
fn become_older() {
    let instruction = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = |offset| instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let equal =
        |value, jt, jf| instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, value);
    let answer = |value| instruction(libc::BPF_RET | libc::BPF_K, 0, 0, value);
    // struct seccomp_data: nr at 0, the low half of the second argument at 24.
    let mut filter = [
        load(0),
        equal(SYS_CACHESTAT, 6, 0),
        equal(libc::SYS_ioctl as u32, 0, 4),
        load(24),
        equal(PROCMAP_QUERY, 1, 0),
        equal(PAGEMAP_SCAN, 0, 1),
        answer(libc::SECCOMP_RET_ERRNO | libc::ENOTTY as u32),
        answer(libc::SECCOMP_RET_ALLOW),
        answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the filter holds for this thread alone, and the program lives through the call.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)).unwrap();
        let mode = libc::SECCOMP_MODE_FILTER;
        check(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program)).unwrap();
    }
}

#[test]
fn without_the_newer_calls_text_answers_the_same() {
    let sleeper = Sleeper::new();
    let other = Process::of(sleeper.pid()).unwrap();
    let mappings = other.mappings().unwrap();
    let me = Process::current().unwrap();
    let area = Area::anonymous(32);
    area.write(3..9);
    let before = (me.costs(area.pages(1..8)).unwrap(), me.residency(area.range()).unwrap());
    become_older();

    let found = other.mappings().unwrap();
    assert!(
        found
            .iter()
            .map(|m| (m.range(), &m.backing))
            .eq(mappings.iter().map(|m| (m.range(), &m.backing)))
    );
    assert_eq!(me.mapping_at(area.address).unwrap().unwrap().range(), area.range());
    assert_eq!(me.costs(area.pages(1..8)).unwrap(), before.0);
    assert_eq!(before.0.resident_bytes, 5 * PAGE);
    assert_eq!(me.residency(area.range()).unwrap(), before.1);
    assert_eq!(me.pages(area.range()).unwrap().zero_bytes, None);
}

#[test]
fn without_the_newer_calls_whoever_insists_on_them_is_told_so() {
    become_older();
    let me = Process::current().unwrap().via(Via::Ioctl);
    let area = Area::anonymous(1);
    for error in [
        me.mappings().unwrap_err(),
        me.mapping_at(area.address).unwrap_err(),
        me.costs(area.range()).unwrap_err(),
        me.pages(area.range()).unwrap_err(),
        me.residency(area.range()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("PAGEMAP_SCAN 6.7"), "{error}");
    }
}

#[test]
fn without_cachestat_the_page_cache_is_known_but_not_what_is_dirty() {
    become_older();
    let file = memfd(c"older", 0, 100 * PAGE).unwrap();
    file.write_all_at(&[1; 10 * PAGE], 50 * PAGE as u64).unwrap();
    let cache = PageCache::of(&file, ..).unwrap();
    assert_eq!(cache.residency.runs().collect::<Vec<_>>(), [50..60]);
    assert_eq!((cache.resident_pages, cache.dirty_pages, cache.evicted_pages), (10, None, None));
    assert_eq!(CacheCounts::of(&file, ..).unwrap(), CacheCounts::from(&cache));
}
