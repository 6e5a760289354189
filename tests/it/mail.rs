//! Mail against a scripted server under TLS: every reply at every step, a connection that drops after the text,
//! a server that offers no TLS or has somebody else's certificate; and Telegram's token, which shows nowhere.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::KeyPair;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use wirewatch::deliver::{EndpointConfig, MailConfig, PayloadFormat};
use wirewatch::pipeline::alert::format::Mailbox;
use wirewatch::store::outbox::{DeliveryDetail, DeliveryState};

use crate::deliver::{Bed, endpoint, write_secret};
use crate::feed_tls::{Issuer, authority, valid};
use crate::receiver::{Answer, Receiver};

/// What one connection is told; what is not scripted is taken.
#[derive(Debug, Clone, Default)]
struct Script {
    greeting: Option<&'static str>,
    auth: Option<&'static str>,
    mail: Option<&'static str>,
    /// One for each recipient.
    recipients: Vec<&'static str>,
    data: Option<&'static str>,
    text: Option<&'static str>,
    /// Goes away without a reply to the text.
    drops: bool,
}

/// What a server saw.
#[derive(Debug, Clone, Default)]
struct Seen {
    connections: usize,
    commands: Vec<String>,
    texts: Vec<Vec<u8>>,
}

struct MailServer {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Security {
    Wrapped,
    StartTls,
    /// Somebody took the offer out.
    Stripped,
}

impl MailServer {
    async fn start(issuer: &Issuer, host: &str, security: Security, scripts: impl IntoIterator<Item = Script>) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = valid(&[host]).signed_by(&key, issuer).expect("a certificate");
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("a TLS config");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let scripts = Arc::new(Mutex::new(scripts.into_iter().collect::<VecDeque<_>>()));
        let server = Self { port, seen: seen.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.lock().expect("sound").connections += 1;
                let script = scripts.lock().expect("sound").pop_front().unwrap_or_default();
                let (acceptor, seen) = (acceptor.clone(), seen.clone());
                tokio::spawn(async move {
                    match security {
                        Security::Wrapped => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, &script, &seen, true, "").await;
                            }
                        }
                        Security::Stripped => {
                            serve(stream, &script, &seen, true, "").await;
                        }
                        Security::StartTls => {
                            let Some(stream) = serve(stream, &script, &seen, true, "250-STARTTLS\r\n").await else {
                                return;
                            };
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, &script, &seen, false, "").await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    fn seen(&self) -> Seen {
        self.seen.lock().expect("sound").clone()
    }
}

/// Speaks SMTP; gives the stream back after STARTTLS.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    script: &Script,
    seen: &Mutex<Seen>,
    greets: bool,
    offers: &str,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    if greets {
        let greeting = script.greeting.unwrap_or("220 ready");
        stream.write_all(format!("{greeting}\r\n").as_bytes()).await.ok()?;
    }
    let mut recipients = script.recipients.iter();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let command = line.trim_end().to_owned();
        seen.lock().expect("sound").commands.push(command.clone());
        let reply = match command.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => format!("250-server\r\n{offers}250 AUTH PLAIN LOGIN"),
            "STARTTLS" => {
                stream.write_all(b"220 go on\r\n").await.ok()?;
                return Some(stream.into_inner());
            }
            "AUTH" => script.auth.unwrap_or("235 welcome").to_owned(),
            "MAIL" => script.mail.unwrap_or("250 sender ok").to_owned(),
            "RCPT" => recipients.next().copied().unwrap_or("250 recipient ok").to_owned(),
            "DATA" => script.data.unwrap_or("354 go on").to_owned(),
            "QUIT" => "221 bye".to_owned(),
            _ => "250 ok".to_owned(),
        };
        stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok()?;
        if reply.starts_with("354") {
            let mut text = Vec::new();
            while !text.ends_with(b"\r\n.\r\n") {
                text.push(stream.read_u8().await.ok()?);
            }
            seen.lock().expect("sound").texts.push(text);
            if script.drops {
                return None;
            }
            stream.write_all(format!("{}\r\n", script.text.unwrap_or("250 queued as 7")).as_bytes()).await.ok()?;
        }
    }
}

