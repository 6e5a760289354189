//! The ASCII letters that a text goes on with, eight bytes at a time: words of most texts are told by that in a few
//! instructions, whatever their length.

const EACH: u64 = 0x0101_0101_0101_0101;
const TOP: u64 = 0x80 * EACH;

/// Eight bytes with all ASCII letters small (what is no letter may be changed), and how many letters they begin with.
#[must_use]
pub fn leading(eight: [u8; 8]) -> (u64, u32) {
    let bytes = u64::from_le_bytes(eight);
    let small = bytes | (0x20 * EACH);
    // A byte's top bit is set where it is `a` or more, then where it is more than `z`; no sum reaches into the next one.
    let from_a = (small & !TOP) + (0x80 - u64::from(b'a')) * EACH;
    let beyond_z = (small & !TOP) + (0x80 - u64::from(b'z') - 1) * EACH;
    let others = !(from_a & !beyond_z & !bytes) & TOP;
    (small, others.trailing_zeros() / 8)
}

/// How many ASCII letters a text begins with.
#[must_use]
pub fn count_leading(bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Some(eight) = bytes[count..].first_chunk() {
        let (_, len) = leading(*eight);
        count += len as usize;
        if len < 8 {
            return count;
        }
    }
    count + bytes[count..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count()
}

/// How many ASCII letters there are.
#[must_use]
pub fn count(bytes: &[u8]) -> usize {
    // Over steps whose sum a byte holds, and without a branch: the compiler makes wide instructions of that.
    let is_letter = |byte: &u8| u8::from((byte | 0x20).wrapping_sub(b'a') < 26);
    bytes.chunks(128).map(|step| usize::from(step.iter().map(is_letter).sum::<u8>())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn letters_are_those_that_are_alphabetic(text in "([a-zA-Z]{0,10}[@\\[`{A-Zaz09é'\u{0}\u{7f} ]?){0,4}") {
            let bytes = text.as_bytes();
            proptest::prop_assert_eq!(count(bytes), bytes.iter().filter(|byte| byte.is_ascii_alphabetic()).count());
            let first = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
            proptest::prop_assert_eq!(count_leading(bytes), first);
            if let Some(eight) = bytes.first_chunk::<8>() {
                let (small, len) = leading(*eight);
                proptest::prop_assert_eq!(len as usize, first.min(8));
                let lower = text.to_ascii_lowercase();
                proptest::prop_assert_eq!(&small.to_le_bytes()[..len as usize], &lower.as_bytes()[..len as usize]);
            }
        }
    }
}
