//! The way to a mail server: a stored message becomes an SMTP transaction under TLS, and whatever the server
//! replies an [`Answer`]. The address is checked like that of any endpoint; a server that offers no TLS is not
//! spoken to. A connection is kept for a burst of alerts, never for long.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::EndpointConfig;
use super::hidden::HiddenTexts;
use super::retry::{Failure, MailStep, Outcome};
use super::secret::AccessToken;
use super::send::{Answer, ChannelError, failed};
use crate::files::{descriptors_are_short, is_shortage};
use crate::net::{Cidr, guard};
use crate::store::outbox::Claimed;
use crate::text::clean;

/// Mails over one connection.
const MAILS_MAX: u32 = 100;
/// A connection that was quiet for longer is not used again: most servers close it after some minutes.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Bytes of a message; ours have a few kilobytes.
const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// While some recipients are asked to wait, so many attempts wait for all; then those who can, get it.
const ATTEMPTS_FOR_ALL: u32 = 3;
/// Characters of a reply that are kept.
const REPLY_CHARS_MAX: usize = 200;

/// A mail server and whom to write to there.
pub(super) struct MailServer {
    host: String,
    port: u16,
    /// TLS before anything is said, or after STARTTLS.
    wrapped: bool,
    tls: TlsParameters,
    credentials: Option<Credentials>,
    hello: ClientId,
    from: Address,
    to: Vec<Address>,
    timeout: Duration,
    allow_private: Vec<Cidr>,
    /// What no reply may show.
    withheld: HiddenTexts,
    kept: Mutex<Option<KeptConnection>>,
}

struct KeptConnection {
    connection: AsyncSmtpConnection,
    mails: u32,
    used: Instant,
}

/// Why a mail is not on its way.
enum Refusal {
    /// The server said so.
    Reply { code: u16, about: MailStep, words: String },
    /// There was no reply.
    Failed(Failure, String),
}

impl MailServer {
    /// Sets up what a connection needs; opens none. Blocks on small files.
    pub(super) fn open(endpoint: &EndpointConfig, password: Option<AccessToken>) -> Result<Self, ChannelError> {
        let (url, mail) = (endpoint.url.as_ref(), endpoint.mail.as_ref());
        let (url, mail) = url.zip(mail).ok_or(ChannelError::NoUrl)?;
        let bad = |error: &dyn std::fmt::Display| ChannelError::Mail(error.to_string());
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let wrapped = url.scheme() == "smtps";
        let mut tls = TlsParameters::builder(host.clone());
        if let Some(path) = &endpoint.ca_file {
            let pem = std::fs::read(path).map_err(|e| ChannelError::Mail(format!("read {}: {e}", path.display())))?;
            tls = tls.add_root_certificate(Certificate::from_pem(&pem).map_err(|e| bad(&e))?);
        }
        let address = |text: &str| text.parse::<Address>().map_err(|e| ChannelError::Mail(format!("{text}: {e}")));
        let password = password.map(|password| password.expose().to_owned());
        let withheld = match (&mail.user, &password) {
            (Some(user), Some(password)) => HiddenTexts::of_login(user, password),
            _ => HiddenTexts::default(),
        };
        Ok(Self {
            withheld,
            port: url.port().unwrap_or(if wrapped { 465 } else { 587 }),
            wrapped,
            tls: tls.build_rustls().map_err(|e| bad(&e))?,
            credentials: mail.user.clone().zip(password).map(|(user, password)| Credentials::new(user, password)),
            hello: ClientId::Domain(
                mail.from.address.rsplit_once('@').map_or("localhost", |(_, host)| host).to_owned(),
            ),
            from: address(&mail.from.address)?,
            to: mail.to.iter().map(|to| address(&to.address)).collect::<Result<_, _>>()?,
            timeout: endpoint.timeout,
            allow_private: endpoint.allow_private.clone(),
            kept: Mutex::new(None),
            host,
        })
    }

