//! How far a thread yields to the others: where more of them want a processor than there are, those that all others wait
//! for have it first.

/// Nobody yields further.
const MOST: i32 = 19;

/// Steps by which threads that read and prepare yield to the one that decides and stores, which all of them end up waiting
/// for: where both want a processor, it gets three quarters (a step is a factor of about 1.25, setpriority(2), sched(7)).
pub const BEFORE_INGEST: i32 = 5;

/// The calling thread yields by so many steps further than it did. Where the system forbids that, it stays one like the others.
pub fn yield_by(steps: i32) {
    let own = rustix::process::getpriority_process(None).unwrap_or_default();
    let _ = rustix::process::setpriority_process(None, MOST.min(own + steps));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_yield_each_by_itself_and_no_further_than_there_is() {
        let niceness = || rustix::process::getpriority_process(None).expect("known");
        let own = niceness();
        let yielded = |steps| {
            let thread = std::thread::spawn(move || {
                yield_by(steps);
                niceness()
            });
            thread.join().expect("no panic")
        };
        assert_eq!((yielded(3), yielded(100)), (MOST.min(own + 3), MOST));
        assert_eq!(niceness(), own, "this thread yields as before");
    }
}
