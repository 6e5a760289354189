//! Feeds over TLS, against certificates of a certificate authority made for the test: the good one is
//! read, every bad one is refused by its class, and nothing falls back to plain HTTP.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use wirewatch::model::FeedFailure;
use wirewatch::source::feed::PollingConfig;
use wirewatch::source::feed::polling::rules;

use crate::feed_server::{Reply, rss};
use crate::polling::{Bench, TWO, feed, polling};

pub type Issuer = CertifiedIssuer<'static, KeyPair>;

pub fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

/// A server that answers every request with `answer` under this certificate.
pub async fn serve(params: CertificateParams, issuer: Option<&Issuer>, answer: String) -> u16 {
    let key = KeyPair::generate().expect("a key");
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer),
        None => params.self_signed(&key),
    };
    let chain = vec![CertificateDer::from(certificate.expect("a certificate").der().to_vec())];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("a TLS config");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}

pub fn valid(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).expect("parameters")
}

fn ok() -> String {
    let body = rss(TWO);
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// A bench that trusts this authority besides the system's.
async fn bench(authority: &Issuer) -> (Bench, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).expect("written");
    let mut bench = Bench::new().await;
    let trusting = PollingConfig { ca_file: Some(ca_file), ..polling() };
    bench.client = rules::client(&trusting).expect("a client");
    (bench, dir)
}

#[tokio::test]
async fn tls_good_certificate_of_the_configured_authority_is_read() {
    let authority = authority();
    let (mut bench, _dir) = bench(&authority).await;
    let port = serve(valid(&["localhost"]), Some(&authority), ok()).await;
    let polled = bench.poll(&feed("wire", &format!("https://localhost:{port}/"))).await;
    assert_eq!((polled.failure(), polled.batch.items.len()), (None, 2), "{}", polled.words());
}

#[tokio::test]
async fn tls_expired_early_wrong_host_self_signed_and_unknown_authority_are_refused() {
    let (authority, stranger) = (authority(), authority());
    let (mut bench, _dir) = bench(&authority).await;
    let mut expired = valid(&["localhost"]);
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let mut early = valid(&["localhost"]);
    (early.not_before, early.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
    let cases = [
        ("expired", expired, Some(&authority)),
        ("not yet valid", early, Some(&authority)),
        ("wrong host", valid(&["news.example"]), Some(&authority)),
        ("self-signed", valid(&["localhost"]), None),
        ("unknown authority", valid(&["localhost"]), Some(&stranger)),
    ];
    for (what, params, issuer) in cases {
        bench.states.clear();
        let port = serve(params, issuer, ok()).await;
        let polled = bench.poll(&feed("wire", &format!("https://localhost:{port}/"))).await;
        assert_eq!(polled.failure(), Some(FeedFailure::Tls), "{what}: {}", polled.words());
        assert_eq!(polled.batch.items.len(), 0, "{what}");
    }
}

#[tokio::test]
async fn tls_server_that_speaks_plain_http_is_a_tls_failure() {
    let authority = authority();
    let (mut bench, _dir) = bench(&authority).await;
    bench.server.script("/", [Reply::ok(rss(TWO))]);
    let polled = bench.poll(&feed("wire", &format!("https://127.0.0.1:{}/", bench.server.port()))).await;
    assert!(matches!(polled.failure(), Some(FeedFailure::Tls | FeedFailure::Reset)), "{}", polled.words());
}

#[tokio::test]
async fn tls_redirect_down_to_plain_http_is_refused() {
    let authority = authority();
    let (mut bench, _dir) = bench(&authority).await;
    bench.server.script("/plain", [Reply::ok(rss(TWO))]);
    let to = bench.url("/plain");
    let answer = format!("HTTP/1.1 301 Moved\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let port = serve(valid(&["localhost"]), Some(&authority), answer).await;
    let polled = bench.poll(&feed("wire", &format!("https://localhost:{port}/"))).await;
    assert_eq!(polled.failure(), Some(FeedFailure::Redirect), "{}", polled.words());
    assert_eq!(bench.server.connections(), 0, "the plain address is never asked");
}
