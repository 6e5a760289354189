//! `X-Hub-Signature: method=hex`: whether a push was signed with the secret that the hub was given. The method is the
//! stated one; SHA-1 is taken, for most hubs know no other, and told.

use aws_lc_rs::hmac;

use super::counters::HubDrop;
use crate::model::HubSecret;

/// What is believed of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PushBelief {
    /// All of it: it was signed.
    Signed {
        /// With SHA-1.
        is_weak: bool,
    },
    /// Nothing of what it says.
    Not {
        /// As what it is counted.
        dropped: Option<HubDrop>,
        /// That there is something may be true: the feed is polled for it.
        is_hint: bool,
    },
}

/// Looks who has pushed.
pub(super) fn believe(secret: Option<&HubSecret>, signature: Option<&str>, body: &[u8]) -> PushBelief {
    let Some(secret) = secret else { return PushBelief::Not { dropped: None, is_hint: true } };
    match check(secret, signature, body) {
        PushSignature::Good => PushBelief::Signed { is_weak: false },
        PushSignature::Weak => PushBelief::Signed { is_weak: true },
        PushSignature::Wrong => PushBelief::Not { dropped: Some(HubDrop::BadSignature), is_hint: false },
        PushSignature::Missing => PushBelief::Not { dropped: Some(HubDrop::Unsigned), is_hint: true },
    }
}

/// How a push was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PushSignature {
    /// By one of the SHA-2 methods.
    Good,
    /// By SHA-1.
    Weak,
    /// By another secret, or over other bytes, or in no way that is known.
    Wrong,
    /// Not at all.
    Missing,
}

/// Looks at the header of a push; takes as long for a wrong signature as for a good one.
fn check(secret: &HubSecret, header: Option<&str>, body: &[u8]) -> PushSignature {
    let Some(header) = header else { return PushSignature::Missing };
    let Some((method, hex)) = header.trim().split_once('=') else { return PushSignature::Wrong };
    let algorithm = match method.trim().to_ascii_lowercase().as_str() {
        "sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "sha256" => hmac::HMAC_SHA256,
        "sha384" => hmac::HMAC_SHA384,
        "sha512" => hmac::HMAC_SHA512,
        _ => return PushSignature::Wrong,
    };
    let Some(given) = bytes_of(hex.trim()) else { return PushSignature::Wrong };
    let key = hmac::Key::new(algorithm, secret.0.as_bytes());
    match hmac::verify(&key, body, &given) {
        Err(_) => PushSignature::Wrong,
        Ok(()) if algorithm == hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY => PushSignature::Weak,
        Ok(()) => PushSignature::Good,
    }
}

/// Hex of either case.
fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    // The longest is that of SHA-512.
    if hex.len() > 128 || !hex.len().is_multiple_of(2) || !hex.is_ascii() {
        return None;
    }
    let digits: Option<Vec<u32>> = hex.chars().map(|c| c.to_digit(16)).collect();
    Some(digits?.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(algorithm: hmac::Algorithm, secret: &str, body: &[u8]) -> String {
        let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), body);
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    }

    #[test]
    fn signature_of_every_method_and_its_faults() {
        let secret = HubSecret("5f".repeat(32));
        let body = b"<rss/>";
        let sha256 = signed(hmac::HMAC_SHA256, &secret.0, body);
        let sha1 = signed(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret.0, body);
        let sha512 = signed(hmac::HMAC_SHA512, &secret.0, body);
        let check = |header: &str| check(&secret, Some(header), body);
        assert_eq!(check(&format!("sha256={sha256}")), PushSignature::Good);
        assert_eq!(check(&format!("SHA256= {} ", sha256.to_uppercase())), PushSignature::Good);
        assert_eq!(check(&format!("sha384={}", signed(hmac::HMAC_SHA384, &secret.0, body))), PushSignature::Good);
        assert_eq!(check(&format!("sha512={sha512}")), PushSignature::Good);
        assert_eq!(check(&format!("sha1={sha1}")), PushSignature::Weak);
        let other = signed(hmac::HMAC_SHA256, "another", body);
        for wrong in [
            format!("sha256={sha1}"),
            format!("sha1={sha256}"),
            format!("sha256={other}"),
            format!("sha256={}", &sha256[..32]),
            format!("sha256={sha256}00"),
            format!("md5={sha256}"),
            format!("sha256={}", "é".repeat(32)),
            format!("sha256={}", "0".repeat(1000)),
            sha256.clone(),
            "sha256=".to_owned(),
            String::new(),
        ] {
            assert_eq!(check(&wrong), PushSignature::Wrong, "{wrong}");
        }
        assert_eq!(super::check(&secret, None, body), PushSignature::Missing);
        assert_eq!(super::check(&secret, Some(&format!("sha256={sha256}")), b"<rss />"), PushSignature::Wrong);
    }
}
