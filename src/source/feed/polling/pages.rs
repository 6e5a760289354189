//! The full text of new items from the pages they link to, for feeds with `full_text`. A poll that has
//! such items stays here, off the fetch path, before it goes on to `ingest`: pages have a budget of their
//! own per host, the same guard and caps as feeds, and no credentials. What fails is counted by class,
//! and the item goes on with its feed's text. Nothing is fetched for items that are known or quiet.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::Instant;
use url::Url;

use super::fetch::{self, FetchRequest, FetchedContent, WantedContent};
use super::freshness::FreshnessHints;
use super::page_budget::{PageFault, PagePacing};
use super::request::RequestExtras;
use super::result::PollResult;
use super::schedule::CacheValidators;
use super::tools::{PollTarget, PollTools, WaitingRoom};
use crate::model::{FeedFailure, ItemId, Markup, RawItem, RawText, RejectReason, Rejection};
use crate::net::{body, display_url};
use crate::source::feed::FullText;
use crate::source::quarantine::{DocumentOrigin, NamedDocument};
use crate::text::{article, charset};

/// Which of these items are known to the store; `None` when it cannot be asked.
pub type KnownItems = Arc<dyn Fn(&[ItemId]) -> Option<HashSet<ItemId>> + Send + Sync>;

/// Polls that wait for pages at a time; one more goes on with its feed's texts.
pub(super) const PAGING_MAX: usize = 32;

/// The pages of one document together: no alert waits longer for a slow site.
const PAGES_SPAN_MAX: Duration = Duration::from_secs(60);

/// Pages of one document under way or in line at once.
const PAGES_AT_ONCE_PER_DOCUMENT: usize = 4;

/// A feed's text of fewer bytes is short: about 150 words.
const SHORT_BYTES: usize = 1000;

/// Wait after a site says 429 or 503 without saying how long.
const REFUSED_WAIT: Duration = Duration::from_secs(3600);

/// Whether a poll may have to wait for pages.
pub(super) fn wanted(target: &PollTarget, result: &PollResult) -> bool {
    let items = result.document.iter().flat_map(|document| &document.items);
    target.config.full_text != FullText::Off && items.into_iter().any(|item| is_wanted(item, target.config.full_text))
}

fn is_wanted(item: &RawItem, mode: FullText) -> bool {
    let enough = match mode {
        FullText::Off => true,
        FullText::On => false,
        FullText::IfShort => own_bytes(item) >= SHORT_BYTES,
    };
    !enough && !item.quiet && item.url.is_some()
}

/// An item of a first document that is only a link, and whose page is not to be read: the link stands for its
/// words, so that it is known and no news at the next poll.
pub(super) fn stand_in(item: &mut RawItem, mode: FullText) {
    if mode != FullText::Off && item.quiet && is_only_link(item) {
        item.title = item.url.as_deref().map(RawText::plain);
    }
}

/// Neither title nor text: without its page nothing can be said of it.
fn is_only_link(item: &RawItem) -> bool {
    item.title.is_none() && own_bytes(item) == 0
}

/// Bytes of text that the feed itself carries, markup left out, roughly.
fn own_bytes(item: &RawItem) -> usize {
    let visible = |text: &RawText| {
        if text.markup == Markup::Plain {
            return text.text.trim().len();
        }
        let mut inside = false;
        let shown = |b: &u8| {
            inside = *b == b'<' || inside && *b != b'>';
            !inside && *b != b'>'
        };
        text.text.trim().bytes().filter(shown).count()
    };
    [&item.content, &item.summary].into_iter().flatten().map(visible).max().unwrap_or(0)
}

/// Everything is left to the feed's texts, and why.
pub(super) fn skip(target: &PollTarget, result: &mut PollResult, why: &str) {
    let Some(document) = &mut result.document else { return };
    let count = document.items.iter().filter(|item| is_wanted(item, target.config.full_text)).count() as u64;
    let detail = why.to_owned();
    document.rejected.push(Rejection { reason: RejectReason::PageOverBudget, detail, count });
}

