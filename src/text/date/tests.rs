//! Tables of what feeds and datelines really carry, and the promise that nothing panics.

use proptest::prelude::*;

use super::*;

fn shown(text: &str) -> String {
    match parse(text) {
        None => "-".to_owned(),
        Some(Dated { at, certainty }) => {
            let mark = match certainty {
                DateCertainty::Exact => "",
                DateCertainty::Day => " day",
                DateCertainty::ZoneAssumed => " zone?",
                DateCertainty::YearInferred => " year?",
                DateCertainty::FileTime => " file",
                DateCertainty::Clamped => " clamped",
            };
            format!("{at}{mark}")
        }
    }
}

fn check(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(shown(text), *expected, "{text:?}");
    }
}

#[test]
fn parse_rfc_forms_and_their_slips() {
    check(&[
        ("Tue, 25 Feb 2025 10:11:12 +0000", "2025-02-25T10:11:12Z"),
        ("Tue, 25 Feb 2025 10:11:12 GMT", "2025-02-25T10:11:12Z"),
        ("Tue, 25 Feb 2025 10:11:12 -0800", "2025-02-25T18:11:12Z"),
        ("Tue, 25 Feb 2025 10:11 EST", "2025-02-25T15:11:00Z"),
        ("Tue, 25 Feb 2025 10:11:12 CEST", "2025-02-25T08:11:12Z"),
        ("Tue, 25 Feb 2025 10:11:12 MSK", "2025-02-25T07:11:12Z"),
        ("Tue, 25 Feb 2025 10:11:12 EET", "2025-02-25T08:11:12Z"),
        ("Tue, 25 Feb 2025 10:11:12 +01:00", "2025-02-25T09:11:12Z"),
        ("Tue, 25 Feb 2025 10:11:12 GMT+2", "2025-02-25T08:11:12Z"),
        ("Tue, 25 Feb 2025 10:11:12 UTC-03:30", "2025-02-25T13:41:12Z"),
        ("Tue, 25 Feb 2025 10:11:12 +0100 (CET)", "2025-02-25T09:11:12Z"),
        ("Tue, 25 Feb 2025 10:11:12 (CET)", "2025-02-25T09:11:12Z"),
        ("Mon, 25 Feb 2025 10:11:12 Z", "2025-02-25T10:11:12Z"),
        ("Tuesday, 25-Feb-25 10:11:12 UTC", "2025-02-25T10:11:12Z"),
        ("25 Feb 25 10:11:12 UT", "2025-02-25T10:11:12Z"),
        ("25 Feb 97 10:11:12 UT", "1997-02-25T10:11:12Z"),
        ("Tue, 25 Feb 2025 10:11:12 XQZ", "2025-02-25T10:11:12Z zone?"),
        ("Tue, 25 Feb 2025 10:11:12", "2025-02-25T10:11:12Z zone?"),
        ("Tue, 25 Feb 2025 24:00:00 +0000", "2025-02-26T00:00:00Z"),
        ("Tue, 31 Dec 2024 23:59:60 +0000", "2024-12-31T23:59:59Z"),
        ("Tue, 25 Feb 2025", "2025-02-25T00:00:00Z day"),
        ("Sun, 20 Apr 2014 8:19 pm CEST", "2014-04-20T18:19:00Z"),
        ("Tue,25 Feb 2025 10:11:12+0000", "2025-02-25T10:11:12Z"),
        ("Tue, 25 February, 2025 10:11:12 GMT", "2025-02-25T10:11:12Z"),
        ("Fri, 14 Mar 2025 10:11:12 ET", "2025-03-14T14:11:12Z"),
        ("Fri, 14 Feb 2025 10:11:12 ET", "2025-02-14T15:11:12Z"),
        ("Sun, 02 Nov 2025 10:00:00 ET", "2025-11-02T15:00:00Z"),
    ]);
}

