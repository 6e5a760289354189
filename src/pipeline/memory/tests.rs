//! Properties of the whole memory: restarts, orders, floods, vetoes, windows.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::{ItemKey, Lang, SourceId};
use crate::pipeline::features::source_hash;
use crate::pipeline::ledger::Ledger;
use crate::text::tokens::Tokens;

const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

fn id(number: usize) -> ItemId {
    ItemId::of(&SourceId::new("test").expect("a valid name"), &ItemKey::new(&number.to_string()))
}

fn features(title: &str, text: &str) -> Features {
    Features::of_text(title, &Tokens::of(title), text, &Tokens::of(text), None)
}

fn after(minutes: u64) -> Timestamp {
    START.plus(Duration::from_secs(60 * minutes))
}

/// What `decide` does with one item.
fn decide(memory: &mut Memory, number: usize, features: &Features, now: Timestamp) -> (StoryId, bool, Option<StoryId>) {
    memory.advance(now);
    if let Some(copy) = memory.nearest(features) {
        return (copy.story, true, None);
    }
    let placement = memory.place(id(number), features);
    memory.insert(id(number), placement.story(), features, now);
    if let Some(gone) = placement.merged {
        memory.merge(placement.story(), gone);
    }
    (placement.story(), false, placement.merged)
}

/// Invented events, each told in several ways: place, actor, what happened, figures.
const EVENTS: [(&str, &str, &str, &str); 6] = [
    ("Harrowgate", "Velden Rail", "freight train derailed near the grain depot spilling ammonia", "14"),
    ("Quillmouth", "Orlan Shipping", "ferry lost its rudder and drifted toward the breakwater overnight", "230"),
    ("Tarnfield", "Brightwell Dairy", "factory recalled cheese after inspectors found listeria in a vat", "9"),
    ("Pellworth", "Council Assembly", "voters rejected the tram levy after months of bitter canvassing", "52"),
    ("Eskby", "Norrin Observatory", "astronomers photographed a comet splitting behind the moon", "3"),
    ("Dunmere", "Castell Mining", "tunnel flooded when pumps failed and miners climbed a ventilation shaft", "41"),
];

fn report(event: usize, way: usize) -> (String, String) {
    let (place, actor, what, figure) = EVENTS[event % EVENTS.len()];
    let words: Vec<&str> = what.split(' ').collect();
    let half = words.len() / 2;
    let outlets =
        ["according to the regional desk", "a spokesperson confirmed", "people on the spot recalled", "records show"];
    let extras = [
        "Neighbours brought blankets while engineers measured the damage with borrowed lamps.",
        "Insurers expect a long argument about whose duty the inspection had been.",
        "Schools nearby opened an hour late and buses took the coastal detour.",
        "An inquiry begins on a date that the office has yet to announce.",
    ];
    let title = match way % 3 {
        0 => format!("{actor}: {what}"),
        1 => format!("{} {} in {place}, {figure} affected", words[..half].join(" "), words[half..].join(" ")),
        _ => format!("{place} counts {figure} after {what}"),
    };
    let text = format!(
        "In {place}, {}, {what}. {actor} gave the number as {figure}. {} The {} near {place} was seen as the {} that \
         {actor} had feared. {}",
        outlets[way % 4],
        extras[way % 4],
        words[..half].join(" "),
        words[half..].join(" "),
        extras[(way / 4 + event) % 4],
    );
    (title, text)
}

/// Remembered items with the story they are in now, as the store holds them.
#[derive(Default)]
struct Store {
    rows: Vec<(usize, Vec<u8>, StoryId, Timestamp)>,
}

impl Store {
    fn apply(
        &mut self,
        number: usize,
        features: &Features,
        now: Timestamp,
        (story, copy, merged): (StoryId, bool, Option<StoryId>),
    ) {
        if !copy {
            self.rows.push((number, features.to_bytes(), story, now));
        }
        if let Some(gone) = merged {
            self.rows.iter_mut().filter(|row| row.2 == gone).for_each(|row| row.2 = story);
        }
    }

