//! The ground truth: article n of an origin, its words, and whom it must be told to, all from one seed.
//! Nothing is kept but how many were published, so what is expected can be worked out at any time.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Topics of the harness's config, with the word that hits each.
pub const TOPICS: [&str; 2] = ["levee", "ferry"];

/// One of so many articles of every other feed is a copy.
const COPIES_EVERY: u64 = 6;

/// Numbers from a seed (splitmix64): the same for ever, whatever any library does.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice of their own for each purpose.
    pub fn new(seed: u64, purpose: &str, n: u64) -> Self {
        let mut dice = Self(seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for byte in purpose.bytes() {
            dice.0 = dice.next() ^ u64::from(byte);
        }
        dice.next();
        dice
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 up to, without, this.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
}

/// Where an article comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The feed of this number.
    Feed(usize),
    /// The seed directory.
    Files,
    /// `POST /v1/items`.
    Pushes,
}

/// One article.
#[derive(Debug, Clone)]
pub struct Article {
    /// `2-17`, `files-3`, `push-5`: guid in a feed, file name in the directory, id of a push.
    pub name: String,
    /// Its headline, which no other article has.
    pub title: String,
    /// Its text, of words of its own.
    pub text: String,
    /// The topics that it must hit, and no other.
    pub topics: Vec<&'static str>,
}

/// An alert that must arrive: its topics, sorted and joined, and its headline.
pub type Expected = (String, String);

impl Article {
    /// Article n of an origin. Every sixth one of every other feed has the words of an article of the feed before:
    /// whichever comes first is told, the other is not.
    pub fn of(seed: u64, origin: Origin, n: u64) -> Self {
        let name = match origin {
            Origin::Feed(feed) => format!("{feed}-{n}"),
            Origin::Files => format!("files-{n}"),
            Origin::Pushes => format!("push-{n}"),
        };
        let (origin, n) = match origin {
            Origin::Feed(feed) if feed % 2 == 1 && n % COPIES_EVERY == COPIES_EVERY - 1 => {
                (Origin::Feed(feed - 1), n + 1 - COPIES_EVERY)
            }
            own => (own, n),
        };
        let purpose = match origin {
            Origin::Feed(feed) => format!("feed {feed}"),
            Origin::Files => "files".to_owned(),
            Origin::Pushes => "pushes".to_owned(),
        };
        let mut dice = Dice::new(seed, &purpose, n);
        let topics: Vec<&str> = match dice.below(100) {
            0..60 => vec![TOPICS[0]],
            60..75 => vec![TOPICS[1]],
            75..85 => TOPICS.to_vec(),
            _ => Vec::new(),
        };
        let about = if topics.is_empty() { "council".to_owned() } else { topics.join(" and ") };
        let title = format!("{} {about} near {} {}", capital(&mut dice), capital(&mut dice), capital(&mut dice));
        let mut text = format!("The {about} was inspected.");
        for _ in 0..8 {
            let (place, office) = (capital(&mut dice), capital(&mut dice));
            let words: Vec<String> = (0..9).map(|_| word(&mut dice)).collect();
            let _ = write!(text, " In {place} the {office} office said that {}.", words.join(" "));
        }
        Self { name, title, text, topics }
    }

    /// The alert that it must raise: one, with all its topics.
    pub fn expected(&self) -> Option<Expected> {
        let mut topics = self.topics.clone();
        topics.sort_unstable();
        (!topics.is_empty()).then(|| (topics.join(" and "), self.title.clone()))
    }

    /// As an entry of an RSS document.
    pub fn rss(&self) -> String {
        format!(
            "<item><guid isPermaLink=\"false\">{0}</guid><title>{1}</title><link>https://news.example/{0}</link>\
             <description>{2}</description></item>",
            self.name, self.title, self.text
        )
    }

    /// As a text file.
    pub fn file(&self) -> String {
        format!("{}\n\n{}\n", self.title, self.text)
    }
}

/// How much was published so far, by origin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// Articles of each feed.
    pub feeds: Vec<u64>,
    /// Files dropped: renamed into place.
    pub files: u64,
    /// Articles that are pushed until they are taken.
    pub pushes: u64,
}

impl Published {
    /// Every article.
    pub fn articles(&self, seed: u64) -> impl Iterator<Item = (Origin, Article)> + '_ {
        let feeds = self.feeds.iter().enumerate().flat_map(move |(feed, count)| {
            (0..*count).map(move |n| (Origin::Feed(feed), Article::of(seed, Origin::Feed(feed), n)))
        });
        let each = move |origin, count| (0..count).map(move |n| (origin, Article::of(seed, origin, n)));
        feeds.chain(each(Origin::Files, self.files)).chain(each(Origin::Pushes, self.pushes))
    }

    /// Every alert.
    pub fn expected(&self, seed: u64) -> BTreeSet<Expected> {
        self.articles(seed).filter_map(|(_, article)| article.expected()).collect()
    }

    /// Alerts that either of two articles may raise: which comes first after a restore is up to the feeds.
    pub fn raised_by_either(&self, seed: u64) -> BTreeSet<Expected> {
        let mut seen = BTreeSet::new();
        self.articles(seed)
            .filter_map(|(_, article)| article.expected())
            .filter(|alert| !seen.insert(alert.clone()))
            .collect()
    }

    /// How many articles.
    pub fn total(&self) -> u64 {
        self.feeds.iter().sum::<u64>() + self.files + self.pushes
    }
}

fn word(dice: &mut Dice) -> String {
    const HEADS: [&str; 16] = ["b", "br", "d", "dr", "f", "g", "k", "kl", "l", "m", "n", "p", "pr", "s", "t", "v"];
    const VOWELS: [&str; 7] = ["a", "e", "i", "o", "u", "ei", "oa"];
    (0..3).flat_map(|_| [HEADS[dice.below(16) as usize], VOWELS[dice.below(7) as usize]]).collect()
}

fn capital(dice: &mut Dice) -> String {
    let word = word(dice);
    format!("{}{}", word[..1].to_uppercase(), &word[1..])
}