#[test]
fn parse_iso_forms_and_their_slips() {
    check(&[
        ("2025-02-25T10:11:12Z", "2025-02-25T10:11:12Z"),
        ("2025-02-25t10:11:12z", "2025-02-25T10:11:12Z"),
        ("2025-02-25T10:11:12.345678+02:00", "2025-02-25T08:11:12Z"),
        ("2025-02-25T10:11:12+0200", "2025-02-25T08:11:12Z"),
        ("2025-02-25T10:11:12+02", "2025-02-25T08:11:12Z"),
        ("2025-02-25T10:11Z", "2025-02-25T10:11:00Z"),
        ("2025-02-25T10:11:12", "2025-02-25T10:11:12Z zone?"),
        ("2025-02-25 10:11:12", "2025-02-25T10:11:12Z zone?"),
        ("2025-02-25 10:11:12 -0800", "2025-02-25T18:11:12Z"),
        ("2025-02-25 10:11:12 UTC", "2025-02-25T10:11:12Z"),
        ("2025-02-25T24:00:00Z", "2025-02-26T00:00:00Z"),
        ("2025-02-25T10:11:12+02:00[Europe/Kyiv]", "2025-02-25T08:11:12Z"),
        ("2025/02/25 10:11:12", "2025-02-25T10:11:12Z zone?"),
        ("2020/1/10 14:16:00", "2020-01-10T14:16:00Z zone?"),
        ("2025-02-25", "2025-02-25T00:00:00Z day"),
        ("2025-02-25Z", "2025-02-25T00:00:00Z day"),
        ("2025-2-5", "2025-02-05T00:00:00Z day"),
        ("20250225", "2025-02-25T00:00:00Z day"),
        ("20250225T101112Z", "2025-02-25T10:11:12Z"),
        ("20250225101112", "2025-02-25T10:11:12Z zone?"),
        ("2025-02", "2025-02-01T00:00:00Z day"),
        ("2025", "2025-01-01T00:00:00Z day"),
        ("2025-056", "2025-02-25T00:00:00Z day"),
        ("2025-366", "-"),
        ("start=2002-10-13T09:00+01:00;scheme=W3C-DTF", "2002-10-13T08:00:00Z"),
        ("2004-július-13T9:15-05:00", "2004-07-13T14:15:00Z"),
    ]);
}

#[test]
fn parse_numbers_are_unix_time_at_any_scale() {
    check(&[
        ("1740478272", "2025-02-25T10:11:12Z"),
        ("1740478272.75", "2025-02-25T10:11:12Z"),
        ("1740478272987", "2025-02-25T10:11:12Z"),
        ("1740478272000000", "2025-02-25T10:11:12Z"),
        ("1740478272000000000", "2025-02-25T10:11:12Z"),
        ("99999999999999999999999999", "-"),
        ("17", "-"),
        ("0", "-"),
    ]);
}

#[test]
fn parse_us_dotted_and_ctime_forms() {
    check(&[
        ("02/25/2025", "2025-02-25T00:00:00Z day"),
        ("2/25/2025 3:04:05 PM", "2025-02-25T15:04:05Z zone?"),
        ("25/02/2025 15:04", "2025-02-25T15:04:00Z zone?"),
        ("02/03/2025", "2025-02-03T00:00:00Z day"),
        ("25.02.2025 15:04", "2025-02-25T15:04:00Z zone?"),
        ("25.02.25", "2025-02-25T00:00:00Z day"),
        ("3.2.2025", "2025-02-03T00:00:00Z day"),
        ("25-02-2025", "2025-02-25T00:00:00Z day"),
        ("Tue Feb 25 10:11:12 2025", "2025-02-25T10:11:12Z zone?"),
        ("Tue Feb 25 10:11:12 CET 2025", "2025-02-25T09:11:12Z"),
        ("Tue Feb 25 10:11:12 +0100 2025", "2025-02-25T09:11:12Z"),
        ("Tue Feb 25 10:11:12 XYZ 2025", "2025-02-25T10:11:12Z zone?"),
        ("Tue Feb 25 2025 10:11:12 GMT+0100 (Central European Standard Time)", "2025-02-25T09:11:12Z"),
        ("February 25, 2025", "2025-02-25T00:00:00Z day"),
        ("Feb. 25th, 2025 at 10:11 a.m. EST", "2025-02-25T15:11:00Z"),
        ("Feb 25, 2025 12:05 AM", "2025-02-25T00:05:00Z zone?"),
        ("10:11, 25 February 2025", "2025-02-25T10:11:00Z zone?"),
        ("10:11 CET, 25 February 2025", "2025-02-25T09:11:00Z"),
        ("Published: 25 February 2025 10:11 GMT", "2025-02-25T10:11:00Z"),
    ]);
}

