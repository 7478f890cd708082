//! What is checked on one thread.

use std::thread;
use std::time::Duration;

use super::caller::Caller;
use super::probe::{Probe, REASONABLE};
use super::rule;
use crate::{ErrorKind, ReadRequest, Store};

/// Positions where stores go wrong: the ends, the edges of pages and sectors, 32 and 63 bits.
fn edges(len: u64, alignment: u64) -> Vec<u64> {
    let mut edges = vec![0, 1, 511, 4095, 4096, 4097, len / 2];
    for at in [alignment, len - len % alignment, len] {
        edges.extend([at.saturating_sub(1), at, at.saturating_add(1)]);
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

const FAR: [u64; 9] = [
    (1 << 32) - 1,
    1 << 32,
    (1 << 32) + 1,
    (1 << 63) - 4096,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX - 4096,
    u64::MAX - 1,
    u64::MAX,
];

fn one_line(text: &str) -> bool {
    text.lines().count() == 1 && !text.trim().is_empty()
}

pub(super) fn what_it_says<S: Store>(caller: &mut Caller<'_, S>) {
    let capabilities = caller.call("capabilities()", S::capabilities);
    if !capabilities.granule_bytes().is_multiple_of(capabilities.alignment_bytes()) {
        caller.broken(rule::GRANULE, format!("it says {capabilities:?}"));
    }
    if capabilities.is_fixed_version()
        && (capabilities.is_writable() || capabilities.is_resizable())
    {
        caller.broken(rule::FIXED, format!("it says {capabilities:?}"));
    }
    let name = caller.call("name()", S::name);
    if !one_line(&name) {
        caller.broken(rule::LINE, format!("its name is {name:?}"));
    }
    let identity = caller.call("identity()", S::identity);
    let version = caller.call("version()", S::version);
    if identity.as_deref() == Some("") || version.as_deref() == Some("") {
        caller.broken(rule::LINE, "an identity or a version of no characters");
    }
    let mut byte = [0];
    let _ = caller.read_at(&mut byte, 0);
    let after = (
        caller.call("name()", S::name),
        caller.call("identity()", S::identity),
        caller.call("capabilities()", S::capabilities),
    );
    if after != (name, identity, capabilities) {
        caller.broken(rule::STABLE, format!("after a read they are {after:?}"));
    }
    if caller.call("version()", S::version) != version {
        caller.broken(rule::VERSION, "a read changed the version");
    }
}

pub(super) fn reads<S: Store>(probe: &mut Probe<'_, S>) {
    let len = probe.model.len() as u64;
    let alignment = u64::from(probe.caller.store.capabilities().alignment_bytes());
    probe.hold_len(rule::LEN);
    let edges = edges(len, alignment);
    for (turn, &start) in edges.iter().enumerate() {
        probe.read(0, start);
        for &end in edges.iter().filter(|&&end| end > start) {
            let count = (end - start) as usize;
            if turn % 2 == 0 { probe.read(count, start) } else { probe.read_full(count, start) }
        }
    }
    for offset in FAR {
        for count in [0, 1, 4096, 4097] {
            probe.read(count, offset);
            probe.read_full(count, offset);
        }
    }
    probe.hold_all(rule::FULL);
    for &start in &edges {
        edges.iter().filter(|&&end| end > start).for_each(|&end| probe.show(start..end));
    }
}

pub(super) fn batches<S: Store>(probe: &mut Probe<'_, S>) {
    let len = probe.model.len();
    let end = len as u64;
    probe.read_many(&[]);
    probe.read_many(&[(len, 0)]);
    probe.read_many(&[
        (10, end.saturating_sub(5)),
        (0, 0),
        (10, end),
        (3, 0),
        (3, 0),
        (7, 1 << 40),
    ]);
    // One that cannot be done, among others.
    probe.read_many(&[(1, 0), (4096, u64::MAX - 1), (0, u64::MAX), (len.min(5000), 0)]);
    for _ in 0..4 {
        let random = &mut probe.caller.random;
        let requests: Vec<(usize, u64)> = (0..random.within(2..70))
            .map(|_| (random.within(0..9000), random.within(0..len + 5000) as u64))
            .collect();
        probe.read_many(&requests);
    }
    // The same batch again, with buffers that have an outcome already.
    let mut bytes = [0; 16];
    let mut requests = [ReadRequest::new(&mut bytes, 0)];
    requests[0].outcome = Err(crate::Error::new(ErrorKind::Io, "read", "an earlier call"));
    let again = probe.caller.call("read_many(a request that has an outcome)", |store| {
        store.read_many(&mut requests);
        requests[0].outcome.clone()
    });
    if !matches!(again, Ok(count) if count == len.min(16)) {
        probe.caller.broken(rule::MANY, format!("the outcome is {again:?}"));
    }
}

pub(super) fn writes<S: Store>(probe: &mut Probe<'_, S>) {
    let len = probe.model.len() as u64;
    let alignment = u64::from(probe.caller.store.capabilities().alignment_bytes());
    for offset in [0, len, len + 1, 1 << 40, 1 << 63, u64::MAX] {
        probe.write(&[], offset, offset % 2 == 0);
    }
    let far: Vec<u64> = FAR.into_iter().filter(|&at| at >= i64::MAX as u64 - 4096).collect();
    for offset in far {
        for count in [1, 5000] {
            let bytes = probe.caller.random.bytes(count);
            probe.write(&bytes, offset, false);
            probe.write(&bytes, offset, true);
        }
    }
    probe.hold_all(rule::UNTOUCHED);
    let edges = edges(len, alignment);
    for (turn, &start) in edges.iter().enumerate() {
        for &end in edges.iter().filter(|&&end| end > start && end <= len).step_by(1 + turn % 2) {
            let bytes = probe.caller.random.bytes((end - start) as usize);
            probe.write(&bytes, start, (turn + bytes.len()).is_multiple_of(2));
        }
        if turn % 4 == 0 {
            probe.hold_all(rule::BYTES);
        }
    }
    probe.hold_all(rule::BYTES);
    // Across the end, at it, behind it.
    for (before, count) in [(10_i64, 25), (0, 1), (0, 5000), (-1, 10), (-9000, 4096), (1, 4096)] {
        let end = probe.model.len() as i64;
        let Ok(offset) = u64::try_from(end - before) else { continue };
        let bytes = probe.caller.random.bytes(count);
        probe.write(&bytes, offset, count % 2 == 0);
        probe.hold_all(rule::GROW);
    }
    probe.caller.sync();
    probe.hold_all(rule::BYTES);
}

pub(super) fn lengths<S: Store>(probe: &mut Probe<'_, S>) {
    let len = probe.model.len() as u64;
    for to in [len, i64::MAX as u64, 1 << 63, u64::MAX] {
        probe.resize(to);
        probe.hold_all(rule::UNTOUCHED);
    }
    let steps = [len + 1, len + 4096, len, len / 2, len / 2 + 9000, 1, 4096, 4095, 4097, 0, 5, len];
    for (turn, to) in steps.into_iter().enumerate() {
        probe.resize(to);
        probe.hold_all(rule::RESIZE);
        if probe.is_resizable() && probe.is_writable() {
            let count = (to as usize).min(5000);
            let bytes = probe.caller.random.bytes(count);
            probe.write(&bytes, to - count as u64, true);
            if turn % 2 == 0 {
                probe.caller.sync();
            }
            probe.hold_all(rule::BYTES);
        }
    }
    // Bytes that were cut off do not come back.
    if probe.is_resizable() && probe.is_writable() {
        let bytes = probe.caller.random.bytes(10_000);
        probe.write(&bytes, 0, true);
        for to in [9_999, 10_000, 5_000, 8_192, 4_097, 20_000, 0, 10_000] {
            probe.resize(to);
            probe.hold_all(rule::RESIZE);
        }
    }
}

/// A random walk, compared with the model step by step.
pub(super) fn walk<S: Store>(probe: &mut Probe<'_, S>, steps: usize, max_bytes: usize) {
    for step in 0..steps {
        let len = probe.model.len();
        let random = &mut probe.caller.random;
        let near = if random.one_in(3) { 4096 * random.within(0..len / 4096 + 2) } else { 0 };
        let offset = match random.within(0..8) {
            0 => len.saturating_sub(random.within(0..40)),
            1 => len,
            2 | 3 => (near + random.within(0..4)).saturating_sub(2),
            _ => random.within(0..len + 1),
        };
        let count = match random.within(0..6) {
            0 => random.within(0..20),
            1 => 4096,
            2 => random.within(0..max_bytes.max(1)),
            _ => random.within(0..9000),
        };
        let offset = offset as u64;
        let kind = random.within(0..20);
        match kind {
            0..=3 => probe.read(count, offset),
            4..=6 => probe.read_full(count, offset),
            7 | 8 => probe.read_many(&[(count, offset), (17, offset / 2), (4096, 0)]),
            9..=16 => {
                let inside = len.saturating_sub(offset as usize);
                let behind = probe.is_resizable() && offset as usize + count <= max_bytes;
                let count = if behind { count } else { count.min(inside) };
                let bytes = probe.caller.random.bytes(count);
                probe.write(&bytes, offset, kind.is_multiple_of(2));
            }
            17 => {
                let to = probe.caller.random.within(0..max_bytes + 1);
                if probe.is_resizable() {
                    probe.resize(to as u64);
                }
            }
            18 => probe.caller.sync(),
            _ => probe.hold_all(rule::BYTES),
        }
        if step % 50 == 49 {
            probe.hold_all(rule::BYTES);
        }
    }
    probe.hold_all(rule::BYTES);
}

/// Two stores that say they are the same show the same bytes.
pub(super) fn identities<S: Store>(one: &mut Probe<'_, S>, other: &mut Probe<'_, S>) {
    let identity = one.caller.call("identity()", S::identity);
    if identity.is_none() || identity != other.caller.call("identity()", S::identity) {
        return;
    }
    let mut bytes = vec![0; one.model.len().max(other.model.len())];
    let mut read = |caller: &mut Caller<'_, S>| {
        let count = caller.read_full_at(&mut bytes, 0).unwrap_or_default();
        bytes[..count].to_vec()
    };
    if read(&mut one.caller) != read(&mut other.caller) {
        let what = format!("a store of other bytes has the identity {identity:?} too");
        one.caller.broken(rule::IDENTITY, what);
    }
}

/// The version changes with the content, and with nothing else.
pub(super) fn versions<S: Store>(probe: &mut Probe<'_, S>) {
    let Some(before) = probe.caller.call("version()", S::version) else { return };
    if !probe.is_writable() || probe.model.is_empty() {
        return;
    }
    let identity = probe.caller.call("identity()", S::identity);
    // A file's clock may tick every 10 ms only.
    thread::sleep(Duration::from_millis(25));
    let other = [!probe.model[0]];
    probe.write(&other, 0, true);
    probe.caller.sync();
    let after = probe.caller.call("version()", S::version);
    if after.as_ref() == Some(&before) || after.is_none() {
        probe.caller.broken(rule::VERSION, format!("after a write it is still {after:?}"));
    }
    if probe.caller.call("identity()", S::identity) != identity {
        probe.caller.broken(rule::STABLE, "a write changed the identity");
    }
}

/// What was synced is there when it is opened again.
pub(super) fn lasting<S: Store>(probe: &mut Probe<'_, S>, reopen: &dyn Fn(&S) -> S) {
    if probe.is_writable() && !probe.model.is_empty() {
        let count = probe.model.len().min(5000);
        let bytes = probe.caller.random.bytes(count);
        let offset = (probe.model.len() - count) as u64;
        probe.write(&bytes, offset, true);
        probe.write(&bytes[..1], 0, true);
    }
    probe.caller.sync();
    let old = probe.caller.store;
    let (identity, version) = (old.identity(), old.version());
    let new = reopen(old);
    probe.caller.note("opened again");
    if new.version() != version {
        let what = format!("it was {version:?}, opened again it is {:?}", new.version());
        probe.caller.broken(rule::VERSION, what);
    }
    let mut bytes = vec![0; probe.model.len() + 1];
    let read = new.read_full_at(&mut bytes, 0);
    if !matches!(read, Ok(read) if read == probe.model.len() && bytes[..read] == probe.model) {
        probe.caller.broken(rule::LASTING, format!("{read:?} bytes of {}", probe.model.len()));
    }
    // One object: written through one, read through the other.
    if identity.is_some() && new.identity() == identity && probe.is_writable() && !bytes.is_empty()
    {
        let byte = [!probe.model.first().copied().unwrap_or_default()];
        if !probe.model.is_empty() && new.write_all_at(&byte, 0).is_ok() {
            probe.caller.note("the store that was opened again wrote byte 0");
            probe.model[0] = byte[0];
            probe.hold_all(rule::IDENTITY);
        }
    }
}

/// The object changes behind the store's back.
pub(super) fn changed_behind<S: Store>(probe: &mut Probe<'_, S>, change: &dyn Fn(&S)) {
    if !probe.caller.store.capabilities().is_fixed_version() || probe.model.is_empty() {
        return;
    }
    let half = probe.model.len().div_ceil(2);
    probe.read_full(half, 0);
    change(probe.caller.store);
    probe.caller.note("the object was changed behind its back");
    let mut bytes = vec![0; probe.model.len()];
    for offset in [0, half / 2, half] {
        let store = probe.caller.store;
        let read = store.read_full_at(&mut bytes, offset as u64);
        probe.caller.note(format!("read_full_at({} bytes, {offset}) = {read:?}", bytes.len()));
        match read {
            Ok(read) if bytes[..read] == probe.model[offset..] => {}
            Err(error) if error.kind() == ErrorKind::Changed => {}
            other => probe.caller.broken(rule::CHANGED, format!("it gives {other:?}")),
        }
    }
}

/// Contents of these lengths are checked.
pub(super) fn sizes(max_bytes: usize, multiple: usize) -> Vec<usize> {
    let max_bytes = max_bytes.min(REASONABLE as usize / 2);
    let mut sizes: Vec<usize> = [0, 1, 511, 4096, 5000, 3 * 4096 - 1, 65_537, max_bytes]
        .into_iter()
        .filter(|&size| size <= max_bytes)
        .map(|size| size.next_multiple_of(multiple))
        .map(|size| if size > max_bytes { size - multiple } else { size })
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}
