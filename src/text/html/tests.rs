//! Fragments as feeds carry them, in tables; and that no input panics, costs more than linear time or
//! leaves a harmful character.

use proptest::prelude::*;

use super::*;
use crate::text::clean::is_harmful;

fn check(table: &[(&str, &str)]) {
    for (html, expected) in table {
        assert_eq!(to_text(html), *expected, "{html:?}");
    }
}

#[test]
fn to_text_blocks_are_paragraphs_and_inline_is_not() {
    check(&[
        ("<p>One <b>bold</b> word.</p>\n<p>Two</p>", "One bold word.\nTwo"),
        ("<p>One<p>Two", "One\nTwo"),
        ("<div>One<div>Two</div>Three</div>", "One\nTwo\nThree"),
        ("One<br>Two<br/><br />Three", "One\nTwo\nThree"),
        ("<ul><li>One</li><li>Two</ul>After", "One\nTwo\nAfter"),
        ("<h2>Head</h2>Body <a href='x'>link</a>.", "Head\nBody link."),
        ("in<span>side</span>", "inside"),
        ("  white \n\t space&nbsp; folds  ", "white space folds"),
        ("<pre>line 1\n  line 2</pre>", "line 1\nline 2"),
        ("<table><tr><th>Port<th>Ships<tr><td>Aveiro</td><td>12</td></tr></table>", "Port | Ships\nAveiro | 12"),
        ("<q>Yes</q>, she said", "“Yes”, she said"),
        ("plain", "plain"),
        ("", ""),
    ]);
}

#[test]
fn to_text_what_is_no_text_is_left_out() {
    check(&[
        ("a<script>if (x < y) { '</p>' }</script>b", "ab"),
        ("a<style>p { color: red }</style>b", "ab"),
        ("<noscript><img src=x>Enable scripts</noscript>Text", "Text"),
        ("Text<template><p>row</p></template>", "Text"),
        ("<svg><title>icon</title><path/></svg>Text", "Text"),
        ("Text<iframe src=x>fallback</iframe> more", "Text more"),
        ("Text<iframe src='x' /> more", "Text more"),
        ("<script src='x'/>Text", "Text"),
        ("<figure><img src=x><figcaption>The harbour at dawn.</figcaption></figure><p>Text</p>", "Text"),
        ("<p style='display: none'>tracking</p><p>Text</p>", "Text"),
        ("<p hidden>one<p>Text", "Text"),
        ("<span class='sr-only'>Opens in a new window</span>Text", "Text"),
        ("<div hidden><div>a</div>b</div>Text", "Text"),
        ("<nav><ul><li>Home</li></ul></nav><p>Text</p>", "Text"),
        ("<!-- comment --><![CDATA[x]]><?php ?>Text", "Text"),
        ("<input type=hidden value=x><img hidden alt=x>Text", "Text"),
    ]);
}

#[test]
fn to_text_left_out_part_without_end_or_alone_is_kept() {
    check(&[
        ("<nav>Menu<p>The whole article", "Menu\nThe whole article"),
        ("<figcaption>The harbour at dawn.</figcaption>", "The harbour at dawn."),
        ("<aside>All there is", "All there is"),
        ("<script>never text", ""),
    ]);
}

#[test]
fn to_text_entities_are_decoded_to_the_end() {
    check(&[
        ("Caf&eacute; &amp; bar", "Café & bar"),
        ("a&amp;nbsp;b it&amp;#8217;s", "a b it’s"),
        ("&lt;p&gt;One&lt;/p&gt;&lt;p&gt;Two &amp;amp; three&lt;/p&gt;", "One\nTwo & three"),
        ("5 &lt; 6 and 7 &gt; 6", "5 < 6 and 7 > 6"),
        ("R&D, AT&T", "R&D, AT&T"),
    ]);
}

#[test]
fn to_text_harmful_and_invisible_characters_are_dropped() {
    assert_eq!(to_text("<p>a\u{202e}b\u{0}c\u{200b}d\u{ad}e&#8238;f&#7;g</p>"), "abcdef g");
    assert_eq!(to_text("می\u{200c}خواهم"), "می\u{200c}خواهم");
}

