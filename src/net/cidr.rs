//! Address ranges as people write them: `10.0.0.0/8`, `fd00::/8`, `127.0.0.1`.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr(IpNet);

/// A text that is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an address range like 10.0.0.0/8 or fd00::/8")]
pub struct CidrError {
    text: String,
}

impl Cidr {
    /// Reads `address/bits`, or a single address.
    ///
    /// # Errors
    /// [`CidrError`] when the text is neither.
    pub fn parse(text: &str) -> Result<Self, CidrError> {
        let range = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        range.map(Self).map_err(|_| CidrError { text: text.to_owned() })
    }

    /// Whether an address lies within; a v4-mapped v6 address counts as the v4 address it carries.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(range: &str, address: &str) -> bool {
        Cidr::parse(range).expect("range").contains(address.parse().expect("address"))
    }

    #[test]
    fn cidr_contains_follows_the_prefix() {
        assert!(has("127.0.0.0/8", "127.255.0.1"));
        assert!(!has("127.0.0.0/8", "128.0.0.1"));
        assert!(has("0.0.0.0/0", "8.8.8.8"));
        assert!(has("::1", "::1"));
        assert!(has("127.0.0.0/8", "::ffff:127.0.0.1"));
        assert!(!has("::/0", "127.0.0.1"));
    }

    #[test]
    fn cidr_nonsense_is_refused() {
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "localhost"] {
            assert!(Cidr::parse(bad).is_err(), "{bad}");
        }
    }
}
