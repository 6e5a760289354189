-- The whole store. Ids are derived from content (model::id); `seq` columns give arrival order.
-- Times are milliseconds since 1970, UTC. Scores are hundredths of a point.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE feeds (
    source            TEXT PRIMARY KEY,
    url               TEXT NOT NULL,
    title             TEXT,
    etag              BLOB,
    last_modified     BLOB,
    body_hash         BLOB,
    next_poll_at      INTEGER NOT NULL,
    last_poll_at      INTEGER,
    last_success_at   INTEGER,
    last_new_item_at  INTEGER,
    failures_weighted INTEGER NOT NULL,
    failure           TEXT,
    error             TEXT,
    failing_since     INTEGER,
    ttl               INTEGER,
    skip_hours        INTEGER NOT NULL,
    skip_days         INTEGER NOT NULL,
    full_fetch_at     INTEGER,
    moved_url         TEXT,
    moved_polls       INTEGER,
    moved_since       INTEGER,
    moved_adopted     INTEGER,
    baselined         INTEGER NOT NULL,
    gone              INTEGER NOT NULL,
    polls             INTEGER NOT NULL,
    items_last        INTEGER NOT NULL,
    interval          INTEGER,
    seen_percent      INTEGER,
    used_day          INTEGER NOT NULL,
    used_bytes        INTEGER NOT NULL,
    used_alerts       INTEGER NOT NULL,
    bytes_over        INTEGER NOT NULL,
    alerts_over       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Health asks for these every other second.
CREATE INDEX feeds_troubled ON feeds (source, gone) WHERE failure IS NOT NULL OR gone <> 0;
CREATE INDEX feeds_over_quota ON feeds (source) WHERE bytes_over <> 0 OR alerts_over <> 0;

-- How often each feed failed in which way, ever.
CREATE TABLE feed_failures (
    source  TEXT NOT NULL,
    class   TEXT NOT NULL,
    count   INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (source, class)
) STRICT, WITHOUT ROWID;

-- What decides whether a source is worth an alert, and what was said of it.
CREATE TABLE source_health (
    source      TEXT PRIMARY KEY,
    told        TEXT NOT NULL,
    told_at     INTEGER,
    arrivals    INTEGER NOT NULL,
    last_new_at INTEGER,
    period      INTEGER,
    rate_milli  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE seed_files (
    hash     BLOB PRIMARY KEY,
    name     TEXT NOT NULL,
    size     INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    seen_at  INTEGER NOT NULL,
    items    INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    reason   TEXT,
    detail   TEXT
) STRICT, WITHOUT ROWID;

-- What was answered to a push that had a key, so that a repeat is answered the same. Kept for a day.
CREATE TABLE pushes (
    source    TEXT NOT NULL,
    key       TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    at        INTEGER NOT NULL,
    answer    TEXT NOT NULL,
    PRIMARY KEY (source, key)
) STRICT;
CREATE INDEX pushes_at ON pushes (at);

-- Subscriptions at hubs that push what feeds have new, by the last part of their callback.
CREATE TABLE subscriptions (
    callback      TEXT PRIMARY KEY,
    callback_url  TEXT NOT NULL,
    source        TEXT NOT NULL,
    topic         TEXT NOT NULL,
    hub           TEXT NOT NULL,
    hubs          TEXT NOT NULL,     -- all that the feed names, one a line
    secret        TEXT,
    state         TEXT NOT NULL,
    awaits        INTEGER NOT NULL,
    asked_at      INTEGER,
    verified_at   INTEGER,
    active_since  INTEGER,
    lease_until   INTEGER,
    next_at       INTEGER NOT NULL,
    refusals      INTEGER NOT NULL,
    error         TEXT,
    last_push_at  INTEGER,
    is_weak       INTEGER NOT NULL,
    tally_from    INTEGER NOT NULL,
    pushed        INTEGER NOT NULL,
    near          INTEGER NOT NULL,
    missed        INTEGER NOT NULL,
    dropped       INTEGER NOT NULL,
    unreliable_since INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX subscriptions_source ON subscriptions (source);

CREATE TABLE items (
    seq          INTEGER PRIMARY KEY,
    id           INTEGER NOT NULL UNIQUE,
    source       TEXT NOT NULL,
    key          TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    title        TEXT NOT NULL,
    title_original TEXT,             -- as it came, where the source took something off it
    headline     TEXT NOT NULL,      -- the title, or the beginning of the text where there is none
    publisher    TEXT,
    url          TEXT,
    url_original TEXT,
    author       TEXT,
    published    INTEGER,
    published_certainty TEXT,
    updated      INTEGER,
    first_seen   INTEGER NOT NULL,
    lang         TEXT,
    summary      TEXT NOT NULL,
    text_source  TEXT NOT NULL,
    text_hash    BLOB NOT NULL,
    text_hash_first BLOB,            -- of the first version, where it was edited since
    version_hash BLOB,               -- of the feed's own text, where the text is that of the page
    text_bytes   INTEGER NOT NULL,   -- title and text of the first version
    tags         TEXT,
    quiet        INTEGER NOT NULL,
    story        INTEGER NOT NULL,
    outlet       TEXT,               -- who carries it, as the story counts outlets; NULL: nothing says who
    nearest      INTEGER,            -- the item it was nearest to when it came
    nearest_milli INTEGER,           -- log-odds in thousandths of belonging to that one's story; NULL: same text
    features     BLOB NOT NULL
) STRICT;
CREATE INDEX items_story ON items (story);
CREATE INDEX items_first_seen ON items (first_seen);
CREATE INDEX items_source ON items (source, seq);

CREATE TABLE texts (
    seq  INTEGER PRIMARY KEY REFERENCES items (seq) ON DELETE CASCADE,
    body TEXT NOT NULL
) STRICT;

-- Further appearances of a known item. `id` is that of the appearance itself, so a second poll of the
-- same document is recognised. `seq` counts on with that of items: one order of arrival for both.
-- level: exact, near, or item: it became an item of its own later, and counts as that.
CREATE TABLE sightings (
    seq     INTEGER PRIMARY KEY,
    id      INTEGER NOT NULL UNIQUE,
    item    INTEGER NOT NULL,
    source  TEXT NOT NULL,
    outlet  TEXT,
    key     TEXT NOT NULL,
    url     TEXT,
    title   TEXT NOT NULL,
    level   TEXT NOT NULL,
    overlap INTEGER NOT NULL,
    text_hash BLOB NOT NULL,         -- of its version: another one means that it was edited
    seen_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sightings_item ON sightings (item);

CREATE TABLE revisions (
    item     INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    title    TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (item, revision)
) STRICT, WITHOUT ROWID;

CREATE INDEX revisions_at ON revisions (at);

CREATE TABLE matches (
    item      INTEGER NOT NULL,
    topic     TEXT NOT NULL,
    score     INTEGER NOT NULL,
    threshold INTEGER NOT NULL,
    severity  TEXT NOT NULL,
    evidence  TEXT NOT NULL,
    PRIMARY KEY (item, topic)
) STRICT, WITHOUT ROWID;
CREATE INDEX matches_topic ON matches (topic, item);

CREATE TABLE stories (
    id         INTEGER PRIMARY KEY,
    title      TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    items      INTEGER NOT NULL,
    sightings_exact INTEGER NOT NULL,
    sightings_near  INTEGER NOT NULL,
    merged_into INTEGER,
    languages  TEXT NOT NULL DEFAULT '',  -- of its items, in order of appearance, with commas between
    on_topic_at INTEGER NOT NULL DEFAULT 0 -- when the latest item that hit a topic was seen, or the first of all
) STRICT;
CREATE INDEX stories_last_seen ON stories (last_seen);
CREATE INDEX stories_merged ON stories (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE story_sources (
    story  INTEGER NOT NULL,
    source TEXT NOT NULL,
    position INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (story, source)
) STRICT, WITHOUT ROWID;

-- The best hit of a story on each topic it ever hit, copies and earlier versions of its items included:
-- these leave no rows in `matches`, and the memory must know them after a restart.
CREATE TABLE story_topics (
    story     INTEGER NOT NULL,
    topic     TEXT NOT NULL,
    score     INTEGER NOT NULL,
    threshold INTEGER NOT NULL,
    severity  TEXT NOT NULL,
    PRIMARY KEY (story, topic)
) STRICT, WITHOUT ROWID;

-- Outlets whose own items or copies hit a topic: growth counts these.
CREATE TABLE topic_outlets (
    story  INTEGER NOT NULL,
    topic  TEXT NOT NULL,
    outlet TEXT NOT NULL,
    PRIMARY KEY (story, topic, outlet)
) STRICT, WITHOUT ROWID;

-- What each endpoint was told of a story; '' is the record of what was raised at all, whoever takes it.
CREATE TABLE story_told (
    story        INTEGER NOT NULL,
    endpoint     TEXT NOT NULL,
    topics       TEXT NOT NULL,      -- a JSON array of names
    severity     TEXT NOT NULL,      -- the highest
    outlets      TEXT NOT NULL,      -- those that had hit one of the topics by then, a JSON array
    at           INTEGER NOT NULL,
    developed_at INTEGER,            -- when it was told of a development
    facts        BLOB NOT NULL,      -- keys of what the reports said, eight bytes each
    alert        INTEGER,            -- the one it had last
    PRIMARY KEY (story, endpoint)
) STRICT, WITHOUT ROWID;

-- What people said about stories. Whoever holds the store carries out those that wait, in the order of
-- their numbers; a rebuilt memory heeds those that were.
CREATE TABLE corrections (
    id         INTEGER PRIMARY KEY,
    verb       TEXT NOT NULL,          -- split, merge, tell
    story      INTEGER NOT NULL,       -- split: out of it; merge: the one that goes; tell: that of the report
    into_story INTEGER,                -- split: the new one; merge: the one that stays
    items      TEXT NOT NULL,          -- split: those that leave; tell: the report; a JSON array of numbers
    author     TEXT NOT NULL,
    comment    TEXT NOT NULL,
    asked_at   INTEGER NOT NULL,
    done_at    INTEGER,                -- NULL: it waits
    refused    TEXT,                   -- why it could not be done
    outcome    TEXT                    -- tell: who heard of it and who did not, JSON
) STRICT;
CREATE INDEX corrections_waiting ON corrections (id) WHERE done_at IS NULL;

-- What was said about which story: consulted before anything is said again.
CREATE TABLE alerts (
    sequence INTEGER PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    kind     TEXT NOT NULL,
    story    INTEGER,                -- NULL, like item: an alert about a source or an endpoint
    item     INTEGER,
    source   TEXT,                   -- the one it is about; NULL for alerts about items
    reason   TEXT NOT NULL,
    severity TEXT NOT NULL,
    score    INTEGER NOT NULL,       -- that of its best topic
    outlets  INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    payload  BLOB NOT NULL,
    silenced_by TEXT                 -- the silence it fell under: stored, told nobody
) STRICT;
CREATE INDEX alerts_story ON alerts (story);
CREATE INDEX alerts_item ON alerts (item);
CREATE INDEX alerts_silenced ON alerts (silenced_by, at) WHERE silenced_by IS NOT NULL;
CREATE INDEX alerts_at ON alerts (at);

-- The topics an alert names; `is_new`: its receivers were not told of them before.
CREATE TABLE alert_topics (
    alert    INTEGER NOT NULL REFERENCES alerts (sequence) ON DELETE CASCADE,
    topic    TEXT NOT NULL,
    score    INTEGER NOT NULL,
    severity TEXT NOT NULL,
    is_new   INTEGER NOT NULL,
    PRIMARY KEY (alert, topic)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_topics_topic ON alert_topics (topic, alert);

-- The outbox: one row per alert and endpoint, with the exact bytes that go out.
-- state: pending, delivered, parked, cancelled, folded (it went up in another row).
-- hold: what a pending row waits for until due_at: group, quiet, digest, rate. It is let go before it is sent.
CREATE TABLE deliveries (
    id           INTEGER PRIMARY KEY,
    alert        INTEGER NOT NULL REFERENCES alerts (sequence),
    webhook_id   TEXT NOT NULL,
    endpoint     TEXT NOT NULL,
    body         BLOB,               -- NULL: the alert's own payload; while it is not written, a payload of its own
    content_type TEXT NOT NULL,      -- '': not written yet, and what comes of its story goes up in it
    state        TEXT NOT NULL,
    attempts     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    settled_at   INTEGER,
    last_status  INTEGER,
    last_error   TEXT,
    hold         TEXT,
    folded_into  INTEGER,
    story        INTEGER             -- alerts of one story go out one after the other
) STRICT;
CREATE INDEX deliveries_story ON deliveries (story, endpoint, id) WHERE story IS NOT NULL;
CREATE INDEX deliveries_held ON deliveries (endpoint, due_at, id) WHERE state = 'pending' AND hold IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (endpoint, due_at, id) WHERE state = 'pending';
CREATE INDEX deliveries_alert ON deliveries (alert);
CREATE INDEX deliveries_settled ON deliveries (settled_at, state) WHERE settled_at IS NOT NULL;
CREATE INDEX deliveries_state ON deliveries (state, id) WHERE state <> 'delivered';

CREATE TABLE attempts (
    delivery   INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    outcome    TEXT NOT NULL,
    status     INTEGER,
    latency_ms INTEGER NOT NULL,
    excerpt    TEXT,
    PRIMARY KEY (delivery, attempt)
) STRICT, WITHOUT ROWID;

-- What delivery knows about an endpoint beyond the config: kept, so that a pause or a 410 outlives a restart.
CREATE TABLE endpoints (
    endpoint        TEXT PRIMARY KEY,
    disabled_at     INTEGER,          -- by a 410 or by an operator; rows stay pending meanwhile
    disabled_reason TEXT,
    not_before      INTEGER,          -- paused until then (429, Retry-After)
    paused_at       INTEGER,          -- since then
    throttled       INTEGER NOT NULL, -- one request at a time until one succeeds
    last_success_at INTEGER,
    failing_since   INTEGER,
    last_error      TEXT,
    rate_from       INTEGER,          -- start of the window its rate is counted in
    rate_count      INTEGER NOT NULL DEFAULT 0,
    noticed         TEXT,             -- what was last told about it on another endpoint: failing, disabled
    unwritten       INTEGER NOT NULL DEFAULT 0 -- alerts parked because its template failed on them, not told of yet
) STRICT, WITHOUT ROWID;

-- What people said an item is about (1) and is not (0): read by `tune`, by nothing else.
CREATE TABLE labels (
    item  INTEGER NOT NULL REFERENCES items (id) ON DELETE CASCADE,
    topic TEXT NOT NULL,
    about INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    PRIMARY KEY (item, topic)
) STRICT, WITHOUT ROWID;

-- Silences given by hand; those of the config are not here.
CREATE TABLE silences (
    id      INTEGER PRIMARY KEY,
    topics  TEXT NOT NULL,
    sources TEXT NOT NULL,
    story   INTEGER,
    text    TEXT,
    starts  INTEGER NOT NULL,
    ends    INTEGER,
    author  TEXT NOT NULL,
    comment TEXT NOT NULL
) STRICT;

-- What people did by hand, and who: the newest 10,000.
CREATE TABLE actions (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    author TEXT NOT NULL,
    verb   TEXT NOT NULL,
    about  TEXT NOT NULL,              -- the id or name of what it was done to
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX actions_about ON actions (about, id);
CREATE TRIGGER actions_trim AFTER INSERT ON actions WHEN NEW.id % 100 = 0 BEGIN
    DELETE FROM actions WHERE id <= NEW.id - 10000;
END;

-- Silences of the config that say no end: when they were first read, with what they named then.
CREATE TABLE config_silences (
    id       TEXT PRIMARY KEY,
    matchers TEXT NOT NULL,
    since    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Everything that was not taken, by source and reason.
CREATE TABLE rejections (
    source  TEXT NOT NULL,
    reason  TEXT NOT NULL,
    count   INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    detail  TEXT NOT NULL,
    PRIMARY KEY (source, reason)
) STRICT, WITHOUT ROWID;

-- Keys of items that retention removed: what comes back is known, not new.
CREATE TABLE tombstones (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX tombstones_at ON tombstones (at);

-- Full text of items, by `items.seq`: an index for each month or so of arrivals, `search_1` and so on, made as they come
-- (search_parts.rs). They hold no text themselves; `facets` has a word for the source and for each topic that was hit, so
-- that a filter is one more list to intersect instead of a look at every hit. Filled behind the commits: `search_seq` in
-- meta says how far, `search_stale` which items were edited since. `is_going`: nobody asks it any more, its pages go.
CREATE TABLE search_parts (
    number    INTEGER PRIMARY KEY,
    first_seq INTEGER NOT NULL,
    begun_at  INTEGER NOT NULL,
    is_going  INTEGER NOT NULL
) STRICT;
CREATE TABLE search_stale (seq INTEGER PRIMARY KEY) STRICT;

-- What happened, in the order of the commits: what streams and "what is new" read on from. Written by triggers, so that
-- it is in the transaction of what it tells of, whoever writes that. The newest 200,000 are kept.
CREATE TABLE changes (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice, though the newest may be removed
    kind  TEXT NOT NULL,
    ref   INTEGER,                            -- the number of what it is about,
    name  TEXT,                               -- or its name
    story INTEGER
) STRICT;
-- How far the list had come at each pass of retention: what was there at one that is old enough goes.
CREATE TABLE change_marks (at INTEGER PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
CREATE TRIGGER changes_trim AFTER INSERT ON changes WHEN NEW.seq % 1000 = 0 BEGIN
    DELETE FROM changes WHERE seq <= NEW.seq - 200000;
END;
CREATE TRIGGER changes_item AFTER INSERT ON items BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('item', NEW.id, NEW.story);
END;
CREATE TRIGGER changes_revision AFTER INSERT ON revisions BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('revision', NEW.item, (SELECT story FROM items WHERE id = NEW.item));
END;
CREATE TRIGGER changes_sighting AFTER INSERT ON sightings WHEN NEW.level <> 'item' BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('sighting', NEW.item, (SELECT story FROM items WHERE id = NEW.item));
END;
-- Nobody outside is told of these: a snapshot of the memory catches up by them.
CREATE TRIGGER changes_told AFTER INSERT ON story_told BEGIN
    INSERT INTO changes (kind, name, story) VALUES ('told', NEW.endpoint, NEW.story);
END;
CREATE TRIGGER changes_told_more AFTER UPDATE ON story_told BEGIN
    INSERT INTO changes (kind, name, story) VALUES ('told', NEW.endpoint, NEW.story);
END;
CREATE TRIGGER changes_told_no_more AFTER DELETE ON story_told BEGIN
    INSERT INTO changes (kind, name, story) VALUES ('told', OLD.endpoint, OLD.story);
END;
CREATE TRIGGER changes_copy AFTER UPDATE OF text_hash, level ON sightings BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('copy', NEW.id, (SELECT story FROM items WHERE id = NEW.item));
END;
CREATE TRIGGER changes_alert AFTER INSERT ON alerts BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('alert', NEW.sequence, NEW.story);
END;
CREATE TRIGGER changes_delivery AFTER INSERT ON deliveries BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('delivery', NEW.id, NEW.story);
END;
CREATE TRIGGER changes_delivery_state AFTER UPDATE OF state ON deliveries WHEN NEW.state <> OLD.state BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('delivery', NEW.id, NEW.story);
END;
CREATE TRIGGER changes_feed AFTER UPDATE OF failure, gone ON feeds
    WHEN NEW.failure IS NOT OLD.failure OR NEW.gone <> OLD.gone BEGIN
    INSERT INTO changes (kind, name) VALUES ('feed', NEW.source);
END;
CREATE TRIGGER changes_endpoint AFTER UPDATE OF disabled_at, failing_since ON endpoints
    WHEN NEW.disabled_at IS NOT OLD.disabled_at OR NEW.failing_since IS NOT OLD.failing_since BEGIN
    INSERT INTO changes (kind, name) VALUES ('endpoint', NEW.endpoint);
END;
CREATE TRIGGER changes_silence AFTER INSERT ON silences BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('silence', NEW.id, NEW.story);
END;
CREATE TRIGGER changes_silence_end AFTER UPDATE OF ends, story ON silences BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('silence', NEW.id, NEW.story);
END;
CREATE TRIGGER changes_correction AFTER UPDATE OF done_at ON corrections WHEN NEW.done_at IS NOT NULL BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('correction', NEW.id, NEW.story);
END;

-- What `status` tells of whole tables: kept by triggers, since counting a million rows takes longer than a page may.
CREATE TABLE totals (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    items      INTEGER NOT NULL,
    sightings  INTEGER NOT NULL,              -- those that became an item left out
    stories    INTEGER NOT NULL,              -- merged ones left out
    alerts     INTEGER NOT NULL,
    seed_files INTEGER NOT NULL,
    seed_files_refused INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0, 0);
CREATE TRIGGER totals_item AFTER INSERT ON items BEGIN
    UPDATE totals SET items = items + 1;
END;
CREATE TRIGGER totals_item_gone AFTER DELETE ON items BEGIN
    UPDATE totals SET items = items - 1;
END;
CREATE TRIGGER totals_sighting AFTER INSERT ON sightings WHEN NEW.level <> 'item' BEGIN
    UPDATE totals SET sightings = sightings + 1;
END;
CREATE TRIGGER totals_sighting_level AFTER UPDATE OF level ON sightings BEGIN
    UPDATE totals SET sightings = sightings + (NEW.level <> 'item') - (OLD.level <> 'item');
END;
CREATE TRIGGER totals_sighting_gone AFTER DELETE ON sightings WHEN OLD.level <> 'item' BEGIN
    UPDATE totals SET sightings = sightings - 1;
END;
CREATE TRIGGER totals_story AFTER INSERT ON stories WHEN NEW.merged_into IS NULL BEGIN
    UPDATE totals SET stories = stories + 1;
END;
CREATE TRIGGER totals_story_merged AFTER UPDATE OF merged_into ON stories BEGIN
    UPDATE totals SET stories = stories + (NEW.merged_into IS NULL) - (OLD.merged_into IS NULL);
END;
CREATE TRIGGER totals_story_gone AFTER DELETE ON stories WHEN OLD.merged_into IS NULL BEGIN
    UPDATE totals SET stories = stories - 1;
END;
CREATE TRIGGER totals_alert AFTER INSERT ON alerts BEGIN
    UPDATE totals SET alerts = alerts + 1;
END;
CREATE TRIGGER totals_alert_gone AFTER DELETE ON alerts BEGIN
    UPDATE totals SET alerts = alerts - 1;
END;
CREATE TRIGGER totals_seed_file AFTER INSERT ON seed_files BEGIN
    UPDATE totals SET seed_files = seed_files + (NEW.reason IS NULL),
        seed_files_refused = seed_files_refused + (NEW.reason IS NOT NULL);
END;
CREATE TRIGGER totals_seed_file_again AFTER UPDATE OF reason ON seed_files BEGIN
    UPDATE totals SET seed_files = seed_files + (NEW.reason IS NULL) - (OLD.reason IS NULL),
        seed_files_refused = seed_files_refused + (NEW.reason IS NOT NULL) - (OLD.reason IS NOT NULL);
END;
CREATE TRIGGER totals_seed_file_gone AFTER DELETE ON seed_files BEGIN
    UPDATE totals SET seed_files = seed_files - (OLD.reason IS NULL),
        seed_files_refused = seed_files_refused - (OLD.reason IS NOT NULL);
END;
