//! Two items that share shingles to a verdict: the same text or not. Headlines are the witness:
//! where they agree less body is needed, where they have nothing in common the shared body is
//! likely the site's furniture; where they differ in one number or name it is a template.

use super::sketch::Overlap;
use crate::pipeline::facts::{Aspect, Difference, ItemFacts, Separation, differences, fills_template};
use crate::pipeline::story::profile::Zone;
use crate::pipeline::story::rarity::Weighted;
use crate::pipeline::story::signals::Query;
use crate::pipeline::story::words::Kind;

/// Below this containment nothing is a copy.
pub const CONTAINMENT_MIN: f32 = 0.6;
/// Containment needed where the headlines agree; as all three a lower bound, see [`assured`].
const AGREEING: f32 = 0.56;
/// Where a headline is missing or they agree in part.
const UNKNOWN: f32 = 0.74;
/// Where the headlines have nothing in common.
const DISJOINT: f32 = 0.87;
/// Length ratio below which the shorter one must be a cut copy.
const CUT_RATIO: f32 = 0.6;
/// Samples of a cut copy that have to be compared.
const CUT_SAMPLES_MIN: usize = 4;

/// How two headlines stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headlines {
    /// Most telling terms are shared.
    Agree,
    /// Some are.
    Partly,
    /// One of them is missing or says nothing.
    Unknown,
    /// None is shared.
    Disjoint,
    /// Alike but for a number or a name: two items of one template.
    Differ,
}

impl Headlines {
    /// The printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agree => "agree",
            Self::Partly => "agree in part",
            Self::Unknown => "one is missing",
            Self::Disjoint => "share nothing",
            Self::Differ => "differ in a number or name",
        }
    }

    /// Compares the headline terms of a new item with those of a remembered one.
    #[must_use]
    pub fn of(query: &Query, other: &(impl Iterator<Item = Weighted> + Clone)) -> Self {
        let ours = || query.terms().iter().map(|(term, _)| *term).filter(|t| t.zone() == Zone::Title);
        let theirs = || other.clone().filter(|t| t.zone() == Zone::Title);
        let (ours_len, theirs_len) = (ours().count(), theirs().count());
        if ours_len == 0 || theirs_len == 0 {
            return Self::Unknown;
        }
        let shared = theirs().filter(|t| ours().any(|o| o.hash() == t.hash())).count();
        let telling = |t: &Weighted, kind: Kind| t.kind() == kind;
        for kind in [Kind::Number, Kind::Name] {
            // Each headline holds one that the other item lacks altogether (numbers: that its headline lacks).
            let ours_own = ours().any(|o| {
                telling(&o, kind)
                    && !theirs().any(|t| t.hash() == o.hash())
                    && (kind == Kind::Number || !other.clone().any(|t| t.hash() == o.hash()))
            });
            let theirs_own = theirs().any(|t| {
                telling(&t, kind)
                    && !ours().any(|o| o.hash() == t.hash())
                    && (kind == Kind::Number || query.find(t.hash()).is_none())
            });
            if ours_own && theirs_own && (kind == Kind::Number || shared * 2 >= ours_len.min(theirs_len)) {
                return Self::Differ;
            }
        }
        match shared {
            0 if ours_len.min(theirs_len) >= 2 => Self::Disjoint,
            0 => Self::Unknown,
            n if n * 2 >= ours_len.min(theirs_len) => Self::Agree,
            _ => Self::Partly,
        }
    }
}

/// Whether two texts are one.
#[must_use]
pub fn is_copy(overlap: &Overlap, headlines: Headlines) -> bool {
    let needed = match headlines {
        Headlines::Agree => AGREEING,
        Headlines::Partly | Headlines::Unknown => UNKNOWN,
        Headlines::Disjoint => DISJOINT,
        Headlines::Differ => return false,
    };
    if overlap.length_ratio < CUT_RATIO {
        let needed = if overlap.same_opening { needed } else { needed.max(UNKNOWN) };
        return overlap.samples >= CUT_SAMPLES_MIN && assured(overlap) >= needed;
    }
    assured(overlap) >= needed
}

/// Whether two items fill one template with different things: near the same words, but another identifier, place, actor,
/// name or day. An edited copy says the same.
#[must_use]
pub fn is_template(a: &ItemFacts, b: &ItemFacts, same_source: bool) -> bool {
    let tells = |difference: &Difference| {
        difference.separation == Separation::Clear && !matches!(difference.aspect, Aspect::Genre | Aspect::Stage)
    };
    let found = differences(a, b);
    found.iter().any(tells) || same_source && fills_template(a, b, &found)
}

/// What the containment is at least, one standard error below the estimate: a sample of ten says
/// less than one of forty (Wilson 1927).
fn assured(overlap: &Overlap) -> f32 {
    let (p, n) = (overlap.containment, overlap.samples.max(1) as f32);
    let centre = p + 0.5 / n;
    let spread = (p * (1.0 - p) / n + 0.25 / (n * n)).sqrt();
    (centre - spread) / (1.0 + 1.0 / n)
}
