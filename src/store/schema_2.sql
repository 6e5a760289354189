-- Version 2: the common item opens a story of its own, and two rows less are written for it at places that are random.
-- What was stored before stays as it is: its items are all in the index, its outlets all in `story_sources`.

ALTER TABLE items ADD COLUMN is_opener INTEGER NOT NULL DEFAULT 0;  -- 1: its story names it as `opener`
ALTER TABLE stories ADD COLUMN opener INTEGER;                      -- the seq of the item that opened it, wherever that is now
ALTER TABLE stories ADD COLUMN outlet TEXT;                         -- the first of its outlets; NULL: all are in `story_sources`

-- Whoever asks for the items of a story asks for the opener as well (membership.rs).
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
