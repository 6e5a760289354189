//! Who may ask: a request must name this host (a page on the web that made its name point here does
//! not), must not come from another site's page, and must carry the token where there is one.

use std::net::IpAddr;
use std::path::PathBuf;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::{HeaderMap, StatusCode, header};

/// Longest token file read.
const TOKEN_BYTES_MAX: u64 = 4096;

/// Who may ask, as the config says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardConfig {
    /// Names besides `localhost` and addresses.
    pub hosts: Vec<String>,
    /// The file with the token; read at each request, so that a new token needs no reload.
    pub token_file: Option<PathBuf>,
}

/// What a refused caller hears.
pub(super) type RequestRefused = (StatusCode, &'static str);

/// Lets a request pass or says why not.
pub(super) async fn check(headers: &HeaderMap, config: &GuardConfig) -> Result<(), RequestRefused> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    // Which of two counts is a matter of taste between us and a proxy: neither does.
    if headers.get_all(header::HOST).iter().count() > 1 {
        return Err((StatusCode::BAD_REQUEST, "one Host header, please\n"));
    }
    if !text(header::HOST).is_some_and(|host| is_known(host, &config.hosts)) {
        return Err((StatusCode::MISDIRECTED_REQUEST, "unknown host; add it to `hosts` in [http]\n"));
    }
    if let Some(origin) = text(header::ORIGIN)
        && !origin.split_once("://").is_some_and(|(_, host)| is_known(host, &config.hosts))
    {
        return Err((StatusCode::FORBIDDEN, "requests from other sites are refused\n"));
    }
    let Some(path) = &config.token_file else { return Ok(()) };
    let Some(token) = read_token(path).await else {
        tracing::error!(path = %path.display(), "the token of the listener cannot be read, everybody is refused");
        return Err((StatusCode::SERVICE_UNAVAILABLE, "the token cannot be read\n"));
    };
    let given = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    verify_slices_are_equal(given.as_bytes(), &token)
        .map_err(|_| (StatusCode::UNAUTHORIZED, "send the token as `Authorization: Bearer …`\n"))
}

async fn read_token(path: &std::path::Path) -> Option<Vec<u8>> {
    let meta = tokio::fs::metadata(path).await.ok()?;
    if !meta.is_file() || meta.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let bytes = tokio::fs::read(path).await.ok()?;
    let token = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let token = token.strip_suffix(b"\r").unwrap_or(token).to_vec();
    (!token.is_empty()).then_some(token)
}

/// Addresses cannot be made to point here by somebody else; names can, so they must be listed.
fn is_known(host: &str, hosts: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split_once(']').map_or("", |(address, _)| address),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.parse::<IpAddr>().is_ok() || hosts.contains(&name)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a value"))).collect()
    }

    #[tokio::test]
    async fn guard_foreign_hosts_and_origins_are_refused() {
        let config = GuardConfig { hosts: vec!["watch.example.org".to_owned()], token_file: None };
        for (host, origin, passes) in [
            ("127.0.0.1:7411", None, true),
            ("[::1]:7411", None, true),
            ("localhost", None, true),
            ("Watch.Example.org:80", None, true),
            ("watch.example.org.", None, true),
            ("evil.example", None, false),
            ("127.0.0.1.evil.example", None, false),
            ("", None, false),
            ("localhost", Some("http://localhost:7411"), true),
            ("localhost", Some("https://evil.example"), false),
            ("localhost", Some("null"), false),
        ] {
            let mut map = headers(&[(header::HOST, host)]);
            if let Some(origin) = origin {
                map.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(check(&map, &config).await.is_ok(), passes, "{host} {origin:?}");
        }
        assert!(check(&HeaderMap::new(), &config).await.is_err(), "no host at all");
        let mut two = headers(&[(header::HOST, "localhost")]);
        two.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert!(check(&two, &config).await.is_err(), "two hosts");
    }

    #[tokio::test]
    async fn guard_token_must_be_exact() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("token");
        std::fs::write(&file, "s3cret-token\n").expect("written");
        let config = GuardConfig { hosts: Vec::new(), token_file: Some(file.clone()) };
        for (given, passes) in [
            (Some("Bearer s3cret-token"), true),
            (Some("Bearer s3cret-toke"), false),
            (Some("Bearer s3cret-token "), false),
            (Some("s3cret-token"), false),
            (Some("Bearer "), false),
            (None, false),
        ] {
            let mut map = headers(&[(header::HOST, "localhost")]);
            if let Some(given) = given {
                map.insert(header::AUTHORIZATION, HeaderValue::from_static(given));
            }
            assert_eq!(check(&map, &config).await.is_ok(), passes, "{given:?}");
        }
        std::fs::write(&file, "\n").expect("written");
        let map = headers(&[(header::HOST, "localhost"), (header::AUTHORIZATION, "Bearer ")]);
        assert!(check(&map, &config).await.is_err(), "an empty token lets nobody in");
    }
}
