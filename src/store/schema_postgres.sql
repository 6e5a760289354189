-- The whole store in PostgreSQL: tables, columns and keys are those of schema.sql, and a test compares them. Texts are
-- ordered by their bytes (COLLATE "C"), as SQLite orders them; flags are numbers, as there.

-- What SQLite calls by these names, with the same answers.
CREATE FUNCTION max(BIGINT, BIGINT) RETURNS BIGINT LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS 'SELECT greatest($1, $2)';
CREATE FUNCTION min(BIGINT, BIGINT) RETURNS BIGINT LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS 'SELECT least($1, $2)';
CREATE FUNCTION json_each(TEXT) RETURNS TABLE (value TEXT) LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS 'SELECT json_array_elements_text($1::json)';

-- Ids are derived from content (model::id); `seq` columns give arrival order.
-- Times are milliseconds since 1970, UTC. Scores are hundredths of a point.

CREATE TABLE meta (key TEXT COLLATE "C" PRIMARY KEY, value TEXT COLLATE "C" NOT NULL);

CREATE TABLE feeds (
    source            TEXT COLLATE "C" PRIMARY KEY,
    url               TEXT COLLATE "C" NOT NULL,
    title             TEXT COLLATE "C",
    etag              BYTEA,
    last_modified     BYTEA,
    body_hash         BYTEA,
    next_poll_at      BIGINT NOT NULL,
    last_poll_at      BIGINT,
    last_success_at   BIGINT,
    last_new_item_at  BIGINT,
    failures_weighted BIGINT NOT NULL,
    failure           TEXT COLLATE "C",
    error             TEXT COLLATE "C",
    failing_since     BIGINT,
    ttl               BIGINT,
    skip_hours        BIGINT NOT NULL,
    skip_days         BIGINT NOT NULL,
    full_fetch_at     BIGINT,
    moved_url         TEXT COLLATE "C",
    moved_polls       BIGINT,
    moved_since       BIGINT,
    moved_adopted     BIGINT,
    baselined         BIGINT NOT NULL,
    gone              BIGINT NOT NULL,
    polls             BIGINT NOT NULL,
    items_last        BIGINT NOT NULL,
    interval          BIGINT,
    seen_percent      BIGINT,
    used_day          BIGINT NOT NULL,
    used_bytes        BIGINT NOT NULL,
    used_alerts       BIGINT NOT NULL,
    bytes_over        BIGINT NOT NULL,
    alerts_over       BIGINT NOT NULL
);

-- Health asks for these every other second.
CREATE INDEX feeds_troubled ON feeds (source, gone) WHERE failure IS NOT NULL OR gone <> 0;
CREATE INDEX feeds_over_quota ON feeds (source) WHERE bytes_over <> 0 OR alerts_over <> 0;

-- How often each feed failed in which way, ever.
CREATE TABLE feed_failures (
    source  TEXT COLLATE "C" NOT NULL,
    class   TEXT COLLATE "C" NOT NULL,
    count   BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (source, class)
);

-- What decides whether a source is worth an alert, and what was said of it.
CREATE TABLE source_health (
    source      TEXT COLLATE "C" PRIMARY KEY,
    told        TEXT COLLATE "C" NOT NULL,
    told_at     BIGINT,
    arrivals    BIGINT NOT NULL,
    last_new_at BIGINT,
    period      BIGINT,
    rate_milli  BIGINT NOT NULL
);

CREATE TABLE seed_files (
    hash     BYTEA PRIMARY KEY,
    name     TEXT COLLATE "C" NOT NULL,
    size     BIGINT NOT NULL,
    modified BIGINT NOT NULL,
    seen_at  BIGINT NOT NULL,
    items    BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    reason   TEXT COLLATE "C",
    detail   TEXT COLLATE "C"
);

-- What was answered to a push that had a key, so that a repeat is answered the same. Kept for a day.
CREATE TABLE pushes (
    source    TEXT COLLATE "C" NOT NULL,
    key       TEXT COLLATE "C" NOT NULL,
    body_hash BYTEA NOT NULL,
    at        BIGINT NOT NULL,
    answer    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (source, key)
);
CREATE INDEX pushes_at ON pushes (at);

