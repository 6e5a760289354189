//! Address ranges as people write them: `10.0.0.0/8`, `fd00::/8`, `127.0.0.1`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    base: IpAddr,
    prefix: u8,
}

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
        let error = || CidrError { text: text.to_owned() };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| error())?)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().map_err(|_| error())?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let prefix = bits.unwrap_or(width);
        if prefix > width {
            return Err(error());
        }
        Ok(Self { base, prefix })
    }

    /// Whether an address lies within; a v4-mapped v6 address counts as the v4 address it carries.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                Ipv4Addr::to_bits(base) & mask == Ipv4Addr::to_bits(address) & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                Ipv6Addr::to_bits(base) & mask == Ipv6Addr::to_bits(address) & mask
            }
            _ => false,
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
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
