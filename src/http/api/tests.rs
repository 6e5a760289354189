//! The table of routes against what is described and documented.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::*;

#[test]
fn openapi_describes_every_route_and_nothing_else() {
    let document = openapi::document(ROUTES, VERBS);
    let paths = document["paths"].as_object().expect("paths");
    let served: BTreeSet<(&str, &str)> = ROUTES
        .iter()
        .map(|route| (route.path, "get"))
        .chain(VERBS.iter().map(|verb| (verb.path, verb.method.as_str())))
        .chain([
            (crate::http::stream::PATH, "get"),
            (crate::http::push::PATH, "post"),
            (crate::http::explain::PATH, "post"),
            (preview::PATH, "post"),
        ])
        .collect();
    let described: BTreeSet<(&str, &str)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().expect("methods").keys().map(|method| (path.as_str(), method.as_str()))
        })
        .collect();
    assert_eq!(described, served);
    assert!(paths.contains_key(crate::http::stream::PATH));
    for route in ROUTES {
        let operation = &paths[route.path]["get"];
        let described = operation["parameters"].as_array().expect("parameters");
        let keys: Vec<&str> = described
            .iter()
            .filter(|one| one["in"] == "query")
            .map(|one| one["name"].as_str().expect("a name"))
            .collect();
        assert_eq!(keys, route.query, "{}", route.path);
        assert_eq!(described.len() - keys.len(), usize::from(route.path.contains("{id}")), "{}", route.path);
    }
}

#[test]
fn openapi_in_the_docs_is_what_is_served() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let text = serde_json::to_string_pretty(&openapi::document(ROUTES, VERBS)).expect("JSON") + "\n";
    if std::env::var_os("WIREWATCH_WRITE").is_some() {
        std::fs::write(&path, &text).expect("written");
    }
    let written = std::fs::read_to_string(&path).expect("docs/openapi.json");
    assert_eq!(text, written, "docs/openapi.json is not what the routes say: WIREWATCH_WRITE=1 writes it anew");
}
