//! One rendering of a page for all tabs that show it alike, and one a second at most: a change wakes all of them at once,
//! and what they ask for then is the same. Each gets what was read after it asked, so nobody is shown the past.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::http::refusal::{AnswerRefusal, RefusalKind};

/// From the beginning of one rendering of a page to that of the next.
const RENDERING_EVERY: Duration = Duration::from_secs(1);
/// Pages that are rendered for tabs, or were a moment ago.
const PAGES_MAX: usize = 256;

/// What a page is made of beside the store: where all of it is the same, so is the page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RenderingKey {
    pub path: String,
    /// But for the part that is wanted.
    pub query: Vec<(String, String)>,
    pub caller: Option<String>,
    pub logged_in: bool,
    pub may_write: bool,
    pub may_read: bool,
}

/// A page as it was made, or why not.
type RenderedPage = Result<Arc<str>, AnswerRefusal>;
type AwaitedPage = watch::Receiver<Option<RenderedPage>>;

/// The last rendering of a page, or the one that is to come.
struct LastRendering {
    begins_at: Instant,
    /// Until it looks at the store: who comes after that may want to see what it does not.
    joinable: Option<AwaitedPage>,
}

type LastRenderings = Arc<Mutex<HashMap<RenderingKey, LastRendering>>>;

/// Those of all pages; cheap to clone.
#[derive(Clone)]
pub(in crate::http) struct SharedRenderings {
    pages: LastRenderings,
    every: Duration,
}

impl Default for SharedRenderings {
    fn default() -> Self {
        Self { pages: LastRenderings::default(), every: RENDERING_EVERY }
    }
}

/// Ends, when it is dropped, that others join a rendering: before the store is looked at.
pub(super) struct RenderingStart {
    pages: LastRenderings,
    key: RenderingKey,
}

impl Drop for RenderingStart {
    fn drop(&mut self) {
        if let Some(page) = self.pages.lock().get_mut(&self.key) {
            page.joinable = None;
        }
    }
}

impl SharedRenderings {
    /// The page as it is from now on: that of the rendering that has not begun yet, or of the next.
    pub async fn get<F>(
        &self,
        key: RenderingKey,
        render: impl FnOnce(RenderingStart) -> F + Send + 'static,
    ) -> RenderedPage
    where
        F: Future<Output = Result<String, AnswerRefusal>> + Send + 'static,
    {
        let mut awaited = self.join(key, render)?;
        match awaited.wait_for(Option::is_some).await {
            Ok(page) => page.clone().expect("invariant: it was waited for"),
            // It panicked, which was reported.
            Err(_) => Err(AnswerRefusal::new(RefusalKind::StoreFailed, "the page could not be made")),
        }
    }

    fn join<F>(
        &self,
        key: RenderingKey,
        render: impl FnOnce(RenderingStart) -> F + Send + 'static,
    ) -> Result<AwaitedPage, AnswerRefusal>
    where
        F: Future<Output = Result<String, AnswerRefusal>> + Send + 'static,
    {
        let now = Instant::now();
        let mut pages = self.pages.lock();
        let last = pages.get(&key);
        if let Some(joinable) = last.and_then(|page| page.joinable.clone()) {
            return Ok(joinable);
        }
        let begins_at = last.map_or(now, |page| now.max(page.begins_at + self.every));
        pages.retain(|_, page| page.joinable.is_some() || page.begins_at + self.every > now);
        if pages.len() >= PAGES_MAX {
            return Err(AnswerRefusal::new(RefusalKind::Busy, "too many pages are kept live at once").retry_after(1));
        }
        let (tell, awaited) = watch::channel(None);
        pages.insert(key.clone(), LastRendering { begins_at, joinable: Some(awaited.clone()) });
        let start = RenderingStart { pages: self.pages.clone(), key };
        tokio::spawn(async move {
            tokio::time::sleep_until(begins_at).await;
            let page = render(start).await.map(Arc::from);
            tell.send_replace(Some(page));
        });
        Ok(awaited)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use tokio::sync::Semaphore;

    use super::*;

    fn shared(every: Duration) -> SharedRenderings {
        SharedRenderings { every, ..SharedRenderings::default() }
    }

    fn key(path: &str) -> RenderingKey {
        let (path, query) = (path.to_owned(), Vec::new());
        RenderingKey { path, query, caller: None, logged_in: false, may_write: false, may_read: true }
    }

    fn text(text: &str) -> impl FnOnce(RenderingStart) -> Ready<Result<String, AnswerRefusal>> + Send + 'static {
        let text = text.to_owned();
        |_start| ready(Ok(text))
    }

    #[tokio::test]
    async fn tabs_share_the_next_rendering_and_the_first_does_not_wait() {
        let shared = shared(Duration::from_secs(3600));
        assert_eq!(shared.get(key("/"), text("first")).await.as_deref(), Ok("first"));
        let first_at = shared.pages.lock()[&key("/")].begins_at;
        let next: Vec<_> = (0..10).map(|_| shared.join(key("/"), text("next")).expect("joined")).collect();
        assert!(next.iter().all(|tab| tab.same_channel(&next[0])), "one rendering for all");
        assert_eq!(shared.pages.lock()[&key("/")].begins_at, first_at + shared.every);
        assert_eq!(shared.get(key("/stories"), text("another page")).await.as_deref(), Ok("another page"));
        let own = RenderingKey { caller: Some("ada".to_owned()), ..key("/") };
        assert_eq!(shared.get(own, text("somebody else's")).await.as_deref(), Ok("somebody else's"));
        let narrowed = RenderingKey { query: vec![("topic".to_owned(), "levee".to_owned())], ..key("/") };
        assert_eq!(shared.get(narrowed, text("another list")).await.as_deref(), Ok("another list"));
    }

    #[tokio::test]
    async fn page_that_nobody_asks_for_any_more_is_forgotten() {
        let shared = shared(Duration::ZERO);
        for path in ["/", "/stories", "/items"] {
            assert_eq!(shared.get(key(path), text("page")).await.as_deref(), Ok("page"));
        }
        assert_eq!(shared.pages.lock().len(), 1);
    }

    #[tokio::test]
    async fn who_asks_after_the_store_was_looked_at_gets_the_next_rendering() {
        let (shared, gate) = (shared(Duration::ZERO), Arc::new(Semaphore::new(0)));
        let held = gate.clone();
        let first = shared.join(key("/"), move |start| async move {
            drop(start);
            let _ = held.acquire().await;
            Ok("before".to_owned())
        });
        let mut first = first.expect("joined");
        // It has looked, and is not done.
        while shared.pages.lock()[&key("/")].joinable.is_some() {
            tokio::task::yield_now().await;
        }
        assert_eq!(shared.get(key("/"), text("after")).await.as_deref(), Ok("after"));
        gate.add_permits(1);
        let first = first.wait_for(Option::is_some).await.expect("told").clone();
        assert_eq!(first.expect("told").as_deref(), Ok("before"));
    }

    #[tokio::test]
    async fn rendering_that_fails_or_panics_is_told_to_all_and_tried_again() {
        let shared = shared(Duration::ZERO);
        let refused = shared.get(key("/"), |_start| ready(Err(AnswerRefusal::new(RefusalKind::Busy, "others ask"))));
        assert_eq!(refused.await.map_err(|refusal| refusal.kind), Err(RefusalKind::Busy));
        let panics = shared.get(key("/"), |_start| async { panic!("planted") }).await;
        assert_eq!(panics.map_err(|refusal| refusal.kind), Err(RefusalKind::StoreFailed));
        assert_eq!(shared.get(key("/"), text("good")).await.as_deref(), Ok("good"));
    }
}
