//! The text of a file, packed in blocks, so that a passage is read without unpacking the file around it.

use std::ops::Range;

use nootropic_core::{Error, ReadTxn, Result, Table};

use crate::codec::{Decoded, Malformed, Reader, put_varint};

/// File number (u32, big-endian) → text, LZ4 in blocks.
pub const TEXTS: Table = Table::new("texts");

/// Bytes of text in a block: a passage of the usual length lies in one or two, and unpacks in some microseconds.
const BLOCK: usize = 8 << 10;

/// Packs a text.
///
/// ```text
/// varint bytes of text · for each block: varint bytes packed · the packed blocks, one after the other
/// ```
///
/// A block that does not shrink is kept as it is; its packed length is then its length.
pub(super) fn pack(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 2 + 16);
    let mut packed = Vec::with_capacity(text.len() / 2);
    let mut buffer = vec![0; lz4_flex::block::get_maximum_output_size(text.len().min(BLOCK))];
    put_varint(&mut out, text.len() as u64);
    for block in text.as_bytes().chunks(BLOCK) {
        let shrunk = match lz4_flex::block::compress_into(block, &mut buffer) {
            Ok(n) if n < block.len() => &buffer[..n],
            _ => block,
        };
        put_varint(&mut out, shrunk.len() as u64);
        packed.extend_from_slice(shrunk);
    }
    out.extend_from_slice(&packed);
    out
}

/// The bytes of `range`, or of as much of it as the text has.
fn unpack(bytes: &[u8], range: Range<usize>) -> Decoded<Vec<u8>> {
    let mut r = Reader::new(bytes);
    let len = r.u32()? as usize;
    let sizes: Vec<usize> = (0..len.div_ceil(BLOCK)).map(|_| Ok(r.u32()? as usize)).collect::<Decoded<_>>()?;
    let (start, end) = (range.start.min(len), range.end.min(len));
    let first = start / BLOCK;
    let mut out = Vec::with_capacity((end.saturating_sub(first * BLOCK)).min(bytes.len().saturating_mul(8)));
    for (i, size) in sizes.into_iter().enumerate() {
        let at = i * BLOCK;
        let packed = r.take(size)?;
        if at >= end {
            break;
        }
        if i >= first {
            unpack_block(packed, (len - at).min(BLOCK), &mut out)?;
        }
    }
    out.truncate(end.saturating_sub(first * BLOCK));
    out.drain(..(start - first * BLOCK).min(out.len()));
    Ok(out)
}

fn unpack_block(packed: &[u8], len: usize, out: &mut Vec<u8>) -> Decoded<()> {
    if packed.len() == len {
        out.extend_from_slice(packed);
        return Ok(());
    }
    let at = out.len();
    out.resize(at + len, 0);
    match lz4_flex::block::decompress_into(packed, &mut out[at..]) {
        Ok(n) if n == len => Ok(()),
        Ok(_) => Err(Malformed("block of another length")),
        Err(_) => Err(Malformed("block that does not unpack")),
    }
}

/// The text of a record of [`TEXTS`], or what does not fit.
pub(super) fn unpack_text(packed: &[u8]) -> Result<String, String> {
    let bytes = unpack(packed, 0..usize::MAX).map_err(|e| e.0.to_owned())?;
    String::from_utf8(bytes).map_err(|_| "text is not UTF-8".into())
}

/// The text of a file as it was indexed.
///
/// # Errors
/// As [`ReadTxn::get`]; `Corrupt` if it is missing or does not unpack.
pub fn read_text(txn: &dyn ReadTxn, file: u32) -> Result<String> {
    read_part(txn, file, 0..usize::MAX)
}

/// As much of `range`, in bytes, as the text of a file has.
///
/// # Errors
/// As [`read_text`]; also where the range cuts a character.
pub fn read_part(txn: &dyn ReadTxn, file: u32, range: Range<usize>) -> Result<String> {
    let key = file.to_be_bytes();
    let packed = txn.get(TEXTS, &key)?.ok_or_else(|| Error::corrupt(TEXTS, &key, "missing"))?;
    let bytes = unpack(packed, range).map_err(|e| Error::corrupt(TEXTS, &key, e.0))?;
    String::from_utf8(bytes).map_err(|_| Error::corrupt(TEXTS, &key, "text is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(len: usize) -> String {
        // Hard to shrink in its second half.
        let noise = |i: usize| char::from(b'!' + ((i * i * 2_654_435_761) >> 7) as u8 % 90);
        (0..len).map(|i| if i < len / 2 { char::from(b'a' + (i / 7 % 9) as u8) } else { noise(i) }).collect()
    }

    #[test]
    fn every_part_of_a_text_is_what_it_was() {
        for len in [0, 1, 100, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 5 * BLOCK + 77] {
            let text = sample(len);
            let packed = pack(&text);
            assert_eq!(unpack(&packed, 0..usize::MAX).unwrap(), text.as_bytes(), "{len}");
            for start in (0..=len).step_by(BLOCK / 3 + 1) {
                for part in [1, 800, BLOCK + 5] {
                    let end = (start + part).min(len);
                    assert_eq!(
                        unpack(&packed, start..start + part).unwrap(),
                        &text.as_bytes()[start..end],
                        "{len} {start}"
                    );
                }
            }
            assert_eq!(unpack(&packed, len + 5..len + 9).unwrap(), b"");
        }
    }

    #[test]
    fn source_shrinks_and_noise_hardly_grows() {
        assert!(pack(&"let total = price * count;\n".repeat(1000)).len() < 2000);
        let noise = sample(40_000)[20_000..].to_owned();
        assert!(pack(&noise).len() <= noise.len() + 16);
    }

    #[test]
    fn records_cut_short_or_overlong_are_refused() {
        let packed = pack(&sample(2 * BLOCK + 10));
        for cut in 0..packed.len() {
            assert!(unpack(&packed[..cut], 0..usize::MAX).is_err(), "cut at {cut}");
        }
        assert!(unpack(&[0xff, 0xff, 0xff, 0x7f, 1], 0..usize::MAX).is_err());
    }
}
