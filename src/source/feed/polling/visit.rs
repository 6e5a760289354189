//! One poll of one feed from end to end: which address and validators, fetch, decode, the same bytes
//! again or a parse, and the state that follows. Everything CPU-heavy happens on a parser thread. What
//! comes out is data; `poller` sends it on and adopts the state once it is durable.

use std::sync::Arc;

use url::Url;

use super::fetch::{self, FetchRequest, FetchResult, FetchedContent, WantedContent};
use super::freshness::FreshnessHints;
use super::pages;
use super::request::{self, RequestExtras};
use super::result::PollResult;
use super::schedule::{self, CacheValidators, PollAnswer, PollFailure, PollOutcome, PolledAddress};
use super::tools::{PollTarget, PollTools, stored_url};
use crate::failpoint::Failpoint;
use crate::model::{ContentHash, FeedFailure, FeedState, HubLinks, RawItem, RejectReason, Rejection, Timestamp};
use crate::net::{self, body};
use crate::source::feed::last_documents::LastDocuments;
use crate::source::feed::reading::parse;
use crate::source::feed::{Backfill, FeedConfig, FeedContext, FullText};
use crate::source::quarantine::{DocumentOrigin, NamedDocument};
use crate::source::{Limits, ParsedDocument};

/// Polls once; `fetched_whole` is called when the body is in and has room, and only reading is left.
pub(crate) async fn visit(
    tools: &PollTools,
    target: &Arc<PollTarget>,
    state: &FeedState,
    fetched_whole: impl FnOnce() + Send,
) -> PollResult {
    let config = &target.config;
    let begun = tools.clock.now();
    let full = schedule::wants_full_fetch(state, begun);
    let (url, via) = address(config, state, full);
    let validators = if full || config.ignore_http_cache {
        CacheValidators::default()
    } else {
        CacheValidators { etag: state.etag.clone(), last_modified: state.last_modified.clone() }
    };
    let fetched = fetch_carrying(tools, target, &url, &validators).await;
    let received = tools.clock.now();
    let mut answer = PollAnswer {
        at: received,
        conditional: validators != CacheValidators::default(),
        freshness: FreshnessHints::read(&fetched.headers, received),
        via,
        moved_to: None,
        outcome: PollOutcome::NotModified,
    };
    if via == PolledAddress::Configured {
        answer.moved_to = fetched.moved_to.as_ref().map(|url| url.as_str().to_owned());
    }
    let mut visit = PollResult {
        received,
        url: net::display_url(&fetched.url),
        hops: fetched.hops,
        wire_bytes: 0,
        document: None,
        failed: None,
        page_bytes: 0,
        rejected: Vec::new(),
        next: Box::new(state.clone()),
        room: None,
        links: None,
    };
    answer.outcome = read(tools, target, state, fetched, fetched_whole, &mut visit).await;
    if let PollOutcome::Failed(failure) = &answer.outcome {
        visit.failed = Some(failure.class);
    }
    *visit.next = schedule::next_state(state, &answer, tools.pace(config));
    let over = schedule::spend_bytes(&mut visit.next, visit.wire_bytes, config.bytes_per_day_max);
    visit.rejected.extend(over);
    visit
}

async fn fetch_carrying(
    tools: &PollTools,
    target: &PollTarget,
    url: &Url,
    validators: &CacheValidators,
) -> FetchResult {
    let mut carried = match request::carried(&target.config).await {
        Ok(carried) => carried,
        Err(failure) => return FetchResult::failed(url.clone(), failure),
    };
    if url.origin() != target.config.url.origin() {
        // An adopted address elsewhere: nothing of what is for the configured host.
        carried = RequestExtras { user_agent: carried.user_agent, ..RequestExtras::default() };
    }
    let what = FetchRequest {
        url,
        accept: WantedContent::Feed,
        validators,
        allow_private: &target.allow_private,
        wire_bytes_max: tools.polling.wire_bytes_max,
        redirects_max: tools.polling.redirects_max,
        total_timeout: target.config.fetch.timeout.unwrap_or(tools.polling.total_timeout),
        carried: &carried,
    };
    fetch::fetch(&tools.client, &what).await
}

/// The configured address, or the one it has moved to for good; once a week the configured one is
/// asked again whether it still says so.
fn address(config: &FeedConfig, state: &FeedState, full: bool) -> (Url, PolledAddress) {
    let moved = state.moved.as_ref().filter(|moved| moved.adopted && !full);
    let Some(mut url) = moved.and_then(|moved| Url::parse(&moved.url).ok()) else {
        return (config.url.clone(), PolledAddress::Configured);
    };
    if url.origin() == config.url.origin() {
        // Both only fail for URLs that cannot have any.
        let _ = url.set_username(config.url.username());
        let _ = url.set_password(config.url.password());
    }
    (url, PolledAddress::Moved)
}

