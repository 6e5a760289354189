//! The part of `explain` about stories, for people.

use std::io::{self, Write};

use crate::pipeline::consider::{Considered, ForeignStory, Repeats, Standing};
use crate::text::clean;
use crate::view::{NamedConsideration, StoryExplained};

/// Prints it for people.
pub(super) fn print(out: &mut impl Write, story: &StoryExplained) -> io::Result<()> {
    let head = match story.decision {
        "copy" => "repeats a known text",
        "joined" => "joins a story",
        _ if story.stories.is_empty() => "opens a story: nothing that is remembered shares its telling words",
        _ => "opens a story: none is near enough",
    };
    writeln!(out, "\nstory: {head}")?;
    if let Some(copy) = &story.copy {
        let title = clean::excerpt(&copy.nearest_title, 90);
        let Repeats { of, overlap, headlines } = copy.what;
        writeln!(out, "  {:.0} % of the shorter text, headlines {headlines}: {of} “{title}”", overlap * 100.0)?;
    }
    if let Some(found) = &story.recognised {
        let NamedConsideration { nearest_title, what } = found;
        let title = clean::excerpt(nearest_title, 90);
        writeln!(
            out,
            "✓ {}: {:+.2} by what both say, needs {:+.2} on the same topic: joined",
            what.story, what.score, what.threshold
        )?;
        writeln!(out, "    {} “{title}”: both say {}", what.nearest, what.shared.join(", "))?;
    }
    for near in &story.stories {
        print_one(out, near, story.threshold)?;
    }
    story.related.iter().try_for_each(|near| print_related(out, near))
}

fn print_related(out: &mut impl Write, near: &NamedConsideration<ForeignStory>) -> io::Result<()> {
    let NamedConsideration { nearest_title, what } = near;
    let verdict = match (&what.kept_apart_by, what.sure) {
        (Some(difference), _) => format!("kept apart by {difference}"),
        (None, true) => "sure enough to be one story ([memory] languages = \"together\")".to_owned(),
        (None, false) => "not sure enough to be one story".to_owned(),
    };
    let title = clean::excerpt(nearest_title, 90);
    writeln!(out, "  in another language {}: {:+.2}, {verdict}", what.story, what.score)?;
    writeln!(out, "    “{title}”: both say {}", what.shared.join(", "))
}

fn print_one(out: &mut impl Write, near: &NamedConsideration<Considered>, threshold: f32) -> io::Result<()> {
    let NamedConsideration { nearest_title, what } = near;
    let mark = if matches!(what.standing, Standing::Joined | Standing::Merged) { "✓" } else { "✗" };
    let why = match what.standing {
        Standing::Joined => "joined",
        Standing::Merged => "joined as well: the two are one story",
        Standing::Outscored => "near enough, but another one is nearer",
        Standing::BelowThreshold => "not near enough",
        Standing::Different => "near enough by its words, but it says something else",
        Standing::TooLate => "the story opened too long before ([memory] story_span): what follows an event is another",
        Standing::TooFewShared => "too few words in common to tell",
        Standing::CopyElsewhere => "near enough, but the text it repeats is in another",
    };
    writeln!(out, "{mark} {}: {:+.2}, needs {threshold:+.2}: {why}", what.story, what.score)?;
    let title = clean::excerpt(nearest_title, 90);
    let members = if what.compared == 1 { "its item" } else { "its nearest item" };
    writeln!(out, "    {members} ({:+.2}): {} “{title}”", what.nearest_score, what.nearest)?;
    let effects: Vec<String> = what.effects.iter().map(|e| format!("{} {:+.1}", e.view, e.effect)).collect();
    writeln!(out, "    brought by {}", effects.join(", "))?;
    if what.fills_template || !what.differences.is_empty() {
        let differences = clean::excerpt(&what.differences.join("; "), 160);
        let how = if what.fills_template { "one source fills its template otherwise" } else { "told apart by" };
        writeln!(out, "    {how} {differences} (-{:.1})", what.toll)?;
    }
    if what.count_bonus > 0.0 {
        writeln!(out, "    it goes on counting the victims at the same place (+{:.1})", what.count_bonus)?;
    }
    if what.size_toll > 0.0 {
        writeln!(out, "    a story of so many items asks for more (-{:.1})", what.size_toll)?;
    }
    if !what.shared.is_empty() {
        writeln!(out, "    shared: {}", clean::excerpt(&what.shared.join(", "), 160))?;
    }
    Ok(())
}
