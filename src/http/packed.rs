//! Pages and what they load, packed on their way to a browser that unpacks: a fifth of the bytes. What programs read goes as
//! it is, for its validators are those of its bytes, and streams are never held back.

use std::io::Write as _;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Smaller ones fit into a packet as they are, larger ones are not made.
const BYTES_MIN: u64 = 1 << 10;
const BYTES_MAX: u64 = 4 << 20;
const TYPES: &[&str] = &["text/html", "text/css", "text/javascript"];

/// Whether who asks unpacks.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|list| list.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && parts.all(|weight| !matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// The same answer in fewer bytes, where that is wanted; whoever keeps it is told that there are two forms of it.
pub(super) async fn packed(response: Response, is_wanted: bool) -> Response {
    let (mut parts, body) = response.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let fits = body.size_hint().exact().is_some_and(|bytes| (BYTES_MIN..=BYTES_MAX).contains(&bytes));
    if !fits || !TYPES.iter().any(|known| kind.starts_with(known)) {
        return Response::from_parts(parts, body);
    }
    parts.headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !is_wanted {
        return Response::from_parts(parts, body);
    }
    let Ok(bytes) = to_bytes(body, BYTES_MAX as usize).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    let Ok(packed) = encoder.write_all(&bytes).and_then(|()| encoder.finish()) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(packed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_is_for_who_says_so() {
        for (said, expected) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, gzip;q=0.8", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("x-gzip", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(said));
            assert_eq!(is_wanted(&headers), expected, "{said}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn packed_is_a_page_and_no_stream_or_document() {
        let long = "a page ".repeat(1000);
        for (kind, text, is_wanted, expected, varies) in [
            ("text/html; charset=utf-8", long.as_str(), true, true, true),
            ("text/html; charset=utf-8", long.as_str(), false, false, true),
            ("text/html; charset=utf-8", "short", true, false, false),
            ("application/json", long.as_str(), true, false, false),
            ("text/event-stream", long.as_str(), true, false, false),
        ] {
            let answer = ([(header::CONTENT_TYPE, kind)], text.to_owned()).into_response();
            let answer = packed(answer, is_wanted).await;
            assert_eq!(answer.headers().contains_key(header::CONTENT_ENCODING), expected, "{kind}");
            assert_eq!(answer.headers().contains_key(header::VARY), varies, "{kind}");
            let bytes = to_bytes(answer.into_body(), 1 << 20).await.expect("read");
            let mut unpacked = Vec::new();
            let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
            if expected {
                std::io::Read::read_to_end(&mut decoder, &mut unpacked).expect("unpacked");
            } else {
                unpacked = bytes.to_vec();
            }
            assert_eq!(unpacked, text.as_bytes(), "{kind}");
        }
    }
}
