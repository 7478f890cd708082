//! Typed access to a segment, and pointers within it.

mod common;

use folio_shm::{ErrorKind, RelPtr, Segment, Shared};

#[derive(Clone, Copy, Debug, PartialEq, Shared)]
#[repr(C)]
struct Node {
    value: u32,
    length: u32,
    next: RelPtr<u64>,
    name: [u8; 16],
}

#[derive(Clone, Copy, Debug, PartialEq, Shared)]
#[repr(transparent)]
struct Wrapped(Node);

fn segment() -> Segment {
    Segment::options().create().size(4096).layout(Node::LAYOUT).memfd("typed").unwrap()
}

#[test]
fn a_value_is_the_same_wherever_it_is_read() {
    let segment = segment();
    let node = Node { value: 7, length: 9, next: RelPtr::at(300), name: *b"sixteen bytes ok" };
    for at in [0, 1, 63, 4096 - size_of::<Node>()] {
        segment.put(at, &Wrapped(node)).unwrap();
        assert_eq!(segment.get::<Wrapped>(at).unwrap().0, node);
    }
    let error = segment.get::<Node>(4096 - size_of::<Node>() + 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfRange);
}

#[test]
fn a_pointer_is_checked_each_time_it_is_followed() {
    let segment = segment();
    for i in 0..4u64 {
        RelPtr::<u64>::at(100).nth(i as usize).put(&segment, &i).unwrap();
    }
    assert_eq!(RelPtr::<u64>::at(124).get(&segment).unwrap(), 3);
    assert_eq!(RelPtr::<u64>::at(4088).position(), Some(4088));
    RelPtr::<u64>::at(4088).put(&segment, &1).unwrap();
    for bad in [RelPtr::at(4089), RelPtr::at(usize::MAX), RelPtr::at(0).nth(usize::MAX)] {
        assert_eq!(RelPtr::<u64>::get(bad, &segment).unwrap_err().kind(), ErrorKind::OutOfRange);
    }
    let null = RelPtr::<u64>::NULL;
    assert!(null.is_null() && null.nth(5).is_null());
    let error = null.put(&segment, &1).unwrap_err();
    assert!(error.to_string().ends_with("the pointer is null"), "{error}");
    // What a peer writes where a pointer was.
    segment.put(0, &1u64).unwrap();
    let error = segment.get::<RelPtr<u64>>(0).unwrap().get(&segment).unwrap_err();
    assert!(error.to_string().ends_with("the pointer points into the header"), "{error}");
}

mod another {
    use folio_shm::Shared;

    macro_rules! node {
        ($module:ident { $($field:ident: $type:ty),* }) => {
            mod $module {
                #[derive(Clone, Copy, folio_shm::Shared)]
                #[repr(C)]
                #[allow(dead_code)]
                pub(super) struct Node { $($field: $type),* }
            }
        };
    }
    node!(same { value: u32, length: u32 });
    node!(equal { value: u32, length: u32 });
    node!(renamed { value: u32, lengths: u32 });
    node!(reordered { length: u32, value: u32 });
    node!(retyped { value: u32, length: i32 });
    node!(longer { value: u32, length: u32, more: u32 });

    #[test]
    fn a_layout_changes_with_names_order_and_types() {
        assert_eq!(same::Node::LAYOUT, equal::Node::LAYOUT);
        let all = [
            same::Node::LAYOUT,
            renamed::Node::LAYOUT,
            reordered::Node::LAYOUT,
            retyped::Node::LAYOUT,
            longer::Node::LAYOUT,
            <[u32; 2]>::LAYOUT,
            <[u32; 3]>::LAYOUT,
            u64::LAYOUT,
        ];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
