//! Whose push it is: by its token, or by the secret that its signature fits; and how often they came.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::text;
use crate::config::Config;
use crate::deliver::secret::{AccessToken, Secret};
use crate::deliver::sign::{ID_HEADER, SIGNATURE_HEADER, SignedHeaders, Signer, TIMESTAMP_HEADER, VerifyError};
use crate::http::refusal::{AnswerRefusal, RefusalKind};
use crate::model::{SourceId, Timestamp};
use crate::source::push::PushConfig;

/// The source whose token was sent.
pub(super) fn of_token<'a>(config: &'a Config, headers: &HeaderMap) -> Result<&'a PushConfig, AnswerRefusal> {
    let hint = "send the token of a [[pushes]] entry as `Authorization: Bearer …`, or sign as webhooks are signed";
    let refused = |detail: &str| AnswerRefusal::new(RefusalKind::Unauthorized, detail).hint(hint);
    let given = text(headers, header::AUTHORIZATION.as_str()).ok_or_else(|| refused("nothing says who sends"))?;
    let given = given.strip_prefix("Bearer ").ok_or_else(|| refused("`Authorization` is not `Bearer …`"))?;
    let mut found = None;
    for push in &config.pushes {
        let Some(path) = &push.token_file else { continue };
        match AccessToken::from_file(path) {
            // All are compared: how long it takes says nothing.
            Ok(token) if token.is(given) => found = found.or(Some(push)),
            Ok(_) => {}
            Err(error) => tracing::error!(source = %push.id, %error, "the token of a push source cannot be read"),
        }
    }
    found.ok_or_else(|| refused("no push source has this token"))
}

/// The source whose secret a request is signed with, and the id that it was signed under.
pub(super) fn of_signature<'a>(
    config: &'a Config,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(&'a PushConfig, String), AnswerRefusal> {
    let signed = SignedHeaders {
        id: text(headers, ID_HEADER),
        timestamp: text(headers, TIMESTAMP_HEADER),
        signature: text(headers, SIGNATURE_HEADER),
    };
    let (mut found, mut why) = (None, VerifyError::Mismatch);
    for push in &config.pushes {
        let Some(path) = &push.secret_file else { continue };
        let signer = Secret::from_file(path).map_err(|error| error.to_string());
        let signer = signer.and_then(|secret| Signer::new(&[secret]).map_err(|problem| problem.to_string()));
        match signer.map(|signer| signer.verify(signed, body, now)) {
            Ok(Ok(())) => found = found.or(Some(push)),
            Ok(Err(error)) => why = error,
            Err(error) => tracing::error!(source = %push.id, error, "the secret of a push source cannot be read"),
        }
    }
    match (found, signed.id) {
        (Some(push), Some(id)) if (1..=super::KEY_BYTES_MAX).contains(&id.len()) => Ok((push, id.to_owned())),
        (Some(_), _) => Err(AnswerRefusal::new(RefusalKind::BadKey, "`webhook-id` is empty or too long")),
        (None, _) => {
            let kind = match why {
                VerifyError::Stale { .. } => RefusalKind::StaleSignature,
                _ => RefusalKind::BadSignature,
            };
            Err(AnswerRefusal::new(kind, why.to_string()))
        }
    }
}

/// How often each source came in its present window.
#[derive(Debug, Clone, Default)]
pub(super) struct SenderRates(Arc<Mutex<HashMap<SourceId, (Instant, u32)>>>);

impl SenderRates {
    /// Counts a request, or says when to come again.
    pub fn count(&self, source: &PushConfig) -> Result<(), AnswerRefusal> {
        self.count_at(source, Instant::now())
    }

    fn count_at(&self, source: &PushConfig, now: Instant) -> Result<(), AnswerRefusal> {
        let mut rates = self.0.lock();
        let window = rates.entry(source.id.clone()).or_insert((now, 0));
        if now.duration_since(window.0) >= source.rate.per {
            *window = (now, 0);
        }
        if window.1 < source.rate.requests {
            window.1 += 1;
            return Ok(());
        }
        let left = source.rate.per.saturating_sub(now.duration_since(window.0));
        let detail = format!("`rate` of push source `{}` is {} requests", source.id, source.rate.requests);
        Err(AnswerRefusal::new(RefusalKind::RateLimited, detail).retry_after(left.as_secs() + 1))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::source::feed::IdentifiedBy;
    use crate::source::push::PushRate;

    #[test]
    fn rate_lets_so_many_pass_in_its_time() {
        let source = PushConfig {
            id: SourceId::new("desk").expect("a name"),
            token_file: None,
            secret_file: None,
            rate: PushRate { requests: 2, per: Duration::from_secs(60) },
            trust: IdentifiedBy::Guid,
            quiet: false,
            lang: None,
            tags: Vec::new(),
        };
        let rates = SenderRates::default();
        let start = Instant::now();
        assert!(rates.count_at(&source, start).is_ok() && rates.count_at(&source, start).is_ok());
        let refused = rates.count_at(&source, start + Duration::from_secs(20)).expect_err("too many");
        assert_eq!((refused.kind, refused.retry_after), (RefusalKind::RateLimited, Some(41)));
        assert!(rates.count_at(&source, start + Duration::from_secs(60)).is_ok());
    }
}
