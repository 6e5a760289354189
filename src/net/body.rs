//! Wire bytes become content: gzip, deflate (both kinds), br and zstd undone, with a cap on what
//! comes out. Pure and CPU-bound: called on a parser thread, never on the runtime.

use std::borrow::Cow;
use std::io::Read;

use crate::model::FeedFailure;
use crate::text::clean::excerpt;

/// Encodings within one another; more is an attack or a broken server.
const LAYERS_MAX: usize = 2;

/// Content this many times its wire size is a bomb; text compresses 3 to 30 times. Only looked at
/// above [`RATIO_FREE_BYTES`].
const RATIO_MAX: usize = 250;

/// Below this, any ratio is harmless.
const RATIO_FREE_BYTES: usize = 1 << 20;

/// Largest zstd window accepted (RFC 9659 for `Content-Encoding: zstd`).
const ZSTD_WINDOW_BYTES_MAX: u64 = 8 << 20;

/// Why a body could not be undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// `Content-Encoding` names a coding that was not asked for.
    #[error("the answer is encoded as `{encoding}`, which was not asked for")]
    Unknown { encoding: String },
    /// More encodings within one another than anyone uses.
    #[error("the answer is encoded more than {LAYERS_MAX} times over")]
    Layers,
    /// The bytes are not what `Content-Encoding` says, or broke off.
    #[error("the answer is not the {encoding} it says it is: {detail}")]
    Corrupt { encoding: &'static str, detail: String },
    /// More content than the cap.
    #[error("the answer is more than {limit_bytes} bytes once decompressed")]
    TooLarge { limit_bytes: usize },
    /// A bomb.
    #[error("the answer grows more than {RATIO_MAX} times when decompressed")]
    Ratio,
}

impl BodyError {
    /// The class a feed shows.
    #[must_use]
    pub fn failure(&self) -> FeedFailure {
        match self {
            Self::TooLarge { .. } | Self::Ratio => FeedFailure::TooLarge,
            Self::Unknown { .. } | Self::Layers | Self::Corrupt { .. } => FeedFailure::Encoding,
        }
    }
}

/// Undoes the encodings of `Content-Encoding`, last one first. A body that is gzip without saying so
/// is undone as well: some servers send their `.gz` files as they are. A name that names no coding (`UTF-8`,
/// `none`, `aws-chunked`) says nothing, and a gzip or zstd that begins as a document in the clear is one.
///
/// # Errors
/// [`BodyError`] when the bytes are not what the header says, or grow beyond `decoded_bytes_max`.
pub fn decode<'a>(
    wire: &'a [u8],
    content_encoding: Option<&str>,
    decoded_bytes_max: usize,
) -> Result<Cow<'a, [u8]>, BodyError> {
    let mut layers = Vec::new();
    let has_markup_at_once = begins_as_markup(wire);
    for name in content_encoding.unwrap_or("").split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if let Some(layer) = BodyCoding::parse(name)?.filter(|layer| !(layer.has_magic() && has_markup_at_once)) {
            layers.push(layer);
        }
        if layers.len() > LAYERS_MAX {
            return Err(BodyError::Layers);
        }
    }
    if wire.is_empty() {
        return Ok(Cow::Borrowed(wire));
    }
    if layers.is_empty() && wire.starts_with(&[0x1f, 0x8b, 0x08]) {
        layers.push(BodyCoding::Gzip);
    }
    let mut content = Cow::Borrowed(wire);
    for layer in layers.into_iter().rev() {
        let sink = CappedSink { out: Vec::new(), bytes_max: decoded_bytes_max, wire_bytes: wire.len() };
        content = Cow::Owned(layer.undo(&content, sink)?);
    }
    if content.len() > decoded_bytes_max {
        return Err(BodyError::TooLarge { limit_bytes: decoded_bytes_max });
    }
    Ok(content)
}

