#![allow(clippy::unwrap_used, clippy::panic)]
use http::HeaderMap;

use super::*;

#[test]
fn the_reason_of_an_end_fits_its_frame() {
    let Message::Close(Some(frame)) = cut(&"\u{e9}".repeat(100)) else { panic!() };
    assert!(frame.reason.len() <= 123 && frame.reason.chars().all(|c| c == '\u{e9}'));
    assert!(!is_over(Some(&frame)) && !is_over(None));
    let Message::Close(frame) = over() else { panic!() };
    assert!(is_over(frame.as_ref()));
}

fn request(connection: &str, upgrade: &str) -> Request<()> {
    let request = Request::get("/").header("connection", connection).header("upgrade", upgrade);
    request
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .unwrap()
}

#[test]
fn a_handshake_is_answered_as_rfc_6455_has_it() {
    let mut asked = request("keep-alive, Upgrade", "WebSocket");
    let (answer, _): (Response<()>, _) = accept(&mut asked).unwrap();
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert!(!answer.headers().contains_key("sec-websocket-protocol"), "what wasn't offered isn't taken");
    for mut other in [request("keep-alive", "websocket"), request("Upgrade", "h2c")] {
        assert!(accept::<_, ()>(&mut other).is_none());
    }
    assert!(!is_asked_for(&HeaderMap::new()));
}
