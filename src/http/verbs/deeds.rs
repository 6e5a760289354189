//! The verbs, one by one: what is given becomes what `action` takes.

use axum::http::StatusCode;
use serde_json::json;

use super::{GivenFields, VerbAfter, VerbDeed, VerbField, VerbMethod, VerbOutcome, VerbRoute};
use crate::action::{self, SilenceEnd, SilenceWish};
use crate::config::duration;
use crate::http::one;
use crate::http::refusal::{AnswerRefusal, RefusalKind};
use crate::http::sources::DaemonNudge;
use crate::model::{EndpointId, ItemId, StoryId, Timestamp, TopicId};
use crate::store::outbox::{DeliveryId, Replay};
use crate::store::{Correction, Relevance};

const COMMENT: VerbField = VerbField::one("comment", "Why");
/// What a silence may name, and when it holds.
pub(super) const SILENCE_FIELDS: &[VerbField] = &[
    VerbField::list("topics", "These topics"),
    VerbField::list("sources", "These sources"),
    VerbField::one("story", "This story (`sty_…`)"),
    VerbField::one("text", "These words, one after the other, in the title"),
    VerbField::one("starts", "From then on (RFC 3339); else from now on"),
    VerbField::one("for", "So long (`2h`, `7d`); else seven days"),
    VerbField::one("ends", "Until then (RFC 3339)"),
    VerbField::one("forever", "Until somebody ends it"),
    COMMENT,
];

pub(super) const VERBS: &[VerbRoute] = &[
    VerbRoute {
        method: VerbMethod::Post,
        path: "/v1/silences",
        form: Some("/silences"),
        summary: "Adds a silence, for seven days unless it says otherwise: everything that is given must fit",
        fields: SILENCE_FIELDS,
        act: add_silence,
    },
    VerbRoute {
        method: VerbMethod::Post,
        path: "/v1/silences/preview",
        form: None,
        summary: "What a silence would have held back in the last seven days; nothing is changed",
        fields: SILENCE_FIELDS,
        act: preview_silence,
    },
    VerbRoute {
        method: VerbMethod::Delete,
        path: "/v1/silences/{id}",
        form: Some("/silences/{id}/expire"),
        summary: "Ends a silence now; one that has ended stays as it is",
        fields: &[],
        act: expire_silence,
    },
    VerbRoute {
        method: VerbMethod::Post,
        path: "/v1/deliveries/{id}/replay",
        form: Some("/deliveries/{id}/replay"),
        summary: "Sends a delivery again, with the same id and bytes",
        fields: &[],
        act: replay_one,
    },
    VerbRoute {
        method: VerbMethod::Post,
        path: "/v1/deliveries/{id}/cancel",
        form: Some("/deliveries/{id}/cancel"),
        summary: "Calls off a delivery that is owed; it stays listed",
        fields: &[],
        act: cancel,
    },
    VerbRoute {
        method: VerbMethod::Post,
        path: "/v1/endpoints/{id}/enable",
        form: Some("/endpoints/{id}/enable"),
        summary: "Sends to an endpoint again, at once",
        fields: &[],
        act: enable,
    },
    VerbRoute {
        method: VerbMethod::Post,
        path: "/v1/endpoints/{id}/disable",
        form: Some("/endpoints/{id}/disable"),
        summary: "Stops sending to an endpoint; what it is owed stays",
        fields: &[VerbField::one("reason", "Why, for whoever looks later")],
        act: disable,
    },
    VerbRoute {
        method: VerbMethod::Post,
        path: "/v1/endpoints/{id}/test",
        form: Some("/endpoints/{id}/test"),
        summary: "Sends an `endpoint.test` the way of every alert; answers with the delivery as it ended",
        fields: &[],
        act: test,
    },
    VerbRoute {
        method: VerbMethod::Post,
        path: "/v1/endpoints/{id}/replay-parked",
        form: Some("/endpoints/{id}/replay-parked"),
        summary: "Sends again what is parked for an endpoint",
        fields: &[VerbField::one("since", "Only decided since then: an age (`90m`, `7d`) or an RFC 3339 time")],
        act: replay_parked,
    },
    VerbRoute {
        method: VerbMethod::Post,
        path: "/v1/feeds/{id}/poll",
        form: Some("/feeds/{id}/poll"),
        summary: "Polls a feed now, due or not",
        fields: &[],
        act: poll,
    },
    VerbRoute {
        method: VerbMethod::Post,
        path: "/v1/stories/{id}/split",
        form: Some("/stories/{id}/split"),
        summary: "Takes items out of a story that report another event: they become a story of their own",
        fields: &[VerbField::list("items", "Those that leave (`itm_…`)"), COMMENT],
        act: split,
    },
    VerbRoute {
        method: VerbMethod::Post,
        path: "/v1/stories/{id}/merge",
        form: Some("/stories/{id}/merge"),
        summary: "Makes two stories one: the older id stays, the other leads to it",
        fields: &[VerbField::one("other", "The other story (`sty_…`)"), COMMENT],
        act: merge,
    },
    VerbRoute {
        method: VerbMethod::Post,
        path: "/v1/stories/{id}/undo",
        form: Some("/stories/{id}/undo"),
        summary: "Takes a split or merge back",
        fields: &[VerbField::one("correction", "Its number"), COMMENT],
        act: undo,
    },
    VerbRoute {
        method: VerbMethod::Post,
        path: "/v1/stories/{id}/tell",
        form: Some("/stories/{id}/tell"),
        summary: "Tells a story by its best report, or one report of it, to every endpoint that takes it and did not hear of it",
        fields: &[VerbField::one("item", "This report alone (`itm_…`)"), COMMENT],
        act: tell,
    },
    VerbRoute {
        method: VerbMethod::Put,
        path: "/v1/items/{id}/labels/{topic}",
        form: None,
        summary: "Notes that an item is about a topic, or is not",
        fields: &[VerbField::one("about", "Whether it is")],
        act: put_label,
    },
    VerbRoute {
        method: VerbMethod::Delete,
        path: "/v1/items/{id}/labels/{topic}",
        form: None,
        summary: "Forgets what was noted of an item and a topic",
        fields: &[],
        act: forget_label,
    },
    VerbRoute {
        method: VerbMethod::Post,
        path: "/v1/items/{id}/labels",
        form: Some("/items/{id}/label"),
        summary: "Notes that an item is about a topic, or is not, or forgets it",
        fields: &[VerbField::one("topic", "Which topic"), VerbField::one("about", "`yes`, `no` or `forget`")],
        act: label,
    },
];

