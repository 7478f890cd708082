//! Physical frames, for root.

mod common;

use common::*;
use folio_stat::{ErrorKind, Frames, Process};

#[test]
fn frames_are_for_root() {
    if is_root() {
        return again_as_nobody("frames_are_for_root");
    }
    let error = Frames::open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("run as root"), "{error}");
}

#[test]
fn root_sees_frames_and_how_often_each_is_mapped() {
    if !is_root() {
        return skip("root, who sees physical frames");
    }
    let file = memfd(c"frames", 0, 2 * PAGE).unwrap();
    let [one, other] =
        [(); 2].map(|()| Area::new(2 * PAGE, RW, libc::MAP_SHARED, Some((&file, 0))));
    one.write(0..2);
    other.write(0..1);
    let process = Process::current().unwrap();
    let frames = Frames::open().unwrap();
    let frame_of =
        |area: &Area, page: usize| process.frame_runs(area.pages(page..page + 1)).unwrap()[0].frame;
    let Some(frame) = frame_of(&one, 0) else {
        return skip("CAP_SYS_ADMIN, which physical frames are shown to");
    };
    assert_eq!(Some(frame), frame_of(&other, 0));
    let known = frames.read(frame, 1).unwrap()[0];
    assert_eq!(known.mappers, 2);
    assert!(known.is_dirty && !known.is_anonymous && !known.is_zero);
    let alone = frames.read(frame_of(&one, 1).unwrap(), 1).unwrap()[0];
    assert_eq!(alone.mappers, 1);
    let runs = process.frame_runs(one.range()).unwrap();
    assert_eq!(runs.iter().map(|run| run.length_bytes).sum::<usize>(), 2 * PAGE);
    assert_eq!(frames.read(u64::MAX / 8 - 1, 1).unwrap_or_default(), []);
}
