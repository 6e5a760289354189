//! The templates, as they are compiled in.

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        /// Every template by its name.
        pub(super) const TEMPLATES: &[(&str, &str)] = &[$(($name, include_str!(concat!("templates/", $name)))),*];
    };
}

templates!(
    "base.html",
    "now.html",
    "stories.html",
    "story_rows.html",
    "story.html",
    "items.html",
    "item_rows.html",
    "item.html",
    "search.html",
    "alerts.html",
    "alert_rows.html",
    "alert.html",
    "topics.html",
    "topic.html",
    "try.html",
    "feeds.html",
    "feed.html",
    "feed_read.html",
    "deliveries.html",
    "delivery_rows.html",
    "delivery.html",
    "endpoint.html",
    "silences.html",
    "silence.html",
    "silence_new.html",
    "acts.html",
    "status.html",
    "refused.html",
    "login.html",
    "again.html",
);
