//! Small, bounds-checked encoding of the records this crate stores: little-endian integers, LEB128 varints and
//! length-prefixed bytes.

/// What did not fit while decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

pub(crate) type Decoded<T> = Result<T, Malformed>;

/// Appends `value` as a varint of at most ten bytes.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends `bytes` behind its length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what the functions above wrote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, n: usize) -> Decoded<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or(Malformed("cut short"))?;
        self.rest = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn u8(&mut self) -> Decoded<u8> {
        Ok(self.array::<1>()?[0])
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Decoded<u64> {
        // Most are small, and posting lists hold millions.
        match *self.rest {
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.rest = rest;
                Ok(byte.into())
            }
            [low, high, ref rest @ ..] if high < 0x80 => {
                self.rest = rest;
                Ok(u64::from(low & 0x7f) | u64::from(high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Decoded<u64> {
        let mut value = 0u64;
        for (i, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(Malformed("varint without end"))
    }

    /// Passes over `n` varints.
    #[inline]
    pub(crate) fn skip_varints(&mut self, n: usize) -> Decoded<()> {
        let mut ends = self.rest.iter().enumerate().filter(|(_, byte)| **byte < 0x80);
        match n.checked_sub(1) {
            None => Ok(()),
            Some(before) => {
                let (at, _) = ends.nth(before).ok_or(Malformed("cut short"))?;
                self.rest = &self.rest[at + 1..];
                Ok(())
            }
        }
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Decoded<u32> {
        u32::try_from(self.varint()?).map_err(|_| Malformed("number out of range"))
    }

    /// A count of things that take at least `least` bytes each, so that nothing is reserved on a false claim.
    pub(crate) fn count(&mut self, least: usize) -> Decoded<usize> {
        let n = self.u32()? as usize;
        if n.checked_mul(least).is_none_or(|bytes| bytes > self.rest.len()) {
            return Err(Malformed("more entries than bytes"));
        }
        Ok(n)
    }

    pub(crate) fn bytes(&mut self) -> Decoded<&'a [u8]> {
        let n = self.count(1)?;
        self.take(n)
    }

    pub(crate) fn str(&mut self) -> Decoded<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed("text is not UTF-8"))
    }

    /// Fails unless everything was read.
    pub(crate) fn end(self) -> Decoded<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed("bytes left over")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_written() {
        let mut out = Vec::new();
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            put_varint(&mut out, value);
        }
        put_bytes(&mut out, b"name");
        let mut reader = Reader::new(&out);
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(reader.varint(), Ok(value));
        }
        assert_eq!(reader.str(), Ok("name"));
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn refuses_false_counts_and_endless_varints() {
        assert!(Reader::new(&[0xff; 12]).varint().is_err());
        let mut out = Vec::new();
        put_varint(&mut out, 1 << 30);
        assert_eq!(Reader::new(&out).count(1), Err(Malformed("more entries than bytes")));
        assert_eq!(Reader::new(&out).bytes(), Err(Malformed("more entries than bytes")));
    }
}