-- Subscriptions at hubs that push what feeds have new, by the last part of their callback.
CREATE TABLE subscriptions (
    callback      TEXT COLLATE "C" PRIMARY KEY,
    callback_url  TEXT COLLATE "C" NOT NULL,
    source        TEXT COLLATE "C" NOT NULL,
    topic         TEXT COLLATE "C" NOT NULL,
    hub           TEXT COLLATE "C" NOT NULL,
    hubs          TEXT COLLATE "C" NOT NULL,     -- all that the feed names, one a line
    secret        TEXT COLLATE "C",
    state         TEXT COLLATE "C" NOT NULL,
    awaits        BIGINT NOT NULL,
    asked_at      BIGINT,
    verified_at   BIGINT,
    active_since  BIGINT,
    lease_until   BIGINT,
    next_at       BIGINT NOT NULL,
    refusals      BIGINT NOT NULL,
    error         TEXT COLLATE "C",
    last_push_at  BIGINT,
    is_weak       BIGINT NOT NULL,
    tally_from    BIGINT NOT NULL,
    pushed        BIGINT NOT NULL,
    near          BIGINT NOT NULL,
    missed        BIGINT NOT NULL,
    dropped       BIGINT NOT NULL,
    unreliable_since BIGINT
);
CREATE INDEX subscriptions_source ON subscriptions (source);

CREATE TABLE items (
    seq          BIGINT PRIMARY KEY,
    id           BIGINT NOT NULL UNIQUE,
    source       TEXT COLLATE "C" NOT NULL,
    key          TEXT COLLATE "C" NOT NULL,
    revision     BIGINT NOT NULL,
    title        TEXT COLLATE "C" NOT NULL,
    title_original TEXT COLLATE "C",             -- as it came, where the source took something off it
    headline     TEXT COLLATE "C" NOT NULL,      -- the title, or the beginning of the text where there is none
    publisher    TEXT COLLATE "C",
    url          TEXT COLLATE "C",
    url_original TEXT COLLATE "C",
    author       TEXT COLLATE "C",
    published    BIGINT,
    published_certainty TEXT COLLATE "C",
    updated      BIGINT,
    first_seen   BIGINT NOT NULL,
    lang         TEXT COLLATE "C",
    summary      TEXT COLLATE "C" NOT NULL,
    text_source  TEXT COLLATE "C" NOT NULL,
    text_hash    BYTEA NOT NULL,
    text_hash_first BYTEA,            -- of the first version, where it was edited since
    version_hash BYTEA,               -- of the feed's own text, where the text is that of the page
    text_bytes   BIGINT NOT NULL,   -- title and text of the first version
    tags         TEXT COLLATE "C",
    quiet        BIGINT NOT NULL,
    story        BIGINT NOT NULL,
    outlet       TEXT COLLATE "C",               -- who carries it, as the story counts outlets; NULL: nothing says who
    nearest      BIGINT,            -- the item it was nearest to when it came
    nearest_milli BIGINT,           -- log-odds in thousandths of belonging to that one's story; NULL: same text
    features     BYTEA NOT NULL
);
CREATE INDEX items_story ON items (story);
CREATE INDEX items_first_seen ON items (first_seen);
CREATE INDEX items_source ON items (source, seq);

CREATE TABLE texts (
    seq  BIGINT PRIMARY KEY REFERENCES items (seq) ON DELETE CASCADE,
    body TEXT COLLATE "C" NOT NULL
);

-- Further appearances of a known item. `id` is that of the appearance itself, so a second poll of the
-- same document is recognised. `seq` counts on with that of items: one order of arrival for both.
-- level: exact, near, or item: it became an item of its own later, and counts as that.
CREATE TABLE sightings (
    seq     BIGINT PRIMARY KEY,
    id      BIGINT NOT NULL UNIQUE,
    item    BIGINT NOT NULL,
    source  TEXT COLLATE "C" NOT NULL,
    outlet  TEXT COLLATE "C",
    key     TEXT COLLATE "C" NOT NULL,
    url     TEXT COLLATE "C",
    title   TEXT COLLATE "C" NOT NULL,
    level   TEXT COLLATE "C" NOT NULL,
    overlap BIGINT NOT NULL,
    text_hash BYTEA NOT NULL,         -- of its version: another one means that it was edited
    seen_at BIGINT NOT NULL
);
CREATE INDEX sightings_item ON sightings (item);