    /// Makes one attempt.
    pub(super) async fn send(&self, row: &Claimed) -> Answer {
        if row.body.len() > MESSAGE_BYTES_MAX {
            return failed(Failure::Endpoint, format!("the mail has more than {} KiB", MESSAGE_BYTES_MAX >> 10));
        }
        // One mail at a time: bursts go over one connection.
        let mut kept = self.kept.lock().await;
        match self.prepared(&mut kept, row.attempts).await {
            Err(refusal) => refusal.into_answer(),
            Ok((mut open, refused)) => {
                match timeout(self.timeout, self.transmit(&mut open.connection, &row.body)).await {
                    Err(_) => failed(Failure::Timeout, format!("{} was too slow: no reply to the text", self.host)),
                    Ok(Err(refusal)) => refusal.into_answer(),
                    Ok(Ok((code, words))) => {
                        (open.mails, open.used) = (open.mails + 1, Instant::now());
                        *kept = Some(open).filter(|open| open.mails < MAILS_MAX);
                        let words =
                            if refused.is_empty() { words } else { format!("{words}; not to {}", refused.join(", ")) };
                        let excerpt = Some(clean::excerpt(&self.withheld.hide(&words), REPLY_CHARS_MAX));
                        Answer { outcome: Outcome::Mail { code, about: MailStep::Message }, excerpt, error: None }
                    }
                }
            }
        }
    }

