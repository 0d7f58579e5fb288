//! Time as a history has it: tokio's paused clock, which goes on with the real one and in leaps, and a wall clock that
//! follows it and can be set. Nothing goes by itself: a paused clock that leaps whenever everything waits would run out
//! the patience of real sockets.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use connector_operator::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// How often the real clock is looked at.
const BEAT: Duration = Duration::from_micros(300);

/// The wall clock of a history, from one operator to the next. Clones are the same.
#[derive(Clone)]
pub struct Wall {
    began: Timestamp,
    /// Nanoseconds since.
    gone: Arc<AtomicI64>,
}

impl Wall {
    pub fn new() -> Self {
        Self { began: Timestamp::now(), gone: Arc::default() }
    }

    pub fn now(&self) -> Timestamp {
        // No two looks at a clock see the same moment.
        let gone = self.gone.fetch_add(1000, Ordering::Relaxed);
        self.began + SignedDuration::from_nanos(gone)
    }

    pub fn clock(&self) -> Clock {
        let wall = self.clone();
        Clock::of(move || wall.now())
    }

    /// Sets it forwards, or backwards.
    pub fn step(&self, by: SignedDuration) {
        self.gone.fetch_add(i64::try_from(by.as_nanos()).unwrap(), Ordering::Relaxed);
    }

    fn goes_on(&self, by: Duration) {
        self.step(SignedDuration::try_from(by).unwrap());
    }
}

/// A runtime whose clock stands still until [`Pulse`] moves it.
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// Moves the clock of the runtime that it was made in.
pub struct Pulse {
    wall: Wall,
    beat: Arc<Notify>,
    over: Arc<AtomicBool>,
    /// When it has moved the clock last.
    moved: Cell<std::time::Instant>,
}

impl Pulse {
    /// While a blocking task runs, tokio's clock does not leap; this one also tells that real time has passed.
    pub fn begin(wall: &Wall) -> Self {
        let (beat, over) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (beating, ends) = (Arc::clone(&beat), Arc::clone(&over));
        tokio::task::spawn_blocking(move || {
            while !ends.load(Ordering::Relaxed) {
                std::thread::sleep(BEAT);
                beating.notify_one();
            }
        });
        Self { wall: wall.clone(), beat, over, moved: Cell::new(std::time::Instant::now()) }
    }

    /// Lets whoever can go on do so, as long as a beat takes. The clock is never behind the real one: what takes its time
    /// takes it here too.
    pub async fn beat(&self) {
        self.beat.notified().await;
        let since = self.moved.replace(std::time::Instant::now());
        self.leap(since.elapsed()).await;
    }

    /// The same, and no clock goes on.
    pub async fn only_beat(&self) {
        self.beat.notified().await;
    }

    /// All clocks go on by so much at once.
    pub async fn leap(&self, by: Duration) {
        self.wall.goes_on(by);
        tokio::time::advance(by).await;
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
