//! A tenant that echoes the request with the API token.

use super::*;

/// A tenant that echoes the request, in a place that depends on the first byte of the path.
async fn echo(
    request: Request<RequestBody>,
    pick: usize,
) -> Result<Response<FrameBody>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let mut mirrored = HeaderMap::new();
    for (name, value) in &parts.headers {
        for prefix in ["", "x-mirrored-"] {
            let name = format!("{prefix}{name}");
            mirrored.append(HeaderName::try_from(name).unwrap(), value.clone());
        }
        let both = [name.as_str().as_bytes(), b"=", value.as_bytes()].concat();
        mirrored.append("x-both", HeaderValue::from_bytes(&both).unwrap());
    }
    if let Ok(value) = HeaderValue::from_bytes(&body) {
        mirrored.append("x-body", value);
    }
    mirrored.remove("content-length");
    mirrored.remove("transfer-encoding");
    let statuses = [
        200, 201, 204, 301, 304, 400, 401, 403, 404, 422, 429, 500, 502, 503, 504, 599,
    ];
    let status = StatusCode::from_u16(statuses[pick % statuses.len()]).unwrap();
    let page = format!(
        "{:?} {}",
        parts.uri,
        String::from_utf8_lossy(parts.headers["authorization"].as_bytes())
    );
    let mut frames = Vec::new();
    // A compressed page cannot be scanned. It is replaced if the status is a server error.
    let codings = parts.headers.get_all("content-encoding").iter();
    let mut codings = codings.map(|coding| coding.as_bytes().trim_ascii());
    let plain = |coding: &[u8]| matches!(coding, b"" | b"identity");
    if status.is_server_error() || codings.all(plain) {
        // The token is at the end, so that it spans two frames at every split.
        let mut page = Bytes::from(page);
        let cut = page.len() - 1 - pick % Sandbox::API_TOKEN.len();
        frames.push(Ok(Frame::data(page.split_to(cut))));
        frames.push(Ok(Frame::data(page)));
    }
    frames.push(Ok(Frame::trailers(mirrored.clone())));
    let mut response = Response::new(FrameBody::new(frames));
    *response.status_mut() = status;
    *response.headers_mut() = mirrored;
    Ok(response)
}

#[test]
fn an_echoed_api_token_never_reaches_the_client() {
    let runtime = runtime();
    let clock = Arc::new(AtomicU64::new(1_700_000_000));
    let time = Arc::clone(&clock);
    let forwarded = Arc::new(Mutex::new(0_usize));
    let count = Arc::clone(&forwarded);
    let client = service_fn(move |request: Request<RequestBody>| {
        let mut count = count.lock().unwrap();
        *count += 1;
        echo(request, *count)
    });
    let id = OmneoId::builder()
        .upstream("https://api.sandbox.getomneo.com")
        .unwrap()
        .api_token(Sandbox::API_TOKEN)
        .signing_key(SigningKey::hs256(SECRET).unwrap())
        .clock(move || time.load(Ordering::Relaxed))
        .build_with_client(client)
        .unwrap();
    let aborted = Cell::new(0_usize);
    let is_not_in_the_response = |generated: &GeneratedRequest| {
        clock.fetch_add(1, Ordering::Relaxed);
        let tokens = Tokens::issue(&id);
        let Some(request) = generated.request(&tokens) else {
            return Err(TestCaseError::reject("no request"));
        };
        let response = runtime.block_on(id.clone().oneshot(request)).unwrap();
        let (parts, mut body) = response.into_parts();
        let mut read = Vec::new();
        let mut trailers = HeaderMap::new();
        runtime.block_on(async {
            while let Some(frame) = body.frame().await {
                match frame.map(Frame::into_data) {
                    Ok(Ok(data)) => read.extend_from_slice(&data),
                    Ok(Err(frame)) => trailers.extend(frame.into_trailers().unwrap_or_default()),
                    Err(_) => {
                        aborted.set(aborted.get() + 1);
                        break;
                    }
                }
            }
        });
        for (name, value) in parts.headers.iter().chain(&trailers) {
            let value = String::from_utf8_lossy(value.as_bytes());
            prop_assert!(!value.contains(Sandbox::API_TOKEN), "{name}: {value}");
        }
        let body = String::from_utf8_lossy(&read);
        prop_assert!(
            !body.contains(Sandbox::API_TOKEN),
            "{} {body}",
            parts.status
        );
        let debug = format!(
            "{:?} {:?}",
            parts.headers,
            parts.extensions.get::<Rejection>()
        );
        prop_assert!(!debug.contains(Sandbox::API_TOKEN), "{debug}");
        Ok(())
    };
    // Only few of the requests reach the tenant, so this runs twice.
    for _ in 0..2 {
        for_all(is_not_in_the_response);
    }
    assert!(
        *forwarded.lock().unwrap() > 100,
        "enough requests reached the tenant"
    );
    assert!(aborted.get() > 50, "enough responses contained the token");
}