fn bad_id(error: &dyn std::fmt::Display) -> AnswerRefusal {
    AnswerRefusal::new(RefusalKind::BadId, error.to_string())
}

fn bad_body(detail: impl Into<String>) -> AnswerRefusal {
    AnswerRefusal::new(RefusalKind::BadBody, detail)
}

/// The silence that fields mean.
pub(in crate::http) fn silence_wish(given: &GivenFields) -> Result<SilenceWish, AnswerRefusal> {
    let time = |name: &str| given.parsed(name, |text| Timestamp::parse(text).map_err(|_| "write 2025-03-17T08:00:00Z"));
    let length = given.parsed("for", |text| duration(text).map_err(|_| "write 90m, 2h or 7d"))?;
    let ends = match (length, time("ends")?, given.flag("forever")?) {
        (None, None, false) => SilenceEnd::Usual,
        (Some(length), None, false) => SilenceEnd::After(length),
        (None, Some(at), false) => SilenceEnd::At(at),
        (None, None, true) => SilenceEnd::Never,
        _ => return Err(bad_body("of `for`, `ends` and `forever` one at most")),
    };
    Ok(SilenceWish {
        topics: given.list("topics").to_vec(),
        sources: given.list("sources").to_vec(),
        story: given.parsed("story", StoryId::parse)?,
        text: given.text("text").map(str::to_owned),
        starts: time("starts")?,
        ends,
        comment: given.text("comment").unwrap_or_default().to_owned(),
    })
}

fn add_silence(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    let (silence, _) = action::add_silence(&deed.scene(), &silence_wish(deed.given)?)?;
    let seen_at = format!("/silences/{}", silence.id);
    Ok(VerbOutcome { status: StatusCode::CREATED, ..VerbOutcome::new(json!(silence), seen_at) })
}

fn preview_silence(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    let (_, preview) = action::preview_silence(&deed.scene(), &silence_wish(deed.given)?)?;
    Ok(VerbOutcome::new(json!(preview), "/silences"))
}

fn expire_silence(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    let id = deed.id(0);
    action::expire_silence(&deed.scene(), id)?;
    Ok(VerbOutcome::new(json!(one::silence(deed.look, id)?), format!("/silences/{id}")))
}

fn delivery_id(deed: &VerbDeed<'_>) -> Result<DeliveryId, AnswerRefusal> {
    deed.id(0).parse().map_err(|error| bad_id(&error))
}

fn replay_one(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    let id = delivery_id(deed)?;
    let count = action::replay_deliveries(&deed.scene(), &Replay::One(id), None)?;
    Ok(VerbOutcome::new(json!({"due_again": count}), format!("/deliveries/{id}"))
        .after(VerbAfter::Nudge(DaemonNudge::Deliveries)))
}

fn cancel(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    let id = delivery_id(deed)?;
    action::cancel_delivery(&deed.scene(), id)?;
    Ok(VerbOutcome::new(json!({"id": id, "state": "cancelled"}), format!("/deliveries/{id}")))
}

fn endpoint_outcome(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    let id = deed.id(0);
    Ok(VerbOutcome::new(json!(one::endpoint(deed.look, id)?.1), format!("/endpoints/{id}"))
        .after(VerbAfter::Nudge(DaemonNudge::Deliveries)))
}

fn enable(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    action::enable_endpoint(&deed.scene(), deed.id(0))?;
    endpoint_outcome(deed)
}

fn disable(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    let reason = deed.given.text("reason").map_or_else(|| format!("by {}", deed.author), str::to_owned);
    action::disable_endpoint(&deed.scene(), deed.id(0), &reason)?;
    endpoint_outcome(deed)
}