#[derive(Debug, Clone, Copy)]
enum BodyCoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl BodyCoding {
    /// `None` for `identity` and for what names no coding: a charset, a transfer coding, a store's own mark.
    /// Only the codings registered with IANA that are not undone here are refused.
    fn parse(name: &str) -> Result<Option<Self>, BodyError> {
        Ok(Some(match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Self::Gzip,
            "deflate" => Self::Deflate,
            "br" => Self::Brotli,
            "zstd" => Self::Zstd,
            "aes128gcm" | "compress" | "dcb" | "dcz" | "exi" | "pack200-gzip" | "x-compress" => {
                return Err(BodyError::Unknown { encoding: excerpt(name, 40) });
            }
            _ => return Ok(None),
        }))
    }

    /// Whether its streams begin with bytes that no text begins with.
    fn has_magic(self) -> bool {
        matches!(self, Self::Gzip | Self::Zstd)
    }

    fn undo(self, bytes: &[u8], sink: CappedSink) -> Result<Vec<u8>, BodyError> {
        match self {
            Self::Gzip => undo_gzip(bytes, sink),
            Self::Deflate => undo_deflate(bytes, sink),
            Self::Brotli => {
                let mut sink = sink;
                sink.fill("br", brotli_decompressor::Decompressor::new(bytes, 4096))?;
                Ok(sink.out)
            }
            Self::Zstd => undo_zstd(bytes, sink),
        }
    }
}

/// Whether the bytes are XML, HTML or JSON already, past a byte order mark and white space.
fn begins_as_markup(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    matches!(text.first(), Some(b'<' | b'{' | b'['))
}

/// Where content is collected; stops at the caps.
struct CappedSink {
    out: Vec<u8>,
    bytes_max: usize,
    wire_bytes: usize,
}

impl CappedSink {
    fn fill(&mut self, encoding: &'static str, mut from: impl Read) -> Result<(), BodyError> {
        let mut chunk = vec![0; 32 << 10];
        loop {
            let read = from
                .read(&mut chunk)
                .map_err(|error| BodyError::Corrupt { encoding, detail: excerpt(&error.to_string(), 100) })?;
            if read == 0 {
                return Ok(());
            }
            self.out.extend_from_slice(&chunk[..read]);
            if self.out.len() > self.bytes_max {
                return Err(BodyError::TooLarge { limit_bytes: self.bytes_max });
            }
            if self.out.len() > RATIO_FREE_BYTES && self.out.len() / RATIO_MAX > self.wire_bytes {
                return Err(BodyError::Ratio);
            }
        }
    }
}

/// One or more gzip members; what follows the last and is no member is padding.
fn undo_gzip(bytes: &[u8], mut sink: CappedSink) -> Result<Vec<u8>, BodyError> {
    let mut rest = bytes;
    loop {
        let mut member = flate2::bufread::GzDecoder::new(rest);
        sink.fill("gzip", &mut member)?;
        let after = member.into_inner();
        if after.len() == rest.len() || !after.starts_with(&[0x1f, 0x8b]) {
            return Ok(sink.out);
        }
        rest = after;
    }
}

/// `deflate` is zlib by RFC 9110, and raw deflate by some servers.
fn undo_deflate(bytes: &[u8], mut sink: CappedSink) -> Result<Vec<u8>, BodyError> {
    let zlib = matches!(bytes, [method, flags, ..]
        if method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0);
    if zlib {
        match sink.fill("deflate", flate2::bufread::ZlibDecoder::new(bytes)) {
            Ok(()) => return Ok(sink.out),
            Err(BodyError::Corrupt { .. }) => sink.out.clear(),
            Err(error) => return Err(error),
        }
    }
    sink.fill("deflate", flate2::bufread::DeflateDecoder::new(bytes))?;
    if sink.out.is_empty() {
        return Err(BodyError::Corrupt { encoding: "deflate", detail: "nothing comes out".to_owned() });
    }
    Ok(sink.out)
}

