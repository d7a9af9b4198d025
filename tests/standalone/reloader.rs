//! The thread that reloads files.

use std::sync::mpsc;

use crate::server::reloader::Reloader;

#[test]
fn requests_during_a_reload_are_covered_by_one_further_reload() {
    let (began, begins) = mpsc::channel();
    let (finish, finished) = mpsc::channel::<()>();
    let reloader = Reloader::start(move || {
        began.send(()).unwrap();
        let _ = finished.recv();
    });
    let reloader = reloader.unwrap();
    reloader.request();
    begins.recv().unwrap();
    // None of these blocks.
    for _ in 0..100 {
        reloader.request();
    }
    assert!(begins.try_recv().is_err(), "two reloads at a time");
    finish.send(()).unwrap();
    begins.recv().unwrap();
    drop(reloader);
    finish.send(()).unwrap();
    // The thread has ended, with no third reload.
    assert!(begins.recv().is_err());
}