#[test]
fn parse_month_names_of_many_languages() {
    check(&[
        ("mar. 25 févr. 2025 10:11:12 +0100", "2025-02-25T09:11:12Z"),
        ("mar. 4 mars 2025", "2025-03-04T00:00:00Z day"),
        ("1er août 2025 à 14h30", "2025-08-01T14:30:00Z zone?"),
        ("Dienstag, 25. Februar 2025 um 14.30 Uhr", "2025-02-25T14:30:00Z zone?"),
        ("Di, 04 Mär 2025 10:11:12 +0100", "2025-03-04T09:11:12Z"),
        ("25. März 2025", "2025-03-25T00:00:00Z day"),
        ("25 de febrero de 2025", "2025-02-25T00:00:00Z day"),
        ("martedì 25 febbraio 2025, ore 14:30", "2025-02-25T14:30:00Z zone?"),
        ("25 lutego 2025 r. godz. 14:30", "2025-02-25T14:30:00Z zone?"),
        ("17 березня 2025 року, 14:30", "2025-03-17T14:30:00Z zone?"),
        ("вівторок, 25 лютого 2025, 10:11", "2025-02-25T10:11:00Z zone?"),
        ("Вт, 25 фев 2025 10:11:12 +0300", "2025-02-25T07:11:12Z"),
        ("5 мая 2025 г. в 10:11 МСК", "2025-05-05T07:11:00Z"),
        ("25 februari 2025 kl. 14.30", "2025-02-25T14:30:00Z zone?"),
        ("dinsdag 25 maart 2025 14:30 uur", "2025-03-25T14:30:00Z zone?"),
        ("25 de março de 2025 às 14h30", "2025-03-25T14:30:00Z zone?"),
        ("25 listopada 2025", "2025-11-25T00:00:00Z day"),
        ("Κυρ, 11 Ιουλ 2004 12:00:00 EST", "2004-07-11T17:00:00Z"),
        ("2025年2月25日 10:11", "2025-02-25T10:11:00Z zone?"),
        ("2025년 2월 25일 오후 3:04", "2025-02-25T15:04:00Z zone?"),
    ]);
}

#[test]
fn parse_arabic_hebrew_hungarian_baltic_and_south_slavic_forms() {
    check(&[
        ("الثلاثاء، 25 فبراير 2025 10:11:12", "2025-02-25T10:11:12Z zone?"),
        ("٢٥ فبراير ٢٠٢٥", "2025-02-25T00:00:00Z day"),
        ("25 شباط 2025", "2025-02-25T00:00:00Z day"),
        ("3 كانون الثاني 2025", "2025-01-03T00:00:00Z day"),
        ("4 أغسطس 2025", "2025-08-04T00:00:00Z day"),
        ("25 בפברואר 2025", "2025-02-25T00:00:00Z day"),
        ("25 מרץ 2025, 10:11", "2025-03-25T10:11:00Z zone?"),
        ("2025. február 25. 10:11", "2025-02-25T10:11:00Z zone?"),
        ("2025. március 5.", "2025-03-05T00:00:00Z day"),
        ("2025 m. vasario 25 d. 10:11", "2025-02-25T10:11:00Z zone?"),
        ("2025. gada 25. februāris", "2025-02-25T00:00:00Z day"),
        ("25. veebruar 2025", "2025-02-25T00:00:00Z day"),
        ("25. veljače 2025", "2025-02-25T00:00:00Z day"),
        ("5. kolovoza 2025. 10:11", "2025-08-05T10:11:00Z zone?"),
        ("25. avgusta 2025", "2025-08-25T00:00:00Z day"),
        ("25. фебруар 2025.", "2025-02-25T00:00:00Z day"),
        ("25 октомври 2025", "2025-10-25T00:00:00Z day"),
        ("/Date(1740478272000)/", "2025-02-25T10:11:12Z"),
        ("/Date(1740478272000+0100)/", "2025-02-25T10:11:12Z"),
        ("۲۵ فبراير ۲۰۲۵", "2025-02-25T00:00:00Z day"),
        ("۱۴۰۳/۱۲/۰۷ 10:11", "-"),
        ("/Date(x)/", "-"),
        ("<![CDATA[Tue, 25 Feb 2025 10:11:12 GMT]]>", "2025-02-25T10:11:12Z"),
    ]);
}

