//! Which remembered items form one story. A story of one costs nothing: its id follows from its item.

use std::collections::{HashMap, HashSet};

use super::records::{Record, Records};
use super::{ALONE, Slot};
use crate::model::StoryId;

/// Stories of two or more, and those whose id does not follow from a remembered item.
#[derive(Debug, Default)]
pub struct Groups {
    by_number: HashMap<u32, Group>,
    numbers: HashMap<StoryId, u32>,
    next: u32,
    apart: HashSet<(StoryId, StoryId)>,
}

#[derive(Debug)]
struct Group {
    story: StoryId,
    members: Vec<Slot>,
}

impl Groups {
    /// The story of a remembered item.
    #[must_use]
    pub fn story_of(&self, record: &Record<'_>) -> StoryId {
        self.of_record(record).map_or_else(|| StoryId::opened_by(record.item()), |group| group.story)
    }

    /// The remembered members of an item's story, oldest first.
    #[must_use]
    pub fn members<'a>(&'a self, slot: &'a Slot, record: &Record<'_>) -> &'a [Slot] {
        self.of_record(record).map_or(std::slice::from_ref(slot), |group| &group.members)
    }

    /// The group of a remembered item; most have none, and no number that would be looked up.
    fn of_record(&self, record: &Record<'_>) -> Option<&Group> {
        (record.group() != ALONE).then(|| self.by_number.get(&record.group()))?
    }

    /// The remembered members of a story that has a group, oldest first.
    #[must_use]
    pub fn of(&self, story: StoryId) -> Option<&[Slot]> {
        let group = self.by_number.get(self.numbers.get(&story)?)?;
        Some(&group.members)
    }

    /// Whether a story has a group.
    #[must_use]
    pub fn holds(&self, story: StoryId) -> bool {
        self.numbers.contains_key(&story)
    }

    /// Puts a slot that is in no group into a story; `opener` is the slot that so far was all of it.
    pub fn join(&mut self, records: &mut Records, slot: Slot, story: StoryId, opener: Option<Slot>) {
        if let Some(number) = self.numbers.get(&story) {
            let group = self.by_number.get_mut(number).expect("invariant: numbers and groups hold the same stories");
            let at = group.members.partition_point(|m| *m < slot);
            group.members.insert(at, slot);
            records.set_group(slot, *number);
        } else if opener.is_some_and(|o| o != slot) || StoryId::opened_by(records.get(slot).item()) != story {
            let mut members: Vec<Slot> = opener.into_iter().filter(|o| *o != slot).chain([slot]).collect();
            members.sort_unstable();
            self.found(records, story, members);
        }
    }

    /// Takes a slot out of its group; `reset` if it goes on as a story of its own.
    pub fn leave(&mut self, records: &mut Records, slot: Slot, reset: bool) {
        let number = records.get(slot).group();
        let Some(group) = self.by_number.get_mut(&number) else { return };
        group.members.retain(|m| *m != slot);
        if reset {
            records.set_group(slot, ALONE);
        }
        if group.members.is_empty() {
            self.numbers.remove(&group.story);
            self.by_number.remove(&number);
        }
    }

    /// Ends a story's group and gives its members.
    pub fn dissolve(&mut self, story: StoryId) -> Option<Vec<Slot>> {
        let number = self.numbers.remove(&story)?;
        self.by_number.remove(&number).map(|group| group.members)
    }

    /// Remembers that two stories are not one.
    pub fn keep_apart(&mut self, a: StoryId, b: StoryId) {
        self.apart.insert((a.min(b), a.max(b)));
    }

    /// One story went up in another: what was kept apart from it is kept apart from that one. Whoever
    /// makes two such stories one has changed their mind.
    pub fn rename_apart(&mut self, gone: StoryId, keep: StoryId) {
        let named = |story: StoryId| if story == gone { keep } else { story };
        if self.apart.iter().any(|(a, b)| *a == gone || *b == gone) {
            let pairs = std::mem::take(&mut self.apart);
            pairs
                .into_iter()
                .filter(|(a, b)| named(*a) != named(*b))
                .for_each(|(a, b)| self.keep_apart(named(a), named(b)));
        }
    }

    /// Whether two stories must stay two.
    #[must_use]
    pub fn are_apart(&self, a: StoryId, b: StoryId) -> bool {
        self.apart.contains(&(a.min(b), a.max(b)))
    }

    /// Counts slots anew.
    pub fn renumber(&mut self, by: Slot) {
        self.by_number.values_mut().flat_map(|group| group.members.iter_mut()).for_each(|slot| *slot -= by);
    }

    /// The number that the next group gets.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// Each group: its number, its story, and its members, oldest first.
    pub(super) fn each(&self) -> impl Iterator<Item = (u32, StoryId, &[Slot])> {
        self.by_number.iter().map(|(number, group)| (*number, group.story, group.members.as_slice()))
    }

    /// Stories that are not one.
    pub(super) fn apart(&self) -> impl Iterator<Item = (StoryId, StoryId)> {
        self.apart.iter().copied()
    }

    /// Puts a group back under its number.
    pub(super) fn restore(&mut self, number: u32, story: StoryId, members: Vec<Slot>) {
        self.numbers.insert(story, number);
        self.by_number.insert(number, Group { story, members });
    }

    /// Goes on numbering from there.
    pub(super) fn restore_next(&mut self, next: u32) {
        self.next = next;
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let members: usize = self.by_number.values().map(|g| g.members.capacity() * size_of::<Slot>()).sum();
        members
            + self.by_number.capacity() * (size_of::<(u32, Group)>() + 1)
            + self.numbers.capacity() * (size_of::<(StoryId, u32)>() + 1)
    }

    fn found(&mut self, records: &mut Records, story: StoryId, members: Vec<Slot>) {
        let number = self.next;
        self.next = (self.next + 1) % ALONE;
        for slot in &members {
            records.set_group(*slot, number);
        }
        self.numbers.insert(story, number);
        self.by_number.insert(number, Group { story, members });
    }
}

/// The key under which the item that opened a story is found.
pub(super) fn story_key(story: StoryId) -> u32 {
    (story.to_i64() as u64 >> 16) as u32
}
