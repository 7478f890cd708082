//! What messages consist of: words that count up from the message's number.

use std::io;

/// In a number: the receiver sends the message back.
pub const ECHO: u64 = 1 << 63;

/// In a number: it is the last.
pub const END: u64 = 1 << 62;

/// Writes a message. Of its bytes, as many as make whole words count.
pub fn fill(bytes: &mut [u8], number: u64) {
    for (index, word) in bytes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *word = number.wrapping_add(index as u64).to_le_bytes();
    }
}

/// Verifies a message, and returns its number.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if it is not as it was written.
pub fn check(bytes: &[u8]) -> io::Result<u64> {
    let words = bytes.as_chunks::<8>().0;
    let number = words.first().map_or(0, |word| u64::from_le_bytes(*word));
    let difference = words.iter().enumerate().fold(0, |difference, (index, word)| {
        difference | (u64::from_le_bytes(*word) ^ number.wrapping_add(index as u64))
    });
    match difference {
        0 => Ok(number),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a message arrived changed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_bit_is_noticed_but_those_of_the_number() {
        let mut bytes = [0; 64];
        fill(&mut bytes, ECHO | 7);
        assert_eq!(check(&bytes).unwrap(), ECHO | 7);
        for bit in 64..512 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
