//! Two clusterings of the same items to B-cubed (Bagga and Baldwin 1998) and pairwise scores.

use std::collections::HashMap;
use std::hash::Hash;

use super::Quality;

/// B-cubed over `(truth, found)` per item: for each item the share of its found cluster that is
/// right, and the share of its true cluster that was found, averaged over items.
#[must_use]
pub fn b_cubed<T: Hash + Eq + Copy, F: Hash + Eq + Copy>(items: &[(T, F)]) -> Quality {
    if items.is_empty() {
        return Quality::new(1.0, 1.0);
    }
    let cells = Cells::of(items);
    let (mut precision, mut recall) = (0.0, 0.0);
    for ((truth, found), both) in &cells.both {
        let both = *both as f64;
        precision += both * both / cells.found[found] as f64;
        recall += both * both / cells.truth[truth] as f64;
    }
    let items = items.len() as f64;
    Quality::new(precision / items, recall / items)
}

/// Over all pairs of items: together in truth against together as found.
#[must_use]
pub fn pairwise<T: Hash + Eq + Copy, F: Hash + Eq + Copy>(items: &[(T, F)]) -> Quality {
    let cells = Cells::of(items);
    let pairs = |n: &u64| n * n.saturating_sub(1) / 2;
    let both: u64 = cells.both.values().map(pairs).sum();
    let truth: u64 = cells.truth.values().map(pairs).sum();
    let found: u64 = cells.found.values().map(pairs).sum();
    Quality::of_counts(both, found - both, truth - both)
}

/// How pure the found stories are, background included: B-cubed looks at labelled items only and does not
/// see what else a story took in.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Purity {
    /// Of the members of found stories with a labelled member and another one, the share that is of another
    /// cluster than most, or of none.
    pub foreign_share: f64,
    /// Found stories of three or more members, one of them labelled.
    pub stories: usize,
    /// Those of them with a member of another cluster or of none.
    pub mixed: usize,
}

/// Over `(truth, found)` per item, where the truth of background is `None`.
#[must_use]
pub fn purity<T: Hash + Eq + Copy, F: Hash + Eq + Copy>(items: &[(Option<T>, F)]) -> Purity {
    let mut found: HashMap<F, (usize, HashMap<T, usize>)> = HashMap::new();
    for (truth, story) in items {
        let (members, clusters) = found.entry(*story).or_default();
        *members += 1;
        if let Some(truth) = truth {
            *clusters.entry(*truth).or_default() += 1;
        }
    }
    let (mut members, mut foreign) = (0, 0);
    let mut purity = Purity { foreign_share: 0.0, stories: 0, mixed: 0 };
    for (size, clusters) in found.into_values() {
        let Some(most) = clusters.into_values().max().filter(|_| size > 1) else { continue };
        members += size;
        foreign += size - most;
        if size >= 3 {
            purity.stories += 1;
            purity.mixed += usize::from(most < size);
        }
    }
    if members > 0 {
        purity.foreign_share = foreign as f64 / members as f64;
    }
    purity
}

/// Sizes of the true clusters, the found ones and their intersections.
struct Cells<T, F> {
    both: HashMap<(T, F), u64>,
    truth: HashMap<T, u64>,
    found: HashMap<F, u64>,
}

impl<T: Hash + Eq + Copy, F: Hash + Eq + Copy> Cells<T, F> {
    fn of(items: &[(T, F)]) -> Self {
        let mut cells = Self { both: HashMap::new(), truth: HashMap::new(), found: HashMap::new() };
        for (truth, found) in items {
            *cells.both.entry((*truth, *found)).or_default() += 1;
            *cells.truth.entry(*truth).or_default() += 1;
            *cells.found.entry(*found).or_default() += 1;
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b_cubed_matches_a_case_worked_by_hand() {
        // Truth {a b c} {d e}; found {a b} {c d e}.
        let items = [(1, 1), (1, 1), (1, 2), (2, 2), (2, 2)];
        let quality = b_cubed(&items);
        assert!((quality.precision - (1.0 + 1.0 + 1.0 / 3.0 + 2.0 / 3.0 + 2.0 / 3.0) / 5.0).abs() < 1e-9);
        assert!((quality.recall - (2.0 / 3.0 + 2.0 / 3.0 + 1.0 / 3.0 + 1.0 + 1.0) / 5.0).abs() < 1e-9);
    }

    #[test]
    fn pairwise_matches_a_case_worked_by_hand() {
        let items = [(1, 1), (1, 1), (1, 2), (2, 2), (2, 2)];
        let quality = pairwise(&items);
        assert!((quality.precision - 2.0 / 4.0).abs() < 1e-9);
        assert!((quality.recall - 2.0 / 4.0).abs() < 1e-9);
    }

    #[test]
    fn purity_counts_background_and_other_clusters_as_foreign() {
        // One story of a a b and one background item, one pure pair, one of background only, one alone.
        let items = [
            (Some('a'), 1),
            (Some('a'), 1),
            (Some('b'), 1),
            (None, 1),
            (Some('c'), 2),
            (Some('c'), 2),
            (None, 3),
            (None, 3),
            (Some('d'), 4),
        ];
        let purity = purity(&items);
        assert!((purity.foreign_share - 2.0 / 6.0).abs() < 1e-9);
        assert_eq!((purity.stories, purity.mixed), (1, 1));
    }

    #[test]
    fn extremes_are_one_cluster_and_all_alone() {
        let apart: Vec<(u32, u32)> = (0..10).map(|i| (i / 5, i)).collect();
        let (b, p) = (b_cubed(&apart), pairwise(&apart));
        assert!((b.precision - 1.0).abs() < 1e-9 && (b.recall - 0.2).abs() < 1e-9);
        assert!((p.precision - 1.0).abs() < 1e-9 && p.recall.abs() < 1e-9);
        let one: Vec<(u32, u32)> = (0..10).map(|i| (i / 5, 0)).collect();
        assert!((b_cubed(&one).recall - 1.0).abs() < 1e-9);
        assert!((b_cubed::<u32, u32>(&[]).f1 - 1.0).abs() < 1e-9);
    }
}
