//! The thread that reloads files.

use std::sync::mpsc;

use crate::server::reload_thread::ReloadThread;

#[test]
fn requests_during_a_reload_are_covered_by_one_further_reload() {
    let (began, begins) = mpsc::channel();
    let (finish, finished) = mpsc::channel::<()>();
    let reload_thread = ReloadThread::start(move || {
        began.send(()).unwrap();
        let _ = finished.recv();
    });
    let reload_thread = reload_thread.unwrap();
    reload_thread.request();
    begins.recv().unwrap();
    // None of these blocks.
    for _ in 0..100 {
        reload_thread.request();
    }
    assert!(begins.try_recv().is_err(), "two reloads at a time");
    finish.send(()).unwrap();
    begins.recv().unwrap();
    drop(reload_thread);
    finish.send(()).unwrap();
    // The thread has ended, with no third reload.
    assert!(begins.recv().is_err());
}
