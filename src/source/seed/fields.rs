//! The names under which people and programs write the fields of an item: in JSON, in front matter, as the columns of a
//! table. `detect` knows a table by them, `parse` reads by them.

/// A field of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemField {
    Id,
    Title,
    Text,
    Summary,
    Url,
    Source,
    Author,
    Published,
    Updated,
    Lang,
    Tags,
}

/// The field a name stands for, in our own format or in that of others.
pub(super) fn field_of(key: &str) -> Option<ItemField> {
    let name: String = key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(32).collect();
    Some(match name.as_str() {
        "id" | "guid" | "uid" | "uuid" | "articleid" | "uri" => ItemField::Id,
        "title" | "headline" | "name" | "webtitle" => ItemField::Title,
        "text" | "body" | "content" | "articlebody" | "fulltext" | "contenttext" | "contenthtml" | "bodytext"
        | "html" | "selftext" | "maintext" | "articletext" => ItemField::Text,
        "summary" | "description" | "abstract" | "excerpt" | "lead" | "standfirst" | "snippet" | "deck"
        | "leadparagraph" | "trailtext" | "subtitle" => ItemField::Summary,
        "url" | "link" | "permalink" | "canonicalurl" | "weburl" | "href" | "articleurl" => ItemField::Url,
        "source" | "publisher" | "outlet" | "site" | "sitename" | "sourcename" | "agency" | "domain" | "provider"
        | "publication" | "publicationname" | "newspaper" => ItemField::Source,
        "author" | "authors" | "byline" | "creator" => ItemField::Author,
        "published" | "date" | "publishedat" | "datepublished" | "pubdate" | "publishdate" | "publicationdate"
        | "publicationtime" | "created" | "createdat" | "timestamp" | "webpublicationdate" | "seendate"
        | "datetime" | "datetimepub" | "dategmt" | "dateutc" | "createdutc" | "publisheddate" | "publishedtime" => {
            ItemField::Published
        }
        "updated" | "modified" | "updatedat" | "datemodified" | "lastmodified" | "modifiedat" | "modifiedgmt" => {
            ItemField::Updated
        }
        "lang" | "language" | "locale" | "inlanguage" => ItemField::Lang,
        "tags" | "keywords" | "categories" | "category" | "topics" | "labels" => ItemField::Tags,
        _ => return None,
    })
}

/// The code of a language that is named in English.
pub(super) fn language(name: &str) -> Option<&'static str> {
    const NAMES: &str = "english en, french fr, german de, spanish es, italian it, portuguese pt, dutch nl, swedish sv, \
        danish da, norwegian no, finnish fi, polish pl, czech cs, slovak sk, hungarian hu, romanian ro, bulgarian bg, \
        greek el, turkish tr, russian ru, ukrainian uk, belarusian be, serbian sr, croatian hr, slovenian sl, \
        lithuanian lt, latvian lv, estonian et, arabic ar, hebrew he, persian fa, hindi hi, urdu ur, bengali bn, \
        chinese zh, japanese ja, korean ko, vietnamese vi, thai th, indonesian id";
    let first = name.split([';', ',', ' ']).next()?.to_lowercase();
    NAMES
        .split(", ")
        .filter_map(|pair| pair.trim().split_once(' '))
        .find(|(name, _)| *name == first)
        .map(|(_, code)| code)
}
