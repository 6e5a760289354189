//! Standard Webhooks signatures: `{id}.{timestamp}.` and the raw body become `v1,<base64 HMAC-SHA256>`
//! or `v1a,<base64 Ed25519>`; and back: a receiver's check, in constant time. Pure; keys come from
//! `secret`. <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::secret::{Secret, SecretKind, SecretProblem};
use crate::model::Timestamp;

/// Header with the alert's id: what a receiver dedupes by.
pub const ID_HEADER: &str = "webhook-id";
/// Header with the time of the attempt, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// Header with one or more signatures, separated by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";
/// How far a receiver lets the timestamp be from its own time.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Signatures looked at in one header; more is not a rotation but an attack on our time.
const SIGNATURES_MAX: usize = 16;

/// One or more keys of an endpoint; several while a key is being replaced.
pub struct Signer {
    keys: Vec<Key>,
}

enum Key {
    Hmac(Box<hmac::Key>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// Why a request is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header is missing or not text.
    #[error("no `{header}` header")]
    MissingHeader { header: &'static str },
    /// The timestamp is not a whole number of seconds.
    #[error("`webhook-timestamp` is not a number of seconds")]
    Timestamp,
    /// The request was signed too long ago, or in the future.
    #[error("signed {} s {}; at most {} s are accepted: check both clocks", .away.as_secs(), if *.future { "in the future" } else { "ago" }, TOLERANCE.as_secs())]
    Stale {
        /// How far from the receiver's time.
        away: Duration,
        /// Which way.
        future: bool,
    },
    /// None of the signatures fits.
    #[error("no signature fits: another secret, or the body was changed on the way")]
    Mismatch,
}

/// The three headers of a signed request, as received.
#[derive(Debug, Clone, Copy, Default)]
pub struct SignedHeaders<'a> {
    /// `webhook-id`.
    pub id: Option<&'a str>,
    /// `webhook-timestamp`.
    pub timestamp: Option<&'a str>,
    /// `webhook-signature`.
    pub signature: Option<&'a str>,
}

impl Signer {
    /// Prepares keys, the current one first.
    ///
    /// # Errors
    /// [`SecretProblem::Ed25519`] when the halves of a key pair do not belong together.
    pub fn new(secrets: &[Secret]) -> Result<Self, SecretProblem> {
        Ok(Self { keys: secrets.iter().map(Key::new).collect::<Result<_, _>>()? })
    }

    /// The value of `webhook-signature`: one signature per key, separated by spaces.
    #[must_use]
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        debug_assert!(!id.contains('.'), "an id with a dot makes the signed bytes ambiguous");
        let prefix = format!("{id}.{}.", at.seconds());
        let signatures: Vec<String> = self.keys.iter().map(|key| key.sign(&prefix, body)).collect();
        signatures.join(" ")
    }

    /// Checks a received request against these keys: any one signature by any one key is enough.
    ///
    /// # Errors
    /// [`VerifyError`] saying which check failed.
    pub fn verify(&self, headers: SignedHeaders<'_>, body: &[u8], now: Timestamp) -> Result<(), VerifyError> {
        let need = |value: Option<_>, header| value.ok_or(VerifyError::MissingHeader { header });
        let id: &str = need(headers.id, ID_HEADER)?;
        let timestamp: &str = need(headers.timestamp, TIMESTAMP_HEADER)?;
        let signatures: &str = need(headers.signature, SIGNATURE_HEADER)?;
        let seconds: i64 = timestamp.parse().map_err(|_| VerifyError::Timestamp)?;
        let at = Timestamp::from_seconds(seconds);
        let (ago, ahead) = (now.since(at), at.since(now));
        if ago.max(ahead) > TOLERANCE {
            return Err(VerifyError::Stale { away: ago.max(ahead), future: ahead > ago });
        }
        // The header's own digits are signed, not our reading of them.
        let prefix = format!("{id}.{timestamp}.");
        let fits = signatures.split(' ').take(SIGNATURES_MAX).filter_map(|signature| signature.split_once(',')).any(
            |(version, encoded)| {
                STANDARD
                    .decode(encoded)
                    .is_ok_and(|raw| self.keys.iter().any(|key| key.fits(version, &raw, &prefix, body)))
            },
        );
        if fits { Ok(()) } else { Err(VerifyError::Mismatch) }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} keys, redacted)", self.keys.len())
    }
}

impl Key {
    fn new(secret: &Secret) -> Result<Self, SecretProblem> {
        let bytes = secret.expose();
        if secret.kind() == SecretKind::Hmac {
            return Ok(Self::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, bytes))));
        }
        let pair = match bytes.split_at_checked(32) {
            Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
            Some((seed, public)) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
            None => return Err(SecretProblem::Ed25519 { bytes: bytes.len() }),
        };
        pair.map(|pair| Self::Ed25519(Box::new(pair))).map_err(|_| SecretProblem::Ed25519 { bytes: bytes.len() })
    }

    fn sign(&self, prefix: &str, body: &[u8]) -> String {
        match self {
            Self::Hmac(key) => {
                let mut context = hmac::Context::with_key(key);
                context.update(prefix.as_bytes());
                context.update(body);
                format!("v1,{}", STANDARD.encode(context.sign()))
            }
            Self::Ed25519(pair) => {
                format!("v1a,{}", STANDARD.encode(pair.sign(&joined(prefix, body))))
            }
        }
    }

    /// Constant time: both libraries compare without an early end.
    fn fits(&self, version: &str, signature: &[u8], prefix: &str, body: &[u8]) -> bool {
        match (self, version) {
            (Self::Hmac(key), "v1") => hmac::verify(key, &joined(prefix, body), signature).is_ok(),
            (Self::Ed25519(pair), "v1a") => UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref())
                .verify(&joined(prefix, body), signature)
                .is_ok(),
            _ => false,
        }
    }
}