/// Fetches the pages of the new items of a poll.
pub(super) async fn fill(
    tools: &PollTools,
    target: &PollTarget,
    result: &mut PollResult,
    known: &KnownItems,
    room: &mut WaitingRoom,
) {
    let Some(document) = &mut result.document else { return };
    let new = new_items(tools, target, &document.items, known).await;
    let mut faults: BTreeMap<RejectReason, Rejection> = BTreeMap::new();
    let mut note = |PageFault { reason, detail }: PageFault| {
        faults.entry(reason).or_insert(Rejection { reason, detail, count: 0 }).count += 1;
    };
    let (new, shared): (Vec<usize>, Vec<usize>) = new.into_iter().partition(|at| is_own(&document.items, *at));
    for _ in shared {
        let detail = "its link is no page of its own: other items have it, or it is a front page".to_owned();
        note(PageFault { reason: RejectReason::PageRefused, detail });
    }
    let deadline = Instant::now() + PAGES_SPAN_MAX;
    let quota = target.config.bytes_per_day_max.unwrap_or(u64::MAX);
    let left = AtomicUsize::new(usize::try_from(quota.saturating_sub(result.next.used.bytes)).unwrap_or(usize::MAX));
    let begun_with = left.load(Ordering::Relaxed);
    let fetches: Vec<_> = new
        .into_iter()
        .filter_map(|at| {
            let item = document.items.get(at)?;
            let (url, own) = (item.url.clone()?, own_bytes(item));
            let wanted = PageWanted { url, own, deadline, left: &left };
            Some(async move { (at, page(tools, target, &wanted).await) })
        })
        .collect();
    let mut fetched = stream::iter(fetches).buffer_unordered(PAGES_AT_ONCE_PER_DOCUMENT);
    while let Some((at, page)) = fetched.next().await {
        match page {
            Ok(text) if room.grow(text.len()) => document.items[at].page = Some(RawText::plain(text)),
            Ok(_) => {
                let detail = "there is no room for the text of more pages at once".to_owned();
                note(PageFault { reason: RejectReason::PageOverBudget, detail });
            }
            Err(fault) => {
                // Where the page may come back with the next poll, it is asked for again then.
                let passing = [RejectReason::PageUnreachable, RejectReason::PageError, RejectReason::PageOverBudget];
                if is_only_link(&document.items[at]) && !passing.contains(&fault.reason) {
                    let id = ItemId::of(&target.config.id, &document.items[at].key);
                    tools.pages.give_up(id, tools.clock.now());
                }
                note(fault);
            }
        }
    }
    drop(fetched);
    document.rejected.extend(faults.into_values());
    result.page_bytes = begun_with - left.into_inner();
}

/// A page of an item.
struct PageWanted<'a> {
    url: String,
    /// Bytes of text that the feed itself carries.
    own: usize,
    deadline: Instant,
    /// Bytes that the feed may still fetch on this day.
    left: &'a AtomicUsize,
}

/// Whether an item's link is its own: the text of a front page would make copies of all that link there.
fn is_own(items: &[RawItem], at: usize) -> bool {
    let Some(url) = items.get(at).and_then(|item| item.url.as_deref()) else { return false };
    let front = Url::parse(url).is_ok_and(|url| url.path() == "/" && url.query().is_none());
    !front && items.iter().filter(|item| item.url.as_deref() == Some(url)).count() == 1
}