/// Body to outcome, on a parser thread.
async fn read(
    tools: &PollTools,
    target: &Arc<PollTarget>,
    state: &FeedState,
    mut fetched: FetchResult,
    fetched_whole: impl FnOnce() + Send,
    visit: &mut PollResult,
) -> PollOutcome {
    let wire = match std::mem::replace(&mut fetched.content, Ok(FetchedContent::NotModified)) {
        Ok(FetchedContent::Body(wire)) => wire,
        Ok(FetchedContent::NotModified) => return PollOutcome::NotModified,
        Err(failure) => {
            // It was read up to there.
            visit.wire_bytes = if failure.class == FeedFailure::TooLarge { tools.polling.wire_bytes_max } else { 0 };
            return PollOutcome::Failed(failure);
        }
    };
    visit.wire_bytes = wire.len();
    visit.room = tools.room(wire.len(), fetched.content_encoding().is_some()).await;
    fetched_whole();
    let validators = fetched.validators();
    let named = NamedDocument::new(DocumentOrigin::Feed, target.config.id.as_str(), &wire);
    let permit = match tools.parser.quarantine().enter(&named, visit.received).await {
        Ok(permit) => permit,
        Err(held) => {
            let rejection = held.rejection();
            let failure = PollFailure::new(class_of(rejection.reason), refusal_words(&rejection));
            visit.rejected.push(rejection);
            return PollOutcome::Failed(failure);
        }
    };
    let job = ReadJob {
        target: target.clone(),
        limits: tools.limits,
        received: visit.received,
        known: state.body_hash,
        base_url: stored_url(&fetched.url),
        wire,
        fetched,
        wants_links: tools.hubs.as_ref().is_some_and(|desk| desk.wants(&target.config.id)),
        // What is to be marked, or to wait for pages, is told from all items of the document together.
        last_documents: Some(tools.last_documents.clone())
            .filter(|_| state.baselined && target.config.full_text == FullText::Off),
    };
    let read = tools.read(&target.config.id, move || {
        // For as long as the thread is at it, whoever has given it up.
        let _mark = permit.begin();
        Failpoint::Reading.pass();
        job.run()
    });
    let read = read.await;
    let rejection = match read {
        Ok(BodyReading::SameBody) => return PollOutcome::SameBody(validators),
        Ok(BodyReading::Undecodable(failure)) => return PollOutcome::Failed(failure),
        Ok(BodyReading::Document { body_hash, mut document, links }) => {
            visit.links = links;
            mark_items(&mut document.items, &target.config, state.baselined);
            // The validators of an answer that was cut are those of the whole document: with them the rest of
            // it would be "not modified" for ever.
            let (validators, body_hash) =
                if document.is_cut { (CacheValidators::default(), None) } else { (validators, Some(body_hash)) };
            let outcome = PollOutcome::Document {
                validators,
                body_hash,
                title: document.title.clone(),
                items: document.item_count(),
                hints: document.hints.clone(),
            };
            visit.document = Some(*document);
            return outcome;
        }
        Ok(BodyReading::Refused(rejection)) => rejection,
        Err(reason) => Rejection { reason, detail: "the document could not be parsed".to_owned(), count: 1 },
    };
    let failure = PollFailure::new(class_of(rejection.reason), refusal_words(&rejection));
    visit.rejected.push(rejection);
    PollOutcome::Failed(failure)
}

struct ReadJob {
    target: Arc<PollTarget>,
    limits: Limits,
    received: Timestamp,
    known: Option<ContentHash>,
    base_url: String,
    wire: Vec<u8>,
    fetched: FetchResult,
    /// Whether it is of interest which hubs it names.
    wants_links: bool,
    /// Where it may leave out what stood in the one before.
    last_documents: Option<LastDocuments>,
}

enum BodyReading {
    SameBody,
    Document { body_hash: ContentHash, document: Box<ParsedDocument>, links: Option<HubLinks> },
    Undecodable(PollFailure),
    Refused(Rejection),
}

impl ReadJob {
    fn run(self) -> BodyReading {
        let encoding = self.fetched.content_encoding();
        let bytes = match body::decode(&self.wire, encoding.as_deref(), self.limits.decoded_bytes_max) {
            Ok(bytes) => bytes,
            Err(error) => return BodyReading::Undecodable(PollFailure::new(error.failure(), error.to_string())),
        };
        let body_hash = ContentHash::of(&[&bytes]);
        if self.known == Some(body_hash) {
            return BodyReading::SameBody;
        }
        let context = FeedContext {
            base_url: Some(&self.base_url),
            content_type: self.fetched.content_type(),
            trust: self.target.config.trust,
            limits: &self.limits,
            received: self.received,
        };
        let last = self.last_documents.as_ref().map(|documents| documents.of(&self.target.config.id));
        match parse::parse_after(&bytes, &context, &last.unwrap_or_default()) {
            Ok(document) => {
                let links = || HubLinks::read(&self.fetched.headers, &bytes, self.fetched.content_type());
                let links = self.wants_links.then(links);
                BodyReading::Document { body_hash, document: Box::new(document), links }
            }
            Err(rejection) => BodyReading::Refused(rejection),
        }
    }
}

