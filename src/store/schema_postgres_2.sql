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
