//! Names to addresses, through the system's resolver, without those that may not be connected to.
//! IP literals never come here (the HTTP library skips the resolver for them): `client` checks those.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::error::ResolveError;
use super::{Cidr, guard};
use crate::files::descriptors_are_short;
use crate::text::clean::excerpt;

/// Look-ups at once. A look-up that hangs holds a thread until the system gives up on it, so the number
/// is bounded apart from the number of requests.
const LOOKUPS_MAX: usize = 32;

/// Shared by all clients of a process part: one bound for all look-ups.
#[derive(Clone)]
pub(super) struct NameLookups(Arc<Semaphore>);

impl NameLookups {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(LOOKUPS_MAX)))
    }
}

/// Resolves for one allow-list.
pub(super) struct GuardedResolver {
    pub lookups: NameLookups,
    pub allow_private: Arc<[Cidr]>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookups, allow) = (self.lookups.0.clone(), self.allow_private.clone());
        Box::pin(async move {
            let unknown = |temporary, detail: &str| ResolveError::Unknown { temporary, detail: excerpt(detail, 120) };
            let permit = lookups.acquire_owned().await.map_err(|_| unknown(true, "stopping"))?;
            let found = tokio::task::spawn_blocking(move || {
                let found = (name.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
                drop(permit);
                found
            });
            let found = match found.await {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    let text = error.to_string();
                    if descriptors_are_short() {
                        return Err(ResolveError::Shortage { detail: excerpt(&text, 120) }.into());
                    }
                    // The code of getaddrinfo is not passed on; EAI_AGAIN has this text in every libc we run on.
                    let temporary = text.contains("Temporary failure") || text.contains("Try again");
                    return Err(unknown(temporary, &text).into());
                }
                Err(_) => return Err(unknown(true, "the look-up was cut off").into()),
            };
            let allowed = filter(&found, &allow)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The addresses that may be connected to; an error that names the first other one if there are none.
fn filter(found: &[SocketAddr], allow_private: &[Cidr]) -> Result<Vec<SocketAddr>, ResolveError> {
    let allowed: Vec<_> = found.iter().copied().filter(|a| guard::is_allowed(a.ip(), allow_private)).collect();
    match (allowed.is_empty(), found.first()) {
        (false, _) => Ok(allowed),
        (true, Some(first)) => Err(ResolveError::Private { address: first.ip() }),
        (true, None) => Err(ResolveError::Unknown { temporary: false, detail: "no address".to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|t| SocketAddr::new(t.parse().expect("address"), 0)).collect()
    }

    #[test]
    fn filter_mixed_answer_keeps_the_public_addresses() {
        let kept = filter(&addresses(&["10.0.0.1", "8.8.8.8", "::1"]), &[]).expect("one is public");
        assert_eq!(kept, addresses(&["8.8.8.8"]));
    }

    #[test]
    fn filter_private_answer_is_refused_by_address() {
        let refused = filter(&addresses(&["10.0.0.1", "::1"]), &[]).expect_err("none is public");
        assert!(matches!(refused, ResolveError::Private { address } if address.to_string() == "10.0.0.1"));
        let allow = [Cidr::parse("::1").expect("range")];
        assert_eq!(filter(&addresses(&["10.0.0.1", "::1"]), &allow).expect("allowed"), addresses(&["::1"]));
    }

    #[test]
    fn filter_empty_answer_is_an_unknown_name() {
        assert!(matches!(filter(&[], &[]), Err(ResolveError::Unknown { temporary: false, .. })));
    }
}