CREATE TABLE revisions (
    item     BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    title    TEXT COLLATE "C" NOT NULL,
    body     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (item, revision)
);

CREATE INDEX revisions_at ON revisions (at);

CREATE TABLE matches (
    item      BIGINT NOT NULL,
    topic     TEXT COLLATE "C" NOT NULL,
    score     BIGINT NOT NULL,
    threshold BIGINT NOT NULL,
    severity  TEXT COLLATE "C" NOT NULL,
    evidence  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (item, topic)
);
CREATE INDEX matches_topic ON matches (topic, item);

CREATE TABLE stories (
    id         BIGINT PRIMARY KEY,
    title      TEXT COLLATE "C" NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL,
    items      BIGINT NOT NULL,
    sightings_exact BIGINT NOT NULL,
    sightings_near  BIGINT NOT NULL,
    merged_into BIGINT,
    languages  TEXT COLLATE "C" NOT NULL DEFAULT '',  -- of its items, in order of appearance, with commas between
    on_topic_at BIGINT NOT NULL DEFAULT 0 -- when the latest item that hit a topic was seen, or the first of all
);
CREATE INDEX stories_last_seen ON stories (last_seen);
CREATE INDEX stories_merged ON stories (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE story_sources (
    story  BIGINT NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (story, source)
);

-- The best hit of a story on each topic it ever hit, copies and earlier versions of its items included:
-- these leave no rows in `matches`, and the memory must know them after a restart.
CREATE TABLE story_topics (
    story     BIGINT NOT NULL,
    topic     TEXT COLLATE "C" NOT NULL,
    score     BIGINT NOT NULL,
    threshold BIGINT NOT NULL,
    severity  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (story, topic)
);

-- Outlets whose own items or copies hit a topic: growth counts these.
CREATE TABLE topic_outlets (
    story  BIGINT NOT NULL,
    topic  TEXT COLLATE "C" NOT NULL,
    outlet TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (story, topic, outlet)
);

-- What each endpoint was told of a story; '' is the record of what was raised at all, whoever takes it.
CREATE TABLE story_told (
    story        BIGINT NOT NULL,
    endpoint     TEXT COLLATE "C" NOT NULL,
    topics       TEXT COLLATE "C" NOT NULL,      -- a JSON array of names
    severity     TEXT COLLATE "C" NOT NULL,      -- the highest
    outlets      TEXT COLLATE "C" NOT NULL,      -- those that had hit one of the topics by then, a JSON array
    at           BIGINT NOT NULL,
    developed_at BIGINT,            -- when it was told of a development
    facts        BYTEA NOT NULL,      -- keys of what the reports said, eight bytes each
    alert        BIGINT,            -- the one it had last
    PRIMARY KEY (story, endpoint)
);

-- What people said about stories. Whoever holds the store carries out those that wait, in the order of
-- their numbers; a rebuilt memory heeds those that were.
CREATE TABLE corrections (
    id         BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    verb       TEXT COLLATE "C" NOT NULL,          -- split, merge, tell
    story      BIGINT NOT NULL,       -- split: out of it; merge: the one that goes; tell: that of the report
    into_story BIGINT,                -- split: the new one; merge: the one that stays
    items      TEXT COLLATE "C" NOT NULL,          -- split: those that leave; tell: the report; a JSON array of numbers
    author     TEXT COLLATE "C" NOT NULL,
    comment    TEXT COLLATE "C" NOT NULL,
    asked_at   BIGINT NOT NULL,
    done_at    BIGINT,                -- NULL: it waits
    refused    TEXT COLLATE "C",                   -- why it could not be done
    outcome    TEXT COLLATE "C"                    -- tell: who heard of it and who did not, JSON
);
CREATE INDEX corrections_waiting ON corrections (id) WHERE done_at IS NULL;

-- What was said about which story: consulted before anything is said again.
CREATE TABLE alerts (
    sequence BIGINT PRIMARY KEY,
    id       TEXT COLLATE "C" NOT NULL UNIQUE,
    kind     TEXT COLLATE "C" NOT NULL,
    story    BIGINT,                -- NULL, like item: an alert about a source or an endpoint
    item     BIGINT,
    source   TEXT COLLATE "C",                   -- the one it is about; NULL for alerts about items
    reason   TEXT COLLATE "C" NOT NULL,
    severity TEXT COLLATE "C" NOT NULL,
    score    BIGINT NOT NULL,       -- that of its best topic
    outlets  BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    payload  BYTEA NOT NULL,
    silenced_by TEXT COLLATE "C"                 -- the silence it fell under: stored, told nobody
);
CREATE INDEX alerts_story ON alerts (story);
CREATE INDEX alerts_item ON alerts (item);
CREATE INDEX alerts_silenced ON alerts (silenced_by, at) WHERE silenced_by IS NOT NULL;
CREATE INDEX alerts_at ON alerts (at);

-- The topics an alert names; `is_new`: its receivers were not told of them before.
CREATE TABLE alert_topics (
    alert    BIGINT NOT NULL REFERENCES alerts (sequence) ON DELETE CASCADE,
    topic    TEXT COLLATE "C" NOT NULL,
    score    BIGINT NOT NULL,
    severity TEXT COLLATE "C" NOT NULL,
    is_new   BIGINT NOT NULL,
    PRIMARY KEY (alert, topic)
);
CREATE INDEX alert_topics_topic ON alert_topics (topic, alert);

-- The outbox: one row per alert and endpoint, with the exact bytes that go out.
-- state: pending, delivered, parked, cancelled, folded (it went up in another row).
-- hold: what a pending row waits for until due_at: group, quiet, digest, rate. It is let go before it is sent.
CREATE TABLE deliveries (
    id           BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    alert        BIGINT NOT NULL REFERENCES alerts (sequence),
    webhook_id   TEXT COLLATE "C" NOT NULL,
    endpoint     TEXT COLLATE "C" NOT NULL,
    body         BYTEA,               -- NULL: the alert's own payload; while it is not written, a payload of its own
    content_type TEXT COLLATE "C" NOT NULL,      -- '': not written yet, and what comes of its story goes up in it
    state        TEXT COLLATE "C" NOT NULL,
    attempts     BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    settled_at   BIGINT,
    last_status  BIGINT,
    last_error   TEXT COLLATE "C",
    hold         TEXT COLLATE "C",
    folded_into  BIGINT,
    story        BIGINT             -- alerts of one story go out one after the other
);
CREATE INDEX deliveries_story ON deliveries (story, endpoint, id) WHERE story IS NOT NULL;
CREATE INDEX deliveries_held ON deliveries (endpoint, due_at, id) WHERE state = 'pending' AND hold IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (endpoint, due_at, id) WHERE state = 'pending';
CREATE INDEX deliveries_alert ON deliveries (alert);
CREATE INDEX deliveries_settled ON deliveries (settled_at, state) WHERE settled_at IS NOT NULL;
CREATE INDEX deliveries_state ON deliveries (state, id) WHERE state <> 'delivered';

CREATE TABLE attempts (
    delivery   BIGINT NOT NULL,
    attempt    BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    outcome    TEXT COLLATE "C" NOT NULL,
    status     BIGINT,
    latency_ms BIGINT NOT NULL,
    excerpt    TEXT COLLATE "C",
    PRIMARY KEY (delivery, attempt)
);

-- What delivery knows about an endpoint beyond the config: kept, so that a pause or a 410 outlives a restart.
CREATE TABLE endpoints (
    endpoint        TEXT COLLATE "C" PRIMARY KEY,
    disabled_at     BIGINT,          -- by a 410 or by an operator; rows stay pending meanwhile
    disabled_reason TEXT COLLATE "C",
    not_before      BIGINT,          -- paused until then (429, Retry-After)
    paused_at       BIGINT,          -- since then
    throttled       BIGINT NOT NULL, -- one request at a time until one succeeds
    last_success_at BIGINT,
    failing_since   BIGINT,
    last_error      TEXT COLLATE "C",
    rate_from       BIGINT,          -- start of the window its rate is counted in
    rate_count      BIGINT NOT NULL DEFAULT 0,
    noticed         TEXT COLLATE "C",             -- what was last told about it on another endpoint: failing, disabled
    unwritten       BIGINT NOT NULL DEFAULT 0 -- alerts parked because its template failed on them, not told of yet
);

-- What people said an item is about (1) and is not (0): read by `tune`, by nothing else.
CREATE TABLE labels (
    item  BIGINT NOT NULL REFERENCES items (id) ON DELETE CASCADE,
    topic TEXT COLLATE "C" NOT NULL,
    about BIGINT NOT NULL,
    at    BIGINT NOT NULL,
    PRIMARY KEY (item, topic)
);

-- Silences given by hand; those of the config are not here.
CREATE TABLE silences (
    id      BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    topics  TEXT COLLATE "C" NOT NULL,
    sources TEXT COLLATE "C" NOT NULL,
    story   BIGINT,
    text    TEXT COLLATE "C",
    starts  BIGINT NOT NULL,
    ends    BIGINT,
    author  TEXT COLLATE "C" NOT NULL,
    comment TEXT COLLATE "C" NOT NULL
);

-- What people did by hand, and who: the newest 10,000.
CREATE TABLE actions (
    id     BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at     BIGINT NOT NULL,
    author TEXT COLLATE "C" NOT NULL,
    verb   TEXT COLLATE "C" NOT NULL,
    about  TEXT COLLATE "C" NOT NULL,              -- the id or name of what it was done to
    detail TEXT COLLATE "C" NOT NULL
);
CREATE INDEX actions_about ON actions (about, id);

-- Silences of the config that say no end: when they were first read, with what they named then.
CREATE TABLE config_silences (
    id       TEXT COLLATE "C" PRIMARY KEY,
    matchers TEXT COLLATE "C" NOT NULL,
    since    BIGINT NOT NULL
);

-- Everything that was not taken, by source and reason.
CREATE TABLE rejections (
    source  TEXT COLLATE "C" NOT NULL,
    reason  TEXT COLLATE "C" NOT NULL,
    count   BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    detail  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (source, reason)
);

-- Keys of items that retention removed: what comes back is known, not new.
CREATE TABLE tombstones (
    id BIGINT PRIMARY KEY,
    at BIGINT NOT NULL
);
CREATE INDEX tombstones_at ON tombstones (at);

-- Full text of items, by `items.seq`; holds no text itself. Words of the title weigh A, those of the body D, and a word for the
-- source and for each topic that was hit B. Filled behind the commits: `search_seq` in meta says how far, `search_stale` which
-- items were edited since.
CREATE TABLE search (
    seq   BIGINT PRIMARY KEY,
    words TSVECTOR NOT NULL
);
CREATE INDEX search_words ON search USING gin (words);
CREATE TABLE search_stale (seq BIGINT PRIMARY KEY);

-- Which process decides, where several could: one row. Times are the server's, in milliseconds.
CREATE TABLE lease (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    epoch    BIGINT NOT NULL UNIQUE,          -- counts up each time it is given; part of a key, so that this alone waits for fences
    node     TEXT COLLATE "C" NOT NULL,       -- the name of the process; '': one that is alone on its store
    mark     TEXT COLLATE "C" NOT NULL,       -- by which its sessions are known
    rules    TEXT COLLATE "C" NOT NULL,       -- what of its config decides, as a hash
    taken_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL
);
-- What reached a process that does not decide, pushed, fetched or from its seed directory: answered in the transaction that
-- stores its items.
CREATE TABLE inbox (
    id         BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    source     TEXT COLLATE "C" NOT NULL,
    form       TEXT COLLATE "C" NOT NULL,     -- how its body is read; `batch-…`: items with the cursor of their source
    first_line BIGINT NOT NULL,               -- where it is a part of a body of lines
    key        TEXT COLLATE "C" NOT NULL,     -- what a repeat is known by; '': nothing
    body_hash  BYTEA NOT NULL,
    body       BYTEA,                         -- until it is answered
    answer     TEXT COLLATE "C",
    refusal    TEXT COLLATE "C",
    at         BIGINT NOT NULL,
    host       TEXT COLLATE "C" NOT NULL DEFAULT '',  -- who was asked for it, by which right; '': nobody
    epoch      BIGINT NOT NULL DEFAULT 0
);
-- Who may ask which host for feeds, for as long as that process is there; the number counts up each time it is given. Nobody: ''.
CREATE TABLE poll_leases (
    host  TEXT COLLATE "C" PRIMARY KEY,
    node  TEXT COLLATE "C" NOT NULL,
    mark  TEXT COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL
);
CREATE INDEX poll_leases_held ON poll_leases (node, mark);
-- Which process sends what now. One whose time is over, or whose process has no session any more, is nobody's.
CREATE TABLE claims (
    delivery BIGINT PRIMARY KEY,
    number   BIGINT GENERATED BY DEFAULT AS IDENTITY,  -- none is given twice: what is recorded of an attempt is by it
    endpoint TEXT COLLATE "C" NOT NULL,
    holder   TEXT COLLATE "C" NOT NULL,                -- by which the sessions of the process are known
    until_at BIGINT NOT NULL                           -- on the server's clock
);
CREATE INDEX claims_endpoint ON claims (endpoint);
-- Every process that has a name and is there.
CREATE TABLE nodes (
    name        TEXT COLLATE "C" PRIMARY KEY,
    version     TEXT COLLATE "C" NOT NULL,
    rules       TEXT COLLATE "C" NOT NULL,
    roles       TEXT COLLATE "C" NOT NULL,    -- what it may do: decide,fetch,deliver,serve
    address     TEXT COLLATE "C" NOT NULL,    -- where it serves; '': nowhere
    seeds       TEXT COLLATE "C" NOT NULL,    -- which seed directory it sees; '': none
    mark        TEXT COLLATE "C" NOT NULL,    -- by which its sessions are known
    regions     TEXT COLLATE "C" NOT NULL,    -- where it polls from: eu,us
    reaches     BIGINT NOT NULL DEFAULT 1,    -- whether its polls reach anybody
    change_seen BIGINT NOT NULL,              -- the last line of what happened that its memory has
    current_at  BIGINT NOT NULL,              -- when its memory last had everything
    clock_apart BIGINT NOT NULL,              -- milliseconds that its clock is ahead of the server's
    started_at  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL
);

-- What happened, in the order of the commits: what streams and "what is new" read on from. Written by triggers, so that
-- it is in the transaction of what it tells of, whoever writes that. The newest 200,000 are kept.
CREATE TABLE changes (
    seq   BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,  -- never given twice, though the newest may be removed
    kind  TEXT COLLATE "C" NOT NULL,
    ref   BIGINT,                            -- the number of what it is about,
    name  TEXT COLLATE "C",                               -- or its name
    story BIGINT
);
-- How far the list had come at each pass of retention: what was there at one that is old enough goes.
CREATE TABLE change_marks (at BIGINT PRIMARY KEY, seq BIGINT NOT NULL);


CREATE FUNCTION actions_trim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM actions WHERE id <= NEW.id - 10000;
    RETURN NULL;
END $$;
CREATE TRIGGER actions_trim AFTER INSERT ON actions FOR EACH ROW WHEN (NEW.id % 100 = 0) EXECUTE FUNCTION actions_trim();

CREATE FUNCTION changes_trim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM changes WHERE seq <= NEW.seq - 200000;
    RETURN NULL;
END $$;
CREATE TRIGGER changes_trim AFTER INSERT ON changes FOR EACH ROW WHEN (NEW.seq % 1000 = 0) EXECUTE FUNCTION changes_trim();

CREATE FUNCTION changes_item() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('item', NEW.id, NEW.story);
    RETURN NULL;
END $$;
CREATE TRIGGER changes_item AFTER INSERT ON items FOR EACH ROW EXECUTE FUNCTION changes_item();

CREATE FUNCTION changes_revision() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('revision', NEW.item, (SELECT story FROM items WHERE id = NEW.item));
    RETURN NULL;
END $$;
CREATE TRIGGER changes_revision AFTER INSERT ON revisions FOR EACH ROW EXECUTE FUNCTION changes_revision();

CREATE FUNCTION changes_sighting() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('sighting', NEW.item, (SELECT story FROM items WHERE id = NEW.item));
    RETURN NULL;
END $$;
CREATE TRIGGER changes_sighting AFTER INSERT ON sightings FOR EACH ROW WHEN (NEW.level <> 'item') EXECUTE FUNCTION changes_sighting();

-- Nobody outside is told of these: a snapshot of the memory catches up by them.
CREATE FUNCTION changes_told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, name, story) VALUES ('told', NEW.endpoint, NEW.story);
    RETURN NULL;
