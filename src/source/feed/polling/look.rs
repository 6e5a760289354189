//! One look at an address without remembering anything: the feed that is there, or the feeds that the page
//! there declares. For `feeds add` and `feeds check`; the poller never comes here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::fetch::{self, FetchRequest, FetchedContent, WantedContent};
use super::request::RequestExtras;
use super::result::PollResult;
use super::schedule::CacheValidators;
use super::tools::{PollTarget, PollTools};
use super::visit::visit;
use crate::clock::Clock;
use crate::model::{FeedFailure, FeedState};
use crate::net::{Client, body};
use crate::source::feed::reading::discover::{DeclaredFeed, feeds_of_page};
use crate::source::feed::{FeedConfig, PollingConfig};
use crate::source::parser::Parser;
use crate::source::{Limits, ParsedDocument};
use crate::text::charset;

/// What a look needs.
#[derive(Clone)]
pub struct FeedInspector {
    /// How to fetch.
    pub polling: PollingConfig,
    /// What to take.
    pub limits: Limits,
    /// Fetches.
    pub client: Client,
    /// Parses.
    pub parser: Parser,
    /// The time.
    pub clock: Clock,
}

/// What one look at a feed shows.
#[derive(Debug)]
pub struct FeedInspection {
    /// The address that answered, without userinfo and query.
    pub url: String,
    /// Redirects followed.
    pub hops: usize,
    /// Body bytes on the wire.
    pub wire_bytes: usize,
    /// From the first byte asked to the last item read.
    pub took: Duration,
    /// The feed as it was read, or why there is none.
    pub document: Result<ParsedDocument, (FeedFailure, String)>,
}

impl FeedInspector {
    fn tools(&self) -> PollTools {
        PollTools::new(self.client.clone(), self.polling.clone(), self.limits, self.parser.clone(), self.clock.clone())
    }

    /// Fetches and reads a feed.
    pub async fn look(&self, feed: Arc<FeedConfig>) -> FeedInspection {
        let begun = Instant::now();
        let target = Arc::new(PollTarget::new(feed));
        let fresh = FeedState::new(target.config.id.clone(), target.stored_url(), self.clock.now());
        let PollResult { url, hops, wire_bytes, document, next, .. } =
            visit(&self.tools(), &target, &fresh, || ()).await;
        let failure = || (next.failure.unwrap_or(FeedFailure::ClientError), next.error.clone().unwrap_or_default());
        FeedInspection { url, hops, wire_bytes, took: begun.elapsed(), document: document.ok_or_else(failure) }
    }

    /// The feeds that the page at this address declares.
    ///
    /// # Errors
    /// Why there is no page to read.
    pub async fn declared(&self, feed: Arc<FeedConfig>) -> Result<Vec<DeclaredFeed>, (FeedFailure, String)> {
        let target = PollTarget::new(feed);
        let polling = &self.polling;
        let fetched = fetch::fetch(
            &self.client,
            &FetchRequest {
                url: &target.config.url,
                accept: WantedContent::Page,
                validators: &CacheValidators::default(),
                allow_private: &target.allow_private,
                wire_bytes_max: polling.wire_bytes_max,
                redirects_max: polling.redirects_max,
                total_timeout: polling.total_timeout,
                carried: &RequestExtras::default(),
            },
        )
        .await;
        let (encoding, transport) = (fetched.content_encoding(), fetched.content_type().map(str::to_owned));
        let wire = match fetched.content {
            Ok(FetchedContent::Body(wire)) => wire,
            Ok(FetchedContent::NotModified) => return Ok(Vec::new()),
            Err(failure) => return Err((failure.class, failure.words)),
        };
        let (page_url, bytes_max) = (fetched.url, self.limits.decoded_bytes_max);
        let job = move || {
            let bytes = body::decode(&wire, encoding.as_deref(), bytes_max)
                .map_err(|error| (error.failure(), error.to_string()))?;
            let declared = transport.as_deref().and_then(charset::of_content_type);
            Ok(feeds_of_page(&charset::decode(&bytes, declared).text, &page_url))
        };
        let late =
            |reason: crate::model::RejectReason| (FeedFailure::Parse, format!("the page cannot be read ({reason})"));
        self.parser.run(self.limits.parse_time_max, job).await.map_err(late)?
    }
}