/// Places of the items whose pages are wanted and that the store does not know.
async fn new_items(tools: &PollTools, target: &PollTarget, items: &[RawItem], known: &KnownItems) -> Vec<usize> {
    let (source, mode, now) = (&target.config.id, target.config.full_text, tools.clock.now());
    let wanted: Vec<(usize, ItemId)> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| is_wanted(item, mode))
        .map(|(at, item)| (at, ItemId::of(source, &item.key)))
        .filter(|(_, id)| !tools.pages.gave_up(*id, now))
        .collect();
    let ids: Vec<ItemId> = wanted.iter().map(|(_, id)| *id).collect();
    let known = known.clone();
    // Not to be asked is to be known: pages must never be fetched twice.
    let known = tokio::task::spawn_blocking(move || known(&ids)).await.ok().flatten();
    let Some(known) = known else { return Vec::new() };
    wanted.into_iter().filter(|(_, id)| !known.contains(id)).map(|(at, _)| at).collect()
}

async fn page(tools: &PollTools, target: &PollTarget, wanted: &PageWanted<'_>) -> Result<String, PageFault> {
    let PageWanted { own, deadline, left, .. } = *wanted;
    let Some(url) = Url::parse(&wanted.url).ok().filter(|url| matches!(url.scheme(), "http" | "https")) else {
        return Err(PageFault {
            reason: RejectReason::PageRefused,
            detail: "its link is no address of a page".to_owned(),
        });
    };
    let mut turn = tools
        .pages
        .turn(&target.config.id, url.host_str().unwrap_or(""), &tools.clock, &PagePacing::of(&tools.polling), deadline)
        .await?;
    if left.load(Ordering::Relaxed) == 0 {
        let detail = "the feed has sent its quota of bytes for this day (`bytes_per_day_max`)".to_owned();
        return Err(PageFault { reason: RejectReason::PageOverBudget, detail });
    }
    let user_agent = target.config.fetch.user_agent.as_deref().and_then(|text| text.parse().ok());
    let fetched = fetch::fetch(
        &tools.client,
        &FetchRequest {
            url: &url,
            accept: WantedContent::Page,
            validators: &CacheValidators::default(),
            allow_private: &target.allow_private,
            wire_bytes_max: tools.polling.wire_bytes_max,
            redirects_max: tools.polling.redirects_max,
            total_timeout: tools.polling.total_timeout.min(deadline.saturating_duration_since(Instant::now())),
            carried: &RequestExtras { user_agent, ..RequestExtras::default() },
        },
    )
    .await;
    let now = tools.clock.now();
    let shown = display_url(&fetched.url);
    let (encoding, media_type) = (fetched.content_encoding(), fetched.content_type().map(str::to_owned));
    let wire = match fetched.content {
        Ok(FetchedContent::Body(wire)) => wire,
        Ok(FetchedContent::NotModified) => return Err(fault(FeedFailure::ClientError, &shown)),
        Err(failure) => {
            match failure.class {
                FeedFailure::Dns | FeedFailure::Connect | FeedFailure::Timeout | FeedFailure::Reset => {
                    turn.unanswered(now);
                }
                _ => turn.answered(),
            }
            if matches!(failure.class, FeedFailure::RateLimited | FeedFailure::ServerError) {
                let wait = FreshnessHints::read(&fetched.headers, now).retry_after;
                let busy = failure.class == FeedFailure::RateLimited || wait.is_some();
                turn.pace.not_before = busy.then(|| now.plus(wait.unwrap_or(REFUSED_WAIT)));
            }
            return Err(fault(failure.class, &shown));
        }
    };
    turn.answered();
    drop(turn);
    let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(wire.len())));
    if !media_type.as_deref().is_none_or(is_page) {
        let detail = format!("{shown}: it is no web page");
        return Err(PageFault { reason: RejectReason::PageWithoutText, detail });
    }
    let named = NamedDocument::new(DocumentOrigin::Page, &shown, &wire);
    let permit = tools.parser.quarantine().enter(&named, now).await.map_err(|held| PageFault {
        reason: RejectReason::PageWithoutText,
        detail: format!("{shown}: {}", held.rejection().detail),
    })?;
    let (bytes_max, page_url) = (tools.limits.decoded_bytes_max, String::from(fetched.url));
    let job = move || {
        let _mark = permit.begin();
        let bytes = body::decode(&wire, encoding.as_deref(), bytes_max).map_err(|error| error.failure())?;
        let declared = media_type.as_deref().and_then(charset::of_content_type);
        let decoded = charset::decode(&bytes, declared);
        Ok(article::extract(&decoded.text, Some(&page_url)).map(|article| article.text))
    };
    // Finding the article of a page is the dearest thing that is done with a document.
    let read = tools.parser.run_heavy(tools.limits.parse_time_max, job).await.unwrap_or(Ok(None));
    let text = read.map_err(|class| fault(class, &shown))?;
    let most = tools.limits.item_text_bytes_max;
    let Some(mut text) = text.filter(|text| text.len() > own) else {
        let detail = format!("{shown}: it holds no more text than the feed");
        return Err(PageFault { reason: RejectReason::PageWithoutText, detail });
    };
    text.truncate(text.floor_char_boundary(most));
    Ok(text)
}

