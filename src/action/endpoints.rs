//! Switching an endpoint off and on without touching the config, and a test that goes the way of every alert.

use super::{ActionRefusal, ActionScene};
use crate::deliver::EndpointConfig;
use crate::model::{AlertId, AlertKind, EndpointId, Severity, Timestamp};
use crate::pipeline::alert::{Content, Notice};
use crate::store::outbox::{self, DeliveryId};
use crate::store::{ActionNote, note_action};
use crate::text::clean;

/// The endpoint of the config with that name.
fn known<'a>(scene: &ActionScene<'a>, id: &str) -> Result<&'a EndpointConfig, ActionRefusal> {
    let endpoints = &scene.config.endpoints;
    endpoints.iter().find(|endpoint| endpoint.id.as_str() == id).ok_or_else(|| {
        let names: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.id.as_str()).collect();
        ActionRefusal::unknown(format!("find endpoint {id}: the config has none of this name"))
            .with_hint(format!("it has: {}", names.join(", ")))
    })
}

/// Sends to it again, at once; says whether it was disabled.
///
/// # Errors
/// [`ActionRefusal`] when the config has no such endpoint, or the store cannot be written.
pub fn enable_endpoint(scene: &ActionScene<'_>, id: &str) -> Result<bool, ActionRefusal> {
    let &ActionScene { store, now, author, .. } = scene;
    let id = &known(scene, id)?.id;
    Ok(store.write("enable an endpoint", |tx| {
        note_action(tx, &ActionNote { author, verb: "enable", about: id.as_str(), detail: "", at: now })?;
        outbox::enable(tx, id)
    })?)
}

/// Stops sending to it; what it is owed stays.
///
/// # Errors
/// [`ActionRefusal`] when the config has no such endpoint, or the store cannot be written.
pub fn disable_endpoint(scene: &ActionScene<'_>, id: &str, reason: &str) -> Result<(), ActionRefusal> {
    let &ActionScene { store, now, author, .. } = scene;
    let id = &known(scene, id)?.id;
    let reason = clean::excerpt(reason, 200);
    Ok(store.write("disable an endpoint", |tx| {
        note_action(tx, &ActionNote { author, verb: "disable", about: id.as_str(), detail: &reason, at: now })?;
        outbox::disable(tx, id, &reason, now)
    })?)
}

/// Puts an `endpoint.test` before everything that the endpoint is owed: it is to tell how things are now, not after a
/// pause, and not after what failed before.
///
/// # Errors
/// [`ActionRefusal`] when the endpoint is not there or off, one was raised this moment, or the store cannot be written.
pub fn raise_test(scene: &ActionScene<'_>, id: &str) -> Result<DeliveryId, ActionRefusal> {
    let &ActionScene { store, now, author, .. } = scene;
    let endpoint = known(scene, id)?;
    if !endpoint.enabled {
        return Err(ActionRefusal::conflict(format!("test {id}: it is off in the config")));
    }
    let health = store.read("read an endpoint", |c| outbox::health(c, &endpoint.id))?;
    if let Some((since, reason)) = health.state.disabled {
        let since = since.to_string();
        let since = since.get(..16).unwrap_or(&since).replace('T', " ");
        return Err(ActionRefusal::conflict(format!(
            "test {id}: it is disabled since {since}: {}",
            clean::one_line(&reason)
        ))
        .with_hint(format!("`wirewatch endpoints enable {id}` sends to it again")));
    }
    let notice = notice(store.instance(), &endpoint.id, now);
    let to = [(endpoint.id.clone(), endpoint.wire_format())];
    let rows = store.write("raise a test", |tx| {
        note_action(tx, &ActionNote { author, verb: "test", about: endpoint.id.as_str(), detail: "", at: now })?;
        outbox::lift_pause(tx, &endpoint.id)?;
        let rows = outbox::raise(tx, &notice, &to, now)?;
        rows.iter().try_for_each(|row| outbox::put_first(tx, *row)).map(|()| rows)
    })?;
    rows.first().copied().ok_or_else(|| ActionRefusal::conflict(format!("test {id}: one was raised this moment")))
}

/// What follows a test. One that arrived shows that the endpoint works: what waited for another try goes out now; says
/// how many. Nobody waits for one that comes days later: it is called off.
///
/// # Errors
/// [`ActionRefusal`] when the store cannot be written.
pub fn settle_test(
    scene: &ActionScene<'_>,
    endpoint: &EndpointId,
    test: DeliveryId,
    arrived: bool,
) -> Result<usize, ActionRefusal> {
    let &ActionScene { store, now, .. } = scene;
    if arrived {
        return Ok(store.write("send what waits", |tx| outbox::send_now(tx, endpoint, now))?);
    }
    store.write("call off a test", |tx| outbox::cancel(tx, test, now))?;
    Ok(0)
}

fn notice(instance: &str, endpoint: &EndpointId, now: Timestamp) -> Notice {
    let parts: [&[u8]; 4] = [instance.as_bytes(), b"test", endpoint.as_str().as_bytes(), &now.millis().to_le_bytes()];
    Notice {
        id: AlertId::derive(&parts),
        kind: AlertKind::Test,
        reason: "test",
        severity: Severity::Low,
        at: now,
        summary: format!("A test of endpoint {endpoint}: nothing happened in the world"),
        content: Content::Endpoint { id: endpoint.clone(), detail: None },
    }
}
