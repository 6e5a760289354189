-- Version 2: the common item opens a story of its own, and fewer pages are written for it at places that are random.

-- `id` is INT and not INTEGER: rows stand in the order they came, and only their ids are at random places, in an index.
CREATE TABLE stories_2 (
    id         INT PRIMARY KEY,
    title      TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    items      INTEGER NOT NULL,
    sightings_exact INTEGER NOT NULL,
    sightings_near  INTEGER NOT NULL,
    merged_into INTEGER,
    languages  TEXT NOT NULL DEFAULT '',   -- of its items, in order of appearance, with commas between
    on_topic_at INTEGER NOT NULL DEFAULT 0, -- when the latest item that hit a topic was seen, or the first of all
    opener     INTEGER,                    -- the seq of the item that opened it, wherever that is now
    outlet     TEXT                        -- the first of its outlets; NULL: all are in `story_sources`
) STRICT;
INSERT INTO stories_2 (id, title, first_seen, last_seen, items, sightings_exact, sightings_near, merged_into, languages, on_topic_at)
    SELECT id, title, first_seen, last_seen, items, sightings_exact, sightings_near, merged_into, languages, on_topic_at
    FROM stories ORDER BY first_seen;
DROP INDEX stories_last_seen;
DROP INDEX stories_merged;
DROP TABLE stories;
ALTER TABLE stories_2 RENAME TO stories;
CREATE INDEX stories_last_seen ON stories (last_seen, id);
CREATE INDEX stories_merged ON stories (merged_into) WHERE merged_into IS NOT NULL;
CREATE TRIGGER totals_story AFTER INSERT ON stories WHEN NEW.merged_into IS NULL BEGIN
    UPDATE totals SET stories = stories + 1;
END;
CREATE TRIGGER totals_story_merged AFTER UPDATE OF merged_into ON stories BEGIN
    UPDATE totals SET stories = stories + (NEW.merged_into IS NULL) - (OLD.merged_into IS NULL);
END;
CREATE TRIGGER totals_story_gone AFTER DELETE ON stories WHEN OLD.merged_into IS NULL BEGIN
    UPDATE totals SET stories = stories - 1;
END;

-- Whoever asks for the items of a story asks for its opener as well (membership.rs). Items that were stored before are all
-- in the index, and the outlets of their stories all in `story_sources`.
ALTER TABLE items ADD COLUMN is_opener INTEGER NOT NULL DEFAULT 0;  -- 1: its story names it as `opener`
DROP INDEX items_story;
CREATE INDEX items_story ON items (story) WHERE is_opener = 0;
-- An item that goes to another story is found by the index from then on, whoever moves it.
CREATE TRIGGER items_moved AFTER UPDATE OF story ON items WHEN OLD.is_opener <> 0 BEGIN
    UPDATE items SET is_opener = 0 WHERE seq = NEW.seq;
END;

-- For one story at a time; SQLite would put all of them together for anything else.
CREATE VIEW story_outlets (story, source, position, at) AS
    SELECT id, outlet, 0, first_seen FROM stories WHERE outlet IS NOT NULL
    UNION ALL SELECT story, source, position, at FROM story_sources;
