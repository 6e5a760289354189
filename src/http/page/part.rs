//! A part of a page: the elements with the ids that were asked for, cut out of the page as it was made, so that there is
//! one way in which anything is written.

/// Blocks in one answer.
const BLOCKS_MAX: usize = 40;

/// The elements of these ids, in the order of the page; text never holds an unescaped `<`, so tags can be counted.
pub(super) fn cut(html: &str, ids: &str) -> String {
    let mut places: Vec<(usize, usize)> = ids.split(',').take(BLOCKS_MAX).filter_map(|id| element(html, id)).collect();
    places.sort_unstable();
    places.dedup();
    let mut out = String::new();
    let mut behind = 0;
    for (start, end) in places {
        // One within another is there already.
        if start >= behind {
            // What only stands in a table would be dropped elsewhere.
            let (before, after) = match &html[start..] {
                block if block.starts_with("<tr") => ("<table><tbody>", "</tbody></table>"),
                block if block.starts_with("<tbody") => ("<table>", "</table>"),
                _ => ("", ""),
            };
            out.extend([before, &html[start..end], after]);
            behind = end;
        }
    }
    out
}

fn element(html: &str, id: &str) -> Option<(usize, usize)> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if id.is_empty() || !id.chars().all(fits) {
        return None;
    }
    let at = html.find(&format!(" id=\"{id}\""))?;
    let start = html[..at].rfind('<')?;
    let name: &str = html[start + 1..].split(|c: char| !c.is_ascii_alphanumeric()).next()?;
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let (mut depth, mut place) = (0usize, start);
    loop {
        let next_close = html[place..].find(&close).map(|found| place + found)?;
        let next_open = html[place..].find(&open).map(|found| place + found).filter(|found| {
            *found < next_close && !html[found + open.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
        });
        match next_open {
            Some(found) => {
                depth += 1;
                place = found + open.len();
            }
            None if html[place..next_close].contains(&open) => {
                // Another element whose name begins like this one.
                let found = place + html[place..next_close].find(&open)?;
                place = found + open.len();
            }
            None => {
                depth = depth.checked_sub(1)?;
                place = next_close + close.len();
                if depth == 0 {
                    return Some((start, place));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_is_the_element_with_what_is_in_it() {
        let html = "<main id=\"main\"><ol id=\"stories\" data-list><li id=\"a\">x<ol><li>y</li></ol></li><li id=\"b\">z</li></ol>\
                    <section id=\"s\"><p id=\"p\">q</p><pre>r</pre></section></main>";
        assert_eq!(cut(html, "a"), "<li id=\"a\">x<ol><li>y</li></ol></li>");
        assert_eq!(cut(html, "b,a"), "<li id=\"a\">x<ol><li>y</li></ol></li><li id=\"b\">z</li>");
        assert_eq!(cut(html, "p"), "<p id=\"p\">q</p>", "`<pre>` is no `<p>`");
        assert_eq!(cut(html, "s,p"), "<section id=\"s\"><p id=\"p\">q</p><pre>r</pre></section>");
        let table = "<table><tbody id=\"t\"><tr id=\"r\"><td>1</td></tr></tbody></table>";
        assert_eq!(cut(table, "r"), "<table><tbody><tr id=\"r\"><td>1</td></tr></tbody></table>");
        assert_eq!(cut(table, "t"), table);
        assert_eq!(cut(html, "nosuch,,\"x\" onclick=\",main"), html);
        assert_eq!(cut("<p id=\"open\">", "open"), "");
    }
}