/// A bed with one endpoint for mail at this server.
async fn desk(security: Security, scripts: Vec<Script>) -> (Bed, MailServer) {
    let issuer = authority();
    let server = MailServer::start(&issuer, "localhost", security, scripts).await;
    let mut bed = Bed::new(Vec::new());
    bed.reload(vec![mail_endpoint(&bed, &issuer, &server, security)]);
    bed.run();
    (bed, server)
}

fn mail_endpoint(bed: &Bed, issuer: &Issuer, server: &MailServer, security: Security) -> EndpointConfig {
    let ca_file = bed.dir.path().join("ca.pem");
    std::fs::write(&ca_file, issuer.pem()).expect("written");
    let scheme = if security == Security::Wrapped { "smtps" } else { "smtp+starttls" };
    let url = url::Url::parse(&format!("{scheme}://localhost:{}", server.port)).expect("a URL");
    let address = |text: &str| Mailbox::parse(text).expect("an address");
    EndpointConfig {
        format: PayloadFormat::Email,
        ca_file: Some(ca_file),
        secret_file: Some(write_secret(bed, "hunter2 canary")),
        mail: Some(MailConfig {
            user: Some("alerts".to_owned()),
            from: address("Wirewatch <alerts@desk.example>"),
            to: vec![address("one@desk.example"), address("two@desk.example")],
        }),
        allow_private: vec![
            wirewatch::net::Cidr::parse("127.0.0.0/8").expect("a range"),
            wirewatch::net::Cidr::parse("::1").expect("an address"),
        ],
        timeout: Duration::from_secs(10),
        ..endpoint("mail", url)
    }
}

fn message(n: i64) -> (i64, String, String) {
    (n, format!("alr_{n}"), format!("Message-ID: <alr_{n}@desk.example>\r\n\r\n.hidden dot\r\n{n}\r\n"))
}

#[tokio::test]
async fn mail_a_burst_takes_one_connection_and_arrives_byte_for_byte() {
    for security in [Security::Wrapped, Security::StartTls] {
        let (mut bed, server) = desk(security, Vec::new()).await;
        let ids = bed.owe_these((1..=3).map(message), &["mail"]);
        for id in ids {
            let detail = bed.attempts(id, 1).await;
            assert_eq!(
                (detail.row.state, detail.row.last_status),
                (DeliveryState::Delivered, Some(250)),
                "{:?}",
                detail.row
            );
        }
        let seen = server.seen();
        assert_eq!((seen.connections, seen.texts.len()), (1, 3), "{seen:?}");
        // A line that begins with a dot has one more on the wire (RFC 5321, 4.5.2).
        let first = String::from_utf8(seen.texts[0].clone()).expect("ASCII");
        assert_eq!(first.replace("\r\n..", "\r\n."), message(1).2 + ".\r\n");
        let tls_first = seen
            .commands
            .iter()
            .position(|c| c == "STARTTLS")
            .is_none_or(|at| !seen.commands[..at].iter().any(|c| c.starts_with("AUTH") || c.starts_with("MAIL")));
        assert!(tls_first, "nothing but EHLO before TLS: {seen:?}");
        bed.stop().await;
    }
}

