-- Version 2, in PostgreSQL: tables, columns, indexes and triggers are those of schema_2.sql. Rows stand in the order they
-- came here anyway.

ALTER TABLE stories ADD COLUMN opener BIGINT;
ALTER TABLE stories ADD COLUMN outlet TEXT COLLATE "C";
DROP INDEX stories_last_seen;
CREATE INDEX stories_last_seen ON stories (last_seen, id);

ALTER TABLE items ADD COLUMN is_opener BIGINT NOT NULL DEFAULT 0;
DROP INDEX items_story;
CREATE INDEX items_story ON items (story) WHERE is_opener = 0;

CREATE FUNCTION items_moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.is_opener := 0;
    RETURN NEW;
END $$;
CREATE TRIGGER items_moved BEFORE UPDATE OF story ON items FOR EACH ROW WHEN (OLD.is_opener <> 0) EXECUTE FUNCTION items_moved();

CREATE VIEW story_outlets (story, source, position, at) AS
    SELECT id, outlet, CAST(0 AS BIGINT), first_seen FROM stories WHERE outlet IS NOT NULL
    UNION ALL SELECT story, source, position, at FROM story_sources;

-- Feeds of which hubs have said something, for whoever polls them. Rows stay, so that the highest number is the last change.
CREATE TABLE hub_feeds (
    source  TEXT COLLATE "C" PRIMARY KEY,
    covered BIGINT NOT NULL,                  -- 1: a hub pushes it, and it may be polled less often
    pushed  BIGINT NOT NULL,                  -- the change in which one brought something last
    hinted  BIGINT NOT NULL,                  -- … and the one in which it said that there is something,
    said_by TEXT COLLATE "C" NOT NULL,        -- to the process with these sessions
    number  BIGINT NOT NULL                   -- of the last change
);
CREATE INDEX hub_feeds_number ON hub_feeds (number);