fn test(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    let test = action::raise_test(&deed.scene(), deed.id(0))?;
    let endpoint = EndpointId::new(deed.id(0)).map_err(|error| bad_id(&error))?;
    Ok(VerbOutcome::new(json!(null), format!("/deliveries/{test}")).after(VerbAfter::Test(endpoint, test)))
}

fn replay_parked(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    let id = deed.id(0);
    let (endpoint, _) = one::endpoint(deed.look, id)?;
    let since = deed.given.parsed("since", |text| match (Timestamp::parse(text), duration(text)) {
        (Ok(at), _) => Ok(at),
        (_, Ok(age)) => Ok(deed.look.now.minus(age)),
        _ => Err("write 90m, 2h, 7d, or 2025-03-17T00:00:00Z"),
    })?;
    let what = since.map_or(Replay::Parked, Replay::ParkedSince);
    let count = action::replay_deliveries(&deed.scene(), &what, Some(&endpoint.id))?;
    Ok(VerbOutcome::new(json!({"due_again": count}), format!("/endpoints/{id}"))
        .after(VerbAfter::Nudge(DaemonNudge::Deliveries)))
}

fn poll(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    let id = deed.id(0);
    let state = action::hurry_feed(&deed.scene(), id)?;
    let outcome = VerbOutcome::new(json!(one::feed(deed.look, id)?), format!("/feeds/{id}"));
    Ok(match state {
        Some(state) => outcome.after(VerbAfter::Nudge(DaemonNudge::Feed(Box::new(state)))),
        None => outcome,
    })
}

fn story_id(deed: &VerbDeed<'_>) -> Result<StoryId, AnswerRefusal> {
    StoryId::parse(deed.id(0)).map_err(|error| bad_id(&error))
}

fn corrected(deed: &VerbDeed<'_>, asked: &Correction) -> Result<VerbOutcome, AnswerRefusal> {
    let comment = deed.given.text("comment").unwrap_or_default();
    let number = action::ask_correction(&deed.scene(), asked, comment)?;
    Ok(VerbOutcome::new(json!(null), format!("/stories/{}", deed.id(0))).after(VerbAfter::Correction(number)))
}

fn split(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    let read = |id: &String| ItemId::parse(id).map_err(|error| bad_body(format!("`items`: {error}")));
    let items = deed.given.list("items").iter().map(read).collect::<Result<_, _>>()?;
    corrected(deed, &Correction::Split { story: story_id(deed)?, items })
}

fn merge(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    // As it is copied from the bar of the browser, too.
    let other = deed.given.required("other")?;
    let other = other.rsplit('/').next().unwrap_or(other);
    let other = StoryId::parse(other).map_err(|error| bad_body(format!("`other`: {error}")))?;
    corrected(deed, &Correction::Merge { story: story_id(deed)?, other })
}

fn tell(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    let story = story_id(deed)?;
    let item = deed.given.parsed("item", ItemId::parse)?;
    corrected(deed, &Correction::Tell { story, item })
}

fn undo(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    let story = story_id(deed)?;
    let number = deed.given.required("correction")?;
    let number: i64 = number.parse().map_err(|_| bad_body("`correction` is a number"))?;
    let scene = deed.scene();
    let (done, back) = action::correction_undone(&scene, number)?;
    let here = deed.look.store.standing_story(story)?;
    let mut about = vec![done.story];
    about.extend(done.into);
    let mut is_of_it = false;
    for one in about {
        is_of_it |= one == story || (here.is_some() && deed.look.store.standing_story(one)? == here);
    }
    if !is_of_it {
        return Err(AnswerRefusal::not_found("correction of this story numbered", &number.to_string()));
    }
    corrected(deed, &back)
}

fn noted(deed: &VerbDeed<'_>, topic: &str, about: Option<Relevance>) -> Result<VerbOutcome, AnswerRefusal> {
    let item = ItemId::parse(deed.id(0)).map_err(|error| bad_id(&error))?;
    let topic = TopicId::new(topic).map_err(|error| bad_body(format!("`topic`: {error}")))?;
    let of = action::label_item(&deed.scene(), item, &[(topic.clone(), about)])?;
    let said = about.map(|about| about == Relevance::About);
    Ok(VerbOutcome::new(json!({"item": of, "topic": topic.as_str(), "about": said}), format!("/items/{of}")))
}

fn put_label(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    deed.given.required("about")?;
    let about = if deed.given.flag("about")? { Relevance::About } else { Relevance::NotAbout };
    noted(deed, deed.id(1), Some(about))
}

fn forget_label(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    noted(deed, deed.id(1), None)
}

fn label(deed: &VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal> {
    let about = match deed.given.required("about")? {
        "yes" | "true" => Some(Relevance::About),
        "no" | "false" => Some(Relevance::NotAbout),
        "forget" => None,
        _ => return Err(bad_body("`about` is yes, no or forget")),
    };
    noted(deed, deed.given.required("topic")?, about)
}