END $$;
CREATE TRIGGER changes_told AFTER INSERT ON story_told FOR EACH ROW EXECUTE FUNCTION changes_told();

CREATE FUNCTION changes_told_more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, name, story) VALUES ('told', NEW.endpoint, NEW.story);
    RETURN NULL;
END $$;
CREATE TRIGGER changes_told_more AFTER UPDATE ON story_told FOR EACH ROW EXECUTE FUNCTION changes_told_more();

CREATE FUNCTION changes_told_no_more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, name, story) VALUES ('told', OLD.endpoint, OLD.story);
    RETURN NULL;
END $$;
CREATE TRIGGER changes_told_no_more AFTER DELETE ON story_told FOR EACH ROW EXECUTE FUNCTION changes_told_no_more();

CREATE FUNCTION changes_copy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('copy', NEW.id, (SELECT story FROM items WHERE id = NEW.item));
    RETURN NULL;
END $$;
CREATE TRIGGER changes_copy AFTER UPDATE OF text_hash, level ON sightings FOR EACH ROW EXECUTE FUNCTION changes_copy();

CREATE FUNCTION changes_alert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('alert', NEW.sequence, NEW.story);
    RETURN NULL;
END $$;
CREATE TRIGGER changes_alert AFTER INSERT ON alerts FOR EACH ROW EXECUTE FUNCTION changes_alert();