    fn rebuild(&self, config: MemoryConfig, now: Timestamp) -> Memory {
        let mut memory = Memory::new(config);
        let from = now.minus(config.copies_window);
        for (number, bytes, story, at) in self.rows.iter().filter(|row| row.3 >= from) {
            memory.insert(id(*number), *story, &Features::from_bytes(bytes).expect("a stored form"), *at);
        }
        memory
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn restart_at_any_point_changes_no_later_decision(
        stream in prop::collection::vec((0usize..6, 0usize..8, 0u64..400), 10..80),
        cut in 0usize..80,
    ) {
        // Windows short enough for items to leave both of them within the stream.
        let hours = |n: u64| Duration::from_secs(n * 3600);
        let config = MemoryConfig { copies_window: hours(48), story_window: hours(20), ..MemoryConfig::default() };
        let cut = cut % stream.len();
        let mut memory = Memory::new(config);
        let mut store = Store::default();
        let mut resumed = None;
        let mut minutes = 0;
        for (number, (event, way, gap)) in stream.iter().enumerate() {
            minutes += gap;
            let now = after(minutes);
            let (title, text) = report(*event, *way);
            let features = features(&title, &text);
            if number == cut {
                resumed = Some(store.rebuild(config, now));
            }
            let decision = decide(&mut memory, number, &features, now);
            if let Some(resumed) = &mut resumed {
                prop_assert_eq!(decide(resumed, number, &features, now), decision);
            }
            store.apply(number, &features, now, decision);
        }
    }

    #[test]
    fn arrival_order_hardly_changes_the_stories(order in Just((0..24usize).collect::<Vec<_>>()).prop_shuffle()) {
        let mut memory = Memory::new(MemoryConfig::default());
        let mut found: BTreeMap<usize, Vec<StoryId>> = BTreeMap::new();
        for (turn, number) in order.iter().enumerate() {
            let (title, text) = report(number % 6, number / 6);
            let (story, _, merged) = decide(&mut memory, *number, &features(&title, &text), after(turn as u64));
            if let Some(gone) = merged {
                found.values_mut().flatten().filter(|s| **s == gone).for_each(|s| *s = story);
            }
            found.entry(number % 6).or_default().push(story);
        }
        let pairs: Vec<(usize, StoryId)> =
            found.iter().flat_map(|(event, stories)| stories.iter().map(|story| (*event, *story))).collect();
        let quality = crate::eval::stories::b_cubed(&pairs);
        prop_assert!(quality.f1 > 0.93 && quality.precision > 0.99, "{:?}", quality);
    }

    #[test]
    fn any_text_has_a_place_and_damaged_features_are_refused(title in ".{0,40}", text in ".{0,400}", cut in 0usize..60) {
        let mut memory = Memory::new(MemoryConfig::default());
        let features = features(&title, &text);
        decide(&mut memory, 0, &features, START);
        let bytes = features.to_bytes();
        prop_assert_eq!(Features::from_bytes(&bytes), Some(features));
        if cut > 0 && cut < bytes.len() {
            prop_assert_eq!(Features::from_bytes(&bytes[..bytes.len() - cut]), None);
        }
    }
}

#[test]
fn empty_and_tiny_items_open_their_own_story_each() {
    let mut memory = Memory::new(MemoryConfig::default());
    let mut stories = std::collections::BTreeSet::new();
    let texts =
        [("", ""), ("", ""), ("Update", ""), ("Update", ""), ("Live", "Live"), ("!!!", "…"), ("Update", "Update")];
    for (number, (title, text)) in texts.into_iter().enumerate() {
        let (story, copy, _) = decide(&mut memory, number, &features(title, text), START);
        assert!(!copy);
        stories.insert(story);
    }
    assert_eq!(stories.len(), texts.len());
}

#[test]
fn gigantic_item_is_read_in_part_and_found_again() {
    let mut memory = Memory::new(MemoryConfig::default());
    let text: String =
        (0..400_000u64).flat_map(|n| ["w".to_owned(), (n * 7919 % 100_003).to_string(), " ".to_owned()]).collect();
    let big = features("A very long list", &text);
    assert!(big.to_bytes().len() < 600);
    decide(&mut memory, 0, &big, START);
    assert!(decide(&mut memory, 1, &big, START).1);
}

#[test]
fn copies_edited_cut_and_other_scripts_are_recognised() {
    let (title, text) = report(1, 0);
    let long = format!("{text} {}", report(1, 2).1);
    let edited = long.replace("blankets", "food").replace("overnight", "by night");
    let cut: String = long.chars().take(long.len() * 2 / 5).collect();
    let chinese =
        "港口管理局周二表示一艘渡轮在夜间失去方向舵后漂向防波堤船上两百三十名乘客全部安全获救调查人员将于下周开始工作";
    let chinese_edited = chinese.replace("周二", "周三");
    let cyrillic = "Управління порту повідомило що пором уночі втратив стерно та дрейфував до хвилелому всіх пасажирів врятували рятувальники. Комісія розпочне роботу наступного тижня і вивчить записи з містка та свідчення екіпажу";
    let table = [
        (title.as_str(), long.as_str(), title.as_str(), edited.as_str(), true),
        (title.as_str(), long.as_str(), "", cut.as_str(), true),
        ("", cut.as_str(), title.as_str(), long.as_str(), true),
        ("", chinese, "", chinese_edited.as_str(), true),
        ("", cyrillic, "", &cyrillic.replace("уночі", "вночі"), true),
        (title.as_str(), long.as_str(), "Castell Mining tunnel flooded", &report(5, 0).1, false),
    ];
    for (number, (title, text, other_title, other, truth)) in table.into_iter().enumerate() {
        let mut memory = Memory::new(MemoryConfig::default());
        decide(&mut memory, 0, &features(title, text), START);
        assert_eq!(memory.nearest(&features(other_title, other)).is_some(), truth, "row {number}");
    }
}

#[test]
fn templates_that_differ_in_a_number_or_name_are_not_copies() {
    let body = |n: &str, place: &str| {
        format!(
            "The council adopted the {n} package of measures for {place} on Monday after talks that ran through the night. \
             Ministers said the new steps close gaps left by the earlier ones and take effect once they are published. \
             The list adds more names and tightens controls on goods that can be used by factories of any kind."
        )
    };
    let table = [
        (
            "Council adopts 12th package for Eskby",
            body("12th", "Eskby"),
            "Council adopts 13th package for Eskby",
            body("13th", "Eskby"),
        ),
        (
            "Council adopts second package for Eskby",
            body("second", "Eskby"),
            "Council adopts third package for Eskby",
            body("third", "Eskby"),
        ),
        (
            "Council adopts package for Eskby",
            body("new", "Eskby"),
            "Council adopts package for Dunmere",
            body("new", "Dunmere"),
        ),
    ];
    for (title, text, other_title, other) in table {
        let mut memory = Memory::new(MemoryConfig::default());
        decide(&mut memory, 0, &features(title, &text), START);
        assert!(memory.nearest(&features(title, &text)).is_some(), "{title}");
        assert!(memory.nearest(&features(other_title, &other)).is_none(), "{other_title}");
    }
}

#[test]
fn furniture_shared_by_unlike_articles_makes_no_copy() {
    let menu = "Sign in to read more. Weather for the weekend. Five walks worth the detour. Our critics on the new opera season. \
                Letters from readers about parking. How to bake bread on a stove. Subscribe and support our newsroom today.";
    let mut memory = Memory::new(MemoryConfig::default());
    let long = |event: usize| format!("{menu} {menu} {}", report(event, 0).1);
    decide(&mut memory, 0, &features(&report(0, 0).0, &long(0)), START);
    assert!(memory.nearest(&features(&report(2, 0).0, &long(2))).is_none());
}

#[test]
fn flood_of_one_text_is_remembered_once() {
    let mut memory = Memory::new(MemoryConfig::default());
    let (title, text) = report(0, 0);
    let features = features(&title, &text);
    for number in 0..3_000 {
        assert_eq!(decide(&mut memory, number, &features, after(number as u64 / 100)).1, number > 0);
    }
    assert_eq!(memory.len(), 1);
}

#[test]
fn flood_of_one_template_makes_no_mega_story() {
    let mut memory = Memory::new(MemoryConfig::default());
    let mut sizes: BTreeMap<StoryId, usize> = BTreeMap::new();
    let syllables = ["bar", "del", "fin", "gor", "kul", "lam", "mer", "nip", "pos", "run"];
    for number in 0..1_000usize {
        let name = |n: usize| {
            let word: String = [n % 10, n / 10 % 10, n / 100 % 10].iter().map(|i| syllables[*i]).collect();
            word[..1].to_uppercase() + &word[1..]
        };
        let (place, next) = (name(number), name(number * 7 + 3));
        let text = format!(
            "The office for waterways gives notice that the level at {place} has passed the mark at which boats keep to the \
             middle of the channel. The gauge at {place} read {} centimetres. Next station: {next}.",
            300 + number
        );
        let features = features(&format!("Water level notice {number} for {place}"), &text);
        *sizes.entry(decide(&mut memory, number, &features, START).0).or_default() += 1;
    }
    assert!(sizes.values().all(|n| *n <= 10), "{:?}", sizes.values().max());
}

#[test]
fn items_leave_the_story_window_then_the_copies_window() {
    let config = MemoryConfig::default();
    let mut memory = Memory::new(config);
    let (title, text) = report(0, 0);
    decide(&mut memory, 0, &features(&title, &text), START);
    let (other_title, other_text) = report(0, 1);
    memory.advance(START.plus(config.story_window + Duration::from_secs(1)));
    assert_eq!((memory.len(), memory.story_items()), (1, 0));
    assert!(memory.place(id(1), &features(&other_title, &other_text)).candidates.is_empty());
    assert!(memory.nearest(&features(&title, &text)).is_some());
    memory.advance(START.plus(config.copies_window + Duration::from_secs(1)));
    assert!(memory.is_empty());
    assert!(memory.nearest(&features(&title, &text)).is_none());
}

#[test]
fn byte_limit_forgets_the_oldest_first() {
    let mut memory = Memory::new(MemoryConfig { bytes_max: ITEM_BYTES * 4, ..MemoryConfig::default() });
    for event in 0..6 {
        let (title, text) = report(event, 0);
        decide(&mut memory, event, &features(&title, &text), START);
    }
    assert_eq!(memory.len(), 4);
    let known = |event: usize| memory.nearest(&features(&report(event, 0).0, &report(event, 0).1)).is_some();
    assert_eq!((0..6).map(known).collect::<Vec<_>>(), [false, false, true, true, true, true]);
}

#[test]
fn split_by_hand_holds_and_merge_by_hand_redirects() {
    let mut memory = Memory::new(MemoryConfig::default());
    let mut stories = Vec::new();
    for (number, way) in [0, 1, 2].into_iter().enumerate() {
        let (title, text) = report(0, way);
        // Put in directly: told this much alike, some of them would pass for copies.
        let story = stories.first().copied().unwrap_or(StoryId::opened_by(id(0)));
        memory.insert(id(number), story, &features(&title, &text), START);
        stories.push(story);
    }
    let own = StoryId::opened_by(id(2));
    assert_eq!(memory.assign(&[id(2)], own), 1);
    memory.keep_apart(stories[0], own);
    let (title, text) = report(0, 4);
    let later = memory.place(id(3), &features(&title, &text));
    assert_eq!(later.merged, None, "split stories stay two");
    assert!(memory.merge(stories[0], own));
    assert!(!memory.merge(stories[0], own), "nothing is left to move");
    let again = memory.place(id(3), &features(&title, &text));
    assert_eq!(again.story(), stories[0]);
}

#[test]
fn split_in_the_ledger_is_one_of_the_memory() {
    let (opened, own) = (StoryId::opened_by(id(0)), StoryId::opened_by(id(2)));
    let after = |split: fn(&mut Ledger, StoryId, StoryId)| {
        let mut ledger = Ledger::new("test", MemoryConfig::default());
        for number in 0..3 {
            let (title, text) = report(0, number);
            ledger.memory.insert(id(number), opened, &features(&title, &text), START);
        }
        split(&mut ledger, opened, own);
        let (title, text) = report(0, 4);
        ledger.memory.place(id(3), &features(&title, &text)).merged
    };
    let apart = after(|ledger, _, into| {
        ledger.memory.assign(&[id(2)], into);
    });
    assert!(apart.is_some(), "two that nobody split become one");
    assert_eq!(after(|ledger, from, into| ledger.split(&[id(2)], from, into)), None);
}

#[test]
fn place_beside_a_round_up_joins_nothing() {
    let opened = StoryId::opened_by(id(0));
    let place_after = |headline: &str| {
        let mut memory = Memory::new(MemoryConfig::default());
        let (title, text) = report(0, 0);
        memory.insert(id(0), opened, &features(&format!("{headline}{title}"), &text), START);
        let (title, text) = report(0, 1);
        memory.place(id(1), &features(&title, &text)).story()
    };
    assert_eq!(place_after(""), opened);
    assert_eq!(place_after("Morning briefing: "), StoryId::opened_by(id(1)));
}

#[test]
fn bytes_per_item_stay_within_the_promise() {
    let mut memory = Memory::new(MemoryConfig::default());
    let fixed = memory.bytes();
    for number in 0..2_000usize {
        let words: String = (0..150)
            .flat_map(|n| ["term".to_owned(), ((number * 131 + n * 17) % 50_021).to_string(), " ".to_owned()])
            .collect();
        let features = features(&format!("Headline {number} of item{number}"), &words);
        memory.insert(id(number), StoryId::opened_by(id(number)), &features, START);
    }
    let per_item = (memory.bytes() - fixed) / 2_000;
    assert!(per_item <= 288, "{per_item} bytes");
}

/// Features of a short item of a source, with what it says.
fn short_item(source: &str, title: &str, text: &str) -> Features {
    let mut features = features(title, text).with_facts(title, text, Lang::from_tag("en"));
    features.source = source_hash(source);
    features
}

/// Ten countries with their capitals and ten kinds of news.
const COUNTRIES: [(&str, &str); 10] = [
    ("Norway", "Oslo"),
    ("Portugal", "Lisbon"),
    ("Greece", "Athens"),
    ("Finland", "Helsinki"),
    ("Hungary", "Budapest"),
    ("Ireland", "Dublin"),
    ("Chile", "Santiago"),
    ("Kenya", "Nairobi"),
    ("Japan", "Tokyo"),
    ("Peru", "Lima"),
];
const NEWS: [(&str, &str); 10] = [
    ("{} to send 300 soldiers to northern border force", "The cabinet in {} decided this on Monday evening."),
    ("{} imposes sanctions on owners of three tankers", "The list was published in {} after weeks of debate."),
    ("Ferry runs aground off {}, passengers safe", "A tug from {} pulled the ship free at noon."),
    ("{} raises pension age to 67", "Unions in {} called for a general strike."),
    ("Bank in {} fined for hiding losses", "The supervisor in {} found false books for two years."),
    ("{} opens first tidal power plant", "Engineers from {} had worked on the turbines since spring."),
    ("Wildfire forces thousands from homes in {}", "Planes from {} dropped water until dark."),
    ("Court in {} frees newspaper editor", "Judges in {} saw no proof of treason."),
    ("{} recalls baby food after glass is found", "Shops in {} cleared their shelves within hours."),
    ("{} wins place in volleyball final", "The team flies home to {} before the match."),
];

#[test]
fn hundred_events_of_one_summary_feed_are_nearly_all_stories_of_their_own() {
    let mut memory = Memory::new(MemoryConfig::default());
    let mut swallowed = Vec::new();
    for number in 0..100 {
        let ((title, text), (country, capital)) = (NEWS[number / 10], COUNTRIES[number % 10]);
        let item = short_item("summaries", &title.replace("{}", country), &text.replace("{}", capital));
        let (story, copy, merged) = decide(&mut memory, number, &item, after(number as u64 * 12));
        let own = story == StoryId::opened_by(id(number));
        if !own || copy || merged.is_some() {
            swallowed.push((number, copy, merged.is_some()));
        }
    }
    assert!(swallowed.len() <= 5, "{} of 100: {swallowed:?}", swallowed.len());
}

#[test]
fn one_event_of_forty_outlets_in_four_wordings_is_one_story() {
    let wordings = [
        (
            "Car ferry Svanhild sinks off Bergen, 14 missing",
            "The ferry Svanhild went down in a storm off Bergen on Friday night and 14 people are missing, the coast guard said.",
        ),
        (
            "Fourteen missing as ferry goes down near Bergen",
            "Rescuers search the sea off Bergen for 14 people after the car ferry Svanhild capsized in high waves on Friday.",
        ),
        (
            "Norwegian ferry Svanhild capsizes in storm",
            "Helicopters from Bergen saved 62 people from the Svanhild, a car ferry that sank on Friday; 14 are still missing.",
        ),
        (
            "Storm sinks Svanhild: search for 14 off Bergen",
            "The Norwegian coast guard looks for 14 people from the car ferry Svanhild, which sank off Bergen on Friday night.",
        ),
    ];
    let mut memory = Memory::new(MemoryConfig::default());
    let mut stories = std::collections::BTreeSet::new();
    for number in 0..40 {
        let (title, text) = wordings[number % 4];
        let item = short_item(&format!("outlet {number}"), title, text);
        let (story, ..) = decide(&mut memory, number, &item, after(number as u64 * 5));
        stories.insert(story);
    }
    assert_eq!(stories.len(), 1);
}

#[test]
fn notices_of_one_template_with_another_identifier_are_no_copies() {
    let mut memory = Memory::new(MemoryConfig::default());
    let mut stories = std::collections::BTreeSet::new();
    for number in 0..10 {
        let text = format!(
            "The agency has added CVE-2031-{} to the list of holes that are used in attacks, on evidence that this is so. \
             Offices have three weeks to close it. Holes of this sort are a common way in and a great danger.",
            40_100 + number * 37
        );
        let item = short_item("agency", "Agency adds one hole in use to its list", &text);
        let (story, copy, _) = decide(&mut memory, number, &item, after(number as u64 * 2000));
        assert!(!copy, "{number}");
        stories.insert(story);
    }
    assert_eq!(stories.len(), 10);
}

/// What becomes of reports of one source, an hour apart: how many stories, how many copies.
fn placed(reports: &[(&str, &str, &str)]) -> (usize, usize) {
    let mut memory = Memory::new(MemoryConfig::default());
    let mut stories = std::collections::BTreeSet::new();
    let mut copies = 0;
    for (number, (source, title, text)) in reports.iter().enumerate() {
        let item = short_item(source, title, text);
        let (story, copy, _) = decide(&mut memory, number, &item, after(number as u64 * 60));
        stories.insert(story);
        copies += usize::from(copy);
    }
    (stories.len(), copies)
}

#[test]
fn what_differs_in_the_template_of_one_source_tells_its_items_apart() {
    let licence = |number: u32| {
        format!(
            "The harbour office is issuing today General License {number}, which is in force until the end of the year. All \
             persons who hold goods of the owners named in it must report them to the office within ten days. Whoever \
             fails to do so is fined. Questions are answered by the office."
        )
    };
    let (one, two, three) = (licence(132), licence(133), licence(134));
    let title = "Harbour designations; issuance of general license";
    let notices = [("office", title, &*one), ("office", title, &*two), ("office", title, &*three)];
    assert_eq!(placed(&notices), (3, 0), "another licence");
    let siren = |region: &str| {
        format!(
            "Attention! Severe weather alert in {region} region. Go inside at once. Keep windows and doors shut. Follow the orders \
             of the authorities. The alert is in force until further notice."
        )
    };
    let (naples, athens) = (siren("Naples"), siren("Athens"));
    let title = "Severe weather alert";
    assert_eq!(placed(&[("warnings", title, &naples), ("warnings", title, &athens)]), (2, 0), "another region");
    let call = |of: &str, at: &str| {
        format!(
            "The President of Norway spoke by phone with the President of {of}. The sides discussed the fishing treaty and \
             the next steps of the talks. The Presidents agreed to meet in {at}."
        )
    };
    let calls = [("Chile", "Oslo"), ("Peru", "Lima"), ("Kenya", "Lima")]
        .map(|(of, at)| (format!("Phone call of the President of Norway with the President of {of}"), call(of, at)));
    let calls: Vec<(&str, &str, &str)> = calls.iter().map(|(title, text)| ("office", &**title, &**text)).collect();
    assert_eq!(placed(&calls), (3, 0), "another caller, though the lead names the capital of one before");
}

#[test]
fn rising_toll_goes_on_with_its_story() {
    let tolls = [
        (
            "wire",
            "Ferry fire in Naples harbour kills 12",
            "A fire on a ferry in the harbour of Naples killed at least 12 people on Tuesday, the harbour master, Ugo \
             Ferrante, said. Thirty were hurt.",
        ),
        (
            "wire",
            "Death toll in Naples ferry fire rises to 15",
            "The death toll of the fire on a ferry in Naples rose to 15 on Tuesday after divers found three more bodies, \
             the harbour master, Ugo Ferrante, said.",
        ),
    ];
    assert_eq!(placed(&tolls).0, 1);
}

#[test]
fn text_that_says_nothing_of_its_headline_makes_no_copies() {
    let mut memory = Memory::new(MemoryConfig::default());
    let description = "The channel of the coast ministry. Follow us for orders, figures and dates of everything that \
                       concerns harbours, piers and lighthouses, and write to the press desk with questions.";
    let headlines =
        ["Tender for dredging opened", "Two inspectors dismissed over bribes", "New tariff for foreign yachts"];
    for (number, headline) in headlines.into_iter().enumerate() {
        let item = short_item("ministry", headline, description);
        let (_, copy, _) = decide(&mut memory, number, &item, after(number as u64 * 60));
        assert!(!copy, "{headline}");
    }
}

#[test]
fn report_after_the_span_is_another_story() {
    let mut memory = Memory::new(MemoryConfig::default());
    let (title, text) = report(0, 1);
    let first = decide(&mut memory, 0, &features(&title, &text), START).0;
    let (title, text) = report(0, 2);
    let item = features(&title, &text);
    memory.advance(after(60 * 71));
    assert_eq!(memory.place(id(1), &item).story(), first);
    memory.advance(after(60 * 74));
    let late = memory.place(id(1), &item);
    assert_eq!(late.story(), StoryId::opened_by(id(1)));
    assert_eq!(late.candidates[0].bar, Some(Bar::Span));
}
