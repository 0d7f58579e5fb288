//! Appends protobuf's fields to bytes, just as prost encodes them: a field that has its default value is left out.
//!
//! It saves building a message as structs of owned texts before it is encoded.

use prost::Name;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

/// The largest length that one byte holds.
const SHORT: usize = 0x7f;

/// A text, left out when empty.
pub(super) fn text(field: u32, text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() {
        bytes(field, text.as_bytes(), out);
    }
}

/// A yes or no, left out when no.
pub(super) fn truth(field: u32, truth: bool, out: &mut Vec<u8>) {
    number(field, truth.into(), out);
}

/// A number, left out when 0.
pub(super) fn number(field: u32, number: i64, out: &mut Vec<u8>) {
    if number != 0 {
        varint(field, number, out);
    }
}

/// A number, also when 0.
pub(super) fn varint(field: u32, number: i64, out: &mut Vec<u8>) {
    encode_key(field, WireType::Varint, out);
    encode_varint(number.cast_unsigned(), out);
}

/// Bytes, or a text, or a message that is encoded already; also when empty.
pub(super) fn bytes(field: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// What `write` appends: the fields of a message, or a text; also when it is empty.
pub(super) fn delimited(field: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(field, WireType::LengthDelimited, out);
    out.push(0);
    let start = out.len();
    write(out);
    set_length(start, out);
}

/// A message of type `M` in a `google.protobuf.Any`.
pub(super) fn any<M: Name>(field: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    const TYPE_URL: u32 = 1;
    const VALUE: u32 = 2;
    delimited(field, out, |out| {
        text(TYPE_URL, &M::type_url(), out);
        let before = out.len();
        encode_key(VALUE, WireType::LengthDelimited, out);
        out.push(0);
        let start = out.len();
        write(out);
        if out.len() == start {
            out.truncate(before);
        } else {
            set_length(start, out);
        }
    });
}

/// Sets the length of what begins at `start`, before which one byte has been left for it.
fn set_length(start: usize, out: &mut Vec<u8>) {
    let length = out.len() - start;
    if length > SHORT {
        let more = encoded_len_varint(length as u64) - 1;
        out.resize(out.len() + more, 0);
        out.copy_within(start..start + length, start + more);
    }
    if let Some(mut room) = out.get_mut(start - 1..) {
        encode_varint(length as u64, &mut room);
    }
}
