//! Which addresses may be connected to: public ones, and those a feed or endpoint names itself in
//! `allow_private`. Pure address arithmetic after the IANA special-purpose registries (RFC 6890 and
//! its updates); `client` asks it before, during and after every connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Cidr;

/// Special-purpose IPv4 ranges as (base, prefix). Everything else is public.
const V4_SPECIAL: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),       // "this network"
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // shared by carriers (RFC 6598)
    ([127, 0, 0, 0], 8),     // loopback
    ([169, 254, 0, 0], 16),  // link-local; cloud metadata lives here
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 88, 99, 0], 24),  // 6to4 relays, withdrawn
    ([192, 168, 0, 0], 16),  // private
    ([198, 18, 0, 0], 15),   // benchmarking
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 4),     // multicast
    ([240, 0, 0, 0], 4),     // reserved, and broadcast
];

/// Special-purpose ranges inside 2000::/3, the only IPv6 space that is public at all.
const V6_SPECIAL: [(u16, u16, u32); 4] = [
    (0x2001, 0x0000, 23), // protocol assignments: Teredo, benchmarking, ORCHID
    (0x2001, 0x0db8, 32), // documentation
    (0x2002, 0x0000, 16), // 6to4: carries any IPv4 address
    (0x3fff, 0x0000, 20), // documentation
];

/// Whether an address may be connected to.
#[must_use]
pub fn is_allowed(address: IpAddr, allow_private: &[Cidr]) -> bool {
    is_public(address) || allow_private.iter().any(|range| range.contains(address))
}

/// Whether an address is part of the public internet. Addresses that carry an IPv4 address (mapped,
/// NAT64) are judged by what they carry, the withdrawn tunnels (6to4, Teredo) are never public.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !V4_SPECIAL.iter().any(|&(base, prefix)| {
        let shift = 32 - prefix;
        Ipv4Addr::from(base).to_bits() >> shift == address.to_bits() >> shift
    })
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // The well-known NAT64 prefix 64:ff9b::/96 (RFC 6052): how IPv6-only hosts reach IPv4.
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return is_public_v4(Ipv4Addr::from_bits(address.to_bits() as u32));
    }
    let global = segments[0] & 0xe000 == 0x2000;
    let head = (u32::from(segments[0]) << 16) | u32::from(segments[1]);
    let special = V6_SPECIAL.iter().any(|&(first, second, prefix)| {
        let base = (u32::from(first) << 16) | u32::from(second);
        base >> (32 - prefix) == head >> (32 - prefix)
    });
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_special_ranges_are_not_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().expect(text)), "{text}");
        }
    }

    #[test]
    fn address_of_the_internet_is_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.0.3.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::8a",
            "2001:4860:4860::8888",
            "2001:200::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(is_public(text.parse().expect(text)), "{text}");
        }
    }

    #[test]
    fn allow_private_opens_its_own_range_only() {
        let allow = [Cidr::parse("127.0.0.0/8").expect("range")];
        assert!(is_allowed("127.0.0.1".parse().expect("address"), &allow));
        assert!(is_allowed("::ffff:127.0.0.1".parse().expect("address"), &allow));
        assert!(!is_allowed("10.0.0.1".parse().expect("address"), &allow));
        assert!(!is_allowed("::1".parse().expect("address"), &allow));
    }
}