/// Frames one after the other; skippable frames are skipped.
fn undo_zstd(bytes: &[u8], mut sink: CappedSink) -> Result<Vec<u8>, BodyError> {
    let corrupt = |detail: &str| BodyError::Corrupt { encoding: "zstd", detail: excerpt(detail, 100) };
    let mut rest = bytes;
    while !rest.is_empty() {
        if let Some(frame_bytes) = skippable_zstd(rest) {
            rest = rest.get(frame_bytes..).ok_or_else(|| corrupt("it breaks off"))?;
            continue;
        }
        match zstd_window_bytes(rest) {
            None => return Err(corrupt("it has no frame header")),
            Some(window) if window > ZSTD_WINDOW_BYTES_MAX.max(sink.bytes_max as u64) => {
                return Err(corrupt("its window is larger than 8 MiB"));
            }
            Some(_) => {}
        }
        let mut source = rest;
        let mut frame =
            ruzstd::decoding::StreamingDecoder::new(&mut source).map_err(|error| corrupt(&error.to_string()))?;
        sink.fill("zstd", &mut frame)?;
        drop(frame);
        if source.len() == rest.len() {
            return Err(corrupt("it does not advance"));
        }
        rest = source;
    }
    Ok(sink.out)
}

/// Length of a skippable frame, if one begins here (RFC 8878, section 3.1.2).
fn skippable_zstd(bytes: &[u8]) -> Option<usize> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    if word(0)? & 0xffff_fff0 != 0x184d_2a50 {
        return None;
    }
    Some(8 + word(4)? as usize)
}

