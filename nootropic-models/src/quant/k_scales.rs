//! How Q4_K and Q5_K pack eight scales and eight minima of six bits into twelve bytes.

/// Eight scales and eight minima of six bits, packed:
///
/// ```text
/// bytes 0..4    scales 0..4 in bits 0..6;  the upper two bits of scales 4..8 in bits 6..8
/// bytes 4..8    minima 0..4 in bits 0..6;  the upper two bits of minima 4..8 in bits 6..8
/// bytes 8..12   the lower four bits of scales 4..8 in bits 0..4, of minima 4..8 in bits 4..8
/// ```
pub(crate) type PackedScales = [u8; 12];

/// Scales and minima, each below 64.
pub(crate) fn unpack(packed: &PackedScales) -> ([u8; 8], [u8; 8]) {
    let [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3] = *packed;
    let (mut scales, mut mins) = ([0; 8], [0; 8]);
    for (i, (a, b, c)) in [(a0, b0, c0), (a1, b1, c1), (a2, b2, c2), (a3, b3, c3)].into_iter().enumerate() {
        scales[i] = a & 63;
        mins[i] = b & 63;
        scales[i + 4] = (c & 15) | (a >> 6 << 4);
        mins[i + 4] = (c >> 4) | (b >> 6 << 4);
    }
    (scales, mins)
}

/// The opposite of [`unpack`].
pub(super) fn pack(scales: &[u8; 8], mins: &[u8; 8]) -> PackedScales {
    let mut packed = [0; 12];
    for i in 0..4 {
        packed[i] = (scales[i] & 63) | (scales[i + 4] >> 4 << 6);
        packed[i + 4] = (mins[i] & 63) | (mins[i + 4] >> 4 << 6);
        packed[i + 8] = (scales[i + 4] & 15) | (mins[i + 4] << 4);
    }
    packed
}
