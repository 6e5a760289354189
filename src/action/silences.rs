//! Giving a silence, looking first at what it would have held back, and ending one.

use std::time::Duration;

use super::{ActionRefusal, ActionScene};
use crate::model::{SourceId, StoryId, Timestamp, TopicId};
use crate::pipeline::alert::SILENCE_LASTS;
use crate::store::SilenceRecord;
use crate::view::SilencePreview;

/// When a silence ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceEnd {
    /// As one does that says nothing: after seven days.
    Usual,
    /// So long after it starts.
    After(Duration),
    /// Then.
    At(Timestamp),
    /// When somebody ends it.
    Never,
}

/// What is to be silenced: everything that is given must fit.
#[derive(Debug, Clone)]
pub struct SilenceWish {
    /// These topics; empty: any.
    pub topics: Vec<String>,
    /// These sources; empty: any.
    pub sources: Vec<String>,
    /// This story.
    pub story: Option<StoryId>,
    /// These words, one after the other, in the title.
    pub text: Option<String>,
    /// From then on; `None`: from now on.
    pub starts: Option<Timestamp>,
    /// Until when.
    pub ends: SilenceEnd,
    /// Why.
    pub comment: String,
}

impl SilenceWish {
    /// The silence that is meant, without an id yet; the story as it stands today.
    fn record(&self, scene: &ActionScene<'_>) -> Result<SilenceRecord, ActionRefusal> {
        if self.topics.is_empty() && self.sources.is_empty() && self.story.is_none() && self.text.is_none() {
            let what = "silence everything: a silence without a topic, source, story or text would keep every alert from \
                        everybody";
            return Err(ActionRefusal::invalid(what.to_owned()));
        }
        for topic in &self.topics {
            let known = scene.config.topics.iter().any(|known| known.id.as_str() == topic);
            if !known || TopicId::new(topic).is_err() {
                let what = format!("silence topic {topic}: the config has none of this name");
                return Err(ActionRefusal::unknown(what));
            }
        }
        for source in &self.sources {
            SourceId::new(source)
                .map_err(|_| ActionRefusal::invalid(format!("silence source {source}: that is no name")))?;
        }
        if self.text.as_ref().is_some_and(|text| !text.contains(char::is_alphanumeric)) {
            let hint = "give words of the title, or a topic, source or story";
            return Err(ActionRefusal::invalid("silence a text without words".to_owned()).with_hint(hint.to_owned()));
        }
        let mut story = self.story;
        if let Some(named) = story {
            story = scene.store.standing_story(named)?;
            if story.is_none() {
                return Err(ActionRefusal::unknown(format!("silence story {named}: no such story"))
                    .with_hint("`wirewatch stories` lists them".to_owned()));
            }
        }
        let starts = self.starts.unwrap_or(scene.now);
        let ends = match self.ends {
            SilenceEnd::Usual => Some(starts.plus(SILENCE_LASTS)),
            SilenceEnd::After(length) => Some(starts.plus(length)),
            SilenceEnd::At(at) => Some(at),
            SilenceEnd::Never => None,
        };
        if ends.is_some_and(|ends| ends <= starts) {
            return Err(ActionRefusal::invalid("silence for no time: it ends before it starts".to_owned()));
        }
        Ok(SilenceRecord {
            id: String::new(),
            topics: self.topics.clone(),
            sources: self.sources.clone(),
            story,
            text: self.text.clone(),
            starts,
            ends,
            author: scene.author.to_owned(),
            comment: self.comment.clone(),
        })
    }
}

/// What a silence would have held back in the last seven days; nothing is changed.
///
/// # Errors
/// [`ActionRefusal`] when it means nothing, or the store cannot be read.
pub fn preview_silence(
    scene: &ActionScene<'_>,
    wish: &SilenceWish,
) -> Result<(SilenceRecord, SilencePreview), ActionRefusal> {
    let silence = wish.record(scene)?;
    let preview = SilencePreview::of(&silence, scene.store, scene.now)?;
    Ok((silence, preview))
}

/// Gives a silence; gives it with its id, and what it would have held back.
///
/// # Errors
/// [`ActionRefusal`] when it means nothing, or the store cannot be written.
pub fn add_silence(
    scene: &ActionScene<'_>,
    wish: &SilenceWish,
) -> Result<(SilenceRecord, SilencePreview), ActionRefusal> {
    let (silence, preview) = preview_silence(scene, wish)?;
    let id = scene.store.add_silence(&silence, scene.now)?;
    Ok((SilenceRecord { id, ..silence }, preview))
}

/// Ends a silence now; says whether it held until now.
///
/// # Errors
/// [`ActionRefusal`] when there is none of that name, it stands in the config, or the store cannot be written.
pub fn expire_silence(scene: &ActionScene<'_>, id: &str) -> Result<bool, ActionRefusal> {
    if scene.config.silences.iter().any(|silence| silence.id == id) {
        return Err(ActionRefusal::conflict(format!("end {id}: it stands in the config"))
            .with_hint("take it out there, and reload".to_owned()));
    }
    if scene.store.expire_silence(id, scene.author, scene.now)? {
        return Ok(true);
    }
    if scene.store.silences(scene.now, true)?.iter().any(|silence| silence.id == id) {
        return Ok(false);
    }
    Err(ActionRefusal::unknown(format!("end {id}: no such silence")))
}