/// Window size a frame header asks for (RFC 8878, section 3.1.1.1); `None` where there is no header.
fn zstd_window_bytes(bytes: &[u8]) -> Option<u64> {
    if !bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return None;
    }
    let descriptor = *bytes.get(4)?;
    let single_segment = descriptor & 0x20 != 0;
    if !single_segment {
        let window = *bytes.get(5)?;
        let base = 1u64 << (10 + u32::from(window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // A single segment: the window is the content, whose size follows the dictionary id.
    let at = 5 + [0, 1, 2, 4][usize::from(descriptor & 3)];
    let width = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let mut size = [0; 8];
    size[..width].copy_from_slice(bytes.get(at..at + width)?);
    Some(u64::from_le_bytes(size) + if width == 2 { 256 } else { 0 })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    const CAP: usize = 10 << 20;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    /// `<rss>hello</rss>` as one uncompressed meta-block (RFC 7932, section 9.2).
    fn brotli_hello() -> Vec<u8> {
        let text = b"<rss>hello</rss>";
        // WBITS=16 (one 0 bit), ISLAST=0, MNIBBLES=4, MLEN-1=15, ISUNCOMPRESSED=1, padding.
        let head: u32 = (15 << 4) | (1 << 20);
        let mut out = head.to_le_bytes()[..3].to_vec();
        out.extend_from_slice(text);
        out.push(3); // ISLAST, ISLASTEMPTY
        out
    }

    #[test]
    fn decode_every_asked_for_encoding_gives_the_content_back() {
        let text = b"<rss>hello</rss>".as_slice();
        let cases = [
            (None, text.to_vec()),
            (Some("identity"), text.to_vec()),
            (Some("gzip"), gzip(text)),
            (Some("X-GZIP"), gzip(text)),
            (None, gzip(text)),
            (Some("deflate"), zlib(text)),
            (Some("deflate"), raw_deflate(text)),
            (Some("zstd"), zstd(text)),
            (Some("br"), brotli_hello()),
            (Some("deflate, gzip"), gzip(&zlib(text))),
            (Some("gzip"), [gzip(b"<rss>"), gzip(b"hello</rss>")].concat()),
            (Some("gzip"), [gzip(text), vec![0; 512]].concat()),
            (Some("zstd"), [vec![0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9], zstd(text)].concat()),
        ];
        for (number, (encoding, wire)) in cases.iter().enumerate() {
            assert_eq!(decode(wire, *encoding, CAP).as_deref(), Ok(text), "case {number} {encoding:?}");
        }
        assert_eq!(decode(b"", Some("gzip"), CAP).as_deref(), Ok(b"".as_slice()));
    }

    #[test]
    fn decode_wrong_content_encoding_is_named() {
        for encoding in ["gzip", "deflate", "br", "zstd"] {
            let refused = decode(b"\x07ss>hello</rss>", Some(encoding), CAP).expect_err(encoding);
            assert_eq!(refused.failure(), FeedFailure::Encoding, "{encoding}: {refused}");
            assert!(refused.to_string().contains(encoding), "{refused}");
        }
        assert!(matches!(decode(b"x", Some("compress"), CAP), Err(BodyError::Unknown { .. })));
        assert_eq!(decode(b"x", Some("gzip,gzip,gzip"), CAP), Err(BodyError::Layers));
    }

    #[test]
    fn decode_what_names_no_coding_or_stands_in_the_clear_is_read_as_it_is() {
        let text = b"\xef\xbb\xbf <rss>hello</rss>".as_slice();
        for encoding in
            ["UTF-8", "none", "binary", "8bit", "ISO-8859-1", "aws-chunked", "chunked", "gzip", "zstd", "x, gzip"]
        {
            assert_eq!(decode(text, Some(encoding), CAP).as_deref(), Ok(text), "{encoding}");
        }
        assert_eq!(decode(&gzip(text), Some("aws-chunked, gzip"), CAP).as_deref(), Ok(text));
        assert_eq!(decode(&gzip(text), Some("utf-8"), CAP).as_deref(), Ok(text), "gzip without saying so");
        for coding in ["br", "deflate"] {
            assert!(decode(text, Some(coding), CAP).is_err(), "{coding} has no mark of its own");
        }
    }

    #[test]
    fn decode_cut_stream_is_an_error_not_half_a_document() {
        let text = (0..5000u32).map(|n| n.wrapping_mul(2_654_435_761).to_string()).collect::<Vec<_>>().join("<item>");
        for (encoding, wire) in [("gzip", gzip(text.as_bytes())), ("zstd", zstd(text.as_bytes()))] {
            let cut = &wire[..wire.len() / 2];
            assert!(matches!(decode(cut, Some(encoding), CAP), Err(BodyError::Corrupt { .. })), "{encoding}");
        }
    }

    #[test]
    fn decode_bombs_stop_at_the_caps() {
        let zeros = vec![b' '; 3 << 20];
        for (encoding, wire) in [("gzip", gzip(&zeros)), ("deflate", zlib(&zeros)), ("zstd", zstd(&zeros))] {
            let refused = decode(&wire, Some(encoding), CAP).map(|c| c.len()).expect_err(encoding);
            assert_eq!(refused, BodyError::Ratio, "{encoding}");
            let refused = decode(&wire, Some(encoding), 1 << 16).map(|c| c.len()).expect_err(encoding);
            assert_eq!(refused, BodyError::TooLarge { limit_bytes: 1 << 16 }, "{encoding}");
        }
        let twice = gzip(&gzip(&zeros));
        assert!(decode(&twice, Some("gzip, gzip"), CAP).is_err());
    }

    #[test]
    fn decode_zstd_with_a_huge_window_is_refused_before_it_is_allocated() {
        let wire = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 1, 0, 0];
        assert!(matches!(decode(&wire, Some("zstd"), CAP), Err(BodyError::Corrupt { .. })));
    }

    proptest! {
        #[test]
        fn decode_any_bytes_end_in_content_or_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            encoding in proptest::sample::select(vec!["gzip", "deflate", "br", "zstd", "identity", "gzip, br"]),
        ) {
            if let Ok(content) = decode(&bytes, Some(encoding), 1 << 16) {
                prop_assert!(content.len() <= 1 << 16);
            }
        }

        #[test]
        fn decode_undoes_what_was_done(text in proptest::collection::vec(any::<u8>(), 1..2000)) {
            for (encoding, wire) in [("gzip", gzip(&text)), ("deflate", zlib(&text)), ("zstd", zstd(&text))] {
                let content = decode(&wire, Some(encoding), CAP);
                prop_assert_eq!(content.as_deref(), Ok(text.as_slice()));
            }
        }
    }
}
