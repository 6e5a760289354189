//! What queries mean, what is refused and how, and that printing and parsing are inverse.

use proptest::prelude::*;

use super::*;

fn printed(text: &str) -> String {
    parse(text).map_or_else(|problem| format!("error: {}", problem.message), |query| query.to_string())
}

#[test]
fn parse_precedence_and_grouping_print_back_in_the_shortest_form() {
    for (text, expected) in [
        ("a1", "a1"),
        ("  a1   b1 ", "a1 AND b1"),
        ("a1 AND b1 AND c1", "a1 AND b1 AND c1"),
        ("(a1 AND b1) AND c1", "(a1 AND b1) AND c1"),
        ("a1 OR b1 c1", "a1 OR b1 AND c1"),
        ("(a1 OR b1) c1", "(a1 OR b1) AND c1"),
        ("NOT a1 b1", "NOT a1 AND b1"),
        ("NOT (a1 b1)", "NOT (a1 AND b1)"),
        ("a1 NOT b1", "a1 AND NOT b1"),
        ("a1 NOT NEAR/3 b1", "a1 NOT NEAR/3 b1"),
        ("a1 NEAR/3 b1 BEFORE/0 c1", "a1 NEAR/3 b1 BEFORE/0 c1"),
        ("a1 NEAR/3 (b1 NEAR/2 c1)", "a1 NEAR/3 (b1 NEAR/2 c1)"),
        ("NOT a1 NEAR/3 b1 OR c1", "NOT a1 NEAR/3 b1 OR c1"),
        ("title:(a1 OR b1) lang:EN-gb", "title:(a1 OR b1) AND lang:en"),
        ("source:wire-* url:x/y", "source:wire-* AND url:\"x y\""),
        ("“secur* guarantee~”", "\"secur* guarantee~\""),
        ("#10..20 NEAR/1 #", "#10..20 NEAR/1 #"),
        (r"/a\/b [cd]/ OR @x.y", r"/a\/b [cd]/ OR @x.y"),
        ("\"and\"", "\"and\""),
        ("=US \"=NATO troops\" =F-16", "=US AND \"=NATO troops\" AND \"=F =16\""),
        ("((((a1))))", "a1"),
    ] {
        assert_eq!(printed(text), expected, "{text}");
    }
}

#[test]
fn parse_mistakes_point_at_their_place_with_a_hint() {
    for (text, at, hint) in [
        ("a1 NEAR b1", 3..7, "NEAR/5"),
        ("a1 NEAR5 b1", 3..8, "NEAR/5"),
        ("a1 near/7 b1", 3..9, "NEAR/7"),
        ("a1 W/3 b1", 3..6, "NEAR/3"),
        ("a1 PRE/3 b1", 3..8, "BEFORE/3"),
        ("a1 NEAR/x b1", 3..9, "NEAR/5"),
        ("a1 NEAR/300 b1", 3..11, "NEAR/5"),
        ("a1 && b1", 3..5, "AND"),
        ("a1 or b1", 3..5, "OR"),
        ("bdy:x", 0..4, "body:"),
        ("https://x.org", 0..6, "quotes"),
        ("title: x", 0..6, "without a space"),
        ("title:(body:x)", 7..12, "out of the parentheses"),
        ("source:(a OR b)", 7..8, "source:a OR source:b"),
        ("-x1", 0..1, "NOT x1"),
        ("+x1", 0..1, "`x1`"),
        ("a*b", 1..2, "expression"),
        ("=a*b", 2..3, "expression"),
        ("==~𑌻", 2..3, "expression"),
        ("(a1", 0..1, "`)`"),
        ("a1)", 2..3, "`(`"),
        ("a1 AND", 6..6, ""),
        ("OR a1", 0..2, "quotes"),
        ("\"a1", 0..3, "\"a1\""),
        ("/a1", 0..3, "/pattern/"),
        ("a1 NEAR/3 NOT b1", 3..16, "NEAR"),
        ("@", 0..1, "@name"),
        ("#x", 0..2, "#1000.."),
        ("#9..3", 0..5, "#10..20"),
        ("a*", 0..2, "letters"),
        ("…", 0..3, ""),
        ("()", 1..2, "between"),
    ] {
        let problem = parse(text).expect_err(text);
        assert_eq!(problem.span, at, "{text}: {}", problem.message);
        assert!(problem.hint.clone().unwrap_or_default().contains(hint), "{text}: {problem:?}");
    }
}