CREATE FUNCTION changes_delivery() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('delivery', NEW.id, NEW.story);
    RETURN NULL;
END $$;
CREATE TRIGGER changes_delivery AFTER INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION changes_delivery();

CREATE FUNCTION changes_delivery_state() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('delivery', NEW.id, NEW.story);
    RETURN NULL;
END $$;
CREATE TRIGGER changes_delivery_state AFTER UPDATE OF state ON deliveries FOR EACH ROW WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION changes_delivery_state();

CREATE FUNCTION changes_feed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, name) VALUES ('feed', NEW.source);
    RETURN NULL;
END $$;
CREATE TRIGGER changes_feed AFTER UPDATE OF failure, gone ON feeds FOR EACH ROW WHEN (NEW.failure IS DISTINCT FROM OLD.failure OR NEW.gone <> OLD.gone) EXECUTE FUNCTION changes_feed();

CREATE FUNCTION changes_endpoint() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, name) VALUES ('endpoint', NEW.endpoint);
    RETURN NULL;
END $$;
CREATE TRIGGER changes_endpoint AFTER UPDATE OF disabled_at, failing_since ON endpoints FOR EACH ROW WHEN (NEW.disabled_at IS DISTINCT FROM OLD.disabled_at OR NEW.failing_since IS DISTINCT FROM OLD.failing_since) EXECUTE FUNCTION changes_endpoint();