#[tokio::test]
async fn mail_every_reply_at_every_step_means_what_it_says() {
    let with = |make: fn(&mut Script)| {
        let mut script = Script::default();
        make(&mut script);
        script
    };
    let both = |code: &'static str| Script { recipients: vec![code, code], ..Script::default() };
    let cases: Vec<(&str, Script, DeliveryState, Option<u16>)> = vec![
        ("greeting 554", with(|s| s.greeting = Some("554 no")), DeliveryState::Pending, Some(554)),
        ("greeting 421", with(|s| s.greeting = Some("421 busy")), DeliveryState::Pending, Some(421)),
        ("account 535", with(|s| s.auth = Some("535 wrong password")), DeliveryState::Pending, Some(535)),
        ("sender 451", with(|s| s.mail = Some("451 later")), DeliveryState::Pending, Some(451)),
        ("sender 550", with(|s| s.mail = Some("550 not you")), DeliveryState::Parked, Some(550)),
        ("recipients 450", both("450 greylisted"), DeliveryState::Pending, Some(450)),
        ("recipients 550", both("550 no such user"), DeliveryState::Parked, Some(550)),
        ("data 554", with(|s| s.data = Some("554 no")), DeliveryState::Parked, Some(554)),
        ("text 452", with(|s| s.text = Some("452 disk full")), DeliveryState::Pending, Some(452)),
        ("text 552", with(|s| s.text = Some("552 too large")), DeliveryState::Parked, Some(552)),
        ("drops after the text", with(|s| s.drops = true), DeliveryState::Pending, None),
    ];
    for (what, script, state, status) in cases {
        let (mut bed, _server) = desk(Security::Wrapped, vec![script]).await;
        let id = bed.owe_these([message(1)], &["mail"])[0];
        let detail = bed.attempts(id, 1).await;
        assert_eq!((detail.row.state, detail.row.last_status), (state, status), "{what}: {:?}", detail.row);
        let error = detail.row.last_error.clone().unwrap_or_default();
        assert!(!error.is_empty() && !error.contains("canary"), "{what}: {error}");
        if state == DeliveryState::Pending && status.is_some() {
            assert!(bed.advance_to_due(id) >= Duration::from_secs(300), "{what}: not sooner than after five minutes");
            // What the server says next is what counts.
            assert_eq!(bed.attempts(id, 2).await.row.state, DeliveryState::Delivered, "{what}");
        }
        bed.stop().await;
    }
}

#[tokio::test]
async fn mail_sent_again_after_a_lost_reply_is_the_same_mail() {
    let (mut bed, server) = desk(Security::Wrapped, vec![Script { drops: true, ..Script::default() }]).await;
    let id = bed.owe_these([message(1)], &["mail"])[0];
    bed.attempts(id, 1).await;
    bed.advance_to_due(id);
    assert_eq!(bed.attempts(id, 2).await.row.state, DeliveryState::Delivered);
    let texts = server.seen().texts;
    assert_eq!((texts.len(), &texts[0]), (2, &texts[1]), "one Message-ID: readers show it once");
    bed.stop().await;
}

#[tokio::test]
async fn mail_one_bad_recipient_stops_nobody_else_and_is_named() {
    let bad = Script { recipients: vec!["550 no such user", "250 ok"], ..Script::default() };
    let (mut bed, server) = desk(Security::Wrapped, vec![bad]).await;
    let id = bed.owe_these([message(1)], &["mail"])[0];
    let detail: DeliveryDetail = bed.attempts(id, 1).await;
    assert_eq!((detail.row.state, server.seen().texts.len()), (DeliveryState::Delivered, 1));
    let excerpt = detail.attempts[0].excerpt.clone().unwrap_or_default();
    assert!(excerpt.contains("not to one@desk.example"), "{excerpt}");
    bed.stop().await;
    // One that is asked to wait holds up all for two attempts, so that nobody gets it twice; then the others get it.
    let later = Script { recipients: vec!["450 greylisted", "250 ok"], ..Script::default() };
    let (mut bed, server) = desk(Security::Wrapped, vec![later.clone(), later.clone(), later]).await;
    let id = bed.owe_these([message(1)], &["mail"])[0];
    for attempt in 1..=2 {
        let detail = bed.attempts(id, attempt).await;
        assert_eq!((detail.row.state, server.seen().texts.len()), (DeliveryState::Pending, 0), "attempt {attempt}");
        bed.advance_to_due(id);
    }
    assert_eq!(bed.attempts(id, 3).await.row.state, DeliveryState::Delivered);
    assert_eq!(server.seen().texts.len(), 1);
    bed.stop().await;
}