    /// A connection whose server has taken sender and recipients; whom it refused beside others that it took.
    async fn prepared(
        &self,
        kept: &mut Option<KeptConnection>,
        attempts: u32,
    ) -> Result<(KeptConnection, Vec<String>), Refusal> {
        let slow = || Refusal::Failed(Failure::Connect, format!("{} was too slow: no session in time", self.host));
        if let Some(mut open) = kept.take().filter(|open| open.used.elapsed() < IDLE_MAX)
            && let Ok(Ok(refused)) = timeout(self.timeout, self.address(&mut open.connection, attempts)).await
        {
            return Ok((open, refused));
        }
        // Nothing was kept, or it went meanwhile: no text was sent over it, so another one repeats nothing.
        let mut connection = timeout(self.timeout, self.connect()).await.map_err(|_| slow())??;
        let refused = timeout(self.timeout, self.address(&mut connection, attempts)).await.map_err(|_| slow())??;
        Ok((KeptConnection { connection, mails: 0, used: Instant::now() }, refused))
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Refusal> {
        let addresses = self.addresses().await?;
        let tls = self.wrapped.then(|| self.tls.clone());
        let session = |error: SmtpError| Refusal::of(&error, MailStep::Session, self);
        let connecting =
            AsyncSmtpConnection::connect_tokio1(&addresses[..], Some(self.timeout), &self.hello, tls, None);
        let mut connection = connecting.await.map_err(session)?;
        if !self.wrapped {
            if !connection.can_starttls() {
                connection.abort().await;
                let what = format!("{} offers no STARTTLS: nothing is sent without TLS", self.host);
                return Err(Refusal::Failed(Failure::Tls, what));
            }
            connection.starttls(self.tls.clone(), &self.hello).await.map_err(session)?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await.map_err(session)?;
        }
        Ok(connection)
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Refusal> {
        let unknown = |detail: &str| Refusal::Failed(Failure::Dns, format!("{} does not resolve: {detail}", self.host));
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found: Vec<SocketAddr> = match found {
            Ok(found) => found.collect(),
            Err(error) if descriptors_are_short() => {
                return Err(Refusal::Failed(Failure::Shortage, format!("look up {}: {error}", self.host)));
            }
            Err(error) => return Err(unknown(&error.to_string())),
        };
        let first = found.first().copied().ok_or_else(|| unknown("no address"))?;
        let allowed: Vec<SocketAddr> =
            found.into_iter().filter(|address| guard::is_allowed(address.ip(), &self.allow_private)).collect();
        if allowed.is_empty() {
            let what = format!("{} is at {}, which is not public", self.host, first.ip());
            return Err(Refusal::Failed(Failure::ForbiddenAddress, what));
        }
        Ok(allowed)
    }

    /// Sender and recipients. A recipient that is refused for good stops nobody else; for one that is asked to
    /// wait, all wait for some attempts.
    async fn address(&self, connection: &mut AsyncSmtpConnection, attempts: u32) -> Result<Vec<String>, Refusal> {
        let message = |error: &SmtpError| Refusal::of(error, MailStep::Message, self);
        connection.command(Mail::new(Some(self.from.clone()), Vec::new())).await.map_err(|e| message(&e))?;
        let (mut refused, mut last, mut waiting) = (Vec::new(), None, None);
        for to in &self.to {
            let Err(error) = connection.command(Rcpt::new(to.clone(), Vec::new())).await else { continue };
            let refusal = message(&error);
            match &refusal {
                Refusal::Failed(..) => return Err(refusal),
                Refusal::Reply { code, words, .. } => {
                    refused.push(format!("{to}: {words}"));
                    let deferred = *code < 500;
                    *(if deferred { &mut waiting } else { &mut last }) = Some(refusal);
                }
            }
        }
        let nobody = refused.len() == self.to.len();
        let for_all = waiting.is_some() && attempts + 1 < ATTEMPTS_FOR_ALL;
        match waiting.or(last) {
            Some(refusal) if nobody || for_all => {
                let _ = connection.command(Rset).await;
                Err(refusal.naming(&refused))
            }
            _ => Ok(refused),
        }
    }

    async fn transmit(&self, connection: &mut AsyncSmtpConnection, body: &[u8]) -> Result<(u16, String), Refusal> {
        let message = |error: SmtpError| Refusal::of(&error, MailStep::Message, self);
        connection.command(Data).await.map_err(message)?;
        // The library ends the last line itself, and would add an empty one to a text that has ended it.
        let body = body.strip_suffix(b"\r\n").unwrap_or(body);
        let reply = connection.message(body).await.map_err(message)?;
        let words = reply.message().collect::<Vec<_>>().join(" ");
        Ok((code_of(&reply.code().to_string()), format!("{} {words}", reply.code())))
    }
}

/// An error and what caused it, outermost first; bounded, for a chain could be a ring.
fn causes(error: &SmtpError) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(Some(error as &(dyn StdError + 'static)), |&e| e.source()).take(16)
}

fn code_of(shown: &str) -> u16 {
    shown.parse().unwrap_or(0)
}

impl Refusal {
    fn of(error: &SmtpError, about: MailStep, server: &MailServer) -> Self {
        let words = clean::excerpt(&server.withheld.hide(&error.to_string()), REPLY_CHARS_MAX);
        if let Some(code) = error.status() {
            return Self::Reply { code: code_of(&code.to_string()), about, words };
        }
        let io = causes(error).find_map(|e| e.downcast_ref::<io::Error>());
        let failure = if io.is_some_and(is_shortage) {
            Failure::Shortage
        } else if error.is_tls() || io.is_some_and(|e| e.kind() == io::ErrorKind::InvalidData) {
            // The second is how a certificate arrives that the handshake refuses.
            Failure::Tls
        } else if error.is_timeout() {
            Failure::Timeout
        } else if error.is_client() {
            // It offers no way of saying who we are that both know.
            Failure::Endpoint
        } else if about == MailStep::Session {
            Failure::Connect
        } else {
            Failure::Reset
        };
        Self::Failed(failure, format!("{}: {words}", server.host))
    }

    fn naming(self, refused: &[String]) -> Self {
        match self {
            Self::Reply { code, about, .. } => {
                Self::Reply { code, about, words: clean::excerpt(&refused.join("; "), REPLY_CHARS_MAX) }
            }
            failed @ Self::Failed(..) => failed,
        }
    }

    fn into_answer(self) -> Answer {
        match self {
            Self::Reply { code, about, words } => {
                let error = Some(format!("replied {code}: {words}"));
                Answer { outcome: Outcome::Mail { code, about }, excerpt: Some(words), error }
            }
            Self::Failed(failure, words) => failed(failure, words),
        }
    }
}