CREATE FUNCTION changes_silence() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('silence', NEW.id, NEW.story);
    RETURN NULL;
END $$;
CREATE TRIGGER changes_silence AFTER INSERT ON silences FOR EACH ROW EXECUTE FUNCTION changes_silence();

CREATE FUNCTION changes_silence_end() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('silence', NEW.id, NEW.story);
    RETURN NULL;
END $$;
CREATE TRIGGER changes_silence_end AFTER UPDATE OF ends, story ON silences FOR EACH ROW EXECUTE FUNCTION changes_silence_end();

CREATE FUNCTION changes_correction() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes (kind, ref, story) VALUES ('correction', NEW.id, NEW.story);
    RETURN NULL;
END $$;
CREATE TRIGGER changes_correction AFTER UPDATE OF done_at ON corrections FOR EACH ROW WHEN (NEW.done_at IS NOT NULL) EXECUTE FUNCTION changes_correction();

-- What `status` tells of whole tables: kept by triggers, since counting a million rows takes longer than a page may.
CREATE TABLE totals (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    items      BIGINT NOT NULL,
    sightings  BIGINT NOT NULL,              -- those that became an item left out
    stories    BIGINT NOT NULL,              -- merged ones left out
    alerts     BIGINT NOT NULL,
    seed_files BIGINT NOT NULL,
    seed_files_refused BIGINT NOT NULL
);
INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0, 0);
CREATE FUNCTION totals_item() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE totals SET items = items + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER totals_item AFTER INSERT ON items FOR EACH ROW EXECUTE FUNCTION totals_item();

