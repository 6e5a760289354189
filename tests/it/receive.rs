//! `receive` over a real socket, fed by delivery itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wirewatch::clock::Clock;
use wirewatch::deliver::console::{Console, Style};
use wirewatch::deliver::secret::Secret;
use wirewatch::deliver::sign::Signer;
use wirewatch::receiver::{Receiver, ReceiverOutput};
use wirewatch::store::outbox::DeliveryState;

use super::deliver::{Bed, SECRET, START, Sink, endpoint, write_secret};

/// Starts a receiver; gives its address and what it prints.
async fn start(answer: u16, show: ReceiverOutput) -> (url::Url, Arc<Mutex<Vec<u8>>>, CancellationToken) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let printed: Arc<Mutex<Vec<u8>>> = Arc::default();
    let receive = Receiver {
        listener,
        signer: Some(Signer::new(&[Secret::parse(SECRET).expect("valid")]).expect("keys")),
        clock: Clock::manual(START),
        console: Console::to(Box::new(Sink(printed.clone())), Style::plain(80)),
        show,
        answer: answer.try_into().expect("a status"),
    };
    let cancel = CancellationToken::new();
    tokio::spawn(receive.run(cancel.clone()));
    (url::Url::parse(&url).expect("a url"), printed, cancel)
}

fn text(printed: &Mutex<Vec<u8>>) -> String {
    String::from_utf8(printed.lock().expect("sound").clone()).expect("text")
}

#[tokio::test]
async fn receive_believes_our_signature_and_prints_the_alert() {
    let (url, printed, cancel) = start(204, ReceiverOutput::People(Style::plain(80))).await;
    let mut bed = Bed::new(Vec::new());
    let mut desk = endpoint("desk", url);
    desk.secret_file = Some(write_secret(&bed, SECRET));
    bed.reload(vec![desk]);
    bed.run();
    let id = bed.owe(1..=1, &["desk"])[0];
    assert_eq!(bed.attempts(id, 1).await.row.state, DeliveryState::Delivered);
    let text = text(&printed);
    assert!(text.contains("Harbour wall number 1") && text.contains("signature verified"), "{text}");
    bed.stop().await;
    cancel.cancel();
}

#[tokio::test]
async fn receive_told_to_fail_sees_the_retry_as_a_repeat() {
    let (url, printed, cancel) = start(500, ReceiverOutput::JsonLines).await;
    let mut bed = Bed::new(Vec::new());
    let mut desk = endpoint("desk", url);
    desk.secret_file = Some(write_secret(&bed, SECRET));
    bed.reload(vec![desk]);
    bed.run();
    let id = bed.owe(1..=1, &["desk"])[0];
    assert_eq!(bed.attempts(id, 1).await.row.last_status, Some(500));
    bed.advance_to_due(id);
    bed.attempts(id, 2).await;
    let lines: Vec<serde_json::Value> =
        text(&printed).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.iter().map(|l| l["repeat"] == true).collect::<Vec<_>>(), [false, true]);
    assert!(lines.iter().all(|l| l["verified"] == true && l["id"] == "alr_1"));
    bed.stop().await;
    cancel.cancel();
}

#[tokio::test]
async fn receive_unsigned_request_is_refused_with_the_reason() {
    let (url, printed, cancel) = start(204, ReceiverOutput::JsonLines).await;
    let mut bed = Bed::start(vec![endpoint("desk", url)]);
    let id = bed.owe(1..=1, &["desk"])[0];
    let detail = bed.attempts(id, 1).await;
    assert_eq!(detail.row.last_status, Some(401));
    let error = detail.row.last_error.expect("a reason");
    assert!(error.contains("no `webhook-signature` header") && error.contains("secret or clock?"), "{error}");
    assert!(text(&printed).contains("\"verified\":false"));
    bed.clock.advance(Duration::from_secs(1));
    bed.stop().await;
    cancel.cancel();
}