#[test]
fn inline_is_one_line_without_tags() {
    for (html, expected) in [
        ("Ships <em>wait</em> &amp; see", "Ships wait & see"),
        ("One<br>Two", "One Two"),
        ("How the <title> tag came back", "How the tag came back"),
        ("Profit < loss", "Profit < loss"),
        ("Caf&amp;eacute;", "Café"),
        ("<p>One</p><p>Two</p>", "One Two"),
    ] {
        assert_eq!(inline(html), expected, "{html:?}");
    }
}

#[test]
fn plain_keeps_lines_and_reads_stray_markup() {
    for (text, expected) in [
        ("One\n\nTwo\nThree\r\nFour", "One\nTwo\nThree\nFour"),
        ("Fish &amp; chips", "Fish & chips"),
        ("<p>One</p><p>Two</p>", "One\nTwo"),
        ("One<br />Two", "One\nTwo"),
        ("if a < b and c > d", "if a < b and c > d"),
        ("mail <a@b.example> now", "mail <a@b.example> now"),
    ] {
        assert_eq!(plain(text), expected, "{text:?}");
    }
}

#[test]
fn plain_text_wrapped_at_a_width_is_joined() {
    let line = "The ferry to the island leaves at nine and comes back in the";
    let block = [line; 4].join("\n");
    let text = format!("{block}\nevening.\n\n{block}\nnight.\n\nEnd.");
    assert_eq!(plain(&text).lines().count(), 3);
    // One paragraph a line stays as it is.
    let long = "A paragraph that goes on well past the width of a page. ".repeat(5);
    assert_eq!(plain(&[long.as_str(); 4].join("\n")).lines().count(), 4);
}

#[test]
fn to_text_hostile_shapes_stay_linear() {
    // Each of these takes minutes in a tree builder or a quadratic scan; here the test ends.
    let deep = "<div>".repeat(200_000) + "x";
    assert_eq!(to_text(&deep), "x");
    let names: Vec<String> = (0..200_000).map(|n| format!("a{n}=1 ")).collect();
    let mut attributes = format!("before <a {}", names.concat());
    attributes.push_str(">link</a> after");
    assert!(to_text(&attributes).ends_with("after"));
    assert_eq!(to_text(&"<".repeat(500_000)).len(), 500_000);
    assert_eq!(to_text(&"&".repeat(500_000)).len(), 500_000);
    assert_eq!(to_text(&("&".to_owned() + &"amp;".repeat(200_000) + "x")), "&x");
    assert_eq!(to_text(&"<nav>".repeat(100_000)), "");
    let never_ended = "<p ".repeat(1_000_000);
    assert!(!looks_like_markup(&never_ended));
    assert!(!looks_like_markup(&format!("a > b {never_ended}")));
    assert_eq!(plain(&never_ended).len(), never_ended.len() - 1);
}

#[test]
fn to_text_long_picture_data_is_no_reason_to_lose_text() {
    let html = format!("<p>One</p><img src=\"data:image/png;base64,{}\"><p>Two</p>", "Ab/9".repeat(10_000));
    assert_eq!(to_text(&html), "One\nTwo");
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zé я<>&;/ \n]{0,8}",
        prop_oneof![
            Just("<p>"),
            Just("</p>"),
            Just("<br>"),
            Just("<div hidden>"),
            Just("</div>"),
            Just("<script>"),
            Just("</script>"),
            Just("<td>"),
            Just("&amp;"),
            Just("&lt;"),
            Just("&#x202e;"),
            Just("<pre>"),
            Just("<!--"),
            Just("-->"),
            Just("<p hidden>"),
            Just("<svg/>"),
            Just("<a href=\""),
            Just("\">"),
            Just("</a>")
        ]
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn to_text_any_input_gives_clean_folded_text(html in prop_oneof![pieces(), "\\PC{0,80}"]) {
        for text in [to_text(&html), plain(&html)] {
            prop_assert!(text.chars().all(|c| c == '\n' || !is_harmful(c)), "{:?}", text);
            prop_assert!(text.lines().all(|line| !line.is_empty() && line.trim() == line), "{:?}", text);
            prop_assert!(!text.contains("  "), "{:?}", text);
        }
        let line = inline(&html);
        prop_assert!(!line.contains('\n') && line.trim() == line, "{:?}", line);
    }
}
