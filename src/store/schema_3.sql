-- Version 3: texts stand packed, those that came together in one block (texts.rs). What was stored before is packed by
-- whoever migrates, and `texts_2` dropped then.

ALTER TABLE texts RENAME TO texts_2;

CREATE TABLE text_blocks (
    seq      INTEGER PRIMARY KEY,  -- of its first item
    last_seq INTEGER NOT NULL,
    texts    INTEGER NOT NULL,
    newest   INTEGER NOT NULL,     -- when the newest of its items was seen: it is kept as long as that one's text
    packed   BLOB NOT NULL         -- engine/text_block.rs
) STRICT;
CREATE INDEX text_blocks_newest ON text_blocks (newest);

-- In the words of PostgreSQL, where it is a table: so each question is written once. One item at a time, and `body` is NULL
-- where there is no text.
CREATE VIEW texts (seq, body) AS
    SELECT i.seq, (SELECT CASE WHEN b.last_seq >= i.seq THEN text_in(b.seq, b.packed, i.seq) END
                   FROM text_blocks b WHERE b.seq <= i.seq ORDER BY b.seq DESC LIMIT 1)
    FROM items i;
