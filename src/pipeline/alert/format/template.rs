//! A body by a template of the operator's (minijinja): no files, no includes, no environment, a bound on
//! its work and on what it writes. Tried on samples when it is loaded, so a broken one never gets as far
//! as an alert. For JSON every `{{ … }}` is written as a JSON value: text stays data.

use std::fmt;
use std::io;
use std::sync::Arc;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

use super::sample;
use super::{Body, template_bounds};

/// Instructions one rendering may take; a digest of a hundred alerts needs a few thousand.
const FUEL: u64 = 100_000;
/// Bytes one rendering may write.
const OUTPUT_BYTES_MAX: usize = 256 << 10;
/// Bytes of a template.
pub const TEMPLATE_BYTES_MAX: usize = 64 << 10;
const NAME: &str = "template";

/// A template that works.
#[derive(Clone)]
pub struct Template(Arc<Inner>);

struct Inner {
    environment: Environment<'static>,
    source: String,
    content_type: String,
}

/// What is wrong with a template, or with what it made of a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", .line.map(|line| format!("line {line} of the template: ")).unwrap_or_default())]
pub struct TemplateProblem {
    /// The line, counted from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

impl Template {
    /// Compiles a template and tries it on a sample of every type of payload.
    ///
    /// # Errors
    /// [`TemplateProblem`] with the line.
    pub fn compile(source: &str, content_type: &str) -> Result<Self, TemplateProblem> {
        if source.len() > TEMPLATE_BYTES_MAX {
            return Err(TemplateProblem { line: None, what: format!("it has more than {TEMPLATE_BYTES_MAX} bytes") });
        }
        template_bounds::check(source).map_err(|(line, what)| TemplateProblem { line: Some(line), what })?;
        let json = is_json(content_type);
        let environment = |undefined| {
            let mut environment = Environment::new();
            environment.set_fuel(Some(FUEL));
            environment.set_undefined_behavior(undefined);
            environment.set_auto_escape_callback(move |_| if json { AutoEscape::Json } else { AutoEscape::None });
            environment.add_filter("cut", |text: String, chars: usize| crate::text::clean::excerpt(&text, chars));
            template_bounds::restrict(&mut environment);
            environment.add_template_owned(NAME, source.to_owned()).map_err(|e| problem(&e)).map(|()| environment)
        };
        let made = |environment| {
            Self(Arc::new(Inner { environment, source: source.to_owned(), content_type: content_type.to_owned() }))
        };
        // A name that no alert has is a typing error; on the other types it is just absent.
        made(environment(UndefinedBehavior::SemiStrict)?).render(&sample::matched())?;
        let template = made(environment(UndefinedBehavior::Chainable)?);
        for payload in sample::others() {
            template.render(&payload).map_err(|mut problem| {
                problem.what = format!("{} (tried on {})", problem.what, payload["type"].as_str().unwrap_or_default());
                problem
            })?;
        }
        Ok(template)
    }

    /// Renders a payload.
    pub(super) fn render(&self, payload: &Value) -> Result<Body, TemplateProblem> {
        let inner = &*self.0;
        let template = inner.environment.get_template(NAME).map_err(|e| problem(&e))?;
        let mut out = Bounded(Vec::new());
        template.render_captured_to(minijinja::value::Serde(payload), &mut out).map_err(|e| problem(&e))?;
        if is_json(&inner.content_type)
            && let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&out.0)
        {
            return Err(TemplateProblem { line: None, what: format!("what the template made is not JSON: {error}") });
        }
        Ok(Body { bytes: out.0, content_type: inner.content_type.clone() })
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source && self.0.content_type == other.0.content_type
    }
}

impl Eq for Template {}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The whole source: the config's fingerprint is made of this text.
        write!(f, "Template({:?}, {:?})", self.0.content_type, self.0.source)
    }
}