#[test]
fn parse_what_is_no_date_gives_none() {
    for text in [
        "",
        " ",
        "yesterday",
        "en-US",
        "RSS 2.0 Specification",
        "31 Feb 2025",
        "2025-13-01",
        "2025-00-10",
        "0000-01-01T00:00:00Z",
        "25 Feb",
        "https://feeds.example/item/1.pdf",
        "urn:uuid:feed-12345678-1234-1234-1234-123456789abc",
        "The committee met in the old town hall on 25 February 2025",
        "Copyright 2025 Example Publishing Company",
    ] {
        assert_eq!(shown(text), "-", "{text:?}");
    }
}

#[test]
fn parse_extreme_years_are_data() {
    check(&[
        ("Mon, 01 Jan 1901 00:00:00 GMT", "1901-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-30T22:00:00Z"),
        ("0001-01-01T00:00:00+15:00", "0001-01-01T00:00:00Z"),
    ]);
}

#[test]
fn find_reads_datelines_and_their_place() {
    for (line, date, time, place) in [
        ("LAST UPDATE | 24 Feb", (None, 2, 24), None, "24 Feb"),
        ("Published 3 March", (None, 3, 3), None, "3 March"),
        ("17 березня 2025", (Some(2025), 3, 17), None, "17 березня 2025"),
        (" date 2025-02-25 A headline follows", (Some(2025), 2, 25), None, "2025-02-25"),
        (
            "Kyiv, 25 February 2025, 10:11 EET (Agency)",
            (Some(2025), 2, 25),
            Some((10, 11, 0)),
            "25 February 2025, 10:11 EET",
        ),
        ("LISBON, March 3 (Agency) — The port", (None, 3, 3), None, "March 3"),
        ("Updated at 10:30 a.m. ET, Feb. 24", (None, 2, 24), Some((10, 30, 0)), "10:30 a.m. ET, Feb. 24"),
        ("Stand: 25.02.25, 14:30 Uhr", (Some(2025), 2, 25), Some((14, 30, 0)), "25.02.25, 14:30"),
        ("From 1 May 2024 to 3 May 2024", (Some(2024), 5, 1), None, "1 May 2024"),
        ("Le 1er août", (None, 8, 1), None, "1er août"),
        ("Feb 24 1030 GMT", (None, 2, 24), None, "Feb 24"),
    ] {
        let found = find(line).unwrap_or_else(|| panic!("no date in {line:?}"));
        assert_eq!((found.year, found.month, found.day), date, "{line:?}");
        assert_eq!(found.time, time, "{line:?}");
        assert_eq!(&line[found.span], place, "{line:?}");
    }
}

#[test]
fn find_numbers_that_are_something_else_are_left() {
    for line in [
        "The score was 3:1 after 24/7 work",
        "Version 1.2.3 on 10.1.22.4",
        "they may 24 times",
        "We set 5 goals, and 3 out of 4 agreed",
        "march 24 miles",
        "in 2014 and 2015",
        "a 5-3 decision, 20-30 people",
        "call 555-0199",
    ] {
        assert_eq!(find(line), None, "{line:?}");
    }
}