fn joined(prefix: &str, body: &[u8]) -> Vec<u8> {
    [prefix.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Vector {
        secret: &'static str,
        id: &'static str,
        seconds: i64,
        body: &'static str,
        signature: &'static str,
    }

    /// The two vectors of the Standard Webhooks libraries.
    const VECTORS: [Vector; 2] = [
        Vector {
            secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            seconds: 1_614_265_330,
            body: r#"{"test": 2432232314}"#,
            signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        Vector {
            secret: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            id: "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            seconds: 1_649_367_553,
            body: r#"{"email":"test@example.com","username":"test_user"}"#,
            signature: "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        },
    ];

    fn signer(secrets: &[&str]) -> Signer {
        let secrets: Vec<Secret> = secrets.iter().map(|s| Secret::parse(s).expect("a secret")).collect();
        Signer::new(&secrets).expect("keys")
    }

    fn headers<'a>(id: &'a str, timestamp: &'a str, signature: &'a str) -> SignedHeaders<'a> {
        SignedHeaders { id: Some(id), timestamp: Some(timestamp), signature: Some(signature) }
    }

    #[test]
    fn sign_official_vectors_come_out_and_verify() {
        for v in VECTORS {
            let signer = signer(&[v.secret]);
            let at = Timestamp::from_seconds(v.seconds);
            assert_eq!(signer.sign(v.id, at, v.body.as_bytes()), v.signature);
            let seconds = v.seconds.to_string();
            assert_eq!(signer.verify(headers(v.id, &seconds, v.signature), v.body.as_bytes(), at), Ok(()));
        }
    }

    #[test]
    fn verify_every_changed_part_is_refused() {
        let v = &VECTORS[0];
        let signer = signer(&[v.secret]);
        let now = Timestamp::from_seconds(v.seconds);
        let seconds = v.seconds.to_string();
        let check = |id: &str, timestamp: &str, signature: &str, body: &str| {
            signer.verify(headers(id, timestamp, signature), body.as_bytes(), now)
        };
        assert_eq!(check("msg_other", &seconds, v.signature, v.body), Err(VerifyError::Mismatch));
        assert_eq!(check(v.id, "1614265331", v.signature, v.body), Err(VerifyError::Mismatch));
        assert_eq!(check(v.id, &seconds, v.signature, "{}"), Err(VerifyError::Mismatch));
        assert_eq!(check(v.id, &seconds, "v1,AAAA", v.body), Err(VerifyError::Mismatch));
        assert_eq!(check(v.id, &seconds, &v.signature.replace("v1,", "v2,"), v.body), Err(VerifyError::Mismatch));
        assert_eq!(check(v.id, &seconds, "nonsense", v.body), Err(VerifyError::Mismatch));
        assert_eq!(check(v.id, "soon", v.signature, v.body), Err(VerifyError::Timestamp));
        assert!(matches!(
            signer.verify(SignedHeaders::default(), b"", now),
            Err(VerifyError::MissingHeader { header: ID_HEADER })
        ));
    }

    #[test]
    fn verify_tolerance_is_five_minutes_either_way() {
        let v = &VECTORS[0];
        let signer = signer(&[v.secret]);
        let seconds = v.seconds.to_string();
        let at = |now: i64| {
            signer.verify(headers(v.id, &seconds, v.signature), v.body.as_bytes(), Timestamp::from_seconds(now))
        };
        assert_eq!(at(v.seconds + 300), Ok(()));
        assert_eq!(at(v.seconds - 300), Ok(()));
        assert!(matches!(at(v.seconds + 301), Err(VerifyError::Stale { future: false, .. })));
        assert!(matches!(at(v.seconds - 301), Err(VerifyError::Stale { future: true, .. })));
    }

    #[test]
    fn sign_two_keys_during_rotation_either_receiver_accepts() {
        let [a, b] = VECTORS;
        let both = signer(&[a.secret, b.secret]);
        let now = Timestamp::from_seconds(1_700_000_000);
        let value = both.sign("alr_1", now, b"{}");
        assert_eq!(value.split(' ').count(), 2);
        for secret in [a.secret, b.secret] {
            assert_eq!(signer(&[secret]).verify(headers("alr_1", "1700000000", &value), b"{}", now), Ok(()));
        }
    }

    #[test]
    fn sign_ed25519_verifies_only_with_its_own_key() {
        let of = |byte: u8| signer(&[&format!("whsk_{}", STANDARD.encode([byte; 32]))]);
        let now = Timestamp::from_seconds(1_700_000_000);
        let value = of(1).sign("alr_1", now, b"{}");
        assert!(value.starts_with("v1a,"), "{value}");
        assert_eq!(of(1).verify(headers("alr_1", "1700000000", &value), b"{}", now), Ok(()));
        assert_eq!(of(2).verify(headers("alr_1", "1700000000", &value), b"{}", now), Err(VerifyError::Mismatch));
    }

    #[test]
    fn signer_ed25519_halves_that_do_not_fit_are_refused() {
        let secret = Secret::parse(&format!("whsk_{}", STANDARD.encode([1; 64]))).expect("64 bytes");
        assert!(matches!(Signer::new(&[secret]), Err(SecretProblem::Ed25519 { bytes: 64 })));
    }

    proptest! {
        #[test]
        fn verify_never_panics_and_never_accepts_noise(id in ".{0,20}", ts in ".{0,20}", sig in ".{0,80}", body: Vec<u8>) {
            let signer = signer(&[VECTORS[0].secret]);
            let now = Timestamp::from_seconds(ts.parse().unwrap_or(0));
            prop_assert!(signer.verify(headers(&id, &ts, &sig), &body, now).is_err());
        }
    }
}