#[tokio::test]
async fn mail_is_never_spoken_without_tls_or_to_somebody_else() {
    let (mut bed, server) = desk(Security::Stripped, Vec::new()).await;
    // `smtp+starttls` at a server that does not offer it.
    let id = bed.owe_these([message(1)], &["mail"])[0];
    let detail = bed.attempts(id, 1).await;
    assert!(detail.row.last_error.clone().unwrap_or_default().contains("offers no STARTTLS"), "{:?}", detail.row);
    let said = server.seen().commands;
    assert!(!said.iter().any(|c| c.starts_with("AUTH") || c.starts_with("MAIL")), "{said:?}");
    bed.stop().await;

    let issuer = authority();
    let server = MailServer::start(&issuer, "mail.example", Security::Wrapped, Vec::new()).await;
    let mut bed = Bed::new(Vec::new());
    bed.reload(vec![mail_endpoint(&bed, &issuer, &server, Security::Wrapped)]);
    bed.run();
    let id = bed.owe_these([message(1)], &["mail"])[0];
    let detail = bed.attempts(id, 1).await;
    assert_eq!(detail.attempts[0].outcome, "tls", "{:?}", detail.row);
    assert!(server.seen().commands.is_empty(), "not a word to somebody with another name");
    bed.stop().await;
}

#[tokio::test]
async fn telegram_token_is_in_the_path_and_nowhere_else_and_a_limit_is_kept() {
    let receiver = Receiver::start().await;
    let limit = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 77","parameters":{"retry_after":77}}"#;
    let unknown = r#"{"ok":false,"error_code":404,"description":"Not Found"}"#;
    receiver.script([
        Answer::Status(429, Vec::new(), limit.to_owned()),
        Answer::Status(404, Vec::new(), unknown.to_owned()),
        Answer::Status(200, Vec::new(), r#"{"ok":true}"#.to_owned()),
    ]);
    let mut bed = Bed::new(Vec::new());
    let phone = EndpointConfig {
        format: PayloadFormat::Telegram,
        chat: Some("-100123".to_owned()),
        secret_file: Some(write_secret(&bed, "123456:canary\n")),
        ..endpoint("phone", receiver.url())
    };
    assert!(!format!("{phone:?}").contains("canary"));
    bed.reload(vec![phone]);
    bed.run();
    let id = bed.owe(1..=1, &["phone"])[0];
    bed.attempts(id, 1).await;
    assert!(bed.advance_to_due(id) >= Duration::from_secs(77), "as long as Telegram asks");
    let detail = bed.attempts(id, 2).await;
    assert!(!format!("{detail:?}").contains("canary"), "{detail:?}");
    bed.advance_to_due(id);
    assert_eq!(bed.attempts(id, 3).await.row.state, DeliveryState::Delivered);
    for request in receiver.received() {
        assert_eq!(request.path, "/hook/bot123456:canary/sendMessage");
        assert!(request.signature.is_empty(), "the token is what it is known by");
    }
    bed.stop().await;
    // Nobody listens any more: the reason does not hold the token either.
    drop(receiver);
    let mut bed = Bed::new(Vec::new());
    let url = url::Url::parse("http://127.0.0.1:9/").expect("a URL");
    let gone = EndpointConfig {
        format: PayloadFormat::Telegram,
        chat: Some("-100123".to_owned()),
        secret_file: Some(write_secret(&bed, "123456:canary\n")),
        ..endpoint("phone", url)
    };
    bed.reload(vec![gone]);
    bed.run();
    let id = bed.owe(1..=1, &["phone"])[0];
    let detail = bed.attempts(id, 1).await;
    assert!(detail.row.last_error.is_some() && !format!("{detail:?}").contains("canary"), "{detail:?}");
    bed.stop().await;
}
