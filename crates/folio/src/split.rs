//! Dividing a region in two, and making two that meet into one.
//!
//! Neither makes a system call: the kernel's own records of mappings need not agree with folio's
//! (mmap(2) merges and splits them as it likes). Guards are withdrawn and put up again, which is
//! sound because both take their regions by value: no slice is borrowed, nobody can fault.
#![allow(unsafe_code)]

use core::mem::ManuallyDrop;
use core::ptr;

use crate::error::{Error, ErrorKind};
use crate::range::Extent;
use crate::region::{Home, Region};

impl Region {
    pub(crate) fn split_at(mut self, at: usize) -> Result<(Self, Self), (Self, Error)> {
        const SPLIT: &str = "split";
        let Extent { start, lead, len, page } = self.extent;
        if let Some(fault) = self.sticky() {
            return Err((self, fault.into()));
        }
        if at == 0 || at >= len {
            let error = Error::out_of_range(SPLIT, &self.backing, &(at..), len);
            return Err((self, error));
        }
        if !(lead + at).is_multiple_of(page) {
            let reason = format!("position {at} is not the first of a page of {page} bytes");
            let error = Error::kind_of(SPLIT, &self.backing, ErrorKind::Misaligned, reason);
            return Err((self, error));
        }
        let file = match self.file.as_ref().map(|file| file.try_clone()).transpose() {
            Ok(file) => file,
            Err(_) => {
                let error = Error::os(SPLIT, &self.backing, crate::sys::Errno::MFILE);
                return Err((self, error));
            }
        };
        self.unguard();
        let (home, right_home) = match core::mem::replace(&mut self.home, Home::Own) {
            Home::Own => (Home::Own, Home::Own),
            Home::Described => (Home::Described, Home::Described),
            Home::Reserved(space) => {
                let (left, right) = space.split(lead + at);
                (Home::Reserved(left), Home::Reserved(right))
            }
        };
        self.home = home;
        let right_extent = Extent { start: start + lead + at, lead: 0, len: len - at, page };
        let mut right = Region::new(
            right_extent,
            self.offset + at as u64,
            self.backing.clone(),
            self.sharing,
            self.protection(),
            right_home,
        );
        right.file = file;
        right.fickle = self.fickle;
        right.tail = self.tail;
        right.trapped = self.trapped;
        right.set_writable(self.is_writable());
        right.only_in = self.only_in;
        self.extent.len = at;
        Ok((self, right))
    }

    pub(crate) fn join(mut self, mut next: Self) -> Result<Self, (Self, Self, Error)> {
        let meet = match (&self.home, &next.home) {
            (Home::Own, Home::Own) => true,
            (Home::Reserved(space), Home::Reserved(other)) => space.meets(other),
            _ => false,
        };
        let continues = meet
            && self.len() > 0
            && next.len() > 0
            && self.address() + self.len() == next.extent.start
            && next.extent.lead == 0
            && self.offset + self.len() as u64 == next.offset
            && self.backing == next.backing
            && self.extent.page == next.extent.page
            && self.sharing == next.sharing
            && self.only_in == next.only_in
            && self.protection() == next.protection();
        if let Some(fault) = self.sticky().or_else(|| next.sticky()) {
            return Err((self, next, fault.into()));
        }
        if !continues {
            let reason = "the other mapping does not continue this one";
            let error = Error::kind_of("join", &self.backing, ErrorKind::Invalid, reason);
            return Err((self, next, error));
        }
        self.unguard();
        next.unguard();
        self.extent.len += next.len();
        self.fickle |= next.fickle;
        self.tail |= next.tail;
        self.trapped |= next.trapped;
        self.set_writable(self.is_writable() || next.is_writable());
        // What `next` owns besides its addresses.
        let next = ManuallyDrop::new(next);
        // SAFETY: `next` is never used or dropped again, and each field is read out once.
        let (home, backing, file) =
            unsafe { (ptr::read(&next.home), ptr::read(&next.backing), ptr::read(&next.file)) };
        drop((backing, file));
        self.home = match (core::mem::replace(&mut self.home, Home::Own), home) {
            (Home::Reserved(space), Home::Reserved(other)) => Home::Reserved(space.join(other)),
            _ => Home::Own,
        };
        Ok(self)
    }
}