#[test]
fn resolve_missing_year_follows_the_evidence() {
    let at = |text: &str| Timestamp::parse(text).expect("a valid time");
    let february = find("LAST UPDATE | 24 Feb").expect("a date");
    let file = at("2026-11-21T00:00:00Z");
    let year = |dated: Dated| dated.at.to_string()[..4].to_owned();
    assert_eq!(
        february.resolve(&[], file),
        Dated { at: at("2026-02-24T00:00:00Z"), certainty: DateCertainty::YearInferred }
    );
    assert_eq!(year(february.resolve(&[at("2025-03-01T00:00:00Z")], file)), "2025");
    assert_eq!(
        year(
            february
                .resolve(&[at("2025-01-01T00:00:00Z"), at("2024-12-20T00:00:00Z"), at("1999-01-01T00:00:00Z")], file)
        ),
        "2025"
    );
    // December, read in January: last year's.
    let december = find("Published 30 December").expect("a date");
    assert_eq!(year(december.resolve(&[], at("2026-01-02T00:00:00Z"))), "2025");
    // Not the future, except for the day that zones can be apart.
    assert_eq!(year(december.resolve(&[], at("2026-12-29T12:00:00Z"))), "2026");
    let leap = find("Published 29 February").expect("a date");
    assert_eq!(year(leap.resolve(&[], file)), "2024");
}

#[test]
fn resolve_written_year_is_kept() {
    let found = find("17 березня 2025").expect("a date");
    let dated = found.resolve(&[], Timestamp::from_seconds(0));
    assert_eq!(
        dated,
        Dated { at: Timestamp::parse("2025-03-17T00:00:00Z").expect("valid"), certainty: DateCertainty::Day }
    );
}

proptest! {
    #[test]
    fn dates_nothing_panics(text in "\\PC{0,60}") {
        let _ = parse(&text);
        let _ = find(&text).map(|p| p.resolve(&[], Timestamp::from_seconds(1_700_000_000)));
    }

    #[test]
    fn dates_nothing_panics_on_almost_dates(
        parts in proptest::collection::vec(
            prop_oneof![
                "[0-9]{1,5}", "[-+:/.,T ZhNº(]", Just(" ".to_owned()), Just("Feb".to_owned()), Just("мая".to_owned()),
                Just("pm".to_owned()), Just("p.m.".to_owned()), Just("GMT".to_owned()), Just("年".to_owned()), Just("ET".to_owned()),
                Just("kl".to_owned()), Just("\u{200b}".to_owned()), Just("de".to_owned()), "[0-9]{8,21}",
            ], 0..14)
    ) {
        let text = parts.concat();
        let _ = parse(&text);
        if let Some(found) = find(&text) {
            prop_assert!(text.get(found.span.clone()).is_some());
            let _ = found.resolve(&[Timestamp::MIN, Timestamp::MAX], Timestamp::MAX);
            let _ = found.resolve(&[Timestamp::MAX], Timestamp::MIN);
        }
    }

    #[test]
    fn parse_reads_back_any_moment(seconds in -2_000_000_000_i64..4_000_000_000) {
        let at = Timestamp::from_seconds(seconds);
        prop_assert_eq!(parse(&at.to_string()), Some(Dated { at, certainty: DateCertainty::Exact }));
        let rfc2822 = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_string(&at.to_jiff()).expect("in range");
        prop_assert_eq!(parse(&rfc2822), Some(Dated { at, certainty: DateCertainty::Exact }));
    }
}

#[test]
fn standard_forms_are_read_as_the_grammar_reads_them() {
    for text in [
        "Tue, 25 Feb 2025 10:11:12 +0000",
        "Tue, 25 Feb 2025 10:11:12 GMT",
        "Sat, 1 Mar 2025 23:59:59 -0830",
        "Tue, 25 Feb 25 10:11:12 GMT",
        "Wed, 25 Feb 98 10:11:12 GMT",
        "2025-02-25T10:11:12Z",
        "2025-02-25T10:11:12+05:45",
    ] {
        assert!(standard(text).is_some(), "{text}");
        assert_eq!(standard(text), by_grammar(text).map(|dated| dated.at), "{text}");
    }
    for odd in [
        "Tue, 25 Feb 2025 10:11:12 -0000",
        "Mon, 25 Feb 2025 10:11:12 +0000",
        "Tue, 25 Feb 2025 10:11:12 EST",
        "2025-02-25 10:11:12Z",
        "2025-02-30T10:11:12Z",
        "0025-02-25T10:11:12Z",
        "2025-02-25T10:11:12.5Z",
        "",
    ] {
        assert_eq!(standard(odd), None, "{odd}");
    }
}
