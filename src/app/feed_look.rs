//! A feed looked at for the page: fetched and read as the poller does it, with the config as it is now, and nothing of it
//! is remembered. What it reads is marked as every document is, so that one which ends the process is known afterwards.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::clock::Clock;
use crate::config::Config;
use crate::http::FeedLook;
use crate::source::feed::FeedConfig;
use crate::source::feed::polling::look::FeedInspector;
use crate::source::feed::polling::rules;
use crate::source::parser::Parser;
use crate::view::FeedReading;

/// Looks with this parser.
pub(super) fn looker(parser: Parser, clock: Clock) -> FeedLook {
    Arc::new(move |config: Arc<Config>, feed: Arc<FeedConfig>| -> BoxFuture<'static, Result<FeedReading, String>> {
        let (parser, clock) = (parser.clone(), clock.clone());
        Box::pin(async move {
            let client = rules::client(&config.polling).map_err(|error| error.to_string())?;
            let inspector =
                FeedInspector { polling: config.polling.clone(), limits: config.limits, client, parser, clock };
            let name = feed.id.to_string();
            Ok(FeedReading::of(&name, &inspector.look(feed).await))
        })
    })
}
