//! Which part of a host name somebody registered, by the public suffix list. The list is code, more than a megabyte of it,
//! and every unit of the program that asked it itself would hold one: all ask here.

/// The part of a host name that its owner registered, `gazette.co.uk` of `www.gazette.co.uk`; `None` for a suffix alone.
#[must_use]
pub fn registered(host: &str) -> Option<&str> {
    looked_up(host).and_then(|domain| std::str::from_utf8(domain.as_bytes()).ok())
}

/// Whether a host name ends as names on the internet do and has more than that: `gazette.example` does not.
#[must_use]
pub fn is_public(host: &str) -> bool {
    looked_up(host).is_some_and(|domain| domain.suffix().is_known())
}

#[inline(never)]
fn looked_up(host: &str) -> Option<psl::Domain<'_>> {
    psl::domain(host.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_of_a_host_is_told_from_the_registry_above_it() {
        for (host, owner, public) in [
            ("www.gazette.co.uk", Some("gazette.co.uk"), true),
            ("gazette.com", Some("gazette.com"), true),
            ("co.uk", None, false),
            ("news.harbour.example", Some("harbour.example"), false),
            ("localhost", None, false),
        ] {
            assert_eq!((registered(host), is_public(host)), (owner, public), "{host}");
        }
    }
}
