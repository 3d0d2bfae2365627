use super::callers::{address, isle};
use super::item;
use tests::http::{Answer, HttpClient};
use tests::process::{Fleet, site_config};

const DASH: (&str, &str) = ("origin", "https://dash.example");
const OTHER: (&str, &str) = ("origin", "https://evil.example");

/// The names in a header that is a list, in small letters and in order.
fn listed(answer: &Answer, header: &str) -> Vec<String> {
    let mut names: Vec<_> =
        answer.header(header).split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_page_of_a_listed_origin_reads_answers_and_needs_a_token() {
    let fleet = Fleet::new();
    let http = "[http]\nlisten = \"127.0.0.1:0\"\nloopback_without_token = true\n\
                allow_origins = [\"https://dash.example\", \"http://127.0.0.1:3000\"]\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + http));
    let mut service = HttpClient::at(address(&site)).await;
    let preflight = |origin| {
        let asked = "authorization,idempotency-key,if-match";
        [origin, ("access-control-request-method", "PUT"), ("access-control-request-headers", asked)]
    };
    let answer = service.call("OPTIONS", &item("milk"), &preflight(DASH), "").await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), "https://dash.example");
    assert_eq!(
        listed(&answer, "access-control-allow-methods"),
        ["delete", "get", "head", "patch", "post", "put"]
    );
    let headers =
        "authorization content-type idempotency-key if-match if-none-match isle-message last-event-id prefer";
    assert_eq!(listed(&answer, "access-control-allow-headers").join(" "), headers);
    assert!(listed(&answer, "vary").contains(&"origin".to_owned()), "{answer:?}");
    let answer = service.call("OPTIONS", &item("milk"), &preflight(OTHER), "").await;
    assert_eq!(answer.header("access-control-allow-origin"), "");

    let token = isle(&site, &["token", "create", "dash", "--space", "store-1", "--rights", "read,write"]);
    let bearer = format!("Bearer {token}");
    let shown = ("authorization", bearer.as_str());
    let put = service.call("PUT", &item("milk"), &[DASH, shown], r#"{"on_hand": 1}"#).await;
    assert_eq!((put.status.as_u16(), put.header("access-control-allow-origin")), (200, DASH.1.to_owned()));
    let exposed = "etag isle-behind isle-violations retry-after";
    assert_eq!(listed(&put, "access-control-expose-headers").join(" "), exposed);
    assert_eq!(put.header("access-control-allow-credentials"), "", "nothing is sent by itself");
    // It may read why it is refused.
    let refused = service.call("GET", &item("milk"), &[DASH], "").await;
    assert_eq!(
        (refused.problem().as_str(), refused.header("access-control-allow-origin").as_str()),
        ("forbidden", DASH.1)
    );
    for origin in
        [OTHER, ("origin", "https://dash.example:444"), ("origin", "http://dash.example"), ("origin", "null")]
    {
        let answer = service.call("GET", &item("milk"), &[origin, shown], "").await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin:?}");
        assert!(listed(&answer, "vary").contains(&"origin".to_owned()), "{origin:?}");
    }
}

#[tokio::test]
async fn no_page_of_another_origin_reads_answers_unless_it_is_listed() {
    let (_fleet, _site, mut service) = super::site_with_a_service().await;
    let asked = [DASH, ("access-control-request-method", "GET")];
    let answer = service.call("OPTIONS", &item("milk"), &asked, "").await;
    assert_eq!(
        (answer.problem().as_str(), answer.header("access-control-allow-origin").as_str()),
        ("method-not-allowed", "")
    );
    assert_eq!(
        service.call("GET", &item("milk"), &[DASH], "").await.header("access-control-allow-origin"),
        ""
    );
}