fn class_of(reason: RejectReason) -> FeedFailure {
    match reason {
        RejectReason::HtmlPage => FeedFailure::HtmlPage,
        RejectReason::TooLarge => FeedFailure::TooLarge,
        _ => FeedFailure::Parse,
    }
}

fn refusal_words(rejection: &Rejection) -> String {
    match rejection.reason {
        RejectReason::HtmlPage => "the server sends a web page instead of a feed: check the URL".to_owned(),
        reason => format!("the document is refused ({reason}): {}", rejection.detail),
    }
}

/// Tags of the feed on every item, its language on those that name none; on the first document, quiet on those that are not to be alerted on.
pub(crate) fn mark_items(items: &mut [RawItem], config: &FeedConfig, baselined: bool) {
    for item in items.iter_mut() {
        item.tags.extend(config.tags.iter().cloned());
        if item.lang.is_none() {
            item.lang = config.lang.map(|lang| lang.to_string());
        }
    }
    let loud = match config.backfill {
        _ if baselined => return,
        Backfill::All => return,
        Backfill::None => 0,
        Backfill::Newest(count) => count,
    };
    // Newest first; items without a date keep their place behind those with one.
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(items[at].published.or(items[at].updated).map(|dated| dated.at)));
    for at in order.into_iter().skip(loud) {
        items[at].quiet = true;
        pages::stand_in(&mut items[at], config.full_text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DateCertainty, Dated, ItemKey, Lang, SourceId};

    fn config(backfill: Backfill) -> FeedConfig {
        let url = Url::parse("https://user:pw@example.org/feed?key=1").expect("url");
        FeedConfig {
            backfill,
            lang: Lang::from_tag("fr"),
            tags: vec!["wire".to_owned()],
            ..FeedConfig::new(SourceId::new("example").expect("name"), url)
        }
    }

    fn items(days: &[Option<i64>]) -> Vec<RawItem> {
        let item = |(number, day): (usize, &Option<i64>)| {
            let mut item = RawItem::new(ItemKey::new(&number.to_string()));
            let at = day.map(|day| Timestamp::from_seconds(day * 86_400));
            item.published = at.map(|at| Dated { at, certainty: DateCertainty::Exact });
            item
        };
        days.iter().enumerate().map(item).collect()
    }

    fn loud(backfill: Backfill, baselined: bool) -> Vec<usize> {
        let mut items = items(&[Some(3), None, Some(9), Some(5)]);
        mark_items(&mut items, &config(backfill), baselined);
        assert!(items.iter().all(|item| item.tags == ["wire"]));
        assert!(items.iter().all(|item| item.lang.as_deref() == Some("fr")));
        (0..items.len()).filter(|&at| !items[at].quiet).collect()
    }

    #[test]
    fn backfill_quiets_all_but_the_newest_of_the_first_document_only() {
        assert_eq!(loud(Backfill::None, false), [0usize; 0]);
        assert_eq!(loud(Backfill::Newest(2), false), [2, 3]);
        assert_eq!(loud(Backfill::Newest(9), false), [0, 1, 2, 3]);
        assert_eq!(loud(Backfill::All, false), [0, 1, 2, 3]);
        assert_eq!(loud(Backfill::None, true), [0, 1, 2, 3]);
    }

    #[test]
    fn address_moved_feed_keeps_credentials_on_its_own_host_only() {
        let config = config(Backfill::None);
        let mut state = FeedState::new(config.id.clone(), String::new(), Timestamp::default());
        let moved_to = |state: &mut FeedState, url: &str| {
            state.moved = Some(crate::model::MovedFeed {
                url: url.to_owned(),
                polls: 3,
                since: Timestamp::default(),
                adopted: true,
            });
        };
        moved_to(&mut state, "https://example.org/new");
        assert_eq!(address(&config, &state, false).0.as_str(), "https://user:pw@example.org/new");
        moved_to(&mut state, "https://elsewhere.example/new");
        assert_eq!(address(&config, &state, false).0.as_str(), "https://elsewhere.example/new");
        assert_eq!(address(&config, &state, true), (config.url.clone(), PolledAddress::Configured));
        assert_eq!(stored_url(&config.url), "https://example.org/feed?key=1");
    }
}