fn is_page(media_type: &str) -> bool {
    let kind = media_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    matches!(kind.as_str(), "" | "text/html" | "application/xhtml+xml")
}

fn fault(class: FeedFailure, shown: &str) -> PageFault {
    use FeedFailure as F;
    let reason = match class {
        F::Dns | F::Connect | F::Tls | F::Timeout | F::Reset => RejectReason::PageUnreachable,
        F::PrivateAddress | F::Redirect | F::TooLarge | F::Encoding | F::Unauthorized | F::Challenge => {
            RejectReason::PageRefused
        }
        F::NotFound | F::Gone => RejectReason::PageMissing,
        F::RateLimited | F::ClientError | F::ServerError => RejectReason::PageError,
        F::HtmlPage | F::Parse => RejectReason::PageWithoutText,
    };
    PageFault { reason, detail: format!("{shown}: {class}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ItemKey;

    fn item(content: &str) -> RawItem {
        let url = Some("https://wire.example/1".to_owned());
        RawItem { content: Some(RawText::html(content)), url, ..RawItem::new(ItemKey::new("1")) }
    }

    #[test]
    fn own_text_is_measured_without_its_markup() {
        let stub = format!("<p>Two ferries left.</p><img src=\"{}\">", "x".repeat(2000));
        assert_eq!(own_bytes(&item(&stub)), "Two ferries left.".len());
        let summary = Some(RawText::plain("a < b"));
        assert_eq!(own_bytes(&RawItem { summary, ..RawItem::new(ItemKey::new("1")) }), 5);
    }

    #[test]
    fn wanted_is_what_is_short_loud_and_linked() {
        let long = "Two ferries left. ".repeat(100);
        let quiet = RawItem { quiet: true, ..item("x") };
        let unlinked = RawItem { url: None, ..item("x") };
        for (case, mode, expected) in [
            (item("x"), FullText::Off, false),
            (item("x"), FullText::On, true),
            (item(&long), FullText::On, true),
            (item("x"), FullText::IfShort, true),
            (item(&long), FullText::IfShort, false),
            (quiet, FullText::On, false),
            (unlinked, FullText::On, false),
        ] {
            assert_eq!(is_wanted(&case, mode), expected, "{mode:?} {case:?}");
        }
    }

    #[test]
    fn front_pages_and_shared_links_are_nobodys_page() {
        let at = |url: &str| RawItem { url: Some(url.to_owned()), ..item("x") };
        let items =
            ["https://wire.example/1", "https://wire.example/", "https://wire.example/s", "https://wire.example/s"];
        let items = items.map(at);
        let own: Vec<bool> = (0..4).map(|place| is_own(&items, place)).collect();
        assert_eq!(own, [true, false, false, false]);
    }

    #[test]
    fn every_failure_of_a_page_is_a_note_and_no_loss() {
        for class in FeedFailure::ALL {
            assert!(fault(class, "x").reason.is_note(), "{class}");
        }
    }
}