/// A writer that is full at some point.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES_MAX {
            return Err(io::Error::other(format!("it writes more than {OUTPUT_BYTES_MAX} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence == "application/json" || essence.ends_with("+json")
}

fn problem(error: &minijinja::Error) -> TemplateProblem {
    let mut what = error.kind().to_string();
    if let Some(detail) = error.detail() {
        what = format!("{what}: {detail}");
    }
    if let Some(cause) = std::error::Error::source(error) {
        what = format!("{what}: {cause}");
    }
    TemplateProblem { line: error.line(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = "application/json";

    #[test]
    fn template_text_of_a_payload_stays_data() {
        let template = Template::compile("{\"t\": {{ data.story.title }}, \"k\": {{ type }}}", JSON).expect("it works");
        let mut payload = sample::matched();
        payload["data"]["story"]["title"] = "\"}, {{ 7 * 7 }} {% raw %} </script>".into();
        let body = template.render(&payload).expect("rendered");
        let value: Value = serde_json::from_slice(&body.bytes).expect("JSON");
        assert_eq!(value["t"], payload["data"]["story"]["title"]);
        assert_eq!(value["k"], "alert.matched");
    }

    #[test]
    fn template_that_cannot_work_is_refused_with_its_line() {
        for (source, line, words) in [
            ("{\n{{ data. }}}", Some(2), "syntax"),
            ("{{ data.stroy.title }}", Some(1), "undefined"),
            ("\n{{ type|nosuch }}", Some(2), "filter"),
            ("{% include 'x' %}", Some(1), ""),
            ("{\"a\": {{ type }}", None, "not JSON"),
            ("{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}", Some(1), "fuel"),
        ] {
            let problem = Template::compile(source, JSON).expect_err(source);
            assert_eq!(problem.line, line, "{source}: {problem}");
            assert!(problem.what.contains(words), "{source}: {problem}");
        }
        let long = format!("{{{{ '{}' }}}}", "x".repeat(60_000)).repeat(1);
        assert!(Template::compile(&format!("{{% for a in range(9) %}}{long}{{% endfor %}}"), "text/plain").is_err());
    }

    #[test]
    fn template_that_makes_much_of_little_is_refused_before_it_does() {
        let doubled = (0..40).map(|_| "{% set s = s ~ s %}").collect::<String>();
        let replaced = "|replace('a', 'aa')".repeat(40);
        let nested = "{% macro d(x) %}{{ x }}{{ x }}{% endmacro %}{{ d(d(d('x'))) }}";
        for (source, words) in [
            (format!("{{% set s = 'x' %}}{doubled}{{{{ s }}}}"), "put texts together where they are written"),
            ("{% set s %}{{ type }}{{ type }}{% endset %}".to_owned(), "one value"),
            (nested.to_owned(), "`macro`"),
            (format!("{{{{ 'a'{replaced} }}}}"), "more than 262144 bytes"),
            ("{{ 'x' * 100000000 }}".to_owned(), "`*` repeats"),
            ("{{ type * 99 * 99 }}".to_owned(), "`*` repeats"),
            (format!("{{{{ type{} }}}}", " ~ type".repeat(101)), "more than 100 times"),
            ("{% set a = [type, type] %}".to_owned(), "value of the payload"),
            ("{{ '%99999999s'|format(type) }}".to_owned(), "filter"),
            ("{% with a = type ~ type %}{{ a }}{% endwith %}".to_owned(), "put texts together"),
            ("{{ range(99999)|join('%}{% set a') }}".to_owned(), "more than 262144 bytes"),
        ] {
            let problem = Template::compile(&source, "text/plain").expect_err(&source);
            assert!(problem.what.contains(words), "{source}: {problem}");
        }
        for fine in [
            "{% set title = data.story.title|cut(40) %}{{ title }}: {{ type ~ ' — ' ~ title }}",
            "{% if type == '[*~+' %}x{% endif %}{{ 2 * 50 }} {# ~~~ {% macro #} { not * a } tag",
            "{% set first = data['story']['title'] %}{{ first|replace('a', 'aa')|upper }}",
        ] {
            assert!(
                Template::compile(fine, "text/plain").is_ok(),
                "{fine}: {:?}",
                Template::compile(fine, "text/plain").err()
            );
        }
    }

    #[test]
    fn template_plain_text_knows_no_environment() {
        let template = Template::compile("{{ data.story.title|cut(9) }} {{ env|default('none') }}", "text/plain")
            .expect("it works");
        let body = template.render(&sample::matched()).expect("rendered");
        assert_eq!(body.content_type, "text/plain");
        assert!(String::from_utf8(body.bytes).expect("text").ends_with(" none"));
    }
}