#[test]
fn parse_hostile_input_is_refused_within_the_caps() {
    let deep = format!("{}a1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(parse(&deep).expect_err("too deep").message.contains("nested deeper"));
    assert!(parse(&"NOT ".repeat(4000)).is_err());
    assert!(parse(&"a1 ".repeat(20_000)).expect_err("too long").message.contains("longer than"));
    assert!(parse(&format!("\"{}\"", "w ".repeat(21))).expect_err("long phrase").message.contains("phrase"));
    assert!(parse("").is_err() && parse("   ").is_err());
}

#[test]
fn parse_form_takes_words_as_a_phrase_and_other_aliases() {
    let printed = |text: &str| parse_form(text).map(|query| query.to_string()).unwrap_or_default();
    assert_eq!(printed("Long Causeway"), "\"Long Causeway\"");
    assert_eq!(printed("bridge*"), "bridge*");
    assert_eq!(printed("@city"), "@city");
    assert_eq!(printed("this AND that"), "\"this AND that\"");
    assert!(parse_form("…").is_err());
}

#[test]
fn closest_finds_slips_and_nothing_else() {
    assert_eq!(closest("titel", ["title", "body", "tag"]), Some("title"));
    assert_eq!(closest("zelensky", ["zelenskyy", "nato"]), Some("zelenskyy"));
    assert_eq!(closest("http", ["title", "body", "url", "tag"]), None);
}

#[test]
fn bounds_hold_their_ends() {
    let bounds = Bounds { from: Some(10), to: Some(20) };
    assert!(bounds.hold(10.0) && bounds.hold(20.0) && !bounds.hold(20.5) && !bounds.hold(9.0));
    assert!(Bounds { from: None, to: None }.hold(0.5));
}

/// Queries as people might write them, from the inside out.
pub fn any_query() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[ab]1",
        "(alpha|beta|gamma|delta)",
        "(alp|be|ga)\\*",
        "\\*(lpha|alph|gamm)\\*?",
        "(alpha|beta)~",
        "\"(alpha|beta) (gamma|delta\\*)\"",
        "制裁",
        "Ö2",
        "#",
        "#1\\.\\.3",
        "F-16",
        "l'alpha",
        "=(alpha|Alpha|Ö2)",
    ];
    let placed = word.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), 0u8..6, inner.clone()).prop_map(|(a, n, b)| format!("({a} NEAR/{n} {b})")),
            (inner.clone(), 0u8..6, inner.clone()).prop_map(|(a, n, b)| format!("({a} BEFORE/{n} {b})")),
            (inner.clone(), 0u8..6, inner.clone()).prop_map(|(a, n, b)| format!("({a} NOT NEAR/{n} {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
        ]
    });
    let leaf = prop_oneof![
        4 => placed.clone(),
        1 => placed.prop_map(|inner| format!("title:({inner})")),
        1 => Just("body:(alpha OR beta)".to_owned()),
        1 => Just("lead:(alpha NEAR/3 beta)".to_owned()),
        1 => Just("lead:/al[p]ha|b1/".to_owned()),
        1 => Just("/al[p]ha|b1/".to_owned()),
        1 => Just("lang:en".to_owned()),
        1 => Just("source:ex*".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" AND "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" OR "))),
            inner.clone().prop_map(|part| format!("NOT {part}")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a} {b}")),
        ]
    })
}

proptest! {
    #[test]
    fn print_then_parse_gives_the_same_query(text in any_query()) {
        let query = parse(&text).expect("generated queries parse");
        let printed = query.to_string();
        let again = parse(&printed).expect("printed queries parse");
        prop_assert_eq!(&again, &query, "{}", printed);
        prop_assert_eq!(again.to_string(), printed);
    }

    #[test]
    fn parse_any_text_gives_a_query_that_prints_back_or_a_problem_inside_it(text in "\\PC{0,40}") {
        match parse(&text) {
            Ok(query) => prop_assert_eq!(parse(&query.to_string()).expect("prints to a query"), query),
            Err(problem) => {
                prop_assert!(problem.span.start <= problem.span.end && problem.span.end <= text.len());
                prop_assert!(text.is_char_boundary(problem.span.start) && text.is_char_boundary(problem.span.end));
            }
        }
    }

    #[test]
    fn parse_signs_of_the_language_in_any_order_never_panics(
        text in prop::collection::vec(prop_oneof![
            Just("("), Just(")"), Just("NEAR/2"), Just("NOT"), Just("AND"), Just("OR"), Just("title:"), Just("lang:"),
            Just("source:"), Just("\""), Just("/"), Just("@a"), Just("#"), Just("a1"), Just("*"), Just("~"), Just(" "),
        ], 0..24)
    ) {
        let text = text.join(" ").replace(": ", ":");
        if let Ok(query) = parse(&text) {
            prop_assert_eq!(parse(&query.to_string()).expect("prints to a query"), query);
        }
    }
}