CREATE FUNCTION totals_item_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE totals SET items = items - 1;
    RETURN NULL;
END $$;
CREATE TRIGGER totals_item_gone AFTER DELETE ON items FOR EACH ROW EXECUTE FUNCTION totals_item_gone();

CREATE FUNCTION totals_sighting() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE totals SET sightings = sightings + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER totals_sighting AFTER INSERT ON sightings FOR EACH ROW WHEN (NEW.level <> 'item') EXECUTE FUNCTION totals_sighting();

CREATE FUNCTION totals_sighting_level() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE totals SET sightings = sightings + (NEW.level <> 'item')::int - (OLD.level <> 'item')::int;
    RETURN NULL;
END $$;
CREATE TRIGGER totals_sighting_level AFTER UPDATE OF level ON sightings FOR EACH ROW EXECUTE FUNCTION totals_sighting_level();

CREATE FUNCTION totals_sighting_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE totals SET sightings = sightings - 1;
    RETURN NULL;
END $$;
CREATE TRIGGER totals_sighting_gone AFTER DELETE ON sightings FOR EACH ROW WHEN (OLD.level <> 'item') EXECUTE FUNCTION totals_sighting_gone();

CREATE FUNCTION totals_story() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE totals SET stories = stories + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER totals_story AFTER INSERT ON stories FOR EACH ROW WHEN (NEW.merged_into IS NULL) EXECUTE FUNCTION totals_story();

CREATE FUNCTION totals_story_merged() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE totals SET stories = stories + (NEW.merged_into IS NULL)::int - (OLD.merged_into IS NULL)::int;
    RETURN NULL;
END $$;
CREATE TRIGGER totals_story_merged AFTER UPDATE OF merged_into ON stories FOR EACH ROW EXECUTE FUNCTION totals_story_merged();

CREATE FUNCTION totals_story_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE totals SET stories = stories - 1;
    RETURN NULL;
END $$;
CREATE TRIGGER totals_story_gone AFTER DELETE ON stories FOR EACH ROW WHEN (OLD.merged_into IS NULL) EXECUTE FUNCTION totals_story_gone();

CREATE FUNCTION totals_alert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE totals SET alerts = alerts + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER totals_alert AFTER INSERT ON alerts FOR EACH ROW EXECUTE FUNCTION totals_alert();

CREATE FUNCTION totals_alert_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE totals SET alerts = alerts - 1;
    RETURN NULL;
END $$;
CREATE TRIGGER totals_alert_gone AFTER DELETE ON alerts FOR EACH ROW EXECUTE FUNCTION totals_alert_gone();

CREATE FUNCTION totals_seed_file() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE totals SET seed_files = seed_files + (NEW.reason IS NULL)::int,
        seed_files_refused = seed_files_refused + (NEW.reason IS NOT NULL)::int;
    RETURN NULL;
END $$;
CREATE TRIGGER totals_seed_file AFTER INSERT ON seed_files FOR EACH ROW EXECUTE FUNCTION totals_seed_file();

CREATE FUNCTION totals_seed_file_again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE totals SET seed_files = seed_files + (NEW.reason IS NULL)::int - (OLD.reason IS NULL)::int,
        seed_files_refused = seed_files_refused + (NEW.reason IS NOT NULL)::int - (OLD.reason IS NOT NULL)::int;
    RETURN NULL;
END $$;
CREATE TRIGGER totals_seed_file_again AFTER UPDATE OF reason ON seed_files FOR EACH ROW EXECUTE FUNCTION totals_seed_file_again();

CREATE FUNCTION totals_seed_file_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE totals SET seed_files = seed_files - (OLD.reason IS NULL)::int,
        seed_files_refused = seed_files_refused - (OLD.reason IS NOT NULL)::int;
    RETURN NULL;
END $$;
CREATE TRIGGER totals_seed_file_gone AFTER DELETE ON seed_files FOR EACH ROW EXECUTE FUNCTION totals_seed_file_gone();
